package wechat_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/sandbox/wechat"
)

func jsonNumber(s string) json.Number { return json.Number(s) }

func customText(openID, words string) map[string]any {
	return map[string]any{"touser": openID, "msgtype": "text", "text": map[string]string{"content": words}}
}

const customPath = "/cgi-bin/message/custom/send"

func TestCustomerServiceWindows(t *testing.T) {
	type step struct {
		do   string // say, click, follow, scan, unfollow, wait 1m, send
		want int
	}
	sends := func(n, last int) []step {
		var list []step
		for range n {
			list = append(list, step{"send", 0})
		}
		return append(list, step{"send", last})
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"nothing done, nothing sent", sends(0, 45015)},
		{"a message allows five", append([]step{{"say", 0}}, sends(5, 45047)...)},
		{"for 48 hours", []step{{"say", 0}, {"wait 47h59m", 0}, {"send", 0}, {"wait 1m", 0}, {"send", 45015}}},
		{"a click allows three", append([]step{{"click", 0}}, sends(3, 45047)...)},
		{"for a minute", []step{{"click", 0}, {"wait 59s", 0}, {"send", 0}, {"wait 1s", 0}, {"send", 45015}}},
		{"a scan allows three", append([]step{{"scan", 0}}, sends(3, 45047)...)},
		{"a follow allows three", append([]step{{"unfollow", 0}, {"follow", 0}}, sends(3, 45047)...)},
		{"a new message resets to five and adds nothing", append([]step{{"say", 0}, {"send", 0}, {"say", 0}}, sends(5, 45047)...)},
		{"a click beside a message adds nothing", append([]step{{"say", 0}, {"click", 0}}, sends(5, 45047)...)},
		{"a click after the five allows three more", append(append(append([]step{{"say", 0}}, sends(5, 45047)...), step{"click", 0}), sends(3, 45047)...)},
		{"unfollowing shuts all", []step{{"say", 0}, {"unfollow", 0}, {"send", 45015}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.call(r.with("/cgi-bin/menu/create"), `{"button":[{"type":"click","name":"查话费","key":"BALANCE"}]}`)
			for i, s := range tt.steps {
				var err error
				switch s.do {
				case "say":
					err = r.Say("fan", wechat.Said{Text: "喂"})
				case "click":
					_, err = r.Tap("fan", "BALANCE")
				case "follow":
					err = r.Follow("fan", "")
				case "scan":
					err = r.Follow("fan", "s")
				case "unfollow":
					err = r.Unfollow("fan")
				case "send":
					r.token = ""
					if got := r.code(customPath, customText(r.openID("fan"), "话费到账")); got != s.want {
						t.Fatalf("step %d: send = %d, want %d", i+1, got, s.want)
					}
				default:
					d, parse := time.ParseDuration(strings.TrimPrefix(s.do, "wait "))
					r.must(parse)
					r.clock.move(d)
				}
				r.must(err)
			}
		})
	}
}

