package wechat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"log/slog"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/wechat"
)

// sameJSON tells whether two texts are the same JSON.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	return json.Unmarshal([]byte(got), &a) == nil && reflect.DeepEqual(a, b)
}

func TestEveryKindOfCustomMessageHasItsForm(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	for _, tt := range []struct {
		content model.Content
		want    string // "" when it must not be sent
	}{
		{model.Text(strings.Repeat("测", 682)), `{"touser":"oAlice","msgtype":"text","text":{"content":"` + strings.Repeat("测", 682) + `"}}`},
		{model.Text(strings.Repeat("测", 683)), ""},
		{model.Text(""), ""},
		{model.Content{}, ""},
		{model.Content{Kind: model.TransferContent}, ""},
		{model.Content{Kind: model.ImageContent, MediaID: "m"}, `{"touser":"oAlice","msgtype":"image","image":{"media_id":"m"}}`},
		{model.Content{Kind: model.ImageContent}, ""},
		{model.Content{Kind: model.VoiceContent, MediaID: "m"}, `{"touser":"oAlice","msgtype":"voice","voice":{"media_id":"m"}}`},
		{model.Content{Kind: model.VideoContent, MediaID: "m", ThumbID: "h", Title: "t", Description: "d"}, `{"touser":"oAlice","msgtype":"video","video":{"media_id":"m","thumb_media_id":"h","title":"t","description":"d"}}`},
		{model.Content{Kind: model.MusicContent, URL: "u", HQURL: "q", ThumbID: "h", Title: "t", Description: "d"}, `{"touser":"oAlice","msgtype":"music","music":{"title":"t","description":"d","musicurl":"u","hqmusicurl":"q","thumb_media_id":"h"}}`},
		{model.Content{Kind: model.NewsContent, Articles: []model.Article{{Title: "t", Description: "d", PictureURL: "p", URL: "u"}}}, `{"touser":"oAlice","msgtype":"news","news":{"articles":[{"title":"t","description":"d","url":"u","picurl":"p"}]}}`},
		{model.Content{Kind: model.NewsContent, Articles: make([]model.Article, 2)}, ""},
		{model.Content{Kind: model.NewsContent, MediaID: "m"}, `{"touser":"oAlice","msgtype":"mpnews","mpnews":{"media_id":"m"}}`},
		{model.Content{Kind: model.CardContent, Title: "t", AppID: "wxmini", Page: "p", ThumbID: "h"}, `{"touser":"oAlice","msgtype":"miniprogrampage","miniprogrampage":{"title":"t","appid":"wxmini","pagepath":"p","thumb_media_id":"h"}}`},
		{model.Content{Kind: model.CardContent, Title: "t", AppID: "wxmini", Page: "p"}, ""},
	} {
		before := p.count(sendPath)
		err := c.SendCustom(t.Context(), "oAlice", tt.content)
		if tt.want == "" {
			if !errors.Is(err, wechat.ErrBadData) || p.count(sendPath) != before {
				t.Errorf("%.60v: %v after %d calls, want %v and none", tt.content, err, p.count(sendPath)-before, wechat.ErrBadData)
			}
			continue
		}
		if err != nil || !sameJSON(t, p.body(sendPath), tt.want) {
			t.Errorf("%.60v: %v, sent %s\nwant %s", tt.content, err, p.body(sendPath), tt.want)
		}
	}
}

