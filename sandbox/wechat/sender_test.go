package wechat_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/sandbox/faults"
	"kaimenhong/sandbox/wechat"
)

func TestAMessageGoesThereAndBackInEveryMode(t *testing.T) {
	for _, mode := range []wechat.Mode{wechat.Plain, wechat.Compatible, wechat.Safe} {
		for _, sealed := range []bool{false, true} {
			if mode == wechat.Plain && sealed {
				continue
			}
			t.Run(fmt.Sprintf("%s, answers encrypted %v", mode, sealed), func(t *testing.T) {
				r := newRig(t, func(o *wechat.Options) { o.Mode = mode })
				r.app.seal = sealed
				r.app.answer = func(g got) (int, string) { return 200, text(g, "你说："+g.fields["Content"]) }
				r.must(r.Say("fan", wechat.Said{Text: "查话费 ]]> <b>"}))
				r.idle()
				seen := r.app.all()
				if len(seen) != 1 || seen[0].fields["Content"] != "查话费 ]]> <b>" || seen[0].fields["MsgId"] == "" {
					t.Fatalf("the application saw %+v", seen)
				}
				if plain := strings.Contains(seen[0].body, "<Content>"); plain != (mode != wechat.Safe) {
					t.Errorf("plain text in the body: %v", plain)
				}
				want := "你说：查话费 ]]> <b>"
				if mode == wechat.Safe && !sealed {
					want = "该公众号暂时无法提供服务，请稍后再试"
				}
				if got := r.last("fan").Text; got != want {
					t.Errorf("the chat ends with %q, want %q", got, want)
				}
			})
		}
	}
}

func TestWhatPeopleDoIsPushedAsWeChatDoes(t *testing.T) {
	r := newRig(t, func(o *wechat.Options) { o.Mode = wechat.Plain })
	r.call(r.with("/cgi-bin/menu/create"), `{"button":[{"type":"click","name":"查话费","key":"BALANCE"},{"name":"更多","sub_button":[{"type":"view","name":"商城","url":"https://example.com/mall"}]}]}`)
	for _, tt := range []struct {
		name string
		do   func() error
		want map[string]string
	}{
		{"follow by a scene", func() error { return r.Follow("li", "shop-12") }, map[string]string{"MsgType": "event", "Event": "subscribe", "EventKey": "qrscene_shop-12"}},
		{"scan as a follower", func() error { return r.Follow("li", "shop-12") }, map[string]string{"Event": "SCAN", "EventKey": "shop-12"}},
		{"follow by search", func() error { return r.Follow("wang", "") }, map[string]string{"Event": "subscribe", "EventKey": ""}},
		{"text", func() error { return r.Say("li", wechat.Said{Text: "你好"}) }, map[string]string{"MsgType": "text", "Content": "你好"}},
		{"a chosen line", func() error { return r.Say("li", wechat.Said{Text: "话费", MenuID: "101"}) }, map[string]string{"bizmsgmenuid": "101"}},
		{"voice", func() error { return r.Say("li", wechat.Said{Voice: &wechat.Voice{Recognition: "查流量"}}) }, map[string]string{"MsgType": "voice", "Recognition": "查流量", "Format": "amr"}},
		{"picture", func() error { return r.Say("li", wechat.Said{Image: png}) }, map[string]string{"MsgType": "image"}},
		{"place", func() error {
			return r.Say("li", wechat.Said{Location: &wechat.Place{Latitude: 23.1, Longitude: 113.3, Label: "天河"}})
		}, map[string]string{"MsgType": "location", "Location_X": "23.1", "Label": "天河"}},
		{"link", func() error { return r.Say("li", wechat.Said{Link: &wechat.Link{Title: "a", URL: "https://b.c"}}) }, map[string]string{"MsgType": "link", "Url": "https://b.c"}},
		{"reported place", func() error { return r.Say("li", wechat.Said{Reporting: &wechat.Reports{Latitude: 23.5}}) }, map[string]string{"Event": "LOCATION", "Latitude": "23.5"}},
		{"click", func() error { _, err := r.Tap("li", "BALANCE"); return err }, map[string]string{"Event": "CLICK", "EventKey": "BALANCE"}},
		{"view", func() error { _, err := r.Tap("li", "商城"); return err }, map[string]string{"Event": "VIEW", "EventKey": "https://example.com/mall"}},
		{"unfollow", func() error { return r.Unfollow("li") }, map[string]string{"Event": "unsubscribe"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(r.app.all())
			r.must(tt.do())
			r.idle()
			seen := r.app.all()
			if len(seen) != before+1 {
				t.Fatalf("%d callbacks, want 1", len(seen)-before)
			}
			for name, want := range tt.want {
				if got, ok := seen[before].fields[name]; !ok || got != want {
					t.Errorf("%s = %q, want %q, in %s", name, got, want, seen[before].plain)
				}
			}
		})
	}
}

