package wechat_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/sandbox/faults"
	outside "kaimenhong/sandbox/wechat"
	"kaimenhong/service/wechat"
)

// world is the sandbox's WeChat with two people and two replicas of the client.
type world struct {
	*outside.Platform
	t     *testing.T
	set   *faults.Set
	clock *clock
	a, b  *wechat.Client
	alice model.OpenID
	bob   model.OpenID
}

func newWorld(t *testing.T, rdb redis.UniversalClient) *world {
	t.Helper()
	w := &world{t: t, set: faults.New(1), clock: newClock()}
	var err error
	w.Platform, err = outside.New(w.clock.now, slog.New(slog.DiscardHandler), w.set, outside.Options{
		AppID: official.AppID, AppSecret: officialSecret, MiniAppID: mini.AppID, MiniAppSecret: miniSecret,
		Token: "token", Mode: outside.Plain, Seed: 1,
		Users: []outside.User{{ID: "alice", Name: "爱", Phone: "13812345678", Follows: true}, {ID: "bob", Name: "宝", Phone: "13912345678", Follows: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/sandbox/wechat", w.Handler()))
	t.Cleanup(func() { w.set.Close(); server.Close(); w.Close() })
	replica := func() *wechat.Client {
		c, err := wechat.NewClient(official, mini, rdb, w.clock.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), wechat.Options{
			BaseURL: server.URL + "/sandbox/wechat", Timeout: 500 * time.Millisecond, Backoff: time.Millisecond, TokenPoll: time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	w.a, w.b = replica(), replica()
	w.alice, w.bob = w.openID("alice"), w.openID("bob")
	return w
}

func (w *world) openID(id string) model.OpenID {
	w.t.Helper()
	p, err := w.Persona(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return model.OpenID(p.OpenID)
}

func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// received counts what reached the person through a channel.
func (w *world) received(id, channel string) int {
	w.t.Helper()
	bubbles, err := w.Chat(id, 0)
	w.do(err)
	n := 0
	for _, b := range bubbles {
		if b.Channel == channel {
			n++
		}
	}
	return n
}

func (w *world) template(kind outside.TemplateKind) model.Notice {
	w.t.Helper()
	values := map[string]string{"thing": "开门红", "phone_number": "138****5678", "amount": "12元", "time": "2026年2月17日", "phrase": "进行中", "number": "7", "character_string": "3GB"}
	for _, t := range w.Templates() {
		if t.Kind == kind {
			n := model.Notice{Template: t.ID, Fields: map[string]string{}, Page: "pages/pot"}
			for _, f := range t.Fields {
				n.Fields[f.Value] = values[f.Value[:len(f.Value)-1]]
			}
			return n
		}
	}
	w.t.Fatalf("no template of kind %s", kind)
	return model.Notice{}
}

func (w *world) want(what string, err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Errorf("%s = %v, want %v", what, err, want)
	}
}

func TestTheSandboxTakesEveryMessage(t *testing.T) {
	w := newWorld(t, dbtest.EmbeddedRedis(t))
	ctx, hi := t.Context(), model.Text("您好")
	w.want("message before any action", w.a.SendCustom(ctx, w.alice, hi), wechat.ErrWindowShut)
	w.do(w.Say("alice", outside.Said{Text: "查话费"}))
	for range 5 {
		w.want("message within the window", w.a.SendCustom(ctx, w.alice, hi), nil)
	}
	w.want("the sixth message", w.a.SendCustom(ctx, w.alice, hi), wechat.ErrWindowUsed)
	w.clock.pass(49 * time.Hour)
	w.want("message after 49 hours", w.b.SendCustom(ctx, w.alice, hi), wechat.ErrWindowShut)
	w.want("message to nobody", w.a.SendCustom(ctx, "oNobody", hi), wechat.ErrOpenID)

	notice := w.template(outside.ServiceTemplate)
	first, err := w.a.SendTemplate(ctx, w.alice, notice, "push:1")
	w.do(err)
	if again, err := w.b.SendTemplate(ctx, w.alice, notice, "push:1"); err != nil || again != first {
		t.Errorf("the same template again = %q, %v, want %q", again, err, first)
	}
	if got := w.received("alice", "template"); got != 1 {
		t.Errorf("alice received %d templates, want 1", got)
	}
	for _, tt := range []struct {
		kind outside.TemplateKind
		send func(n model.Notice) error
	}{
		{outside.MiniTemplate, func(n model.Notice) error {
			p, err := w.Persona("alice")
			w.do(err)
			_, err = w.a.SendSubscribe(ctx, model.OpenID(p.MiniOpenID), n)
			return err
		}},
		{outside.NoticeTemplate, func(n model.Notice) error { _, err := w.a.SendNotice(ctx, w.alice, n); return err }},
	} {
		n := w.template(tt.kind)
		w.want("notice without consent", tt.send(n), wechat.ErrNoConsent)
		w.do(w.Subscribe("alice", outside.Grant{Templates: []string{n.Template}}))
		w.want("notice with consent", tt.send(n), nil)
		w.want("notice with used consent", tt.send(n), wechat.ErrNoConsent)
		n.Template = "none"
		w.want("notice of no template", tt.send(n), wechat.ErrBadData)
	}
	id, err := w.a.SendMass(ctx, []model.OpenID{w.alice, w.bob}, hi, "camp:1")
	w.do(err)
	if again, err := w.b.SendMass(ctx, []model.OpenID{w.alice, w.bob}, hi, "camp:1"); err != nil || again != id {
		t.Errorf("the same mass message again = %q, %v, want %q", again, err, id)
	}
	if got := w.received("bob", "mass"); got != 1 {
		t.Errorf("bob received %d mass messages, want 1", got)
	}
	w.do(w.Unfollow("bob"))
	_, err = w.a.SendTemplate(ctx, w.bob, notice, "push:2")
	w.want("template to one who left", err, wechat.ErrNotFollowing)
}

func TestTheSandboxAnswersEveryOtherCall(t *testing.T) {
	w := newWorld(t, dbtest.EmbeddedRedis(t))
	ctx := t.Context()
	w.want("Check", w.a.Check(ctx), nil)
	_, _, err := w.a.GetMenu(ctx)
	w.want("GetMenu of none", err, wechat.ErrNotFound)
	w.do(w.a.CreateMenu(ctx, []*wechat.Button{{Name: "查询", SubButtons: []*wechat.Button{{Type: "click", Name: "话费", Key: "balance"}}}}))
	if menu, _, err := w.b.GetMenu(ctx); err != nil || len(menu.Buttons) != 1 || menu.Buttons[0].SubButtons[0].Key != "balance" {
		t.Errorf("GetMenu = %+v, %v", menu, err)
	}
	id, err := w.a.AddConditionalMenu(ctx, []*wechat.Button{{Type: "click", Name: "话费", Key: "balance"}}, wechat.MenuMatch{Platform: 1})
	w.do(err)
	w.do(w.a.DeleteConditionalMenu(ctx, id))
	w.do(w.a.DeleteMenu(ctx))

	qr, err := w.a.CreateQR(ctx, "shop:7", time.Hour)
	w.do(err)
	w.do(w.ScanTicket("alice", qr.Ticket))
	u, err := w.a.UserInfo(ctx, w.alice)
	if err != nil || !u.Follows || u.UnionID == "" || u.OpenID != w.alice {
		t.Errorf("UserInfo = %+v, %v", u, err)
	}
	if all, err := w.a.Followers(t.Context(), ""); err != nil || !slices.Contains(all, w.alice) || !slices.Contains(all, w.bob) {
		t.Errorf("Followers = %v, %v, want Alice and Bob among them", all, err)
	} else if rest, err := w.a.Followers(t.Context(), all[len(all)-1]); err != nil || len(rest) != 0 {
		t.Errorf("Followers after the last = %v, %v, want none", rest, err)
	}
	if us, err := w.a.UserInfos(ctx, []model.OpenID{w.alice, w.bob}); err != nil || len(us) != 2 {
		t.Errorf("UserInfos = %+v, %v", us, err)
	}
	if ts, err := w.a.Templates(ctx); err != nil || len(ts) == 0 {
		t.Errorf("Templates = %v, %v", ts, err)
	}
	if q, err := w.a.Quota(ctx, model.OfficialAccount, sendPath); err != nil || q.Limit != 500_000 {
		t.Errorf("Quota = %+v, %v", q, err)
	}

	var picture bytes.Buffer
	w.do(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 1, 1))))
	media, err := w.a.UploadMedia(ctx, wechat.Image, "a.png", picture.Bytes())
	w.do(err)
	w.do(w.Say("alice", outside.Said{Text: "hi"}))
	w.do(w.a.SendCustom(ctx, w.alice, model.Content{Kind: model.ImageContent, MediaID: media}))
	w.want("picture of no media", w.a.SendCustom(ctx, w.alice, model.Content{Kind: model.ImageContent, MediaID: "none"}), wechat.ErrBadData)
	m, err := w.a.AddMaterial(ctx, wechat.Image, "a.png", picture.Bytes(), "", "")
	if err != nil || m.MediaID == "" || m.URL == "" {
		t.Errorf("AddMaterial = %+v, %v", m, err)
	}
	w.do(w.a.DeleteMaterial(ctx, m.MediaID))
	if code, err := w.a.MiniCode(ctx, "pages/pot", "p=1", 430); err != nil || len(code) == 0 {
		t.Errorf("MiniCode = %d bytes, %v", len(code), err)
	}

	code, err := w.LoginCode("alice")
	w.do(err)
	if openID, unionID, err := w.a.Code2Session(ctx, code); err != nil || openID == w.alice || unionID != u.UnionID {
		t.Errorf("Code2Session = %q, %q, %v, want alice's unionid %q", openID, unionID, err, u.UnionID)
	}
	_, _, err = w.a.Code2Session(ctx, code)
	w.want("a login code used twice", err, wechat.ErrLoginCode)
	code, err = w.PhoneCode("alice")
	w.do(err)
	if phone, err := w.a.PhoneNumber(ctx, code); err != nil || phone.Digits() != "13812345678" {
		t.Errorf("PhoneNumber = %v, %v", phone, err)
	}
	_, err = w.a.PhoneNumber(ctx, code)
	w.want("a phone code used twice", err, wechat.ErrLoginCode)
}

func TestTheSandboxsTokensAndMishapsAreSurvived(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
		w := newWorld(t, rdb)
		ctx, hi := t.Context(), model.Text("您好")
		send := func(c *wechat.Client) error { return c.SendCustom(ctx, w.alice, hi) }
		fill := func() { t.Helper(); w.do(w.Say("alice", outside.Said{Text: "hi"})) }
		fill()
		w.want("a first send", send(w.a), nil)
		w.ExpireTokens() // WeChat ends every token at once
		w.want("a's send after it", send(w.a), nil)
		w.want("b's send after it", send(w.b), nil)
		w.clock.pass(2*time.Hour - time.Minute)
		fill()
		w.want("a send while it is renewed", send(w.a), nil)
		w.clock.pass(3 * time.Hour)
		fill()
		w.want("a send after its end", send(w.b), nil)

		before := w.received("alice", "custom")
		for _, tt := range []struct {
			name    string
			fault   faults.Fault
			want    error
			arrives int
		}{
			{"busy twice", faults.Fault{Kind: faults.ErrCode, ErrCode: -1, Count: 2}, nil, 1},
			{"quota", faults.Fault{Kind: faults.ErrCode, ErrCode: 45009, Count: 1}, wechat.ErrDayQuota, 0},
			{"minute", faults.Fault{Kind: faults.ErrCode, ErrCode: 45011, Count: 1}, wechat.ErrMinuteQuota, 0},
			{"cut after sending", faults.Fault{Kind: faults.Cut, Count: 1}, wechat.ErrUnknown, 1},
			{"cut before sending", faults.Fault{Kind: faults.Reset, Count: 1}, wechat.ErrUnknown, 0},
			{"garbage after sending", faults.Fault{Kind: faults.Garbage, Count: 1}, wechat.ErrUnknown, 1},
			{"503", faults.Fault{Kind: faults.Status, Count: 1}, wechat.ErrUnknown, 0},
			{"no answer in time", faults.Fault{Kind: faults.Delay, DelayMS: 900, Count: 1}, wechat.ErrUnknown, 0},
		} {
			fill()
			w.do(w.set.Put("wechat.custom_send", tt.fault))
			w.want(tt.name, send(w.a), tt.want)
			after := w.received("alice", "custom")
			if after-before != tt.arrives {
				t.Errorf("%s: %d messages arrived, want %d and no repeat", tt.name, after-before, tt.arrives)
			}
			before = after
		}
	})
}
