package wechat

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/silenceper/wechat/v2/miniprogram/auth"

	"kaimenhong/model"
)

// Account is one app at WeChat: what the platform's console shows under
// 开发者ID(AppID) and 开发者密码(AppSecret). It prints without the secret.
type Account struct {
	AppID  string
	Secret string
}

// String is the AppID.
func (a Account) String() string { return a.AppID }

// GoString is the AppID.
func (a Account) GoString() string { return a.AppID }

// LogValue is the AppID.
func (a Account) LogValue() slog.Value { return slog.StringValue(a.AppID) }

// Options are what has a good default.
type Options struct {
	BaseURL       string        // https://api.weixin.qq.com; may have a path
	Timeout       time.Duration // of one request; 5 s
	UploadTimeout time.Duration // of one request with a file; 30 s
	TokenWait     time.Duration // for a token when there is none; 4 s
	TokenPoll     time.Duration // between looks for another replica's token; 50 ms
	Backoff       time.Duration // before the first repeat after errcode -1; 200 ms, then twice that
	BreakerOpen   time.Duration // how long an open circuit breaker refuses; 5 s

	Wrap func(http.RoundTripper) http.RoundTripper // around every call, for spans; nil: nothing
}

// busyRetries is how often a call is repeated after errcode -1.
const busyRetries = 2

// Client calls WeChat for the official account and the mini-program. Every call
// has a deadline, is counted, and fails with one of this package's faults, whose
// text holds no secret. It is safe for concurrent use.
type Client struct {
	opts      Options
	transport *transport
	official  Account
	mini      Account
	tokens    map[model.App]*tokens
	auth      *auth.Auth // the SDK's sign-in, nil without a mini-program
	secrets   []string
	now       model.Clock

	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// NewClient returns a client for the two apps; either may be left empty. Tokens
// are shared with the other replicas through rdb. Metrics:
// wechat_calls_total{call,outcome}, wechat_call_seconds{call},
// wechat_tokens_total{app,result}, wechat_circuit_open.
func NewClient(official, mini Account, rdb redis.UniversalClient, now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) (*Client, error) {
	opts.BaseURL = cmp.Or(opts.BaseURL, "https://"+apiHost)
	opts.Timeout = cmp.Or(opts.Timeout, 5*time.Second)
	opts.UploadTimeout = cmp.Or(opts.UploadTimeout, 30*time.Second)
	opts.TokenWait = cmp.Or(opts.TokenWait, 4*time.Second)
	opts.TokenPoll = cmp.Or(opts.TokenPoll, 50*time.Millisecond)
	opts.Backoff = cmp.Or(opts.Backoff, 200*time.Millisecond)
	opts.BreakerOpen = cmp.Or(opts.BreakerOpen, 5*time.Second)
	c := &Client{
		opts: opts, official: official, mini: mini, now: now, tokens: map[model.App]*tokens{},
		secrets: []string{official.Secret, mini.Secret},
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "wechat_calls_total", Help: "Calls of WeChat's API by what came of them.",
		}, []string{"call", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "wechat_call_seconds", Help: "How long WeChat's API took.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"call"}),
	}
	tokenCount := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "wechat_tokens_total", Help: "What happened to access tokens.",
	}, []string{"app", "result"})
	open := prometheus.NewGauge(prometheus.GaugeOpts{Name: "wechat_circuit_open", Help: "1 while calls of WeChat's API are held back."})
	for _, metric := range []prometheus.Collector{c.calls, c.seconds, tokenCount, open} {
		if err := reg.Register(metric); err != nil {
			return nil, fmt.Errorf("wechat metrics: %w", err)
		}
	}
	var err error
	c.transport, err = newTransport(opts.BaseURL, opts.BreakerOpen, func(isOpen bool) {
		open.Set(map[bool]float64{true: 1}[isOpen])
		log.Warn("wechat circuit breaker changed", "open", isOpen)
	})
	if err != nil {
		return nil, err
	}
	if opts.Wrap != nil {
		c.transport.next = opts.Wrap(c.transport.next)
	}
	for app, account := range map[model.App]Account{model.OfficialAccount: official, model.MiniProgram: mini} {
		if account.AppID == "" {
			continue
		}
		c.tokens[app] = &tokens{
			app: app, store: tokenStore{rdb, account.AppID}, fetch: c.stableToken(account),
			now: now, log: log, wait: opts.TokenWait, poll: opts.TokenPoll, count: tokenCount,
		}
	}
	c.buildSDK()
	return c, nil
}

// request is one call of WeChat's API.
type request struct {
	name   string // metric label: a constant
	app    model.App
	method string // POST when empty
	path   string // with a leading slash
	query  url.Values
	body   any           // sent as JSON; nil for none
	file   *file         // sent as a form instead of body
	sends  bool          // not to be repeated when its outcome is unknown
	limit  time.Duration // opts.Timeout when 0
}

// answer is what every JSON answer may hold.
type answer struct {
	Code int64  `json:"errcode"`
	Text string `json:"errmsg"`
	// MassID comes with a mass message, also when its request id is refused as known.
	MassID scalar `json:"msg_id"`
}

// scalar is an id or a number of an answer: WeChat writes the same one now as a
// number, now as a text, now as an empty text. It is kept as it stands, for it may
// be larger than a float holds.
type scalar string

// maxScalar bounds one; real ids have at most 20 digits.
const maxScalar = 64

