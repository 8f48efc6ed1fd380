package app

import (
	"context"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"kaimenhong/config"
)

// tracing sends spans to a collector. The zero value is tracing that is off, and
// costs nothing: nothing is wrapped. No span holds a person, a secret, a query or a
// body.
type tracing struct {
	tracer trace.Tracer
	flush  func(ctx context.Context) error
}

// tracerName is the name of the service and of its instrumentation.
const tracerName = "kaimenhong"

func newTracing(cfg config.Trace, log *slog.Logger) tracing {
	if cfg.Endpoint == "" {
		return tracing{}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans not sent", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(&collector{endpoint: cfg.Endpoint}),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", tracerName))))
	return tracing{tracer: provider.Tracer(tracerName), flush: provider.Shutdown}
}

// outgoing makes what wraps a client's transport; nil when tracing is off. path
// tells that the client's paths name no person.
func (t tracing) outgoing(peer string, path bool) func(http.RoundTripper) http.RoundTripper {
	if t.tracer == nil {
		return nil
	}
	return func(next http.RoundTripper) http.RoundTripper { return spans{next, t.tracer, peer, path} }
}

// spans makes a span of each call that belongs to a traced request.
type spans struct {
	next   http.RoundTripper
	tracer trace.Tracer
	peer   string
	path   bool
}

// RoundTrip implements http.RoundTripper.
func (s spans) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanFromContext(r.Context()).IsRecording() {
		return s.next.RoundTrip(r)
	}
	ctx, span := s.tracer.Start(r.Context(), s.peer+" "+r.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("peer.service", s.peer), attribute.String("http.request.method", r.Method)))
	defer span.End()
	if s.path {
		span.SetAttributes(attribute.String("url.path", r.URL.Path))
	}
	answer, err := s.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, "no answer")
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.StatusCode))
	return answer, nil
}
