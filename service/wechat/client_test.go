package wechat_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/wechat"
)

// The secrets of these tests; none may show in an error.
const (
	officialSecret = "planted-official-secret"
	miniSecret     = "planted-mini-secret"
)

var (
	official = wechat.Account{AppID: "wxofficial", Secret: officialSecret}
	mini     = wechat.Account{AppID: "wxmini", Secret: miniSecret}
)

// platform plays WeChat: tokens with real rules, and one scripted answer a path.
type platform struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	serial  int
	current string // the one good token
	life    int64
	fetched int // stable_token calls
	forced  int
	rotten  bool // the token is refused, yet given out again until forced
	calls   map[string]int
	bodies  map[string]string
	queries map[string]string
	scripts map[string][]http.HandlerFunc // taken one by one, the last one stays

	all         http.HandlerFunc // answers every path, when set
	allButToken bool             // but stable_token
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{
		t: t, life: 7200, calls: map[string]int{}, bodies: map[string]string{}, queries: map[string]string{},
		scripts: map[string][]http.HandlerFunc{},
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// on scripts the answers of a path.
func (p *platform) on(path string, answers ...http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[path] = answers
}

// says answers with JSON.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; encoding=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

func refuses(code int) http.HandlerFunc {
	return says(fmt.Sprintf(`{"errcode":%d,"errmsg":"refused rid: 63a3c7ac-0f3a1fa3-7f3fd3e3"}`, code))
}

func (p *platform) newToken() string {
	p.serial++
	p.current = fmt.Sprintf("token-%d-%s", p.serial, strings.Repeat("x", 500))
	return p.current
}

func (p *platform) kill() { p.mu.Lock(); defer p.mu.Unlock(); p.newToken() }

func (p *platform) rot() { p.mu.Lock(); defer p.mu.Unlock(); p.rotten = true }

func (p *platform) tokens() (fetched, forced int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetched, p.forced
}

// count returns how often the path was called.
func (p *platform) count(path string) int { p.mu.Lock(); defer p.mu.Unlock(); return p.calls[path] }

func (p *platform) body(path string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bodies[path]
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/prefix")
	if !ok {
		p.t.Errorf("called %s outside of the configured prefix", r.URL.Path)
	}
	p.mu.Lock()
	p.calls[path]++
	p.bodies[path], p.queries[path] = string(raw), r.URL.RawQuery
	var script http.HandlerFunc
	if list := p.scripts[path]; len(list) > 0 {
		script = list[0]
		if len(list) > 1 {
			p.scripts[path] = list[1:]
		}
	}
	if p.all != nil && !(p.allButToken && path == tokenPath) {
		script = p.all
	}
	good := p.current != "" && r.URL.Query().Get("access_token") == p.current && !p.rotten
	p.mu.Unlock()
	switch {
	case script != nil:
		script(w, r)
	case path == tokenPath:
		p.token(w, raw)
	case path == "/sns/jscode2session":
		says(`{"openid":"oMini","session_key":"c2Vzc2lvbg==","unionid":"uUnion"}`)(w, r)
	case !good:
		refuses(40001)(w, r)
	default:
		says(`{"errcode":0,"errmsg":"ok"}`)(w, r)
	}
}

func (p *platform) token(w http.ResponseWriter, raw []byte) {
	var in struct {
		Grant  string `json:"grant_type"`
		AppID  string `json:"appid"`
		Secret string `json:"secret"`
		Force  bool   `json:"force_refresh"`
	}
	if err := json.Unmarshal(raw, &in); err != nil || in.Grant != "client_credential" || in.Secret == "" {
		p.t.Errorf("stable_token got %s", raw)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetched++
	if in.Force {
		p.forced++
	}
	if p.current == "" || in.Force {
		p.newToken()
		p.rotten = p.rotten && !in.Force
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":%d}`, p.current, p.life)
}

// clock is a model.Clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock                { return &clock{at: time.Now()} }
func (c *clock) now() time.Time       { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

type setup struct {
	opts  wechat.Options
	rdb   redis.UniversalClient
	clock *clock
	log   *slog.Logger
	reg   *prometheus.Registry
}

// replica returns a client as one more replica of the application.
func (p *platform) replica(s setup) *wechat.Client {
	p.t.Helper()
	if s.rdb == nil {
		s.rdb = dbtest.EmbeddedRedis(p.t)
	}
	if s.clock == nil {
		s.clock = newClock()
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.reg == nil {
		s.reg = prometheus.NewRegistry()
	}
	if s.opts.BaseURL == "" {
		s.opts.BaseURL = p.URL + "/prefix/"
	}
	if s.opts.Backoff == 0 {
		s.opts.Backoff = time.Millisecond
	}
	s.opts.TokenPoll = time.Millisecond
	c, err := wechat.NewClient(official, mini, s.rdb, s.clock.now, s.log, s.reg, s.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func TestASendReachesWeChatInItsForm(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	if err := c.SendCustom(t.Context(), "oAlice", model.Text("话费 <a href=\"x?a=1&b=2\">12元</a>")); err != nil {
		t.Fatalf("SendCustom = %v", err)
	}
	want := `{"touser":"oAlice","msgtype":"text","text":{"content":"话费 <a href=\"x?a=1&b=2\">12元</a>"}}`
	if got := strings.TrimSpace(p.body("/cgi-bin/message/custom/send")); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func TestEachErrcodeIsTheRightFault(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	for _, tt := range []struct {
		code  int
		want  error
		tries int
	}{
		{-1, wechat.ErrBusy, 3},
		{40001, wechat.ErrToken, 2},
		{40003, wechat.ErrOpenID, 1},
		{43004, wechat.ErrNotFollowing, 1},
		{43101, wechat.ErrNoConsent, 1},
		{45015, wechat.ErrWindowShut, 1},
		{45047, wechat.ErrWindowUsed, 1},
		{47003, wechat.ErrBadData, 1},
		{40037, wechat.ErrBadData, 1},
		{45009, wechat.ErrDayQuota, 1},
		{45011, wechat.ErrMinuteQuota, 1},
		{40029, wechat.ErrLoginCode, 1},
		{40163, wechat.ErrLoginCode, 1},
		{48001, wechat.ErrPermission, 1},
		{40164, wechat.ErrCredentials, 1},
	} {
		t.Run(fmt.Sprint(tt.code), func(t *testing.T) {
			const path = "/cgi-bin/message/custom/send"
			p.on(path, refuses(tt.code))
			before := p.count(path)
			err := c.SendCustom(t.Context(), "oAlice", model.Text("hi"))
			if !errors.Is(err, tt.want) {
				t.Errorf("SendCustom = %v, want %v", err, tt.want)
			}
			if got := p.count(path) - before; got != tt.tries {
				t.Errorf("tried %d times, want %d", got, tt.tries)
			}
			if !strings.Contains(err.Error(), "63a3c7ac-0f3a1fa3-7f3fd3e3") {
				t.Errorf("%v has lost WeChat's request id", err)
			}
		})
	}
}