func TestThreeTriesOfOneMessage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(try int, g got) (int, string)
		tries  int
		last   string
	}{
		{"answered at once", func(_ int, g got) (int, string) { return 200, text(g, "好") }, 1, "好"},
		{"a failing server is tried three times", func(int, got) (int, string) { return 502, "" }, 3, "该公众号暂时无法提供服务，请稍后再试"},
		{"the third try may save it", func(try int, g got) (int, string) {
			if try < 3 {
				return 500, ""
			}
			return 200, text(g, "好")
		}, 3, "好"},
		{"a refusal is final", func(int, got) (int, string) { return 403, "" }, 1, "该公众号暂时无法提供服务，请稍后再试"},
		{"success says nothing", func(int, got) (int, string) { return 200, "success" }, 1, "喂"},
		{"so does an empty body", func(int, got) (int, string) { return 200, "" }, 1, "喂"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			try := 0
			r.app.answer = func(g got) (int, string) {
				try++
				return tt.answer(try, g)
			}
			r.must(r.Say("fan", wechat.Said{Text: "喂"}))
			r.idle()
			seen := r.app.all()
			if len(seen) != tt.tries {
				t.Fatalf("%d tries, want %d", len(seen), tt.tries)
			}
			for _, s := range seen {
				if s.fields["MsgId"] != seen[0].fields["MsgId"] || s.fields["CreateTime"] != seen[0].fields["CreateTime"] {
					t.Errorf("a try has another identity: %v", s.fields)
				}
			}
			if got := r.last("fan").Text; got != tt.last {
				t.Errorf("the chat ends with %q, want %q", got, tt.last)
			}
			if n := len(slices.DeleteFunc(r.Exchanges(0), func(x wechat.Exchange) bool { return x.Kind != "callback" })); n != tt.tries {
				t.Errorf("the inspector shows %d tries, want %d", n, tt.tries)
			}
		})
	}
}

func TestASlowAnswerIsCutAndTriedAgain(t *testing.T) {
	r := newRig(t, func(o *wechat.Options) { o.CallbackTimeout = 50 * time.Millisecond })
	release := make(chan struct{})
	r.app.answer = func(g got) (int, string) {
		<-release
		return 200, text(g, "太晚了")
	}
	r.must(r.Say("fan", wechat.Said{Text: "喂"}))
	r.idle()
	close(release)
	if n := len(r.app.all()); n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
	if got := r.last("fan"); got.From != "system" || got.Tries != 3 {
		t.Errorf("the chat ends with %+v", got)
	}
}

