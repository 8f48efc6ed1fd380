package sms_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kaimenhong/sandbox/faults"
	"kaimenhong/sandbox/sms"
)

func at() time.Time { return time.Date(2026, 2, 16, 12, 0, 0, 0, time.UTC) }

func newGateway(t *testing.T, set *faults.Set, state json.RawMessage) *sms.Gateway {
	t.Helper()
	g, err := sms.New(at, set, sms.Options{Token: "t", State: state})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func call(t *testing.T, g *sms.Gateway, token, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	raw, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, strings.TrimSpace(string(raw))
}

func TestOneRequestIsOneMessage(t *testing.T) {
	g := newGateway(t, nil, nil)
	good := `{"requestId":"r-1","phone":"13800138001","text":"验证码 123456"}`
	for _, tt := range []struct {
		name, token, method, path, body string
		status                          int
		answer                          string
	}{
		{"a wrong token", "x", "POST", "/messages", good, 401, `{"error":"the bearer token is wrong"}`},
		{"taken", "t", "POST", "/messages", good, 202, `{"id":"sms-1"}`},
		{"a repeat is the same message", "t", "POST", "/messages", good, 202, `{"id":"sms-1"}`},
		{"another text under the same id", "t", "POST", "/messages", strings.Replace(good, "123456", "654321", 1), 409, `{"error":"this requestId was another message"}`},
		{"another phone under the same id", "t", "POST", "/messages", strings.Replace(good, "8001", "8002", 1), 409, `{"error":"this requestId was another message"}`},
		{"found by its id", "t", "GET", "/messages?requestId=r-1", "", 200, `{"id":"sms-1","status":"delivered"}`},
		{"not found", "t", "GET", "/messages?requestId=r-2", "", 404, `{"error":"no message has this requestId"}`},
		{"no id", "t", "POST", "/messages", `{"phone":"13800138001","text":"a"}`, 400, `{"error":"requestId must be 1…64 printable letters"}`},
		{"no phone", "t", "POST", "/messages", `{"requestId":"r-3","phone":"123","text":"a"}`, 400, `{"error":"phone is no mainland mobile number"}`},
		{"no text", "t", "POST", "/messages", `{"requestId":"r-3","phone":"13800138001"}`, 400, `{"error":"text must have 1…500 letters"}`},
		{"a long text", "t", "POST", "/messages", `{"requestId":"r-3","phone":"13800138001","text":"` + strings.Repeat("长", 501) + `"}`, 400, `{"error":"text must have 1…500 letters"}`},
	} {
		if status, answer := call(t, g, tt.token, tt.method, tt.path, tt.body); status != tt.status || answer != tt.answer {
			t.Errorf("%s = %d %s, want %d %s", tt.name, status, answer, tt.status, tt.answer)
		}
	}
	for _, body := range []string{"{", `{"requestId":"` + strings.Repeat("a", 20_000) + `"}`} {
		if status, _ := call(t, g, "t", "POST", "/messages", body); status != http.StatusBadRequest {
			t.Errorf("a bad body = %d, want 400", status)
		}
	}
	if box := g.Inbox("13800138001", 0); len(box) != 1 || box[0].Text != "验证码 123456" || len(g.Inbox("13800138001", box[0].Seq)) != 0 {
		t.Errorf("the inbox holds %+v", box)
	}
}

func TestAnInboxIsBoundedAndSurvives(t *testing.T) {
	g := newGateway(t, nil, nil)
	for i := range 120 {
		body, err := json.Marshal(map[string]any{"requestId": "r-" + string(rune('A'+i/26)) + string(rune('a'+i%26)), "phone": "13800138001", "text": "a"})
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := call(t, g, "t", "POST", "/messages", string(body)); status != 202 {
			t.Fatalf("message %d = %d %s", i, status, answer)
		}
	}
	kept, err := g.State()
	if err != nil {
		t.Fatal(err)
	}
	again := newGateway(t, nil, kept)
	if box := again.Inbox("13800138001", 0); len(box) != 100 || box[99].ID != "sms-120" {
		t.Errorf("%d messages, the last %+v", len(box), box[len(box)-1])
	}
	if _, err := sms.New(at, nil, sms.Options{Token: "t", State: json.RawMessage("[")}); err == nil {
		t.Error("a spoilt state is taken up")
	}
	if _, err := sms.New(at, nil, sms.Options{}); err == nil {
		t.Error("a gateway without a token is made")
	}
}

func TestACutAnswerStillDelivers(t *testing.T) {
	set := faults.New(1)
	g := newGateway(t, set, nil)
	srv := httptest.NewServer(g.Handler())
	t.Cleanup(func() { srv.Close(); set.Close() })
	if err := set.Put("sms.send", faults.Fault{Kind: faults.Cut, Count: 1}); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/messages", strings.NewReader(`{"requestId":"r-1","phone":"13800138001","text":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer t")
	if res, err := srv.Client().Do(req); err == nil {
		res.Body.Close()
		t.Fatal("the call was answered")
	}
	if box := g.Inbox("13800138001", 0); len(box) != 1 {
		t.Errorf("%d messages, want 1", len(box))
	}
}