func TestNoticesHaveTheirForm(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	const templatePath = "/cgi-bin/message/template/send"
	p.on(templatePath, says(`{"errcode":0,"errmsg":"ok","msgid":9007199254740993}`))
	n := model.Notice{Template: "T", Fields: map[string]string{"thing1": "话费", "amount2": "12元"}, URL: "https://x/?a&b", AppID: "wxmini", Page: "pages/bill"}
	id, err := c.SendTemplate(t.Context(), "oAlice", n, "push:7")
	if err != nil || id != "9007199254740993" {
		t.Errorf("SendTemplate = %q, %v, want its 54 bit id whole", id, err)
	}
	const data = `"data":{"thing1":{"value":"话费"},"amount2":{"value":"12元"}}`
	if want := `{"touser":"oAlice","template_id":"T",` + data + `,"url":"https://x/?a&b","miniprogram":{"appid":"wxmini","pagepath":"pages/bill"},"client_msg_id":"push:7"}`; !sameJSON(t, p.body(templatePath), want) {
		t.Errorf("SendTemplate sent %s\nwant %s", p.body(templatePath), want)
	}
	if _, err := c.SendNotice(t.Context(), "oAlice", n); err != nil {
		t.Errorf("SendNotice = %v", err)
	}
	const bizsend = "/cgi-bin/message/subscribe/bizsend"
	if want := `{"touser":"oAlice","template_id":"T",` + data + `,"page":"https://x/?a&b","miniprogram":{"appid":"wxmini","pagepath":"pages/bill"}}`; !sameJSON(t, p.body(bizsend), want) {
		t.Errorf("SendNotice sent %s\nwant %s", p.body(bizsend), want)
	}
	p.on("/cgi-bin/message/subscribe/send", says(`{"errcode":0,"errmsg":"ok","msgid":9007199254740995}`))
	if id, err := c.SendSubscribe(t.Context(), "oAlice", n); err != nil || id != "9007199254740995" {
		t.Errorf("SendSubscribe = %q, %v, want its id", id, err)
	}
	var got struct {
		Page, Lang string
		State      string `json:"miniprogram_state"`
		Data       map[string]struct{ Value string }
	}
	if err := json.Unmarshal([]byte(p.body("/cgi-bin/message/subscribe/send")), &got); err != nil || got.Page != "pages/bill" || got.State != "formal" || got.Data["thing1"].Value != "话费" {
		t.Errorf("SendSubscribe sent %s", p.body("/cgi-bin/message/subscribe/send"))
	}
}

func TestAFieldThatWeChatWouldRefuseCostsNoConsent(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	for _, tt := range []struct {
		name, value string
		ok          bool
	}{
		{"thing1", strings.Repeat("测", 20), true},
		{"thing1", strings.Repeat("测", 21), false},
		{"phrase3", "已到账", true},
		{"phrase3", "已经到账了吧", false},
		{"time2", "2026年2月17日 08:00", true},
		{"thing1", "", false},
	} {
		n := model.Notice{Template: "T", Fields: map[string]string{tt.name: tt.value}}
		_, mini := c.SendSubscribe(t.Context(), "oA", n)
		_, official := c.SendNotice(t.Context(), "oA", n)
		for name, err := range map[string]error{"SendSubscribe": mini, "SendNotice": official} {
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, wechat.ErrBadData) {
				t.Errorf("%s %s=%s: %v, want ok %v", name, tt.name, tt.value, err, tt.ok)
			}
		}
	}
}

func TestAMassMessageIsSentOnce(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	const path = "/cgi-bin/message/mass/send"
	p.on(path, says(`{"errcode":0,"errmsg":"ok","msg_id":34182,"msg_data_id":206227730}`), says(`{"errcode":45065,"errmsg":"clientmsgid exist","msg_id":34182}`))
	to := []model.OpenID{"oA", "oB"}
	for range 2 {
		if id, err := c.SendMass(t.Context(), to, model.Content{Kind: model.NewsContent, MediaID: "m"}, "camp:1"); err != nil || id != "34182" {
			t.Errorf("SendMass = %q, %v, want the first id both times", id, err)
		}
	}
	if want := `{"touser":["oA","oB"],"msgtype":"mpnews","mpnews":{"media_id":"m"},"send_ignore_reprint":0,"clientmsgid":"camp:1"}`; !sameJSON(t, p.body(path), want) {
		t.Errorf("sent %s\nwant %s", p.body(path), want)
	}
	for _, tt := range []struct {
		to      []model.OpenID
		content model.Content
		request model.RequestID
	}{
		{to[:1], model.Text("x"), "r"},
		{nil, model.Text("x"), "r"},
		{make([]model.OpenID, wechat.MaxMass+1), model.Text("x"), "r"},
		{to, model.Text(""), "r"},
		{to, model.Content{Kind: model.CardContent}, "r"},
		{to, model.Text("x"), ""},
	} {
		if _, err := c.SendMass(t.Context(), tt.to, tt.content, tt.request); !errors.Is(err, wechat.ErrBadData) {
			t.Errorf("SendMass to %d, %q = %v, want %v", len(tt.to), tt.content.Kind, err, wechat.ErrBadData)
		}
	}
}

