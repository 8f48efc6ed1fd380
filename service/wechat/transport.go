package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/silenceper/wechat/v2/util"
	"github.com/sony/gobreaker/v2"
)

// apiHost is where every call of this client and of the SDK goes; the transport
// turns it into the configured address.
const apiHost = "api.weixin.qq.com"

// maxAnswer bounds an answer's body, after decompression: the largest real ones
// are mini-program codes and template lists, well below 1 MiB.
const maxAnswer = 4 << 20

var (
	errTooLarge      = fmt.Errorf("answer is larger than %d bytes", maxAnswer)
	errNotUnderstood = errors.New("answer is not the JSON that was expected")
	errHost          = errors.New("request to a host that is not WeChat's API")
	errNoTrip        = errors.New("call of the WeChat SDK outside of Client")
)

// trip travels in the context of one request, through the SDK as well.
type trip struct {
	via   *transport
	limit time.Duration
	wrote atomic.Bool // the request's head is out: WeChat may have acted on it
	token string
}

type tripKey struct{}

func tripOf(ctx context.Context) *trip {
	t, _ := ctx.Value(tripKey{}).(*trip)
	return t
}

// transport sends a request for api.weixin.qq.com to the configured address,
// within the trip's time and behind a circuit breaker. It hands out a body that
// is already read and bounded; anything but 200 is an error. Its errors name no
// URL.
type transport struct {
	address *url.URL
	next    http.RoundTripper
	breaker *gobreaker.CircuitBreaker[*http.Response]
}

// The circuit breaker opens after breakerRow failures in a row, or when half of
// at least breakerMin requests within breakerWindow failed.
const (
	breakerRow    = 8
	breakerMin    = 20
	breakerWindow = 10 * time.Second
	breakerProbes = 2
)

// newTransport returns a transport to the address, http(s)://host[/prefix]. After
// opening, the breaker lets nothing pass for open; changed hears of each change.
func newTransport(address string, open time.Duration, changed func(isOpen bool)) (*transport, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("wechat.base_url must be http(s)://host[:port][/path] without a query")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	t := &transport{address: u, next: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   3 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   256,
		MaxConnsPerHost:       512,
		IdleConnTimeout:       60 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
	t.breaker = gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
		Name: u.Host, MaxRequests: breakerProbes, Interval: breakerWindow, Timeout: open,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			return n.ConsecutiveFailures >= breakerRow || n.Requests >= breakerMin && n.TotalFailures*2 >= n.Requests
		},
		IsSuccessful: func(err error) bool {
			var status badStatus
			return err == nil || errors.As(err, &status) && status < 500 || errors.Is(err, errTooLarge)
		},
		// A caller who gave up says nothing about WeChat's health.
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, _, to gobreaker.State) { changed(to == gobreaker.StateOpen) },
	})
	return t, nil
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	trip := tripOf(r.Context())
	if trip == nil || r.URL.Host != apiHost {
		closeBody(r)
		return nil, errHost
	}
	answer, err := t.breaker.Execute(func() (*http.Response, error) { return t.send(r, trip) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		closeBody(r)
	}
	return answer, err
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

func (t *transport) send(r *http.Request, trip *trip) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), trip.limit)
	defer cancel() // the body is read below, so nothing is cut short
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { trip.wrote.Store(true) }})
	out, target := r.WithContext(ctx), *r.URL // r itself must stay as it is
	target.Scheme, target.Host = t.address.Scheme, t.address.Host
	target.Path, target.RawPath = t.address.Path+r.URL.Path, ""
	out.URL, out.Host = &target, target.Host
	answer, err := t.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, badStatus(answer.StatusCode)
	}
	if answer.ContentLength > maxAnswer {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, errTooLarge
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// ofTrip is what the SDK sends through: the transport of the trip that its
// context carries. An SDK call without one, which would have neither deadline
// nor bound, is refused.
type ofTrip struct{}

// RoundTrip implements http.RoundTripper.
func (ofTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	trip := tripOf(r.Context())
	if trip == nil {
		closeBody(r)
		return nil, errNoTrip
	}
	return trip.via.RoundTrip(r)
}

// httpClient sends for this package and for the SDK; it follows no redirect, for the
// token stands in the URL.
var httpClient = &http.Client{
	Transport:     ofTrip{},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// installSDK replaces the SDK's process-global HTTP client, which has no time-out
// and would use the real host. It is the only place that touches it, and what it
// installs holds no state: each request finds its transport in its context.
var installSDK = sync.OnceFunc(func() { util.DefaultHTTPClient = httpClient })
