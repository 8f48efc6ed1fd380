// Package carrier is the client of the carrier's TM Forum Open APIs (v4): it reads
// customers (629), balances (654), usage (677), products (637) and bills (678), and
// orders packs (622) and top-ups (654).
//
// Invariants: a phone number is sent in a body only, never in a URL, and no URL is
// logged. Every call has a deadline, every answer a bound in size, every list in
// length. Money becomes fen and allowances become bytes, seconds and messages by
// integer arithmetic; an answer that does not fit exactly, names another number or
// another currency is refused, never guessed. A change that may have happened is
// told from one that did not: ErrUnknownOutcome. docs/carrier.md says which field
// of the standard is read as what.
//
// It holds no table and no key. In memory it remembers for a minute which account
// a number belongs to.
package carrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// The faults of the carrier's side.
var (
	// ErrUnavailable: the carrier did not answer, or not with sense. Nothing was changed.
	ErrUnavailable = fault.New(fault.Unavailable, "carrier.unavailable", "运营商系统暂时没有回应，请稍后再试")
	// ErrBusy: the carrier asks for patience (429). Nothing was changed.
	ErrBusy = fault.New(fault.Unavailable, "carrier.busy", "运营商系统繁忙，请稍后再试")
	// ErrBadAnswer: the answer is no JSON, too large, or means nothing that is safe to show.
	ErrBadAnswer = fault.New(fault.Unavailable, "carrier.bad_answer", "运营商系统暂时无法查询，请稍后再试")
	// ErrNoSubscriber: the carrier does not know the number.
	ErrNoSubscriber = fault.New(fault.NotFound, "carrier.no_subscriber", "没有查到这个号码，请确认是本网用户")
	// ErrDenied: the carrier refuses our credentials: ours to mend.
	ErrDenied = fault.New(fault.Internal, "carrier.denied", "系统开小差了，请稍后再试")
	// ErrRefused: the carrier will never do this. Nothing was changed.
	ErrRefused = fault.New(fault.Conflict, "carrier.refused", "运营商未受理这笔办理")
	// ErrReused: this request id was used for something else.
	ErrReused = fault.New(fault.Conflict, "carrier.request_reused", "请求编号已被使用")
	// ErrInvalid: the order itself is wrong (amount, id); nothing was sent.
	ErrInvalid = fault.New(fault.Invalid, "carrier.invalid_order", "办理内容有误")
	// ErrUnknownOutcome: a change was sent and its answer was lost. It may have
	// happened, or happen later: ask State with the same request id before anything.
	ErrUnknownOutcome = fault.New(fault.Unavailable, "carrier.unknown_outcome", "办理结果确认中，请稍后查看")
	// ErrNoOrder: the carrier knows no order of this request id, now.
	ErrNoOrder = fault.New(fault.NotFound, "carrier.no_order", "没有查到这笔办理")
)

// Options say where the carrier is and how patient the client is.
type Options struct {
	BaseURL string // https://host/prefix, before /tmf-api/…; needed
	Token   string // bearer token; never logged

	Deadline time.Duration // of one call with its retries; default 2 s
	Attempt  time.Duration // of one try of a read; default 1.2 s
	Tries    int           // of a read, at most; default 3
	Backoff  time.Duration // before the first retry, doubled, ± half; default 50 ms

	MaxBody   int64         // bytes of an answer; default 1 MiB
	Trip      uint32        // failures in a row that open the breaker of an API; default 5
	OpenFor   time.Duration // how long it stays open; default 5 s
	Transport http.RoundTripper
	Wrap      func(http.RoundTripper) http.RoundTripper // around every call, for spans; nil: nothing
}

// The limits of what is read out of an answer.
const (
	maxBuckets  = 200
	maxProducts = 200
	maxBills    = 6
	maxRates    = 100 // a page; at most maxRatePages of them
	maxNameSize = 256 // bytes of a name or detail; longer ones are cut
	identityAge = time.Minute
	identities  = 10_000
)