// formOf reads a form as WeChat does.
func formOf(t *testing.T, contentType, body string) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	form, parts := multipart.NewReader(strings.NewReader(body), params["boundary"]), map[string]string{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		parts[part.FormName()+" "+part.FileName()] = string(content)
	}
}

func TestFilesAreUploadedAsForms(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	var contentType string
	keep := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			contentType = r.Header.Get("Content-Type")
			says(answer)(w, r)
		}
	}
	const temporary, permanent = "/cgi-bin/media/upload", "/cgi-bin/material/add_material"
	p.on(temporary, keep(`{"type":"image","media_id":"M1","created_at":123456789}`), keep(`{"type":"thumb","thumb_media_id":"M2","created_at":123456789}`))
	for want, kind := range map[string]wechat.MediaType{"M1": wechat.Image} {
		if id, err := c.UploadMedia(t.Context(), kind, "/tmp/a.png", []byte("png")); err != nil || id != want {
			t.Errorf("UploadMedia = %q, %v, want %s", id, err, want)
		}
	}
	if got := formOf(t, contentType, p.body(temporary)); got["media a.png"] != "png" {
		t.Errorf("form = %v", got)
	}
	if id, err := c.UploadMedia(t.Context(), wechat.Thumb, "a.jpg", []byte("jpg")); err != nil || id != "M2" {
		t.Errorf("UploadMedia = %q, %v, want the thumb_media_id", id, err)
	}
	p.on(permanent, keep(`{"media_id":"M3","url":"https://mmbiz.qpic.cn/x"}`))
	if m, err := c.AddMaterial(t.Context(), wechat.Video, "a.mp4", []byte("mp4"), "标题", "介绍"); err != nil || m.MediaID != "M3" || m.URL == "" {
		t.Errorf("AddMaterial = %v, %v", m, err)
	}
	if got := formOf(t, contentType, p.body(permanent)); got["media a.mp4"] != "mp4" || got["description "] != `{"introduction":"介绍","title":"标题"}` {
		t.Errorf("form = %v", got)
	}
	for _, content := range [][]byte{nil, make([]byte, 64<<10+1)} {
		if _, err := c.UploadMedia(t.Context(), wechat.Thumb, "a.jpg", content); !errors.Is(err, wechat.ErrBadData) {
			t.Errorf("UploadMedia of %d bytes = %v, want %v", len(content), err, wechat.ErrBadData)
		}
	}
	if _, err := c.UploadMedia(t.Context(), "exe", "a.exe", []byte("x")); !errors.Is(err, wechat.ErrBadData) {
		t.Errorf("UploadMedia of an unknown kind = %v, want %v", err, wechat.ErrBadData)
	}
}

