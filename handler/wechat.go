package handler

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/wechat"
)

// callbackCodec verifies, reads and answers callbacks.
type callbackCodec interface {
	Echo(q wechat.Query) (string, error)
	Open(q wechat.Query, body []byte) (wechat.Call, error)
	Reply(dst []byte, call *wechat.Call, content model.Content) (body []byte, mediaType string, err error)
}

// callbackInbox runs the logic once for all tries of a message.
type callbackInbox interface {
	Do(ctx context.Context, in model.Inbound, run func(context.Context) (model.Content, error)) (model.Content, error)
}

// callbackLogic answers messages.
type callbackLogic interface {
	Handle(ctx context.Context, in model.Inbound) (model.Content, error)
}

// WeChatOptions have good defaults for every zero.
type WeChatOptions struct {
	Deadline time.Duration // from the request's begin to its answer; 4.5 s, for WeChat hangs up after 5 s
	LogEvery time.Duration // how often a refusal is logged, for each reason; 1 min
}

// WeChat is where WeChat calls us. A refused call is answered 4xx with an empty body,
// counted by its reason, and changes nothing.
type WeChat struct {
	codec    callbackCodec
	inbox    callbackInbox
	logic    callbackLogic
	log      *slog.Logger
	opts     WeChatOptions
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refusals map[string]*rate.Sometimes
}

// NewWeChat makes the handler of one account's callbacks. Handlers of several
// accounts may share a registry.
func NewWeChat(codec callbackCodec, inbox callbackInbox, logic callbackLogic, log *slog.Logger, reg prometheus.Registerer, opts WeChatOptions) (*WeChat, error) {
	opts.Deadline = cmp.Or(opts.Deadline, 4500*time.Millisecond)
	opts.LogEvery = cmp.Or(opts.LogEvery, time.Minute)
	h := &WeChat{codec: codec, inbox: inbox, logic: logic, log: log, opts: opts, refusals: map[string]*rate.Sometimes{}}
	for _, reason := range append([]*fault.Error{errBody}, wechat.Refusals...) {
		h.refusals[reason.Code] = &rate.Sometimes{Interval: opts.LogEvery}
	}
	h.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callbacks_total", Help: "Callbacks by type of message and outcome: answered, success, unavailable, panic, unsendable, echo, or why they were refused.",
	}, []string{"type", "outcome"})
	h.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "callback_seconds", Help: "How long verified callbacks took to answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 4, 4.5, 5},
	}, []string{"type"})
	var err error
	if h.calls, err = shared(reg, h.calls); err != nil {
		return nil, err
	}
	h.seconds, err = shared(reg, h.seconds)
	return h, err
}

// shared registers a collector, or returns the one that is there already.
func shared[C prometheus.Collector](reg prometheus.Registerer, collector C) (C, error) {
	err := reg.Register(collector)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if existing, ok := there.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	return collector, err
}

var errBody = fault.New(fault.Invalid, "callback.body", "回调内容不完整")

// The labels of calls that have no kind of their own.
const (
	typeNone  = "none"  // refused, or the console's GET
	typeOther = "other" // a kind that is not known
)

// Echo answers the console's GET, which proves that the address is ours.
func (h *WeChat) Echo(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			h.panicked(c, typeNone, p)
		}
	}()
	echo, err := h.codec.Echo(parseQuery(c.Request.URL.RawQuery))
	if err != nil {
		h.refuse(c, err)
		return
	}
	h.count(typeNone, "echo")
	c.Header("X-Content-Type-Options", "nosniff")
	c.String(http.StatusOK, "%s", echo)
}

// buffers hold a call's body and then its answer.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Callback answers a POST: verified, at most Deadline after it began, whatever the
// logic does.
func (h *WeChat) Callback(c *gin.Context) {
	begin := time.Now()
	kind := typeNone
	defer func() {
		if p := recover(); p != nil {
			h.panicked(c, kind, p)
		}
	}()
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	body, err := readBody(buffer, c.Request)
	if err != nil {
		h.refuse(c, err)
		return
	}
	call, err := h.codec.Open(parseQuery(c.Request.URL.RawQuery), body)
	if err != nil {
		h.refuse(c, err)
		return
	}
	if kind = string(call.Inbound.Kind); call.Inbound.ReceivedRaw {
		kind = typeOther
	}
	h.answer(c, buffer, &call, kind, begin)
	h.seconds.WithLabelValues(kind).Observe(time.Since(begin).Seconds())
}

