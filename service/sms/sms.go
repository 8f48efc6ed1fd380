// Package sms sends text messages through the carrier's SMS gateway.
//
// Invariants:
//   - One request id sends at most one SMS: it goes along as requestId, by which the
//     gateway de-duplicates. Only therefore a try may be repeated, also after a
//     time-out whose outcome is unknown.
//   - Every try has a deadline, and there are at most maxTries.
//   - No error, log line or metric holds a number, a text or the token.
//
// The gateway speaks JSON over HTTP: POST {base}/messages with a bearer token and
// {"requestId","phone","text"}; 202 {"id"} when it took the message, also at a
// repeat, and the same id then. A gateway of another make needs an adapter of
// this one page.
//
// The package owns no table and no key.
package sms

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// What can go wrong. The texts may be shown to a subscriber.
var (
	// ErrUnavailable: the gateway did not take it, or nobody knows; the same request
	// may be sent again.
	ErrUnavailable = fault.New(fault.Unavailable, "sms.unavailable", "短信服务暂时不可用，请稍后再试")
	// ErrLimited: too many to this number or in all.
	ErrLimited = fault.New(fault.Limited, "sms.limited", "短信发送过于频繁，请稍后再试")
	// ErrRefused: the gateway will never take this message.
	ErrRefused = fault.New(fault.Invalid, "sms.refused", "短信无法发送到这个号码")
	// ErrConflict: this request id was used for another message.
	ErrConflict = fault.New(fault.Conflict, "sms.conflict", "短信请求编号重复")
	// ErrCredentials: the token is wrong; a person must act.
	ErrCredentials = fault.New(fault.Internal, "sms.credentials", "短信网关凭证有误，请核对 KMH_SMS_TOKEN")
)

const (
	// MaxText is the length, in characters, of a text: seven parts of a long SMS.
	MaxText = 469
	// maxTries is how often one message is offered while the gateway is unavailable.
	maxTries = 3
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
)

// Options have good defaults.
type Options struct {
	Timeout time.Duration // of one try; 1 s
	Backoff time.Duration // before the second try, doubled before the third; 100 ms

	Wrap func(http.RoundTripper) http.RoundTripper // around every call, for spans; nil: nothing
}

// Gateway is the SMS gateway. It is safe for concurrent use.
type Gateway struct {
	address string
	token   string
	now     model.Clock
	opts    Options
	http    *http.Client

	sends   *prometheus.CounterVec
	seconds prometheus.Histogram
}

// New returns the gateway at http(s)://host[/path], where token is the bearer's.
// Metrics: sms_sends_total{outcome}, sms_send_seconds.
func New(address, token string, now model.Clock, reg prometheus.Registerer, opts Options) (*Gateway, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("sms.base_url must be http(s)://host[:port][/path] without a query")
	}
	opts.Timeout = cmp.Or(opts.Timeout, time.Second)
	opts.Backoff = cmp.Or(opts.Backoff, 100*time.Millisecond)
	g := &Gateway{
		address: strings.TrimRight(u.String(), "/") + "/messages", token: token, now: now, opts: opts,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: opts.Timeout,
				MaxIdleConnsPerHost: 16, MaxConnsPerHost: 64, IdleConnTimeout: time.Minute,
			},
			// A redirect would carry the number elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		sends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sms_sends_total", Help: "Text messages offered to the gateway by what came of them.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sms_send_seconds", Help: "How long the gateway took, all tries together.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2, 4},
		}),
	}
	if opts.Wrap != nil {
		g.http.Transport = opts.Wrap(g.http.Transport)
	}
	for _, metric := range []prometheus.Collector{g.sends, g.seconds} {
		if err := reg.Register(metric); err != nil {
			return nil, fmt.Errorf("sms metrics: %w", err)
		}
	}
	return g, nil
}

// SendSMS has the gateway take the text (1 to MaxText characters) for the number.
// The same request sends it once, however often it is made.
// Errors: ErrUnavailable, ErrLimited, ErrRefused, ErrConflict, ErrCredentials.
func (g *Gateway) SendSMS(ctx context.Context, to model.Phone, text string, request model.RequestID) error {
	started := g.now()
	err := g.send(ctx, to, text, request)
	g.seconds.Observe(g.now().Sub(started).Seconds())
	g.sends.WithLabelValues(outcome(err)).Inc()
	if err != nil {
		return fmt.Errorf("send sms: %w", err)
	}
	return nil
}

func (g *Gateway) send(ctx context.Context, to model.Phone, text string, request model.RequestID) error {
	if n := utf8.RuneCountInString(text); to.IsZero() || n == 0 || n > MaxText || !utf8.ValidString(text) || !request.Valid() {
		return ErrRefused.With(fmt.Errorf("text of %d characters, request id of %d bytes, number given: %v", n, len(request), !to.IsZero()))
	}
	body, err := json.Marshal(struct {
		Request model.RequestID `json:"requestId"`
		Phone   string          `json:"phone"`
		Text    string          `json:"text"`
	}{request, to.Digits(), text})
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := g.offer(ctx, body)
		if !errors.Is(err, ErrUnavailable) || try == maxTries || !pause(ctx, g.opts.Backoff<<(try-1)) {
			return err
		}
	}
}

// pause waits for d and up to half of it more; false when ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// offer is one try. Of the gateway's answer only the status goes into an error,
// for its text may repeat the number.
func (g *Gateway) offer(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, g.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+g.token)
	resp, err := g.http.Do(req)
	if err != nil {
		var ofURL *url.Error
		if errors.As(err, &ofURL) {
			err = ofURL.Err
		}
		return ErrUnavailable.With(err)
	}
	defer func() { _ = resp.Body.Close() }()
	status := fmt.Errorf("HTTP status %d", resp.StatusCode)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return ErrLimited.With(status)
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return ErrCredentials.With(status)
	case resp.StatusCode == http.StatusConflict:
		return ErrConflict.With(status)
	case resp.StatusCode == http.StatusBadRequest, resp.StatusCode == http.StatusUnprocessableEntity:
		return ErrRefused.With(status)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return ErrUnavailable.With(status)
	}
	var answer struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil || answer.ID == "" {
		return ErrUnavailable.With(errors.New("answer without an id"))
	}
	return nil
}

// outcome is the metric's label: the fault's code without its domain.
func outcome(err error) string {
	if err == nil {
		return "accepted"
	}
	return strings.TrimPrefix(fault.Of(err).Code, "sms.")
}