func TestMenusGoThereAndBack(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	buttons := []*wechat.Button{{Name: "查询", SubButtons: []*wechat.Button{{Type: "click", Name: "话费", Key: "balance"}}}, {Type: "view", Name: "商城", URL: "https://x/?a=1&b=2"}}
	if err := c.CreateMenu(t.Context(), buttons); err != nil {
		t.Errorf("CreateMenu = %v", err)
	}
	const list = `[{"name":"查询","sub_button":[{"type":"click","name":"话费","key":"balance"}]},{"type":"view","name":"商城","url":"https://x/?a=1&b=2"}]`
	if want := `{"button":` + list + `}`; !sameJSON(t, p.body("/cgi-bin/menu/create"), want) || strings.Contains(p.body("/cgi-bin/menu/create"), `\u`) {
		t.Errorf("CreateMenu sent %s\nwant %s", p.body("/cgi-bin/menu/create"), want)
	}
	p.on("/cgi-bin/menu/addconditional", says(`{"menuid":"208379533"}`))
	if id, err := c.AddConditionalMenu(t.Context(), buttons[1:], wechat.MenuMatch{TagID: 2, Platform: 1}); err != nil || id != "208379533" {
		t.Errorf("AddConditionalMenu = %q, %v", id, err)
	}
	if want := `{"button":[{"type":"view","name":"商城","url":"https://x/?a=1&b=2"}],"matchrule":{"tag_id":"2","client_platform_type":"1"}}`; !sameJSON(t, p.body("/cgi-bin/menu/addconditional"), want) {
		t.Errorf("AddConditionalMenu sent %s\nwant %s", p.body("/cgi-bin/menu/addconditional"), want)
	}
	p.on("/cgi-bin/menu/get", says(`{"menu":{"button":`+list+`,"menuid":208396938},"conditionalmenu":[{"button":[],"matchrule":{"group_id":2,"sex":1,"client_platform_type":"3"},"menuid":208396993}]}`), refuses(46003))
	menu, conditional, err := c.GetMenu(t.Context())
	if err != nil || menu.ID != "208396938" || len(menu.Buttons) != 2 || menu.Buttons[0].SubButtons[0].Key != "balance" ||
		len(conditional) != 1 || conditional[0].Match != (wechat.MenuMatch{TagID: 2, Platform: 3}) {
		t.Errorf("GetMenu = %+v, %+v, %v", menu, conditional, err)
	}
	if _, _, err := c.GetMenu(t.Context()); !errors.Is(err, wechat.ErrNotFound) {
		t.Errorf("GetMenu without a menu = %v, want %v", err, wechat.ErrNotFound)
	}
	if err := errors.Join(c.DeleteConditionalMenu(t.Context(), "208396993"), c.DeleteMenu(t.Context())); err != nil {
		t.Errorf("delete = %v", err)
	}
}

func TestCodesCarryTheirScene(t *testing.T) {
	p, clock := newPlatform(t), newClock()
	c := p.replica(setup{clock: clock})
	const path = "/cgi-bin/qrcode/create"
	p.on(path, says(`{"ticket":"g+T=","expire_seconds":3600,"url":"http://weixin.qq.com/q/x"}`), says(`{"ticket":"G","url":"http://weixin.qq.com/q/y"}`))
	qr, err := c.CreateQR(t.Context(), "shop:7", time.Hour)
	if err != nil || qr.URL != "http://weixin.qq.com/q/x" || qr.ExpiresAt != model.At(clock.now()).Add(time.Hour) || !strings.HasSuffix(qr.Picture, "?ticket=g%2BT%3D") {
		t.Errorf("CreateQR = %+v, %v", qr, err)
	}
	if want := `{"expire_seconds":3600,"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"shop:7"}}}`; !sameJSON(t, p.body(path), want) {
		t.Errorf("sent %s, want %s", p.body(path), want)
	}
	if qr, err = c.CreateQR(t.Context(), "shop:7", 0); err != nil || qr.ExpiresAt != 0 || !strings.Contains(p.body(path), "QR_LIMIT_STR_SCENE") {
		t.Errorf("CreateQR for good = %+v, %v, sent %s", qr, err, p.body(path))
	}
	for _, scene := range []string{"", strings.Repeat("x", 65)} {
		if _, err := c.CreateQR(t.Context(), scene, time.Hour); !errors.Is(err, wechat.ErrBadData) {
			t.Errorf("CreateQR with %d bytes = %v, want %v", len(scene), err, wechat.ErrBadData)
		}
	}
	const mini = "/wxa/getwxacodeunlimit"
	picture := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, "\x89PNG")
		}
	}
	p.on(mini, picture("image/png"), picture("image/jpeg"), refuses(41030), picture("text/html"))
	for _, want := range []error{nil, nil, wechat.ErrBadData, wechat.ErrAnswer} {
		got, err := c.MiniCode(t.Context(), "pages/pot", "p=1", 280)
		if !errors.Is(err, want) || want == nil && !bytes.Equal(got, []byte("\x89PNG")) {
			t.Errorf("MiniCode = %q, %v, want %v", got, err, want)
		}
	}
	for _, scene := range []string{"", "测", "a b", "a%20", strings.Repeat("x", 33)} {
		if _, err := c.MiniCode(t.Context(), "", scene, 0); !errors.Is(err, wechat.ErrBadData) {
			t.Errorf("MiniCode with scene %q = %v, want %v", scene, err, wechat.ErrBadData)
		}
	}
}

