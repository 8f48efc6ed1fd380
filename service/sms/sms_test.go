package sms_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kaimenhong/model"
	"kaimenhong/service/sms"
)

const (
	token  = "planted-token"
	digits = "13812345678"
	text   = "验证码 271828，5 分钟内有效"
)

// gateway plays the carrier's: one id a request id, and scripted mishaps before.
type gateway struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	tries   int
	sent    map[string]string // by request id
	mishaps []http.HandlerFunc
	after   bool // a mishap happens after the message was taken
}

func newGateway(t *testing.T, after bool, mishaps ...http.HandlerFunc) *gateway {
	t.Helper()
	g := &gateway{t: t, sent: map[string]string{}, mishaps: mishaps, after: after}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var in struct{ RequestID, Phone, Text string }
	if err := json.Unmarshal(raw, &in); err != nil || in.Phone != digits || in.Text != text {
		g.t.Errorf("got %s", raw)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/sms/messages" || r.Header.Get("Authorization") != "Bearer "+token {
		g.t.Errorf("got %s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}
	g.mu.Lock()
	g.tries++
	var mishap http.HandlerFunc
	if len(g.mishaps) > 0 {
		mishap, g.mishaps = g.mishaps[0], g.mishaps[1:]
	}
	if mishap == nil || g.after {
		if g.sent[in.RequestID] == "" {
			g.sent[in.RequestID] = fmt.Sprintf("sms-%d", len(g.sent)+1)
		}
	}
	id := g.sent[in.RequestID]
	g.mu.Unlock()
	if mishap != nil {
		mishap(w, r)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprintf(w, `{"id":%q}`, id)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"type":"about:blank","detail":"`+digits+" "+token+" "+text+`"}`)
	}
}

func cut(http.ResponseWriter, *http.Request)         { panic(http.ErrAbortHandler) }
func hangs(_ http.ResponseWriter, r *http.Request)   { <-r.Context().Done() }
func garbage(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }
func endless(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"id":"`)
	for {
		if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
			return
		}
	}
}

func client(t *testing.T, g *gateway) (*sms.Gateway, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	c, err := sms.New(g.URL+"/sms/", token, time.Now, reg, sms.Options{Timeout: time.Second, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c, reg
}

func phone(t *testing.T) model.Phone {
	t.Helper()
	p, err := model.ParsePhone(digits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAMessageIsSentOnceWhateverHappensToItsAnswer(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mishaps []http.HandlerFunc
		want    error
		tries   int
	}{
		{"nothing happens", nil, nil, 1},
		{"a cut connection is repeated", []http.HandlerFunc{cut}, nil, 2},
		{"no answer is repeated", []http.HandlerFunc{hangs}, nil, 2},
		{"503 twice is repeated twice", []http.HandlerFunc{status(503), status(500)}, nil, 3},
		{"three times is enough", []http.HandlerFunc{status(503), cut, status(500), status(500)}, sms.ErrUnavailable, 3},
		{"an answer that is no JSON is repeated", []http.HandlerFunc{garbage}, nil, 2},
		{"an endless answer is cut off", []http.HandlerFunc{endless}, nil, 2},
		{"a redirect is not followed", []http.HandlerFunc{status(307), status(307), status(307)}, sms.ErrUnavailable, 3},
		{"400 is final", []http.HandlerFunc{status(400)}, sms.ErrRefused, 1},
		{"422 is final", []http.HandlerFunc{status(422)}, sms.ErrRefused, 1},
		{"409 is final", []http.HandlerFunc{status(409)}, sms.ErrConflict, 1},
		{"429 is final", []http.HandlerFunc{status(429)}, sms.ErrLimited, 1},
		{"401 is final", []http.HandlerFunc{status(401)}, sms.ErrCredentials, 1},
		{"403 is final", []http.HandlerFunc{status(403)}, sms.ErrCredentials, 1},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, taken before %v", tt.name, after), func(t *testing.T) {
				g := newGateway(t, after, tt.mishaps...)
				c, _ := client(t, g)
				err := c.SendSMS(t.Context(), phone(t), text, "bind:1")
				if !errors.Is(err, tt.want) || g.tries != tt.tries {
					t.Errorf("SendSMS = %v in %d tries, want %v in %d", err, g.tries, tt.want, tt.tries)
				}
				if len(g.sent) > 1 || tt.want == nil && len(g.sent) != 1 {
					t.Errorf("%d messages were sent, want one", len(g.sent))
				}
			})
		}
	}
}

func TestNoErrorHoldsASecret(t *testing.T) {
	for name, mishap := range map[string]http.HandlerFunc{"refused": status(400), "token": status(401), "500": status(500), "cut": cut, "hangs": hangs, "garbage": garbage, "closed": nil} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, false, mishap, mishap, mishap)
			c, _ := client(t, g)
			if mishap == nil {
				g.Close()
			}
			err := c.SendSMS(t.Context(), phone(t), text, "bind:1")
			if err == nil {
				t.Fatal("SendSMS = nil, want an error")
			}
			for _, secret := range []string{digits, token, "271828", "/sms"} {
				if printed := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(printed, secret) {
					t.Errorf("%q holds %q", printed, secret)
				}
			}
		})
	}
}

func TestWhatCanNeverBeSentIsNotOffered(t *testing.T) {
	g := newGateway(t, false)
	c, reg := client(t, g)
	for _, tt := range []struct {
		to      model.Phone
		text    string
		request model.RequestID
	}{
		{model.Phone{}, text, "r"},
		{phone(t), "", "r"},
		{phone(t), strings.Repeat("测", sms.MaxText+1), "r"},
		{phone(t), "\xff", "r"},
		{phone(t), text, ""},
	} {
		if err := c.SendSMS(t.Context(), tt.to, tt.text, tt.request); !errors.Is(err, sms.ErrRefused) {
			t.Errorf("SendSMS(%v, %d bytes, %q) = %v, want %v", tt.to, len(tt.text), tt.request, err, sms.ErrRefused)
		}
	}
	if g.tries != 0 {
		t.Errorf("offered %d times", g.tries)
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader("# HELP sms_sends_total Text messages offered to the gateway by what came of them.\n# TYPE sms_sends_total counter\nsms_sends_total{outcome=\"refused\"} 5\n"), "sms_sends_total"); err != nil {
		t.Error(err)
	}
}

func TestASendEndsWithItsCaller(t *testing.T) {
	arrived := make(chan struct{}, 1)
	g := newGateway(t, false, func(w http.ResponseWriter, r *http.Request) { arrived <- struct{}{}; hangs(w, r) })
	c, _ := client(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if err := c.SendSMS(ctx, phone(t), text, "bind:1"); !errors.Is(err, sms.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("SendSMS = %v, want %v by %v", err, sms.ErrUnavailable, context.Canceled)
	}
	if g.tries != 1 {
		t.Errorf("offered %d times after the caller had gone", g.tries)
	}
}

func TestAWrongAddressIsRefusedAtOnce(t *testing.T) {
	for _, address := range []string{"", "sms.example.com", "ftp://x", "http://", "http://x?a=1", "http://u:p@x"} {
		if _, err := sms.New(address, token, time.Now, prometheus.NewRegistry(), sms.Options{}); err == nil {
			t.Errorf("address %q was taken", address)
		}
	}
}