// answer has the message answered and writes the answer.
func (h *WeChat) answer(c *gin.Context, buffer *bytes.Buffer, call *wechat.Call, kind string, begin time.Time) {
	ctx, cancel := context.WithDeadline(c.Request.Context(), begin.Add(h.opts.Deadline))
	defer cancel()
	content, err := h.inbox.Do(ctx, call.Inbound, func(ctx context.Context) (model.Content, error) {
		return h.logic.Handle(ctx, call.Inbound)
	})
	if err != nil {
		// Nothing was promised: WeChat is to try again.
		h.count(kind, "unavailable")
		h.log.WarnContext(ctx, "callback not answered", "kind", kind, "openid", call.Inbound.OpenID, "code", fault.Of(err).Code, "error", err)
		c.Status(http.StatusServiceUnavailable)
		return
	}
	outcome := "answered"
	if content.Kind == model.NoContent {
		outcome = "success"
	}
	buffer.Reset()
	body, mediaType, err := h.codec.Reply(buffer.AvailableBuffer(), call, content)
	if err != nil {
		outcome = "unsendable"
		h.log.ErrorContext(ctx, "reply cannot be sent", "kind", kind, "content", content.Kind, "code", fault.Of(err).Code)
		body, mediaType = []byte(success), plainText
	}
	h.count(kind, outcome)
	c.Header("Content-Length", strconv.Itoa(len(body))) // a long reply would be chunked otherwise
	c.Data(http.StatusOK, mediaType, body)
}

// success tells WeChat that there is nothing to say and no reason to try again.
const success = "success"

const plainText = "text/plain; charset=utf-8"

// refuse answers a call that is not to be believed.
func (h *WeChat) refuse(c *gin.Context, err error) {
	f := fault.Of(err)
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, wechat.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	case f.Kind == fault.Unauthenticated:
		status = http.StatusForbidden
	}
	h.count(typeNone, strings.TrimPrefix(f.Code, "callback."))
	if sometimes := h.refusals[f.Code]; sometimes != nil {
		sometimes.Do(func() {
			h.log.WarnContext(c.Request.Context(), "callback refused", "reason", f.Code, "from", c.ClientIP(), "bytes", c.Request.ContentLength)
		})
	}
	c.Status(status)
	c.Writer.WriteHeaderNow()
}

// panicked answers a panic with success: a retry would meet it again, and the user
// would read that the account is out of order.
func (h *WeChat) panicked(c *gin.Context, kind string, p any) {
	h.count(kind, "panic")
	h.log.ErrorContext(c.Request.Context(), "panic", "kind", kind, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if !c.Writer.Written() {
		c.Data(http.StatusOK, plainText, []byte(success))
	}
}

func (h *WeChat) count(kind, outcome string) { h.calls.WithLabelValues(kind, outcome).Inc() }

// usualBuffer has room for a usual call and its answer.
const usualBuffer = 4 << 10

// maxAway is how much of a body that is too large is read away: a connection that is
// closed with more to read is reset, and its sender may never see the answer.
const maxAway = 256 << 10

// readBody reads the whole body into buffer, MaxBody bytes at most.
func readBody(buffer *bytes.Buffer, r *http.Request) ([]byte, error) {
	if r.ContentLength > wechat.MaxBody {
		_, _ = io.CopyN(io.Discard, r.Body, maxAway) // it is refused either way
		return nil, wechat.ErrTooLarge
	}
	buffer.Reset()
	buffer.Grow(max(int(r.ContentLength)+bytes.MinRead, usualBuffer)) // else ReadFrom grows it again at the end
	if _, err := buffer.ReadFrom(io.LimitReader(r.Body, wechat.MaxBody+1)); err != nil {
		return nil, errBody.With(err)
	}
	if buffer.Len() > wechat.MaxBody {
		_, _ = io.CopyN(io.Discard, r.Body, maxAway)
		return nil, wechat.ErrTooLarge
	}
	return buffer.Bytes(), nil
}

// parseQuery picks what a callback needs out of the query, the first of each name,
// without making a map. What cannot be unescaped is left out, and so refused.
func parseQuery(raw string) (q wechat.Query) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		var to *string
		switch name {
		case "signature":
			to = &q.Signature
		case "msg_signature":
			to = &q.MsgSignature
		case "timestamp":
			to = &q.Timestamp
		case "nonce":
			to = &q.Nonce
		case "echostr":
			to = &q.Echo
		default:
			continue
		}
		if strings.ContainsAny(value, "%+") {
			unescaped, err := url.QueryUnescape(value)
			if err != nil {
				continue
			}
			value = unescaped
		}
		if *to == "" {
			*to = value
		}
	}
	return q
}