func TestUsersAreLookedUp(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	const alice = `{"subscribe":1,"openid":"oAlice","language":"zh_CN","subscribe_time":1434093047,"unionid":"uAlice","groupid":0,"tagid_list":[128,2],"subscribe_scene":"ADD_SCENE_QR_CODE","qr_scene":98765,"qr_scene_str":"shop:7"}`
	p.on("/cgi-bin/user/info", says(alice), says(`{"subscribe":0,"openid":"oBob","unionid":"uBob"}`))
	u, err := c.UserInfo(t.Context(), "oAlice")
	want := wechat.User{OpenID: "oAlice", UnionID: "uAlice", Follows: true, FollowedAt: 1434093047000, Source: "ADD_SCENE_QR_CODE", Scene: "shop:7", Tags: []int64{128, 2}}
	if err != nil || !reflect.DeepEqual(u, want) {
		t.Errorf("UserInfo = %+v, %v, want %+v", u, err, want)
	}
	if u, err := c.UserInfo(t.Context(), "oBob"); err != nil || u.Follows || u.UnionID != "uBob" {
		t.Errorf("UserInfo of one who left = %+v, %v", u, err)
	}
	p.on("/cgi-bin/user/info/batchget", says(`{"user_info_list":[`+alice+`,{"subscribe":0,"openid":"oBob"}]}`))
	if us, err := c.UserInfos(t.Context(), []model.OpenID{"oAlice", "oBob"}); err != nil || len(us) != 2 || !reflect.DeepEqual(us[0], want) {
		t.Errorf("UserInfos = %+v, %v", us, err)
	}
	if _, err := c.UserInfos(t.Context(), make([]model.OpenID, 101)); !errors.Is(err, wechat.ErrBadData) {
		t.Errorf("UserInfos of 101 = %v, want %v", err, wechat.ErrBadData)
	}
	p.on("/cgi-bin/user/get", says(`{"total":3,"count":2,"data":{"openid":["oAlice","oBob"]},"next_openid":"oBob"}`), says(`{"total":3,"count":0,"next_openid":""}`))
	if all, err := c.Followers(t.Context(), ""); err != nil || !slices.Equal(all, []model.OpenID{"oAlice", "oBob"}) {
		t.Errorf("Followers = %v, %v, want both", all, err)
	}
	if all, err := c.Followers(t.Context(), "oBob"); err != nil || len(all) != 0 {
		t.Errorf("Followers after the last = %v, %v, want none", all, err)
	}
	if _, err := c.Followers(t.Context(), model.OpenID(strings.Repeat("o", model.MaxOpenID+1))); !errors.Is(err, wechat.ErrOpenID) {
		t.Errorf("Followers after what is no openid = %v, want %v", err, wechat.ErrOpenID)
	}
	p.on("/cgi-bin/template/get_all_private_template", says(`{"template_list":[{"template_id":"T","title":"领取奖金提醒","content":"{{thing1.DATA}}"}]}`))
	if ts, err := c.Templates(t.Context()); err != nil || len(ts) != 1 || ts[0].Title != "领取奖金提醒" {
		t.Errorf("Templates = %+v, %v", ts, err)
	}
	p.on("/cgi-bin/openapi/quota/get", says(`{"errcode":0,"errmsg":"ok","quota":{"daily_limit":500000,"used":7,"remain":499993}}`))
	if q, err := c.Quota(t.Context(), model.OfficialAccount, sendPath); err != nil || q != (wechat.Quota{Limit: 500000, Used: 7, Left: 499993}) {
		t.Errorf("Quota = %+v, %v", q, err)
	}
}