func TestEveryPassiveAnswerIsShownOrRefused(t *testing.T) {
	const article = "<item><Title>年货</Title><Description>d</Description><PicUrl>https://p.example/1</PicUrl><Url>https://u.example</Url></item>"
	for _, tt := range []struct {
		name, rest string
		kind       string // "system" when refused
		check      func(wechat.Bubble) bool
	}{
		{"text with links", `<MsgType>text</MsgType><Content><![CDATA[选 <a href="weixin://bizmsgmenu?msgmenucontent=话费&msgmenuid=1">话费</a> 或 <a href="https://a.b">商城</a>]]></Content>`, "text", func(b wechat.Bubble) bool {
			return b.Text == "选 话费 或 商城" && len(b.Spans) == 4 && b.Spans[1].Say == "话费" && b.Spans[1].SayID == "1" && b.Spans[3].Href == "https://a.b"
		}},
		{"text to a mini-program", `<MsgType>text</MsgType><Content><![CDATA[<a data-miniprogram-appid="wx1" data-miniprogram-path="pages/index" href="https://x.y">打开</a>]]></Content>`, "text", func(b wechat.Bubble) bool { return b.Spans[0].AppID == "wx1" && b.Spans[0].Page == "pages/index" }},
		{"empty text", "<MsgType>text</MsgType><Content> </Content>", "system", nil},
		{"text above 2,048 bytes", "<MsgType>text</MsgType><Content>" + strings.Repeat("测", 683) + "</Content>", "system", nil},
		{"text of 2,046 bytes", "<MsgType>text</MsgType><Content>" + strings.Repeat("测", 682) + "</Content>", "text", nil},
		{"image", "<MsgType>image</MsgType><Image><MediaId>MEDIA</MediaId></Image>", "image", nil},
		{"image that nobody uploaded", "<MsgType>image</MsgType><Image><MediaId>x</MediaId></Image>", "system", nil},
		{"image without one", "<MsgType>image</MsgType>", "system", nil},
		{"voice", "<MsgType>voice</MsgType><Voice><MediaId>MEDIA</MediaId></Voice>", "voice", nil},
		{"video", "<MsgType>video</MsgType><Video><MediaId>MEDIA</MediaId><Title>贺岁</Title></Video>", "video", func(b wechat.Bubble) bool { return b.Title == "贺岁" }},
		{"music", "<MsgType>music</MsgType><Music><Title>歌</Title><MusicUrl>https://m.example</MusicUrl><ThumbMediaId>MEDIA</ThumbMediaId></Music>", "music", func(b wechat.Bubble) bool { return b.URL == "https://m.example" }},
		{"news", "<MsgType>news</MsgType><ArticleCount>1</ArticleCount><Articles>" + article + "</Articles>", "news", func(b wechat.Bubble) bool { return b.Articles[0].Title == "年货" }},
		{"news of two is cut to one for a text", "<MsgType>news</MsgType><ArticleCount>2</ArticleCount><Articles>" + article + article + "</Articles>", "news", func(b wechat.Bubble) bool { return len(b.Articles) == 1 }},
		{"news that miscounts", "<MsgType>news</MsgType><ArticleCount>2</ArticleCount><Articles>" + article + "</Articles>", "system", nil},
		{"transfer", "<MsgType>transfer_customer_service</MsgType>", "transfer", nil},
		{"no such type", "<MsgType>miniprogrampage</MsgType>", "system", nil},
		{"no type", "", "system", nil},
		{"two documents", "<MsgType>text</MsgType><Content>a</Content></xml><xml>", "system", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.must(r.Say("fan", wechat.Said{Image: png}))
			r.idle()
			rest := strings.ReplaceAll(tt.rest, "MEDIA", r.last("fan").MediaID)
			r.app.answer = func(g got) (int, string) { return 200, answerOf(g, rest) }
			r.must(r.Say("fan", wechat.Said{Text: "喂"}))
			r.idle()
			b := r.last("fan")
			if b.Kind != tt.kind || tt.check != nil && !tt.check(b) {
				x := r.Exchanges(0)
				t.Errorf("the chat ends with %+v, want kind %s; outcome %s", b, tt.kind, x[len(x)-1].Outcome)
			}
		})
	}
}

func TestABadlySealedAnswerIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, answer string }{
		{"not XML", "hello"},
		{"wrong signature", "<xml><Encrypt>AAAA</Encrypt><MsgSignature>0</MsgSignature><TimeStamp>1</TimeStamp><Nonce>2</Nonce></xml>"},
		{"for another app", func() string {
			e := newCipher(t, "wx0000000000000000").Encrypt([]byte("0123456789abcdef"), []byte("<xml></xml>"))
			return "<xml><Encrypt>" + e + "</Encrypt><MsgSignature>" + wechat.Signature(cbToken, "1", "2", e) + "</MsgSignature><TimeStamp>1</TimeStamp><Nonce>2</Nonce></xml>"
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.app.seal = false
			r.app.answer = func(got) (int, string) { return 200, tt.answer }
			r.must(r.Say("fan", wechat.Said{Text: "喂"}))
			r.idle()
			if got := r.last("fan"); got.Kind != "system" {
				t.Errorf("the chat ends with %+v", got)
			}
		})
	}
}

