package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"kaimenhong/model"
)

// The rules of a callback.
const (
	maxTries  = 3
	maxAnswer = 1 << 20 // bytes of an answer that are read
)

// queue is the callbacks that wait. What people do goes before reports.
type queue struct {
	mu      sync.Mutex
	some    *sync.Cond
	people  []*push
	reports []*push
	busy    int
	closed  bool
	idle    []chan struct{}
	cancel  context.CancelFunc
	wait    sync.WaitGroup
}

func (q *queue) start(p *Platform) {
	ctx, cancel := context.WithCancel(context.Background())
	q.cancel, q.some = cancel, sync.NewCond(&q.mu)
	for range callbackers {
		q.wait.Go(func() {
			for m := q.next(); m != nil; m = q.next() {
				p.deliver(ctx, m)
				q.finished()
			}
		})
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.people, q.reports = nil, nil
	q.wake()
	q.mu.Unlock()
	q.cancel()
	q.some.Broadcast()
	q.wait.Wait()
}

// next waits for a push; nil ends the worker.
func (q *queue) next() *push {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for _, list := range []*[]*push{&q.people, &q.reports} {
			if len(*list) > 0 {
				m := (*list)[0]
				*list = (*list)[1:]
				q.busy++
				return m
			}
		}
		if q.closed {
			return nil
		}
		q.some.Wait()
	}
}

func (q *queue) finished() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	if q.busy == 0 && len(q.people)+len(q.reports) == 0 {
		q.wake()
	}
}

func (q *queue) wake() {
	for _, c := range q.idle {
		close(c)
	}
	q.idle = nil
}

// put adds a push and tells whether there was room.
func (q *queue) put(m *push) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.people)+len(q.reports) >= maxQueue {
		return false
	}
	if m.shows {
		q.people = append(q.people, m)
	} else {
		q.reports = append(q.reports, m)
	}
	q.some.Signal()
	return true
}

// Idle waits until no callback waits or is under way.
func (p *Platform) Idle(ctx context.Context) error {
	q := &p.queue
	q.mu.Lock()
	if q.closed || q.busy == 0 && len(q.people)+len(q.reports) == 0 {
		q.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	q.idle = append(q.idle, done)
	q.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// target is where a push goes.
func (p *Platform) target(m *push) string {
	if m.mini {
		return p.opts.MiniCallbackURL
	}
	return p.opts.CallbackURL
}

// send queues the push, or lets the chaos keep it back; the lock is held.
func (p *Platform) send(m *push) {
	if p.target(m) == "" {
		return
	}
	for _, ready := range p.reorder(m) {
		if !p.queue.put(ready) {
			p.log.Warn("sandbox callback dropped, the queue is full", "event", ready.name)
		}
	}
}

// deliver makes up to three tries and puts what comes of it into the chat.
func (p *Platform) deliver(ctx context.Context, m *push) {
	began := time.Now()
	copies := p.copies(m)
	for try := 1; try <= maxTries; try++ {
		var got result
		if copies > 1 && try == 1 {
			got = p.storm(ctx, m, copies)
		} else {
			got = p.attempt(ctx, m, try, "")
		}
		if ctx.Err() != nil {
			return
		}
		if got.again && try < maxTries {
			continue
		}
		p.conclude(m, got, try, time.Since(began))
		return
	}
}

// storm sends all copies at once and takes the first usable answer.
func (p *Platform) storm(ctx context.Context, m *push, copies int) result {
	results := make(chan result, copies)
	for n := range copies {
		go func() { results <- p.attempt(ctx, m, 1, fmt.Sprintf("copy %d of %d", n+1, copies)) }()
	}
	var chosen result
	for n := range copies {
		if got := <-results; n == 0 || chosen.again && !got.again {
			chosen = got
		}
	}
	return chosen
}

// result is how one try ended.
type result struct {
	again   bool // no answer: WeChat tries again
	failed  bool // an answer that is none
	bubbles []Bubble
	outcome string
}

// attempt is one try with a signature of its own.
func (p *Platform) attempt(ctx context.Context, m *push, try int, note string) result {
	e := p.envelope(m)
	x := Exchange{
		Kind: "callback", Name: m.name, Try: try, Note: note, Mode: p.opts.Mode, Request: string(e.body), Query: e.query,
		RequestPlain: string(e.plain), RequestType: e.kind, At: model.At(p.opts.Wire()),
	}
	if m.user != nil {
		x.Persona = m.user.ID
	}
	began := time.Now()
	status, answer, err := p.post(ctx, p.target(m), e)
	x.Status, x.Answer, x.TookMS = status, string(answer), time.Since(began).Milliseconds()
	var got result
	switch {
	case err != nil:
		got = result{again: true, failed: true, outcome: "no answer: " + reason(err)}
	case status >= 500:
		got = result{again: true, failed: true, outcome: fmt.Sprintf("status %d", status)}
	case status != http.StatusOK:
		got = result{failed: true, outcome: fmt.Sprintf("status %d", status)}
	default:
		got, x.AnswerPlain = p.understand(m, answer)
	}
	x.Outcome = got.outcome
	p.inspect(x)
	return got
}

// reason names what went wrong without the URL, whose query is long.
func reason(err error) string {
	var u *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "5 s are over"
	case errors.As(err, &u):
		return u.Err.Error()
	}
	return err.Error()
}

// envelope is a push, signed and encrypted as the mode says.
type envelope struct {
	query string
	kind  string // content type
	body  []byte
	plain []byte
}

func (p *Platform) envelope(m *push) envelope {
	c := p.cipher
	if m.mini {
		c = p.mini
	}
	return p.seal(m, c, p.opts.Token, p.opts.Mode)
}

func (p *Platform) seal(m *push, c *Cipher, token string, mode Mode) envelope {
	asJSON := m.mini && p.opts.MiniJSON
	e := envelope{kind: "text/xml", plain: xmlBody(m.fields)}
	if asJSON {
		e.kind, e.plain = "application/json", jsonBody(m.fields)
	}
	stamp, nonce := strconv.FormatInt(p.opts.Wire().Unix(), 10), p.nonce()
	q := url.Values{"signature": {Signature(token, stamp, nonce)}, "timestamp": {stamp}, "nonce": {nonce}}
	if m.user != nil {
		q.Set("openid", m.fields[1].value.(string))
	}
	e.body = e.plain
	if mode != Plain {
		encrypted := c.Encrypt([]byte(secretText(12)), e.plain)
		q.Set("encrypt_type", "aes")
		q.Set("msg_signature", Signature(token, stamp, nonce, encrypted))
		fields := []field{m.fields[0], {"Encrypt", encrypted}}
		if mode == Compatible {
			fields = append(append([]field{}, m.fields...), field{"Encrypt", encrypted})
		}
		if asJSON {
			e.body = jsonBody(fields)
		} else {
			e.body = xmlBody(fields)
		}
	}
	e.query = q.Encode()
	return e
}

func (p *Platform) nonce() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strconv.Itoa(1 + p.random.IntN(2_000_000_000))
}

