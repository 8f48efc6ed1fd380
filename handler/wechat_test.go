package handler

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/wechat"
)

const (
	edgeToken = "QDG6eK"
	edgeHello = `<xml><ToUserName>gh_1</ToUserName><FromUserName>oUser</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>秘密</Content><MsgId>1</MsgId></xml>`
)

// edge is a handler under test and what it did.
type edge struct {
	*WeChat
	routes   *gin.Engine
	log      bytes.Buffer
	messages []model.Inbound
	do       func(ctx context.Context, run func(context.Context) (model.Content, error)) (model.Content, error)
}

// Do is the inbox.
func (e *edge) Do(ctx context.Context, in model.Inbound, run func(context.Context) (model.Content, error)) (model.Content, error) {
	e.messages = append(e.messages, in)
	if e.do != nil {
		return e.do(ctx, run)
	}
	return run(ctx)
}

// Handle is the logic.
func (e *edge) Handle(_ context.Context, in model.Inbound) (model.Content, error) {
	return model.Text("你说：" + in.Text), nil
}

func newEdge(t *testing.T, mode wechat.Mode) *edge {
	t.Helper()
	codec, err := wechat.NewCodec(time.Now, wechat.CodecOptions{AppID: "wx1", Token: edgeToken, Mode: mode, AESKey: strings.Repeat("A", 43)})
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{}
	e.WeChat, err = NewWeChat(codec, e, e, slog.New(slog.NewTextHandler(&e.log, nil)), prometheus.NewRegistry(), WeChatOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	e.routes = gin.New()
	e.routes.GET("/wechat/callback", e.Echo)
	e.routes.POST("/wechat/callback", e.Callback)
	return e
}

// signedURL is a callback's address, signed in plain mode.
func signedURL(at time.Time, more string) string {
	parts := []string{edgeToken, fmt.Sprint(at.Unix()), "n%2B1"}
	signed := []string{edgeToken, parts[1], "n+1"}
	slices.Sort(signed)
	sum := sha1.Sum([]byte(strings.Join(signed, "")))
	return "/wechat/callback?signature=" + hex.EncodeToString(sum[:]) + "&timestamp=" + parts[1] + "&nonce=" + parts[2] + more
}

func (e *edge) call(method, url string, body io.Reader) (int, string) {
	recorder := httptest.NewRecorder()
	e.routes.ServeHTTP(recorder, httptest.NewRequest(method, url, body))
	return recorder.Code, recorder.Body.String()
}

func (e *edge) counted(kind, outcome string) int {
	return int(testutil.ToFloat64(e.calls.WithLabelValues(kind, outcome)))
}

func TestAMessageIsAnswered(t *testing.T) {
	e := newEdge(t, wechat.Plain)
	status, body := e.call(http.MethodPost, signedURL(time.Now(), "&openid=oOther&encrypt_type=aes"), strings.NewReader(edgeHello))
	if status != http.StatusOK || !strings.Contains(body, "<Content><![CDATA[你说：秘密]]></Content>") || e.counted("text", "answered") != 1 {
		t.Errorf("POST = %d %s", status, body)
	}
	status, body = e.call(http.MethodGet, signedURL(time.Now(), "&echostr=12345"), nil)
	if status != http.StatusOK || body != "12345" || e.counted("none", "echo") != 1 {
		t.Errorf("GET = %d %s, want the echo", status, body)
	}
	unknown := strings.NewReader(strings.Replace(edgeHello, ">text<", ">novelty<", 1))
	if status, _ := e.call(http.MethodPost, signedURL(time.Now(), ""), unknown); status != http.StatusOK || e.counted("other", "answered") != 1 || !e.messages[1].ReceivedRaw {
		t.Errorf("an unknown kind = %d, want it kept raw and counted", status)
	}
}

// slowly hides a body's length and fails at its end when err is set.
type slowly struct {
	io.Reader
	err error
}

func (s slowly) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err == io.EOF && s.err != nil {
		err = s.err
	}
	return n, err
}

