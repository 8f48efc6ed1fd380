package wechat

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kaimenhong/model"
)

// Chaos is what the sender does to the next callbacks. The zero value is a sender
// that behaves.
type Chaos struct {
	Copies int `json:"copies"` // each message goes out so many times at once, 2…8; below 2 is once
	Count  int `json:"count"`  // for so many messages; 0 is until changed
	Hold   int `json:"hold"`   // the next message waits until so many later ones went before it
	held   *push
	behind int
}

// The limits of chaos.
const (
	maxCopies = 8
	maxHold   = 16
	holdFor   = 3 * time.Second // a held message goes out after this in any case
)

// SetChaos replaces what is done to the next callbacks.
func (p *Platform) SetChaos(c Chaos) error {
	if c.Copies < 0 || c.Copies > maxCopies || c.Hold < 0 || c.Hold > maxHold || c.Count < 0 {
		return fmt.Errorf("copies must be within 0…%d, hold within 0…%d, count not negative", maxCopies, maxHold)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if held := p.chaos.held; held != nil {
		p.queue.put(held)
	}
	p.chaos = c
	return nil
}

// Chaos returns what is in force.
func (p *Platform) Chaos() Chaos {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.chaos
}

// copies counts how often the push goes out at once.
func (p *Platform) copies(m *push) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chaos.Copies < 2 || !m.shows {
		return 1
	}
	n := p.chaos.Copies
	if p.chaos.Count > 0 {
		if p.chaos.Count--; p.chaos.Count == 0 {
			p.chaos.Copies = 0
		}
	}
	return n
}

// reorder returns what is to be sent now; the lock is held.
func (p *Platform) reorder(m *push) []*push {
	c := &p.chaos
	if c.held == nil && c.Hold > 0 && m.shows {
		c.held, c.behind, c.Hold = m, c.Hold, 0
		time.AfterFunc(holdFor, func() { p.release(m) })
		return nil
	}
	if c.held == nil {
		return []*push{m}
	}
	if c.behind--; c.behind > 0 {
		return []*push{m}
	}
	held := c.held
	c.held = nil
	return []*push{m, held}
}

// release sends a message that was held for too long.
func (p *Platform) release(m *push) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chaos.held == m {
		p.chaos.held = nil
		p.queue.put(m)
	}
}

// Forgeries are the tricks of Forge, each of which an honest callback refuses
// with a 4xx, an empty body and no effect.
var Forgeries = []string{
	"signature", "no_signature", "token", "stale", "appid", "padding", "truncated", "bit_flip", "plaintext",
	"plaintext_claims_plain", "huge", "nested", "not_xml", "empty",
}

// Answer is what a callback said to a forgery or replay.
type Answer struct {
	Status int    `json:"status"` // 0: no answer
	Body   string `json:"body"`
	TookMS int64  `json:"tookMs"`
	Error  string `json:"error,omitempty"`
}

// ErrForgery is returned for a trick that Forgeries does not have, or that the
// account's mode has no use for.
var ErrForgery = errors.New("no such forgery")

// Forge sends one call that WeChat never would, in the person's name, and returns
// what the callback answered. Nothing of it enters the chat.
func (p *Platform) Forge(ctx context.Context, id, trick, text string) (Answer, error) {
	if !slices.Contains(Forgeries, trick) {
		return Answer{}, fmt.Errorf("%w: %q; there are %v", ErrForgery, trick, Forgeries)
	}
	p.mu.Lock()
	u := p.byID[id]
	if u == nil {
		p.mu.Unlock()
		return Answer{}, fmt.Errorf("%w: %q", ErrNoUser, id)
	}
	m := p.message(u, "text", field{"Content", text})
	p.mu.Unlock()
	e, err := p.forged(m, trick)
	if err != nil {
		return Answer{}, err
	}
	return p.strike(ctx, Exchange{Name: m.name, Persona: id, Note: "forged: " + trick}, e), nil
}

// Replay sends a callback of the inspector once more, byte by byte.
func (p *Platform) Replay(ctx context.Context, seq int64) (Answer, error) {
	p.mu.Lock()
	i := slices.IndexFunc(p.exchanges, func(x Exchange) bool { return x.Seq == seq && x.Kind == "callback" })
	if i < 0 {
		p.mu.Unlock()
		return Answer{}, fmt.Errorf("%w: no callback %d in the inspector", ErrForgery, seq)
	}
	x := p.exchanges[i]
	p.mu.Unlock()
	e := envelope{query: x.Query, kind: x.RequestType, body: []byte(x.Request), plain: []byte(x.RequestPlain)}
	return p.strike(ctx, Exchange{Name: x.Name, Persona: x.Persona, Note: fmt.Sprintf("replay of %d", seq)}, e), nil
}

func (p *Platform) strike(ctx context.Context, x Exchange, e envelope) Answer {
	began := time.Now()
	status, body, err := p.post(ctx, p.opts.CallbackURL, e)
	a := Answer{Status: status, Body: shown(string(body)), TookMS: time.Since(began).Milliseconds()}
	if err != nil {
		a.Error = reason(err)
	}
	x.At, x.Kind, x.Mode, x.Query, x.RequestType = model.At(p.opts.Wire()), "forgery", p.opts.Mode, e.query, e.kind
	x.Request, x.RequestPlain, x.Status, x.Answer, x.TookMS = string(e.body), string(e.plain), status, a.Body, a.TookMS
	x.Outcome = "refused"
	switch {
	case err != nil:
		x.Outcome = "no answer: " + a.Error
	case status < 400 || status > 499:
		x.Outcome = fmt.Sprintf("accepted with status %d", status)
	}
	p.inspect(x)
	return a
}