func TestEveryKindOfCustomerServiceMessage(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.Say("fan", wechat.Said{Image: png}))
	r.idle()
	media := r.last("fan").MediaID
	for _, tt := range []struct {
		name, body string
		want       int
		kind       string
	}{
		{"text", `"msgtype":"text","text":{"content":"你好"}`, 0, "text"},
		{"empty text", `"msgtype":"text","text":{"content":""}`, 44004, ""},
		{"long text", `"msgtype":"text","text":{"content":"` + strings.Repeat("测", 683) + `"}`, 45002, ""},
		{"image", `"msgtype":"image","image":{"media_id":"MEDIA"}`, 0, "image"},
		{"image of nobody", `"msgtype":"image","image":{"media_id":"x"}`, 40007, ""},
		{"voice", `"msgtype":"voice","voice":{"media_id":"MEDIA"}`, 0, "voice"},
		{"video", `"msgtype":"video","video":{"media_id":"MEDIA","thumb_media_id":"MEDIA","title":"t"}`, 0, "video"},
		{"music", `"msgtype":"music","music":{"musicurl":"https://m","thumb_media_id":"MEDIA"}`, 0, "music"},
		{"news", `"msgtype":"news","news":{"articles":[{"title":"年货","url":"https://u"}]}`, 0, "news"},
		{"news of two", `"msgtype":"news","news":{"articles":[{"title":"a"},{"title":"b"}]}`, 45008, ""},
		{"menu", `"msgtype":"msgmenu","msgmenu":{"head_content":"满意吗？","list":[{"id":"101","content":"满意"},{"id":102,"content":"不满意"}],"tail_content":"谢谢"}`, 0, "menu"},
		{"card", `"msgtype":"miniprogrampage","miniprogrampage":{"title":"红包","appid":"` + miniID + `","pagepath":"pages/pot","thumb_media_id":"MEDIA"}`, 0, "card"},
		{"card of another app", `"msgtype":"miniprogrampage","miniprogrampage":{"title":"红包","appid":"wx9","pagepath":"p","thumb_media_id":"MEDIA"}`, 40165, ""},
		{"no such kind", `"msgtype":"hologram"`, 40008, ""},
		{"no such draft", `"msgtype":"mpnews","mpnews":{"media_id":"x"}`, 40007, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.must(r.Say("fan", wechat.Said{Text: "喂"}))
			body := strings.ReplaceAll(`{"touser":"`+r.openID("fan")+`",`+tt.body+`}`, "MEDIA", media)
			if got := r.code(customPath, body); got != tt.want {
				t.Fatalf("errcode %d, want %d", got, tt.want)
			}
			if b := r.last("fan"); tt.kind != "" && (b.Kind != tt.kind || b.Channel != "custom") {
				t.Errorf("the chat ends with %+v", b)
			}
		})
	}
	if got := r.code(customPath, customText("nobody", "x")); got != 40003 {
		t.Errorf("to nobody = %d, want 40003", got)
	}
	typing := func(id string) int {
		return r.code("/cgi-bin/message/custom/typing", map[string]string{"touser": r.openID(id), "command": "Typing"})
	}
	if fan, li := typing("fan"), typing("li"); fan != 0 || li != 45080 {
		t.Errorf("typing = %d with a window and %d without, want 0 and 45080", fan, li)
	}
}

func templateID(t *testing.T, kind wechat.TemplateKind, title string) string {
	t.Helper()
	for _, tt := range wechat.DefaultTemplates() {
		if tt.Kind == kind && tt.Title == title {
			return tt.ID
		}
	}
	t.Fatalf("no template %s", title)
	return ""
}