func TestChaos(t *testing.T) {
	t.Run("copies arrive at once with one MsgId and one answer is shown", func(t *testing.T) {
		r := newRig(t, nil)
		r.app.answer = func(g got) (int, string) { return 200, text(g, "好") }
		r.must(r.SetChaos(wechat.Chaos{Copies: 4, Count: 1}))
		r.must(r.Say("fan", wechat.Said{Text: "一"}))
		r.idle()
		r.must(r.Say("fan", wechat.Said{Text: "二"}))
		r.idle()
		ids := map[string]int{}
		for _, s := range r.app.all() {
			ids[s.fields["MsgId"]]++
		}
		bubbles, err := r.Chat("fan", 0)
		r.must(err)
		if len(ids) != 2 || len(r.app.all()) != 5 || len(bubbles) != 4 {
			t.Errorf("%v callbacks, %d bubbles", ids, len(bubbles))
		}
	})
	t.Run("a held message comes after a later one", func(t *testing.T) {
		r := newRig(t, nil)
		r.must(r.SetChaos(wechat.Chaos{Hold: 2}))
		var order []string
		for _, s := range []string{"一", "二", "三"} {
			r.must(r.Say("fan", wechat.Said{Text: s}))
			r.idle()
		}
		for _, s := range r.app.all() {
			order = append(order, s.fields["Content"])
		}
		if got := strings.Join(order, ""); got != "二三一" && got != "二一三" {
			t.Errorf("arrived as %s", got)
		}
	})
	t.Run("out of range", func(t *testing.T) {
		if err := newRig(t, nil).SetChaos(wechat.Chaos{Copies: 9}); err == nil {
			t.Error("nine copies are taken")
		}
	})
}

func TestForgeriesAreNoHonestCallbacks(t *testing.T) {
	for _, mode := range []wechat.Mode{wechat.Plain, wechat.Compatible, wechat.Safe} {
		r := newRig(t, func(o *wechat.Options) { o.Mode = mode })
		for _, trick := range wechat.Forgeries {
			a, err := r.Forge(t.Context(), "fan", trick, "偷")
			if err != nil {
				if mode == wechat.Safe || !errors.Is(err, wechat.ErrForgery) {
					t.Errorf("%s at %s: %v", trick, mode, err)
				}
				continue
			}
			// The tiny application knows signatures, encryption and nothing of freshness or size.
			lenient := slices.Contains([]string{"stale", "huge", "nested", "not_xml"}, trick) || mode == wechat.Plain && trick == "empty"
			if a.Status != 403 && !lenient {
				t.Errorf("%s at %s was answered %d", trick, mode, a.Status)
			}
		}
	}
	r := newRig(t, nil)
	if _, err := r.Forge(t.Context(), "fan", "magic", ""); err == nil {
		t.Error("an unknown trick is played")
	}
}

func TestAReplayIsTheSameBytes(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.Say("fan", wechat.Said{Text: "喂"}))
	r.idle()
	x := r.Exchanges(0)
	if _, err := r.Replay(t.Context(), x[0].Seq); err != nil {
		t.Fatal(err)
	}
	seen := r.app.all()
	if len(seen) != 2 || seen[0].body != seen[1].body || seen[0].query["nonce"] != seen[1].query["nonce"] {
		t.Errorf("replayed as %+v", seen)
	}
	if _, err := r.Replay(t.Context(), 999); err == nil {
		t.Error("an unknown exchange is replayed")
	}
}

func TestTheEchoOfTheURLIsChecked(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.Verify(t.Context()))
}

func TestACutAnswerIsSeenInTheInspector(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.set.Put("wechat.callback_ip", faults.Fault{Kind: faults.Reset}))
	if _, err := r.api.Client().Get(r.api.URL + r.with("/cgi-bin/getcallbackip")); err == nil {
		t.Fatal("the call was answered")
	}
	x := r.Exchanges(0)
	if got := x[len(x)-1]; got.Status != 0 || got.Outcome != "cut" || strings.Contains(got.Query, r.token) {
		t.Errorf("shown as %+v", got)
	}
}

// png is a picture of one pixel.
var png = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0P\x0f\x00\x04\x85\x01\x80\xa8\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82")

func TestTheInspectorKnowsWhomACallIsAbout(t *testing.T) {
	r := newRig(t, nil)
	fan := r.openID("fan")
	text := map[string]any{"content": "您好"}
	for path, tt := range map[string]struct {
		body any
		want string
	}{
		"/cgi-bin/message/custom/send":                {map[string]any{"touser": fan, "msgtype": "text", "text": text}, "fan"},
		"/cgi-bin/user/info?lang=zh_CN&openid=" + fan: {nil, "fan"},
		"/cgi-bin/message/mass/send":                  {map[string]any{"touser": []string{fan, "o2"}, "msgtype": "text", "text": text}, ""},
		"/cgi-bin/menu/get":                           {nil, ""},
	} {
		r.raw(path, tt.body)
		x := r.Exchanges(0)
		if got := x[len(x)-1]; got.Persona != tt.want {
			t.Errorf("%s is about %q, want %q", got.Path, got.Persona, tt.want)
		}
	}
}
