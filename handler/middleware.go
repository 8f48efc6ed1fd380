package handler

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// headerRequestID carries a request's name in and out.
const headerRequestID = "X-Request-Id"

// maxRequestID bounds a caller's own request id; a longer one is replaced.
const maxRequestID = model.MaxRequestID

// name gives each request an id, its caller's if that is sound.
func name(c *gin.Context) {
	id := model.RequestID(c.GetHeader(headerRequestID))
	if !id.Valid() || len(id) > maxRequestID {
		id = model.RequestID(rand.Text())
	}
	c.Request = c.Request.WithContext(model.WithRequest(c.Request.Context(), id))
	c.Header(headerRequestID, string(id))
}

func requestID(c *gin.Context) string { return string(model.RequestOf(c.Request.Context())) }

var errPanic = fault.New(fault.Internal, "internal.panic", "系统开小差了，请稍后再试")

// recovered answers a panic as any other error of ours; the process lives on.
func recovered(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				log.ErrorContext(c.Request.Context(), "panic", "route", c.FullPath(), "stack", string(debug.Stack()))
				fail(c, log, errPanic.With(fmt.Errorf("%v", p)))
			}
		}()
		c.Next()
	}
}

// observed counts and times requests by route, so that the labels are bounded:
// what meets no route is one label.
func observed(reg prometheus.Registerer, log *slog.Logger) gin.HandlerFunc {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_seconds", Help: "How long requests took, by method, route and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"method", "route", "status"})
	reg.MustRegister(seconds)
	return func(c *gin.Context) {
		begin := time.Now()
		c.Next()
		route, took := c.FullPath(), time.Since(begin)
		if route == "" {
			route = "none"
		}
		seconds.WithLabelValues(method(c.Request.Method), route, strconv.Itoa(c.Writer.Status())).Observe(took.Seconds())
		log.DebugContext(c.Request.Context(), "request", "method", method(c.Request.Method), "route", route, "status", c.Writer.Status(), "took", took)
	}
}

// traced makes a span of each request, named by its route.
func traced(tracer trace.Tracer) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, span := tracer.Start(c.Request.Context(), method(c.Request.Method)+" "+cmp.Or(c.FullPath(), "none"), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
		span.SetAttributes(attribute.String("http.request.method", method(c.Request.Method)), attribute.String("http.route", c.FullPath()),
			attribute.Int("http.response.status_code", c.Writer.Status()), attribute.String("request.id", requestID(c)))
		if c.Writer.Status() >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
}

// method bounds the label: a caller may send any word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return m
	}
	return "other"
}