func TestBadInputIsRefusedEmptyAndChangesNothing(t *testing.T) {
	large := strings.NewReader
	for _, tt := range []struct {
		name, method, url string
		mode              wechat.Mode
		body              io.Reader
		status            int
		reason            string
	}{
		{"unsigned", "POST", "/wechat/callback", wechat.Plain, strings.NewReader(edgeHello), 400, "query"},
		{"wrongly signed", "POST", signedURL(time.Now(), "")[:30] + "&timestamp=" + fmt.Sprint(time.Now().Unix()) + "&nonce=1", wechat.Plain, strings.NewReader(edgeHello), 403, "signature"},
		{"stale", "POST", signedURL(time.Now().Add(-6*time.Minute), ""), wechat.Plain, strings.NewReader(edgeHello), 403, "stale"},
		{"plaintext at a safe-mode account", "POST", signedURL(time.Now(), "&encrypt_type=raw"), wechat.Safe, strings.NewReader(edgeHello), 403, "plaintext"},
		{"no cipher in the Encrypt", "POST", signedURL(time.Now(), ""), wechat.Safe, strings.NewReader("<xml><Encrypt>AAAA</Encrypt></xml>"), 403, "signature"},
		{"too large", "POST", signedURL(time.Now(), ""), wechat.Plain, large(edgeHello + strings.Repeat(" ", 64<<10)), 413, "too_large"},
		{"too large without saying so", "POST", signedURL(time.Now(), ""), wechat.Plain, slowly{large(edgeHello + strings.Repeat(" ", 64<<10)), nil}, 413, "too_large"},
		{"cut", "POST", signedURL(time.Now(), ""), wechat.Plain, slowly{large(edgeHello), io.ErrUnexpectedEOF}, 400, "body"},
		{"deeply nested", "POST", signedURL(time.Now(), ""), wechat.Plain, strings.NewReader("<xml>" + strings.Repeat("<a>", 9000)), 400, "depth"},
		{"not XML", "POST", signedURL(time.Now(), ""), wechat.Plain, strings.NewReader("hello"), 400, "malformed"},
		{"an unsigned GET", "GET", "/wechat/callback?echostr=%3Cscript%3E", wechat.Plain, nil, 400, "query"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, tt.mode)
			status, body := e.call(tt.method, tt.url, tt.body)
			if status != tt.status || body != "" || len(e.messages) != 0 || e.counted("none", tt.reason) != 1 {
				t.Fatalf("%s = %d %q, %d messages, %d counted as %s, want %d, empty, none, 1", tt.method, status, body, len(e.messages), e.counted("none", tt.reason), tt.reason, tt.status)
			}
			if log := e.log.String(); strings.Count(log, "callback refused") != 1 || strings.Contains(log, "秘密") {
				t.Errorf("the log says %q, want one line without the body", log)
			}
		})
	}
}

func TestRefusalsAreLoggedOnceInAWhile(t *testing.T) {
	e := newEdge(t, wechat.Plain)
	for range 1000 {
		e.call(http.MethodPost, "/wechat/callback", strings.NewReader(edgeHello))
	}
	if lines := strings.Count(e.log.String(), "\n"); lines != 1 || e.counted("none", "query") != 1000 {
		t.Errorf("%d lines logged, %d counted, want 1 and 1000", lines, e.counted("none", "query"))
	}
}

func TestTroubleIsNeverShownToTheUser(t *testing.T) {
	for _, tt := range []struct {
		name    string
		do      func(ctx context.Context, run func(context.Context) (model.Content, error)) (model.Content, error)
		status  int
		body    string
		outcome string
	}{
		{"a panic is success", func(context.Context, func(context.Context) (model.Content, error)) (model.Content, error) {
			panic("ouch")
		}, 200, "success", "panic"},
		{"nothing to say is success", func(context.Context, func(context.Context) (model.Content, error)) (model.Content, error) {
			return model.Content{}, nil
		}, 200, "success", "success"},
		{"what cannot be sent is success", func(context.Context, func(context.Context) (model.Content, error)) (model.Content, error) {
			return model.Content{Kind: model.ImageContent}, nil
		}, 200, "success", "unsendable"},
		{"what was not promised is tried again", func(context.Context, func(context.Context) (model.Content, error)) (model.Content, error) {
			return model.Content{}, fault.New(fault.Unavailable, "inbox.full", "忙").With(errors.New("secret detail"))
		}, 503, "", "unavailable"},
		{"the deadline is 4.5 s from the begin", func(ctx context.Context, _ func(context.Context) (model.Content, error)) (model.Content, error) {
			end, ok := ctx.Deadline()
			if left := time.Until(end); !ok || left > 4500*time.Millisecond || left < 4*time.Second {
				return model.Content{}, errors.New("no deadline of 4.5 s")
			}
			return model.Text("好"), nil
		}, 200, "", "answered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, wechat.Plain)
			e.do = tt.do
			status, body := e.call(http.MethodPost, signedURL(time.Now(), ""), strings.NewReader(edgeHello))
			if status != tt.status || tt.body != "" && body != tt.body || strings.Contains(body, "secret") || e.counted("text", tt.outcome) != 1 {
				t.Errorf("POST = %d %q, counted %d as %s, want %d %q", status, body, e.counted("text", tt.outcome), tt.outcome, tt.status, tt.body)
			}
		})
	}
}

// FuzzParseQuery: whatever the query is, a value is the first of its name.
func FuzzParseQuery(f *testing.F) {
	f.Add("signature=a&signature=b&nonce=%2B&timestamp=%zz&&=&echostr")
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		if len(q.Signature)+len(q.MsgSignature)+len(q.Nonce)+len(q.Timestamp)+len(q.Echo) > len(raw) {
			t.Fatalf("parseQuery(%q) = %+v, more than there was", raw, q)
		}
	})
}