func TestSignInGivesTheIdentity(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	openID, unionID, err := c.Code2Session(t.Context(), "code&appid=evil")
	if err != nil || openID != "oMini" || unionID != "uUnion" {
		t.Errorf("Code2Session = %q, %q, %v", openID, unionID, err)
	}
	q, err := url.ParseQuery(p.queries["/sns/jscode2session"])
	if err != nil || q["appid"][0] != "wxmini" || len(q["appid"]) != 1 || q.Get("js_code") != "code&appid=evil" || q.Get("grant_type") != "authorization_code" {
		t.Errorf("a code took another parameter's place: %v, %v", q, err)
	}
	for _, code := range []int{40029, 40163} {
		p.on("/sns/jscode2session", refuses(code))
		if _, _, err := c.Code2Session(t.Context(), "used"); !errors.Is(err, wechat.ErrLoginCode) || fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("Code2Session, errcode %d = %v, want %v", code, err, wechat.ErrLoginCode)
		}
	}
	const path = "/wxa/business/getuserphonenumber"
	phone := func(country, number string) http.HandlerFunc {
		return says(`{"errcode":0,"errmsg":"ok","phone_info":{"phoneNumber":"+` + country + number + `","purePhoneNumber":"` + number + `","countryCode":"` + country + `"}}`)
	}
	p.on(path, phone("86", "13812345678"), phone("852", "61234567"), refuses(40029), refuses(40001), phone("86", "13812345678"))
	for _, want := range []error{nil, wechat.ErrBadData, wechat.ErrLoginCode, nil} {
		got, err := c.PhoneNumber(t.Context(), "code")
		if !errors.Is(err, want) || want == nil && got.Digits() != "13812345678" {
			t.Errorf("PhoneNumber = %v, %v, want %v", got, err, want)
		}
	}
	for _, code := range []string{"", strings.Repeat("x", 257)} {
		if _, _, err := c.Code2Session(t.Context(), code); !errors.Is(err, wechat.ErrLoginCode) {
			t.Errorf("Code2Session with %d bytes = %v, want %v", len(code), err, wechat.ErrLoginCode)
		}
	}
}

func TestCheckSaysAllThatIsWrongWithTheFix(t *testing.T) {
	p := newPlatform(t)
	c := p.replica(setup{})
	p.on("/cgi-bin/getcallbackip", says(`{"ip_list":["127.0.0.0/24"]}`))
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("Check = %v", err)
	}
	p.on(tokenPath, says(`{"errcode":40164,"errmsg":"invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist rid: 63a3c7ac-0f3a1fa3-7f3fd3e3"}`), refuses(40125))
	err := c.Check(t.Context())
	var texts string
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range list.Unwrap() {
			texts += fault.Of(one).Text + "\n"
		}
	}
	for _, want := range []string{"公众号", "203.0.113.9", "白名单", "小程序", "KMH_WECHAT_MINI_APP_SECRET"} {
		if !strings.Contains(texts, want) {
			t.Errorf("Check says %q, want %s in it", texts, want)
		}
	}
}

func TestWhatIsNotConfiguredIsSaid(t *testing.T) {
	c, err := wechat.NewClient(wechat.Account{}, wechat.Account{}, dbtest.EmbeddedRedis(t), time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), wechat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, errSession := c.Code2Session(t.Context(), "code")
	_, errPhone := c.PhoneNumber(t.Context(), "code")
	for _, err := range []error{send(t, c), errSession, errPhone} {
		if !errors.Is(err, wechat.ErrNotConfigured) {
			t.Errorf("got %v, want %v", err, wechat.ErrNotConfigured)
		}
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("Check of nothing = %v", err)
	}
	for _, address := range []string{"api.weixin.qq.com", "ftp://x", "http://", "http://x?a=1", "http://user:pass@x", "://"} {
		if _, err := wechat.NewClient(official, mini, nil, time.Now, nil, prometheus.NewRegistry(), wechat.Options{BaseURL: address}); err == nil {
			t.Errorf("address %q was taken", address)
		}
	}
}