// post sends the envelope and reads the answer within WeChat's five seconds.
func (p *Platform) post(ctx context.Context, target string, e envelope) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.CallbackTimeout)
	defer cancel()
	u, err := url.Parse(target)
	if err != nil {
		return 0, nil, err
	}
	u.RawQuery = e.query
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(e.body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", e.kind)
	req.Header.Set("User-Agent", "Mozilla/4.0")
	req.Header.Set("Pragma", "no-cache")
	res, err := p.opts.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, err
	}
	if len(answer) > maxAnswer {
		return res.StatusCode, answer[:maxAnswer], nil
	}
	return res.StatusCode, answer, nil
}

// conclude puts the answer, or that there was none, into the chat.
func (p *Platform) conclude(m *push, got result, try int, took time.Duration) {
	if !m.shows || m.user == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if got.failed {
		p.say(m.user, Bubble{From: "system", Kind: "system", Text: unavailable, Tries: try, TookMS: took.Milliseconds()})
		return
	}
	for _, b := range got.bubbles {
		b.Tries, b.TookMS = try, took.Milliseconds()
		p.say(m.user, b)
	}
}

// Verify asks the callback as WeChat does when its URL is saved: GET with an
// echostr, encrypted in safe mode. It returns nil when the echo is right.
func (p *Platform) Verify(ctx context.Context) error {
	stamp, nonce, echo := strconv.FormatInt(p.opts.Wire().Unix(), 10), p.nonce(), strconv.FormatInt(time.Now().UnixNano(), 10)
	q := url.Values{"timestamp": {stamp}, "nonce": {nonce}, "echostr": {echo}, "signature": {Signature(p.opts.Token, stamp, nonce)}}
	ctx, cancel := context.WithTimeout(ctx, p.opts.CallbackTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.opts.CallbackURL+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := p.opts.Client.Do(req)
	if err != nil {
		return errors.New(reason(err))
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1024))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || string(answer) != echo {
		return fmt.Errorf("the callback answered %d and not the echostr", res.StatusCode)
	}
	return nil
}
