package sandbox_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaimenhong/sandbox"
	"kaimenhong/sandbox/wechat"
)

// world is a sandbox behind HTTP, with an account that repeats what it hears.
type world struct {
	*sandbox.Sandbox
	t   *testing.T
	srv *httptest.Server
}

func newWorld(t *testing.T, dir string) *world {
	t.Helper()
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		part := func(name string) string {
			_, rest, _ := strings.Cut(string(body), "<"+name+"><![CDATA[")
			value, _, _ := strings.Cut(rest, "]]>")
			return value
		}
		fmt.Fprintf(w, "<xml><ToUserName>%s</ToUserName><FromUserName>%s</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>听到%s%s</Content></xml>",
			part("FromUserName"), part("ToUserName"), part("Event"), part("Content"))
	}))
	t.Cleanup(callback.Close)
	s, err := sandbox.New(sandbox.Options{
		Mode: wechat.Plain, CallbackURL: callback.URL, Customers: 20, Followers: 3, Dir: dir, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{s, t, httptest.NewServer(s.Handler())}
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	w.srv.CloseClientConnections()
	w.srv.Close()
	if err := w.Close(); err != nil {
		w.t.Error(err)
	}
}

// do calls the sandbox and decodes the answer into v, when v is not nil.
func (w *world) do(method, path string, body, v any, want int) {
	w.t.Helper()
	var raw []byte
	if text, ok := body.(string); ok {
		raw = []byte(text)
	} else if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+sandbox.DefaultSMSToken)
	res, err := w.srv.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		w.t.Fatalf("%s %s = %d %s, %v, want %d", method, path, res.StatusCode, got, err, want)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(got, v); err != nil {
		w.t.Fatalf("%s %s answered %s: %v", method, path, got, err)
	}
}

func (w *world) chat(id string) []wechat.Bubble {
	w.t.Helper()
	if err := w.Idle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	var got struct{ Bubbles []wechat.Bubble }
	w.do("GET", "/control/personas/"+id+"/chat", nil, &got, 200)
	return got.Bubbles
}

func TestAPersonaChatsThroughTheControl(t *testing.T) {
	w := newWorld(t, "")
	var all []sandbox.Persona
	w.do("GET", "/control/personas", nil, &all, 200)
	if len(all) < 8 {
		t.Fatalf("%d personas, want at least 8", len(all))
	}
	for _, p := range all {
		if p.Name == "" || p.Story == "" || p.Plan == "" || p.Hue == "" || !strings.Contains(p.PhoneMasked, "****") || p.Follows {
			t.Errorf("persona %+v is not ready to be shown", p)
		}
	}
	id := all[0].ID
	w.do("POST", "/control/personas/"+id+"/messages", map[string]string{"text": "喂"}, nil, 409)
	var p sandbox.Persona
	w.do("POST", "/control/personas/"+id+"/follow", map[string]string{"scene": "shop"}, &p, 200)
	if !p.Follows || p.CanReceive != 3 {
		t.Errorf("after following: %+v", p)
	}
	if greeted := w.chat(id); greeted[len(greeted)-1].Text != "听到subscribe" { // callbacks keep no order
		t.Errorf("the chat begins with %+v", greeted)
	}
	w.do("POST", "/control/personas/"+id+"/messages", map[string]string{"text": "查话费"}, nil, 204)
	bubbles := w.chat(id)
	if got := bubbles[len(bubbles)-1]; got.Text != "听到查话费" || got.Channel != "passive" {
		t.Errorf("the chat ends with %+v", got)
	}
	w.do("GET", "/control/personas/"+id, nil, &p, 200)
	if p.Unread != 2 {
		t.Errorf("%d unread, want 2", p.Unread)
	}
	w.do("POST", "/control/personas/"+id+"/read", nil, nil, 204)
	var code struct{ Code string }
	w.do("POST", "/control/personas/"+id+"/login-code", nil, &code, 200)
	var session map[string]any
	w.do("GET", "/wechat/sns/jscode2session?appid="+sandbox.DefaultMiniAppID+"&secret="+sandbox.DefaultMiniAppSecret+"&grant_type=authorization_code&js_code="+code.Code, nil, &session, 200)
	if session["openid"] != p.MiniOpenID || session["unionid"] != p.UnionID {
		t.Errorf("session %v of %+v", session, p)
	}
	var seen struct{ Exchanges []wechat.Exchange }
	w.do("GET", "/control/inspector", nil, &seen, 200)
	if len(seen.Exchanges) < 3 {
		t.Errorf("the inspector shows %d exchanges", len(seen.Exchanges))
	}
}