// UnmarshalJSON reads either form; null is "".
func (s *scalar) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	switch raw[0] {
	case '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	case '{', '[', 't', 'f':
		return errNotUnderstood
	case 'n':
		text = ""
	}
	if len(text) > maxScalar {
		return errNotUnderstood
	}
	*s = scalar(text)
	return nil
}

// value is 0 when it is no number.
func (s scalar) value() int64 {
	v, err := strconv.ParseInt(string(s), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// call performs r with the app's token and reads the answer into out: a pointer
// to a struct for JSON, to []byte for a picture, or nil.
func (c *Client) call(ctx context.Context, r request, out any) error {
	return c.withToken(ctx, r.app, r.name, r.sends, r.limit, func(ctx context.Context, token string) error {
		query := url.Values{"access_token": {token}}
		for name, values := range r.query {
			query[name] = values
		}
		return c.exchange(ctx, r, query, out)
	})
}

// withToken runs do with a token, once more with a new one when the token was
// refused, and a little later when WeChat was busy. Those are definite answers:
// nothing was done. After an unknown outcome it never repeats.
func (c *Client) withToken(ctx context.Context, app model.App, name string, sends bool, limit time.Duration, do func(ctx context.Context, token string) error) error {
	provider := c.tokens[app]
	if provider == nil {
		return ErrNotConfigured
	}
	renewed := false
	return c.repeatBusy(ctx, func() error {
		for {
			token, err := provider.Token(ctx)
			if err != nil {
				return fmt.Errorf("wechat %s: %w", name, err)
			}
			err = c.attempt(ctx, name, token, sends, limit, func(ctx context.Context) error { return do(ctx, token) })
			if !errors.Is(err, ErrToken) || renewed || !provider.Refused(ctx, token) {
				return err
			}
			renewed = true
		}
	})
}

// repeatBusy runs do again, a little later each time, while WeChat answers that
// it is busy.
func (c *Client) repeatBusy(ctx context.Context, do func() error) error {
	for tries := 0; ; tries++ {
		err := do()
		if !isErrcode(err, codeBusy) || tries == busyRetries || !pause(ctx, c.opts.Backoff<<tries) {
			return err
		}
	}
}

func isErrcode(err error, code int64) bool {
	var refused *errcode
	return errors.As(err, &refused) && refused.code == code
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

// attempt runs one request within its time, counts it, and classifies its error.
func (c *Client) attempt(ctx context.Context, name, token string, sends bool, limit time.Duration, do func(context.Context) error) error {
	t := &trip{via: c.transport, limit: cmp.Or(limit, c.opts.Timeout), token: token}
	started := c.now()
	err := do(context.WithValue(ctx, tripKey{}, t))
	err = c.classify(err, sends && t.wrote.Load(), token)
	c.seconds.WithLabelValues(name).Observe(c.now().Sub(started).Seconds())
	c.calls.WithLabelValues(name, outcome(err)).Inc()
	if err != nil {
		return fmt.Errorf("wechat %s: %w", name, err)
	}
	return nil
}

// exchange sends one request within a trip and reads its answer.
func (c *Client) exchange(ctx context.Context, r request, query url.Values, out any) error {
	body, contentType, err := r.encode()
	if err != nil {
		return ErrBadData.With(err)
	}
	target := url.URL{Scheme: "https", Host: apiHost, Path: r.path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodPost), target.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body) // bounded by the transport
	if err != nil {
		return err
	}
	return decode(raw, resp.Header.Get("Content-Type"), out)
}

// encode returns the body and its type. JSON goes out as it is: WeChat shows
// \u0026 to the user instead of &.
func (r request) encode() ([]byte, string, error) {
	switch {
	case r.file != nil:
		return r.file.form()
	case r.body == nil:
		return nil, "", nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r.body); err != nil {
		return nil, "", err
	}
	return b.Bytes(), "application/json; charset=utf-8", nil
}

// decode reads an answer. errcode comes first, whatever the content type says:
// calls that answer with a picture report their errors as JSON.
func decode(raw []byte, contentType string, out any) error {
	picture, wantsPicture := out.(*[]byte)
	if wantsPicture && !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		if !strings.HasPrefix(contentType, "image/") || len(raw) == 0 {
			return errNotUnderstood
		}
		*picture = raw
		return nil
	}
	var head answer
	if err := json.Unmarshal(raw, &head); err != nil {
		return errNotUnderstood
	}
	if head.Code != 0 {
		return &errcode{code: head.Code, text: head.Text, massID: string(head.MassID)}
	}
	if wantsPicture {
		return errNotUnderstood
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return errNotUnderstood
	}
	return nil
}

// stableToken asks for an access_token that all replicas share:
// developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html.
func (c *Client) stableToken(account Account) fetchToken {
	return func(ctx context.Context, force bool) (string, time.Duration, error) {
		r := request{
			path: "/cgi-bin/stable_token",
			body: map[string]any{"grant_type": "client_credential", "appid": account.AppID, "secret": account.Secret, "force_refresh": force},
		}
		var out struct {
			Token string `json:"access_token"`
			Life  int64  `json:"expires_in"` // seconds
		}
		err := c.attempt(ctx, "stable_token", "", false, c.opts.TokenWait/2, func(ctx context.Context) error {
			return c.exchange(ctx, r, nil, &out)
		})
		if errors.Is(err, ErrToken) { // here 40001 is about the AppSecret
			err = ErrCredentials.With(errors.Unwrap(err))
		}
		return out.Token, time.Duration(min(out.Life, int64(maxTokenLife/time.Second))) * time.Second, err
	}
}
