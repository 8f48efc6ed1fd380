package wechat

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"kaimenhong/model"
)

// Exchange is one call that WeChat made (callback) or got (api), as the inspector
// shows it. Secrets and access tokens are struck out.
type Exchange struct {
	Seq          int64        `json:"seq"`
	At           model.Millis `json:"at"`
	Kind         string       `json:"kind"` // callback, api, forgery
	Name         string       `json:"name"` // text, event.CLICK, custom_send …
	Persona      string       `json:"persona,omitempty"`
	Try          int          `json:"try,omitempty"`  // of a callback, 1…3
	Note         string       `json:"note,omitempty"` // copy 2 of 3, replay, forged padding …
	Mode         Mode         `json:"mode,omitempty"`
	Method       string       `json:"method,omitempty"`
	Path         string       `json:"path,omitempty"`
	Query        string       `json:"query,omitempty"`
	RequestType  string       `json:"requestType,omitempty"`  // content type
	Request      string       `json:"request,omitempty"`      // as it went over the wire
	RequestPlain string       `json:"requestPlain,omitempty"` // without encryption
	Status       int          `json:"status,omitempty"`       // 0: no answer
	Answer       string       `json:"answer,omitempty"`
	AnswerPlain  string       `json:"answerPlain,omitempty"`
	TookMS       int64        `json:"tookMs"`
	Outcome      string       `json:"outcome"`
}

// maxShown is the length, in bytes, of each body that the inspector keeps.
const maxShown = 16 << 10

// inspect keeps the exchange and tells the page.
func (p *Platform) inspect(x Exchange) {
	for _, s := range []*string{&x.Request, &x.RequestPlain, &x.Answer, &x.AnswerPlain} {
		*s = shown(*s)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if x.Kind == "api" {
		x.Persona = p.about(x.Query, x.Request)
	}
	p.exchange++
	x.Seq = p.exchange
	if len(p.exchanges) >= p.opts.MaxExchanges {
		p.exchanges = append(p.exchanges[:0], p.exchanges[len(p.exchanges)-p.opts.MaxExchanges+1:]...)
	}
	p.exchanges = append(p.exchanges, x)
	p.tell(Event{"inspector", x.Persona, x})
}

// about is the persona that a call of the API names, "" when it names none, or many.
func (p *Platform) about(query, body string) string {
	var to struct {
		ToUser any `json:"touser"` // a list in a mass message
	}
	_ = json.Unmarshal([]byte(body), &to) // a call without a body, or with another, names nobody
	named, _ := to.ToUser.(string)
	if q, err := url.ParseQuery(query); err == nil && q.Has("openid") {
		named = q.Get("openid")
	}
	for _, known := range []map[string]*user{p.byOpenID, p.byMini} {
		if u := known[named]; u != nil {
			return u.ID
		}
	}
	return ""
}

// shown cuts a body to what is kept, and says what is no text.
func shown(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	if !utf8.ValidString(s) {
		return "(binary)"
	}
	return s
}

// Exchanges returns what was kept after the cursor, oldest first.
func (p *Platform) Exchanges(after int64) []Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := []Exchange{}
	for _, x := range p.exchanges {
		if x.Seq > after {
			found = append(found, x)
		}
	}
	return found
}

// inspected keeps every call of an endpoint; a fault that cuts the connection is
// seen as status 0.
func (p *Platform) inspected(e *endpoint, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := Exchange{
			Kind: "api", Name: e.point, At: model.At(p.opts.Wire()), Method: r.Method, Path: r.URL.Path,
			Query: redacted(r.URL.Query()), RequestType: r.Header.Get("Content-Type"),
		}
		body := &peek{from: r.Body}
		r.Body = body
		seen := &tee{ResponseWriter: w}
		began := time.Now()
		defer func() {
			x.TookMS = time.Since(began).Milliseconds()
			x.Request, x.Status, x.Answer = body.kept.String(), seen.status, seen.kept.String()
			if e.apps == anyone { // these carry secrets and give tokens
				x.Request, x.Answer = hidden(x.Request), hidden(x.Answer)
			}
			if strings.HasPrefix(x.RequestType, "multipart/") {
				x.Request = "(file)"
			}
			x.Outcome = "answered"
			if seen.status == 0 {
				x.Outcome = "cut"
			}
			p.inspect(x)
		}()
		next.ServeHTTP(seen, r)
	})
}

func redacted(q url.Values) string {
	for _, name := range []string{"access_token", "secret", "js_code"} {
		if q.Has(name) {
			q.Set(name, "***")
		}
	}
	return q.Encode()
}

func hidden(s string) string {
	if s == "" || strings.Contains(s, `"errcode":`) && !strings.Contains(s, "access_token\":") {
		return s
	}
	return "(hidden: carries a secret)"
}

// peek keeps the beginning of what is read.
type peek struct {
	from io.ReadCloser
	kept bytes.Buffer
}

func (b *peek) Read(to []byte) (int, error) {
	n, err := b.from.Read(to)
	keep(&b.kept, to[:n])
	return n, err
}

func (b *peek) Close() error { return b.from.Close() }

func keep(b *bytes.Buffer, p []byte) {
	if room := maxShown + 1 - b.Len(); room > 0 {
		b.Write(p[:min(room, len(p))])
	}
}

// tee keeps the beginning of what is answered.
type tee struct {
	http.ResponseWriter
	status int
	kept   bytes.Buffer
}

func (t *tee) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

func (t *tee) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	keep(&t.kept, b)
	return t.ResponseWriter.Write(b)
}

// Unwrap lets a fault take the connection over.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }
