package wechat_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/sandbox/faults"
	"kaimenhong/sandbox/wechat"
)

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const (
	secret     = "app-secret"
	miniID     = "wx00000000000000aa"
	miniSecret = "mini-secret"
	cbToken    = "QDG6eK"
)

// got is one callback as the tiny application saw it.
type got struct {
	fields map[string]string // leaves by name
	query  map[string]string
	body   string
	plain  string
	kind   string
}

// application is a tiny echo application behind a callback.
type application struct {
	t      *testing.T
	mode   wechat.Mode
	cipher *wechat.Cipher

	mu     sync.Mutex
	seen   []got
	answer func(got) (status int, plain string)
	seal   bool // encrypt the answers
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
	}
	g := got{query: map[string]string{}, body: string(body), plain: string(body), kind: r.Header.Get("Content-Type")}
	for k, v := range r.URL.Query() {
		g.query[k] = v[0]
	}
	if echo := g.query["echostr"]; echo != "" {
		io.WriteString(w, echo)
		return
	}
	if a.mode != wechat.Plain {
		encrypted := leaves(body)["Encrypt"]
		if want := wechat.Signature(cbToken, g.query["timestamp"], g.query["nonce"], encrypted); g.query["msg_signature"] != want {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		plain, err := a.cipher.Decrypt(encrypted)
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		g.plain = string(plain)
	} else if want := wechat.Signature(cbToken, g.query["timestamp"], g.query["nonce"]); g.query["signature"] != want {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	g.fields = leaves([]byte(g.plain))
	a.mu.Lock()
	a.seen = append(a.seen, g)
	answer := a.answer
	a.mu.Unlock()
	status, plain := answer(g)
	if a.seal && strings.HasPrefix(plain, "<xml>") {
		plain = a.sealed(plain)
	}
	w.WriteHeader(status)
	io.WriteString(w, plain)
}

func (a *application) sealed(plain string) string {
	encrypted := a.cipher.Encrypt([]byte("0123456789abcdef"), []byte(plain))
	return fmt.Sprintf("<xml><Encrypt>%s</Encrypt><MsgSignature>%s</MsgSignature><TimeStamp>1</TimeStamp><Nonce>2</Nonce></xml>",
		encrypted, wechat.Signature(cbToken, "1", "2", encrypted))
}

func (a *application) all() []got {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]got{}, a.seen...)
}

// events are the callbacks of one event, in the order of arrival.
func (a *application) events(name string) []got {
	var found []got
	for _, g := range a.all() {
		if g.fields["Event"] == name {
			found = append(found, g)
		}
	}
	return found
}

// leaves reads every leaf of an XML or JSON body by its name.
func leaves(body []byte) map[string]string {
	found := map[string]string{}
	var m map[string]any
	if json.Unmarshal(body, &m) == nil {
		for k, v := range m {
			found[k] = fmt.Sprint(v)
		}
		return found
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	name, text := "", ""
	for {
		token, err := d.Token()
		if err != nil {
			return found
		}
		switch v := token.(type) {
		case xml.StartElement:
			name, text = v.Name.Local, ""
		case xml.CharData:
			text += string(v)
		case xml.EndElement:
			if v.Name.Local == name {
				found[name] = text
			}
			name = ""
		}
	}
}

// rig is a platform with three people, an application and an API server.
type rig struct {
	*wechat.Platform
	t     *testing.T
	clock *clock
	app   *application
	api   *httptest.Server
	set   *faults.Set
	token string
}

func newRig(t *testing.T, change func(*wechat.Options)) *rig {
	t.Helper()
	opts := wechat.Options{
		AppID: appID, AppSecret: secret, MiniAppID: miniID, MiniAppSecret: miniSecret, Token: cbToken, AESKey: aesKey,
		Seed: 7, Account: "gh_account",
		Users: []wechat.User{{ID: "li", Name: "李", Phone: "13800138001"}, {ID: "wang", Name: "王", Phone: "13800138002"}, {ID: "fan", Phone: "13800138003", Follows: true}},
	}
	if change != nil {
		change(&opts)
	}
	c := opts.AppID
	if opts.MiniCallbackURL != "" {
		c = opts.MiniAppID
	}
	app := &application{t: t, mode: opts.Mode, cipher: newCipher(t, c), answer: func(got) (int, string) { return 200, "success" }}
	if app.mode == "" {
		app.mode = wechat.Safe
	}
	app.seal = app.mode == wechat.Safe
	callback := httptest.NewServer(app)
	t.Cleanup(callback.Close)
	if opts.MiniCallbackURL != "" {
		opts.MiniCallbackURL = callback.URL
	} else {
		opts.CallbackURL = callback.URL + "/wechat/callback"
	}
	r := &rig{t: t, clock: &clock{at: time.Date(2026, 2, 16, 12, 0, 0, 0, time.UTC)}, app: app, set: faults.New(7)}
	p, err := wechat.New(r.clock.now, slog.New(slog.DiscardHandler), r.set, opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Platform = p
	r.api = httptest.NewServer(p.Handler())
	t.Cleanup(func() { r.api.Close(); r.set.Close(); p.Close() })
	return r
}

func (r *rig) idle() {
	r.t.Helper()
	if err := r.Idle(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// must ends the test on an error.
func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// call asks an endpoint; body nil is a GET.
func (r *rig) call(path string, body any) map[string]any {
	r.t.Helper()
	raw := r.raw(path, body)
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		r.t.Fatalf("%s answered %q: %v", path, raw, err)
	}
	return m
}

func (r *rig) raw(path string, body any) []byte {
	r.t.Helper()
	var res *http.Response
	var err error
	if body == nil {
		res, err = r.api.Client().Get(r.api.URL + path)
	} else {
		text, ok := body.(string)
		if !ok {
			raw, err := json.Marshal(body)
			r.must(err)
			text = string(raw)
		}
		res, err = r.api.Client().Post(r.api.URL+path, "application/json", strings.NewReader(text))
	}
	r.must(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	r.must(err)
	return raw
}

// code asks an endpoint with the official account's token and returns the errcode.
func (r *rig) code(path string, body any) int {
	r.t.Helper()
	return errcode(r.t, r.call(r.with(path), body))
}

func errcode(t *testing.T, m map[string]any) int {
	t.Helper()
	n, ok := m["errcode"].(json.Number)
	if !ok {
		return 0
	}
	code, err := n.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return int(code)
}

// with adds the official account's token.
func (r *rig) with(path string) string {
	r.t.Helper()
	if r.token == "" {
		r.token = r.stable(appID, secret, false)
	}
	return path + join(path) + "access_token=" + r.token
}

func join(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

func (r *rig) stable(id, secret string, force bool) string {
	r.t.Helper()
	m := r.call("/cgi-bin/stable_token", map[string]any{"grant_type": "client_credential", "appid": id, "secret": secret, "force_refresh": force})
	token, _ := m["access_token"].(string)
	if token == "" {
		r.t.Fatalf("stable_token answered %v", m)
	}
	return token
}

// openID is a person's in the official account.
func (r *rig) openID(id string) string {
	r.t.Helper()
	who, err := r.Persona(id)
	r.must(err)
	return who.OpenID
}

// last is the newest bubble of a chat.
func (r *rig) last(id string) wechat.Bubble {
	r.t.Helper()
	list, err := r.Chat(id, 0)
	r.must(err)
	if len(list) == 0 {
		return wechat.Bubble{}
	}
	return list[len(list)-1]
}

// text is a passive answer.
func text(g got, words string) string {
	var escaped bytes.Buffer
	if err := xml.EscapeText(&escaped, []byte(words)); err != nil {
		panic(err) // a buffer takes everything
	}
	return answerOf(g, "<MsgType>text</MsgType><Content>"+escaped.String()+"</Content>")
}

func answerOf(g got, rest string) string {
	return fmt.Sprintf("<xml><ToUserName>%s</ToUserName><FromUserName>%s</FromUserName><CreateTime>1</CreateTime>%s</xml>",
		g.fields["FromUserName"], g.fields["ToUserName"], rest)
}
