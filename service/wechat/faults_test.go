package wechat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/wechat"
)

// Ways in which a call goes wrong after its request arrived.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func cutInTheAnswer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"errcode":0,`)
	panic(http.ErrAbortHandler)
}

func TestOnlyASendWhoseRequestWentOutIsUnknown(t *testing.T) {
	const read = "/cgi-bin/user/info"
	for _, tt := range []struct {
		name        string
		answer      http.HandlerFunc
		sends, look error
	}{
		{"the connection is cut before the answer", cut, wechat.ErrUnknown, wechat.ErrBusy},
		{"the connection is cut within the answer", cutInTheAnswer, wechat.ErrUnknown, wechat.ErrBusy},
		{"no answer comes", hangs, wechat.ErrUnknown, wechat.ErrBusy},
		{"HTTP 500", status(500), wechat.ErrUnknown, wechat.ErrAnswer},
		{"HTTP 502", status(502), wechat.ErrUnknown, wechat.ErrAnswer},
		{"HTTP 412, refused at the door", status(412), wechat.ErrAnswer, wechat.ErrAnswer},
		{"HTTP 429", status(429), wechat.ErrMinuteQuota, wechat.ErrMinuteQuota},
		{"a redirect, which is not followed", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, wechat.ErrUnknown, wechat.ErrAnswer},
		{"not JSON", says("<html>"), wechat.ErrUnknown, wechat.ErrAnswer},
		{"nothing", says(""), wechat.ErrUnknown, wechat.ErrAnswer},
		{"errcode is no number", says(`{"errcode":"x"}`), wechat.ErrUnknown, wechat.ErrAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlatform(t)
			c := p.replica(setup{opts: wechat.Options{Timeout: time.Second}})
			mustSend(t, c)
			p.on(sendPath, tt.answer)
			p.on(read, tt.answer)
			if err := send(t, c); !errors.Is(err, tt.sends) {
				t.Errorf("SendCustom = %v, want %v", err, tt.sends)
			}
			if got := p.count(sendPath); got != 2 {
				t.Errorf("sent %d times, want once more and never again", got)
			}
			if _, err := c.UserInfo(t.Context(), "oAlice"); !errors.Is(err, tt.look) {
				t.Errorf("UserInfo = %v, want %v", err, tt.look)
			}
		})
	}
}

func TestASendThatNeverLeftIsNotUnknown(t *testing.T) {
	p, rdb := newPlatform(t), dbtest.EmbeddedRedis(t)
	mustSend(t, p.replica(setup{rdb: rdb})) // leaves a token
	p.Close()
	if err := send(t, p.replica(setup{rdb: rdb})); !errors.Is(err, wechat.ErrBusy) {
		t.Errorf("SendCustom to a closed port = %v, want %v", err, wechat.ErrBusy)
	}
}