// forged spoils an honest envelope.
func (p *Platform) forged(m *push, trick string) (envelope, error) {
	if p.opts.Mode != Safe && (trick == "plaintext" || trick == "plaintext_claims_plain") {
		return envelope{}, fmt.Errorf("%w: %q is honest unless the account is in safe mode", ErrForgery, trick)
	}
	e := p.envelope(m)
	switch trick {
	case "signature":
		return e.signed("signature", "0000000000000000000000000000000000000000").signed("msg_signature", "0000000000000000000000000000000000000000"), nil
	case "no_signature":
		return e.signed("signature", "").signed("msg_signature", ""), nil
	case "token":
		return p.seal(m, p.cipher, p.opts.Token+"x", p.opts.Mode), nil
	case "stale":
		return p.resigned(m, e, p.opts.Wire().Add(-24*time.Hour)), nil
	case "plaintext":
		e.body = e.plain
		return e, nil
	case "plaintext_claims_plain":
		e = p.seal(m, p.cipher, p.opts.Token, Plain)
		return e, nil
	case "huge": // beyond what is read of a call, within what a server may read away before it answers
		m.fields = append(m.fields, field{"Junk", strings.Repeat("开", 24_000)})
		return p.envelope(m), nil
	case "nested":
		e = p.around(m, strings.Repeat("<a>", 5_000))
		return e, nil
	case "not_xml":
		return p.around(m, "%PDF-1.7"), nil
	case "empty":
		e.body = nil
		return e, nil
	}
	return p.badCipher(m, e, trick)
}

// badCipher spoils what is encrypted and signs it rightly.
func (p *Platform) badCipher(m *push, e envelope, trick string) (envelope, error) {
	if p.opts.Mode == Plain {
		return e, fmt.Errorf("%w: %q needs an account that encrypts", ErrForgery, trick)
	}
	random := []byte(secretText(12))
	var encrypted string
	switch trick {
	case "appid":
		encrypted = p.cipher.seal(pad(p.cipher.layout(random, e.plain, "wx0000000000000000")))
	case "padding":
		padded := pad(p.cipher.layout(random, e.plain, p.opts.AppID))
		n := int(padded[len(padded)-1])
		if n == 1 { // one byte of padding cannot be wrong in its middle
			padded[len(padded)-1] = 0
		} else {
			padded[len(padded)-2] ^= 1
		}
		encrypted = p.cipher.seal(padded)
	case "truncated":
		whole := p.cipher.Encrypt(random, e.plain)
		encrypted = whole[:len(whole)/2]
	default: // bit_flip
		raw := pad(p.cipher.layout(random, e.plain, p.opts.AppID))
		whole := []byte(p.cipher.seal(raw))
		bits, err := base64.StdEncoding.DecodeString(string(whole))
		if err != nil {
			return e, err
		}
		bits[len(bits)-33] ^= 0x80 // spoils the last two blocks, and with them the padding
		encrypted = base64.StdEncoding.EncodeToString(bits)
	}
	return p.enclose(m, encrypted), nil
}

// around encrypts, or sends plainly, a body that is no message.
func (p *Platform) around(m *push, body string) envelope {
	if p.opts.Mode == Plain {
		e := p.envelope(m)
		e.body, e.plain = []byte(body), []byte(body)
		return e
	}
	return p.enclose(m, p.cipher.Encrypt([]byte(secretText(12)), []byte(body)))
}

// enclose signs a ciphertext as safe mode does.
func (p *Platform) enclose(m *push, encrypted string) envelope {
	e := p.envelope(m)
	q := e.values()
	q.Set("msg_signature", Signature(p.opts.Token, q.Get("timestamp"), q.Get("nonce"), encrypted))
	e.query = q.Encode()
	e.body = xmlBody([]field{m.fields[0], {"Encrypt", encrypted}})
	return e
}

func (e envelope) values() url.Values {
	q, err := url.ParseQuery(e.query)
	if err != nil {
		panic(err) // this package wrote it
	}
	return q
}

// signed replaces one signature of the query; an empty one is left out.
func (e envelope) signed(name, signature string) envelope {
	q := e.values()
	q.Del(name)
	if signature != "" {
		q.Set(name, signature)
	}
	e.query = q.Encode()
	return e
}

// resigned is the same body, rightly signed at another time.
func (p *Platform) resigned(m *push, e envelope, at time.Time) envelope {
	q := e.values()
	stamp, nonce := strconv.FormatInt(at.Unix(), 10), q.Get("nonce")
	q.Set("timestamp", stamp)
	q.Set("signature", Signature(p.opts.Token, stamp, nonce))
	if p.opts.Mode == Plain {
		e.query = q.Encode()
		return e
	}
	encrypted := p.cipher.Encrypt([]byte(secretText(12)), e.plain)
	q.Set("msg_signature", Signature(p.opts.Token, stamp, nonce, encrypted))
	e.query, e.body = q.Encode(), xmlBody([]field{m.fields[0], {"Encrypt", encrypted}})
	return e
}