func TestTheControlRefusesInChinese(t *testing.T) {
	w := newWorld(t, "")
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/control/personas/nobody", "", 404, "没有这个体验用户"},
		{"POST", "/control/personas/nobody/follow", "{}", 404, "没有这个体验用户"},
		{"POST", "/control/personas/ordinary/menu/NO", "", 409, "还没有关注公众号"},
		{"POST", "/control/personas/ordinary/follow", `{"ticket":"none"}`, 404, "二维码不存在"},
		{"POST", "/control/personas/ordinary/follow", `{"scene":`, 400, "请求的内容不对"},
		{"GET", "/control/personas/ordinary/chat?after=x", "", 400, "after 应为数字"},
		{"POST", "/control/chaos", `{"trick":"magic"}`, 400, "magic"},
		{"POST", "/control/clock", `{"advanceMs":-1}`, 400, "advanceMs"},
		{"GET", "/control/media/none", "", 404, "图片不存在"},
		{"PUT", "/control/faults/nowhere", `{"kind":"reset"}`, 404, "wechat.custom_send"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, w.srv.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != tt.status || !strings.Contains(string(raw), tt.says) {
			t.Errorf("%s %s = %d %s, %v, want %d and %q", tt.method, tt.path, res.StatusCode, raw, err, tt.status, tt.says)
		}
	}
}

func TestARestartLosesNothing(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, dir)
	w.do("POST", "/control/personas/ordinary/follow", nil, nil, 200)
	w.chat("ordinary") // the welcome is there: answers to two messages come in any order
	w.do("POST", "/control/personas/ordinary/messages", map[string]string{"text": "记住我"}, nil, 204)
	w.do("POST", "/sms/messages", map[string]string{"requestId": "r-1", "phone": "13800138001", "text": "验证码 123456"}, nil, 202)
	w.do("POST", "/control/carrier/balance", map[string]any{"phone": "13800138001", "fen": 4321}, nil, 200)
	w.do("POST", "/control/clock", map[string]any{"advanceMs": 60_000}, nil, 200)
	before := w.chat("ordinary")
	w.close()

	again := newWorld(t, dir)
	if after := again.chat("ordinary"); len(after) != len(before) || after[len(after)-1].Text != "听到记住我" {
		t.Errorf("the chat is now %+v", after)
	}
	var p sandbox.Persona
	again.do("GET", "/control/personas/ordinary", nil, &p, 200)
	if !p.Follows || p.Balance != 4321 {
		t.Errorf("the persona is now %+v", p)
	}
	var box struct{ Messages []struct{ Text string } }
	again.do("GET", "/control/personas/ordinary/sms", nil, &box, 200)
	if len(box.Messages) != 1 || box.Messages[0].Text != "验证码 123456" {
		t.Errorf("the inbox is now %+v", box)
	}
	var at struct{ AheadMs int64 }
	again.do("GET", "/control/clock", nil, &at, 200)
	if at.AheadMs != 60_000 {
		t.Errorf("the clock is %d ms ahead, want 60000", at.AheadMs)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

func TestASpoiltSnapshotIsToldAndKept(t *testing.T) {
	for _, raw := range []string{"{", `{"version":9}`, `{"version":1,"wechat":[]}`, `{"version":1,"sms":[]}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "sandbox.json"), []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := sandbox.New(sandbox.Options{Dir: dir, Customers: 20}); err == nil {
			t.Errorf("a world began from %s", raw)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestThePageHearsOfEverythingAtOnce(t *testing.T) {
	w := newWorld(t, "")
	req, err := http.NewRequestWithContext(t.Context(), "GET", w.srv.URL+"/control/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "retry:") {
		t.Fatalf("the stream began with %q", lines.Text())
	}
	w.do("POST", "/control/personas/student/follow", nil, nil, 200)
	w.do("POST", "/sms/messages", map[string]string{"requestId": "r-1", "phone": studentPhone(w), "text": "你好"}, nil, 202)
	want := map[string]bool{"event: chat": true, "event: inspector": true, "event: sms": true}
	for len(want) > 0 && lines.Scan() {
		delete(want, lines.Text())
	}
	if len(want) > 0 {
		t.Errorf("never heard of %v: %v", want, lines.Err())
	}
}

func studentPhone(w *world) string {
	var p sandbox.Persona
	w.do("GET", "/control/personas/student", nil, &p, 200)
	return p.Phone
}

func TestAnotherSiteCannotPlayWithTheDemo(t *testing.T) {
	w := newWorld(t, "")
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.srv.URL+"/control/personas/student/follow", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := w.srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", res.StatusCode)
	}
}