func TestACallEndsWithItsCaller(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	mustSend(t, c)
	arrived := make(chan struct{}, 1)
	p.on(sendPath, func(w http.ResponseWriter, r *http.Request) { arrived <- struct{}{}; hangs(w, r) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if err := c.SendCustom(ctx, "oAlice", model.Text("hi")); !errors.Is(err, wechat.ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("SendCustom = %v, want %v by %v", err, wechat.ErrUnknown, context.Canceled)
	}
}

func TestBusyIsRepeatedAndThenWorks(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	p.on(sendPath, refuses(-1), refuses(-1), says(`{"errcode":0,"errmsg":"ok"}`))
	mustSend(t, c)
	p.on("/sns/jscode2session", refuses(-1), says(`{"openid":"oMini"}`))
	if openID, _, err := c.Code2Session(t.Context(), "code"); err != nil || openID != "oMini" {
		t.Errorf("Code2Session = %q, %v", openID, err)
	}
}

func TestAHugeAnswerIsCutOff(t *testing.T) {
	const huge = 100 << 20
	var written atomic.Int64
	chunk := bytes.Repeat([]byte("x"), 1<<16)
	stream := func(w http.ResponseWriter, _ *http.Request) {
		for written.Load() < huge {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"of unknown length": stream,
		"of said length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(huge))
			stream(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			written.Store(0)
			p := newPlatform(t)
			c := p.replica(setup{})
			mustSend(t, c)
			p.on("/cgi-bin/template/get_all_private_template", answer)
			if _, err := c.Templates(t.Context()); !errors.Is(err, wechat.ErrAnswer) {
				t.Errorf("Templates = %v, want %v", err, wechat.ErrAnswer)
			}
			p.Close() // waits for the handler
			if got := written.Load(); got > 32<<20 {
				t.Errorf("%d bytes were taken of an answer of %d", got, huge)
			}
		})
	}
}

func TestTheCircuitOpensAndClosesAgain(t *testing.T) {
	p, reg := newPlatform(t), prometheus.NewRegistry()
	c := p.replica(setup{reg: reg, opts: wechat.Options{BreakerOpen: 500 * time.Millisecond}})
	mustSend(t, c)
	p.on(sendPath, status(503))
	for range 8 {
		_ = send(t, c)
	}
	before := p.count(sendPath)
	if err := send(t, c); !errors.Is(err, wechat.ErrBusy) {
		t.Errorf("behind an open circuit SendCustom = %v, want %v: nothing was sent", err, wechat.ErrBusy)
	}
	if got := p.count(sendPath); got != before {
		t.Error("an open circuit let a request pass")
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader("# HELP wechat_circuit_open 1 while calls of WeChat's API are held back.\n# TYPE wechat_circuit_open gauge\nwechat_circuit_open 1\n"), "wechat_circuit_open"); err != nil {
		t.Error(err)
	}
	p.on(sendPath, says(`{"errcode":0}`))
	for send(t, c) != nil {
		if t.Context().Err() != nil {
			t.Fatal("the circuit never closed")
		}
	}
}

func TestWeChatsRefusalsDoNotOpenTheCircuit(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	for _, answer := range []http.HandlerFunc{refuses(45015), status(404)} {
		p.on(sendPath, answer)
		for range 30 {
			_ = send(t, c)
		}
	}
	p.on(sendPath)
	mustSend(t, c)
}

func TestCallsAreCountedByOutcome(t *testing.T) {
	p, reg := newPlatform(t), prometheus.NewRegistry()
	c := p.replica(setup{reg: reg})
	mustSend(t, c)
	p.on(sendPath, refuses(45015))
	_ = send(t, c)
	p.on(sendPath, cut)
	_ = send(t, c)
	want := `
# HELP wechat_calls_total Calls of WeChat's API by what came of them.
# TYPE wechat_calls_total counter
wechat_calls_total{call="custom_send",outcome="ok"} 1
wechat_calls_total{call="custom_send",outcome="unknown_outcome"} 1
wechat_calls_total{call="custom_send",outcome="window_shut"} 1
wechat_calls_total{call="stable_token",outcome="ok"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "wechat_calls_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "wechat_call_seconds"); err != nil || n != 2 {
		t.Errorf("%d series of wechat_call_seconds, %v, want 2", n, err)
	}
}

// everyCall makes each call that the client has, and returns its error.
func everyCall(ctx context.Context, c *wechat.Client) map[string]error {
	notice := model.Notice{Template: "tmpl", Fields: map[string]string{"thing1": "话费"}}
	to, png := model.OpenID("oPlantedOpenID00000000000001"), []byte("picture")
	errs := map[string]error{}
	errs["SendCustom"] = c.SendCustom(ctx, to, model.Text("hi"))
	_, errs["SendTemplate"] = c.SendTemplate(ctx, to, notice, "r1")
	_, errs["SendNotice"] = c.SendNotice(ctx, to, notice)
	_, errs["SendSubscribe"] = c.SendSubscribe(ctx, to, notice)
	_, errs["SendMass"] = c.SendMass(ctx, []model.OpenID{to, "oBob"}, model.Text("hi"), "r2")
	_, errs["UploadMedia"] = c.UploadMedia(ctx, wechat.Image, "a.png", png)
	_, errs["AddMaterial"] = c.AddMaterial(ctx, wechat.Video, "a.mp4", png, "t", "i")
	errs["DeleteMaterial"] = c.DeleteMaterial(ctx, "media")
	_, errs["UploadNewsImage"] = c.UploadNewsImage(ctx, "a.png", png)
	errs["CreateMenu"] = c.CreateMenu(ctx, []*wechat.Button{{Type: "click", Name: "查询", Key: "k"}})
	_, errs["AddConditionalMenu"] = c.AddConditionalMenu(ctx, nil, wechat.MenuMatch{TagID: 1})
	errs["DeleteConditionalMenu"] = c.DeleteConditionalMenu(ctx, "1")
	_, _, errs["GetMenu"] = c.GetMenu(ctx)
	errs["DeleteMenu"] = c.DeleteMenu(ctx)
	_, errs["CreateQR"] = c.CreateQR(ctx, "scene", time.Hour)
	_, errs["MiniCode"] = c.MiniCode(ctx, "pages/pot", "p=1", 0)
	_, errs["UserInfo"] = c.UserInfo(ctx, to)
	_, errs["UserInfos"] = c.UserInfos(ctx, []model.OpenID{to})
	_, errs["Followers"] = c.Followers(ctx, to)
	_, errs["Templates"] = c.Templates(ctx)
	_, _, errs["Code2Session"] = c.Code2Session(ctx, "planted-login-code")
	_, errs["PhoneNumber"] = c.PhoneNumber(ctx, "planted-phone-code")
	_, errs["Quota"] = c.Quota(ctx, model.OfficialAccount, "/x")
	_, errs["CallbackIPs"] = c.CallbackIPs(ctx)
	errs["Check"] = c.Check(ctx)
	return errs
}

// echo refuses and repeats everything secret that it was told, as a careless
// gateway might.
func echo(w http.ResponseWriter, r *http.Request) {
	says(fmt.Sprintf(`{"errcode":47001,"errmsg":%q}`, "bad "+r.URL.String()+" "+officialSecret+" "+miniSecret+" oPlantedOpenID00000000000001"))(w, r)
}

func TestNoErrorAndNoLogHoldsASecret(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"refused connection": nil, "cut": cut, "hangs": hangs, "500": status(500), "bad JSON": says("{"), "errcode": refuses(47001), "token": refuses(40001), "echo": echo,
		"wrong type": says(`{"errcode":0,"access_token":7,"openid":7,"phone_info":7,"msgid":"planted","menu":7,"ticket":7,"url":7,"media_id":7,"user_info_list":7,"template_list":7,"quota":7,"ip_list":7,"msg_id":"planted","menuid":"planted"}`),
	} {
		for _, withToken := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, token %v", name, withToken), func(t *testing.T) {
				var log bytes.Buffer
				p, rdb := newPlatform(t), dbtest.EmbeddedRedis(t)
				opts := wechat.Options{BreakerOpen: time.Nanosecond}
				if name == "hangs" {
					opts.Timeout, opts.UploadTimeout, opts.TokenWait = 20*time.Millisecond, 20*time.Millisecond, 40*time.Millisecond
				}
				c := p.replica(setup{rdb: rdb, opts: opts, log: slog.New(slog.NewTextHandler(&log, nil))})
				if withToken {
					first := p.replica(setup{rdb: rdb}) // with time enough to leave its tokens
					mustSend(t, first)
					if _, err := first.SendSubscribe(t.Context(), "oAlice", model.Notice{Template: "t", Fields: map[string]string{"thing1": "x"}}); err != nil {
						t.Fatal(err)
					}
				}
				p.everywhere(answer, withToken)
				for call, err := range everyCall(t.Context(), c) {
					if err == nil {
						if answer == nil || name == "500" || name == "echo" {
							t.Errorf("%s = nil, want an error", call)
						}
						continue
					}
					check(t, call, fmt.Sprintf("%v %+v %#v", err, err, err))
				}
				check(t, "log", log.String())
			})
		}
	}
}

// everywhere answers every path in one way; nil closes the door.
func (p *platform) everywhere(answer http.HandlerFunc, keepToken bool) {
	if answer == nil {
		p.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all, p.allButToken = answer, keepToken
}

func check(t *testing.T, call, text string) {
	t.Helper()
	for _, secret := range []string{officialSecret, miniSecret, "planted", "PlantedOpenID", "token-1", "token-2", "access_token", strings.Repeat("x", 20)} {
		if strings.Contains(text, secret) {
			t.Errorf("%s: an error holds %q: %.600s", call, secret, text)
		}
	}
}