// Client speaks to one carrier. It may be used by many at once. Make one with New.
type Client struct {
	base     string
	opts     Options
	http     *http.Client
	now      model.Clock
	log      *slog.Logger
	breakers map[api]*gobreaker.CircuitBreaker[*answer]
	ids      *otter.Cache[model.Phone, identity]
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	open     *prometheus.GaugeVec
}

// api is the part of the carrier that fails as one: each has its own breaker.
type api string

const (
	customerAPI api = "customer" // 629
	balanceAPI  api = "balance"  // 654, reads
	usageAPI    api = "usage"    // 677
	productAPI  api = "product"  // 637
	billAPI     api = "bill"     // 678
	orderAPI    api = "order"    // 622
	topUpAPI    api = "topup"    // 654, writes
)

// New checks the options and returns a client. It does not call the carrier.
func New(now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) (*Client, error) {
	u, err := url.Parse(opts.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("the carrier's base URL must be http(s)://host/prefix")
	}
	opts.Deadline = cmp.Or(opts.Deadline, 2*time.Second)
	opts.Attempt = cmp.Or(opts.Attempt, 1200*time.Millisecond)
	opts.Tries = cmp.Or(opts.Tries, 3)
	opts.Backoff = cmp.Or(opts.Backoff, 50*time.Millisecond)
	opts.MaxBody = cmp.Or(opts.MaxBody, 1<<20)
	opts.Trip = cmp.Or(opts.Trip, 5)
	opts.OpenFor = cmp.Or(opts.OpenFor, 5*time.Second)
	if opts.Transport == nil {
		opts.Transport = transport()
	}
	if opts.Wrap != nil {
		opts.Transport = opts.Wrap(opts.Transport)
	}
	c := &Client{
		base: strings.TrimSuffix(opts.BaseURL, "/") + "/tmf-api", opts: opts, now: now, log: log,
		http: &http.Client{Transport: opts.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carrier_calls_total", Help: "HTTP calls to the carrier by call and outcome.",
		}, []string{"call", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "carrier_call_seconds", Help: "Duration of an HTTP call to the carrier.", Buckets: []float64{.01, .03, .1, .3, 1, 2, 4},
		}, []string{"call"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "carrier_breaker_open", Help: "1 while calls to this API of the carrier are held back.",
		}, []string{"api"}),
	}
	if c.ids, err = otter.New(&otter.Options[model.Phone, identity]{MaximumSize: identities}); err != nil {
		return nil, fmt.Errorf("make the carrier client: %w", err)
	}
	for _, m := range []prometheus.Collector{c.calls, c.seconds, c.open} {
		if err := reg.Register(m); err != nil {
			return nil, fmt.Errorf("make the carrier client: %w", err)
		}
	}
	c.breakers = map[api]*gobreaker.CircuitBreaker[*answer]{}
	for _, a := range []api{customerAPI, balanceAPI, usageAPI, productAPI, billAPI, orderAPI, topUpAPI} {
		c.breakers[a] = c.breaker(a)
	}
	return c, nil
}

// transport keeps enough connections for a festival and bounds every phase of one.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	t.MaxConnsPerHost = 256
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

func (c *Client) breaker(a api) *gobreaker.CircuitBreaker[*answer] {
	gauge := c.open.WithLabelValues(string(a))
	return gobreaker.NewCircuitBreaker[*answer](gobreaker.Settings{
		Name: string(a), MaxRequests: 2, Interval: 30 * time.Second, Timeout: c.opts.OpenFor,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			return n.ConsecutiveFailures >= c.opts.Trip || n.Requests >= 20 && n.TotalFailures*2 >= n.Requests
		},
		// Only what says that the carrier is ill counts; a caller that left says nothing.
		IsSuccessful: func(err error) bool { return err == nil || fault.KindOf(err) != fault.Unavailable },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(name string, _, to gobreaker.State) {
			value := 0.0
			if to != gobreaker.StateClosed {
				value = 1
			}
			gauge.Set(value)
			c.log.Warn("carrier breaker changed", "api", name, "state", to.String())
		},
	})
}
