package carrier

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/sony/gobreaker/v2"
)

// call is one request to the carrier.
type call struct {
	api    api
	name   string // in metrics and errors: the resource
	method string
	path   string // after /tmf-api, escaped
	query  url.Values
	body   any
	key    string // Idempotency-Key of a change; a read has none
}

// answer is what a call brought, whole.
type answer struct {
	status int
	body   []byte
	at     time.Time // the carrier's instant, or ours when it told none
	total  string    // X-Total-Count
}

// get makes a call that changes nothing and reads its answer into a fresh T.
func get[T any](ctx context.Context, c *Client, k call) (T, *answer, error) {
	var out T
	a, err := c.read(ctx, k, func(a *answer) error {
		var fresh T // a try that failed half-way leaves nothing behind
		if err := decode(a.body, &fresh); err != nil {
			return err
		}
		out = fresh
		return nil
	})
	return out, a, err
}

// read tries a call that changes nothing again, with the same request id, until the
// deadline or the number of tries is reached.
func (c *Client) read(ctx context.Context, k call, parse func(*answer) error) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Deadline)
	defer cancel()
	id := rand.Text()
	for try := 1; ; try++ {
		a, err := c.once(ctx, k, id, c.opts.Attempt, parse)
		if err == nil {
			return a, nil
		}
		if try >= c.opts.Tries || !again(err) || pause(ctx, c.opts.Backoff<<(try-1)) != nil {
			return nil, fmt.Errorf("carrier %s: %w", k.name, err)
		}
	}
}

// again tells whether another try can help: not while the breaker holds calls
// back, and not when the carrier asked for patience.
func again(err error) bool {
	return (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrBadAnswer)) && !errors.Is(err, gobreaker.ErrOpenState)
}

// pause waits d ± half of it, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + mrand.N(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// once makes one try through the API's breaker.
func (c *Client) once(ctx context.Context, k call, id string, limit time.Duration, parse func(*answer) error) (*answer, error) {
	a, err := c.breakers[k.api].Execute(func() (*answer, error) {
		begun := time.Now()
		tried, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		a, err := c.send(tried, k, id)
		if err == nil {
			err = parse(a)
		}
		c.seconds.WithLabelValues(k.name).Observe(time.Since(begun).Seconds())
		c.calls.WithLabelValues(k.name, outcome(err)).Inc()
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			err = errors.Join(err, context.Canceled)
		}
		return a, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		c.calls.WithLabelValues(k.name, "held_back").Inc()
		return nil, ErrUnavailable.With(notSent{err})
	}
	return a, err
}

// notSent marks a failure before anything could reach the carrier.
type notSent struct{ err error }

func (n notSent) Error() string { return "not sent: " + n.err.Error() }
func (n notSent) Unwrap() error { return n.err }

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrBadAnswer):
		return "bad_answer"
	case errors.Is(err, ErrNoSubscriber):
		return "not_found"
	case errors.Is(err, ErrDenied):
		return "denied"
	case errors.Is(err, ErrRefused), errors.Is(err, ErrReused):
		return "refused"
	}
	return "failed"
}

// send makes the HTTP request. Its errors never hold the URL.
func (c *Client) send(ctx context.Context, k call, id string) (*answer, error) {
	target := c.base + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	var body io.Reader
	if k.body != nil {
		raw, err := json.Marshal(k.body)
		if err != nil {
			return nil, ErrInvalid.With(err)
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, k.method, target, body)
	if err != nil {
		return nil, ErrInvalid.With(errors.New("the request cannot be made"))
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.opts.Token)
	r.Header.Set("X-Request-Id", id)
	if body != nil {
		r.Header.Set("Content-Type", "application/json;charset=utf-8")
	}
	if k.key != "" {
		r.Header.Set("Idempotency-Key", k.key)
		// net/http repeats a request with this header by itself when a connection
		// breaks; without GetBody it cannot. A change is asked about before it is
		// repeated, and the caller decides.
		r.GetBody = nil
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, ErrUnavailable.With(bare(err))
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxBody+1))
	switch {
	case err != nil:
		return nil, ErrUnavailable.With(bare(err))
	case int64(len(raw)) > c.opts.MaxBody:
		return nil, ErrBadAnswer.With(fmt.Errorf("more than %d bytes", c.opts.MaxBody))
	}
	a := &answer{status: res.StatusCode, body: raw, at: c.instant(res.Header.Get("Date")), total: res.Header.Get("X-Total-Count")}
	return a, refusal(a)
}

// instant is when the carrier answered: its Date, but never later than our now, so
// that a clock which runs ahead does not make a number look fresher than it is.
func (c *Client) instant(date string) time.Time {
	now := c.now()
	if at, err := http.ParseTime(date); err == nil && at.Before(now) {
		return at
	}
	return now
}

// bare strips the URL that net/http puts into its errors and tells a connection
// that was never made.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return notSent{err}
	}
	return err
}

// tmfError is TM Forum's Error. Its reason goes to the log, shortened.
type tmfError struct {
	Code   json.RawMessage `json:"code"`
	Reason string          `json:"reason"`
}

func refusal(a *answer) error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	var said tmfError
	readable := json.Unmarshal(a.body, &said) == nil && len(said.Code) > 0
	why := fmt.Errorf("status %d, code %s: %s", a.status, quiet(string(said.Code), 32), quiet(said.Reason, 128))
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrDenied.With(why)
	case http.StatusNotFound:
		if !readable { // a proxy's page or a wrong base URL, not the carrier's word
			return ErrBadAnswer.With(why)
		}
		return ErrNoSubscriber.With(why)
	case http.StatusConflict:
		return ErrReused.With(why)
	case http.StatusTooManyRequests:
		return ErrBusy.With(why)
	case http.StatusRequestTimeout:
		return ErrUnavailable.With(why)
	}
	if a.status >= 400 && a.status < 500 {
		return ErrRefused.With(why)
	}
	return ErrUnavailable.With(why)
}

// quiet shortens what the carrier said for the log and blots out its digits beyond
// six in a row, which may be somebody's number.
func quiet(s string, n int) string { return number.ReplaceAllString(clip(s, n), "***") }

var number = regexp.MustCompile(`[0-9]{7,}`)

// clip cuts s to at most n bytes, at a rune's start.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// maxDepth is how deep an answer's JSON may be nested.
const maxDepth = 32

// decode reads one JSON value and nothing after it.
func decode(raw []byte, into any) error {
	if deep(raw) {
		return ErrBadAnswer.With(fmt.Errorf("nested deeper than %d", maxDepth))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return ErrBadAnswer.With(fmt.Errorf("no JSON of the expected shape (%T)", err))
	}
	return nil
}

// deep tells whether brackets outside of strings nest beyond maxDepth.
func deep(raw []byte) bool {
	depth, inString, escaped := 0, false, false
	for _, b := range raw {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = b == '\\'
			inString = b != '"'
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}