// notice is a body for 活动开始提醒 or, with other fields, any template.
func notice(to, template string, data map[string]string, more ...string) map[string]any {
	fields := map[string]any{}
	for k, v := range data {
		fields[k] = map[string]string{"value": v}
	}
	m := map[string]any{"touser": to, "template_id": template, "data": fields}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestTemplateMessages(t *testing.T) {
	const path = "/cgi-bin/message/template/send"
	r := newRig(t, func(o *wechat.Options) { o.Mode = wechat.Plain })
	id := templateID(t, wechat.ServiceTemplate, "兑换结果通知")
	good := map[string]string{"thing1": "1GB流量包", "number2": "500", "time3": "2026年2月16日 20:00", "phrase4": "已成功"}
	with := func(key, value string) map[string]string {
		m := map[string]string{}
		for k, v := range good {
			m[k] = v
		}
		m[key] = value
		return m
	}
	fan := r.openID("fan")
	for _, tt := range []struct {
		name string
		body map[string]any
		want int
	}{
		{"to nobody", notice("nobody", id, good), 40003},
		{"to a stranger", notice(r.openID("li"), id, good), 43004},
		{"no such template", notice(fan, "x", good), 40037},
		{"a template of another channel", notice(fan, templateID(t, wechat.NoticeTemplate, "活动开始提醒"), good), 40037},
		{"a missing field", notice(fan, id, map[string]string{"thing1": "a"}), 47003},
		{"a thing of 21 letters", notice(fan, id, with("thing1", strings.Repeat("流", 21))), 47003},
		{"a number that is none", notice(fan, id, with("number2", "五百")), 47003},
		{"a phrase of six letters", notice(fan, id, with("phrase4", "已经成功到账")), 47003},
		{"a phrase that is not Chinese", notice(fan, id, with("phrase4", "ok")), 47003},
		{"right", notice(fan, id, good), 0},
	} {
		if got := r.code(path, tt.body); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
	if b := r.last("fan"); b.Kind != "notice" || b.Title != "兑换结果通知" || b.Fields[0] != (wechat.NoticeField{Name: "兑换商品", Value: "1GB流量包"}) {
		t.Errorf("the chat ends with %+v", b)
	}
	r.idle()
	if seen := r.app.all(); len(seen) != 1 || seen[0].fields["Event"] != "TEMPLATESENDJOBFINISH" || seen[0].fields["Status"] != "success" || seen[0].fields["MsgID"] == "" {
		t.Errorf("reported as %+v", seen)
	}
	before := len(mustChat(r, "fan"))
	first := r.call(r.with(path), notice(fan, id, good, "client_msg_id", "c-1"))
	again := r.call(r.with(path), notice(fan, id, good, "client_msg_id", "c-1"))
	if first["msgid"] != again["msgid"] || len(mustChat(r, "fan")) != before+1 {
		t.Errorf("a repeat within ten minutes: %v then %v", first, again)
	}
	r.clock.move(10 * time.Minute)
	if later := r.call(r.with(path), notice(fan, id, good, "client_msg_id", "c-1")); later["msgid"] == first["msgid"] {
		t.Error("a repeat after ten minutes shows nothing")
	}
	if list := r.call(r.with("/cgi-bin/template/get_all_private_template"), nil)["template_list"].([]any); len(list) != 5 {
		t.Errorf("%d templates, want 5", len(list))
	}
}

func mustChat(r *rig, id string) []wechat.Bubble {
	r.t.Helper()
	list, err := r.Chat(id, 0)
	r.must(err)
	return list
}

func TestOneConsentIsOneMessage(t *testing.T) {
	for _, tt := range []struct {
		kind wechat.TemplateKind
		path string
	}{
		{wechat.NoticeTemplate, "/cgi-bin/message/subscribe/bizsend"},
		{wechat.MiniTemplate, "/cgi-bin/message/subscribe/send"},
	} {
		for _, asJSON := range []bool{false, true} {
			t.Run(string(tt.kind), func(t *testing.T) {
				mini := tt.kind == wechat.MiniTemplate
				r := newRig(t, func(o *wechat.Options) {
					if mini {
						o.MiniCallbackURL, o.MiniJSON = "on", asJSON
					}
				})
				who, err := r.Persona("fan")
				r.must(err)
				to, token := who.OpenID, r.stable(appID, secret, false)
				if mini {
					to, token = who.MiniOpenID, r.stable(miniID, miniSecret, false)
				}
				id := templateID(t, tt.kind, "活动开始提醒")
				send := func() int {
					return errcode(t, r.call(tt.path+"?access_token="+token, notice(to, id, map[string]string{"thing1": "年夜红包", "time2": "20:00", "thing3": "快来"})))
				}
				if got := send(); got != 43101 {
					t.Errorf("without consent = %d, want 43101", got)
				}
				r.must(r.Subscribe("fan", wechat.Grant{Templates: []string{id}, Refused: true}))
				r.must(r.Subscribe("fan", wechat.Grant{Templates: []string{id}}))
				r.must(r.Subscribe("fan", wechat.Grant{Templates: []string{id}}))
				if a, b, c := send(), send(), send(); a != 0 || b != 0 || c != 43101 {
					t.Errorf("two consents gave %d, %d, %d, want 0, 0, 43101", a, b, c)
				}
				r.idle()
				if asked, sent := r.app.events("subscribe_msg_popup_event"), r.app.events("subscribe_msg_sent_event"); len(asked) != 3 || len(sent) != 2 {
					t.Errorf("pushed %d choices and %d reports, want 3 and 2", len(asked), len(sent))
				}
			})
		}
	}
	r := newRig(t, nil)
	for _, g := range []wechat.Grant{{}, {Templates: []string{"x"}}, {Templates: make([]string, 6)}} {
		if err := r.Subscribe("fan", g); err == nil {
			t.Errorf("%v is granted", g)
		}
	}
}

func TestMassMessages(t *testing.T) {
	const path = "/cgi-bin/message/mass/send"
	r := newRig(t, func(o *wechat.Options) { o.Mode = wechat.Plain })
	body := func(client string, people ...string) map[string]any {
		return map[string]any{"touser": people, "msgtype": "text", "text": map[string]string{"content": "新年好"}, "clientmsgid": client}
	}
	fan, li := r.openID("fan"), r.openID("li")
	if got := r.code(path, body("a", fan)); got != 40130 {
		t.Errorf("to one = %d, want 40130", got)
	}
	first := r.call(r.with(path), body("a", fan, li, "nobody"))
	if errcode(t, first) != 0 {
		t.Fatalf("mass = %v", first)
	}
	again := r.call(r.with(path), body("a", fan, li, "nobody"))
	if errcode(t, again) != 45065 || again["msg_id"] != first["msg_id"] {
		t.Errorf("again = %v, want 45065 and msg_id %v", again, first["msg_id"])
	}
	if m := r.call(r.with("/cgi-bin/message/mass/get"), map[string]any{"msg_id": first["msg_id"]}); m["msg_status"] != "SEND_SUCCESS" {
		t.Errorf("mass/get = %v", m)
	}
	for i := range 4 {
		if got := r.code(path, body("b"+string(rune('0'+i)), fan, li)); got != 0 {
			t.Fatal(got)
		}
	}
	if n := len(mustChat(r, "fan")); n != 4 {
		t.Errorf("%d mass messages in a month, want 4", n)
	}
	r.idle()
	reports := r.app.events("MASSSENDJOBFINISH")
	slices.SortFunc(reports, func(a, b got) int { return strings.Compare(a.fields["MsgID"], b.fields["MsgID"]) })
	if len(reports) != 5 || reports[0].fields["TotalCount"] != "3" || reports[0].fields["SentCount"] != "1" || reports[0].fields["ErrorCount"] != "2" {
		t.Errorf("reported as %+v", reports)
	}
	r.clock.move(31 * 24 * time.Hour)
	r.token = ""
	if got := r.code("/cgi-bin/message/mass/sendall", map[string]any{"filter": map[string]any{"is_to_all": true}, "msgtype": "text", "text": map[string]string{"content": "元宵"}}); got != 0 {
		t.Error(got)
	}
	if n := len(mustChat(r, "fan")); n != 5 {
		t.Errorf("%d after a new month, want 5", n)
	}
	if got := r.code("/cgi-bin/message/mass/preview", map[string]any{"touser": fan, "msgtype": "text", "text": map[string]string{"content": "预览"}}); got != 0 || r.last("fan").Channel != "preview" {
		t.Errorf("preview = %d", got)
	}
	for i := range 60 {
		if got := r.code(path, body("c", fan, li)); got != 0 && got != 45065 {
			t.Fatalf("request %d = %d", i+1, got)
		}
	}
	if got := r.code(path, body("c", fan, li)); got != 45011 && got != 45009 {
		t.Errorf("the 61st request of a minute = %d, want 45011", got)
	}
	total, each := r.Reached("")
	if total["mass"] != 6 || each[fan]["mass"] != 6 {
		t.Errorf("reached %v, %v", total, each)
	}
}
