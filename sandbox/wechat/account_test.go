package wechat_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"kaimenhong/sandbox/wechat"
)

func TestMenus(t *testing.T) {
	r := newRig(t, nil)
	four := strings.Repeat(`{"type":"click","name":"a","key":"k"},`, 4)
	six := strings.Repeat(`{"type":"click","name":"a","key":"k"},`, 6)
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"no JSON", `{`, 47001},
		{"no button", `{"button":[]}`, 40017},
		{"four buttons", `{"button":[` + strings.TrimSuffix(four, ",") + `]}`, 40017},
		{"six below one", `{"button":[{"name":"a","sub_button":[` + strings.TrimSuffix(six, ",") + `]}]}`, 40023},
		{"a long name", `{"button":[{"type":"click","name":"查询我的话费","key":"k"}]}`, 40018},
		{"no key", `{"button":[{"type":"click","name":"a"}]}`, 40019},
		{"no such type", `{"button":[{"type":"dance","name":"a"}]}`, 40016},
		{"no URL", `{"button":[{"type":"view","name":"a"}]}`, 40020},
		{"a URL of another kind", `{"button":[{"type":"view","name":"a","url":"javascript:alert(1)"}]}`, 40054},
		{"three levels", `{"button":[{"name":"a","sub_button":[{"name":"b","sub_button":[{"type":"click","name":"c","key":"k"}]}]}]}`, 40022},
		{"right", `{"button":[{"type":"click","name":"查话费","key":"BALANCE"},{"name":"更多","sub_button":[{"type":"miniprogram","name":"红包","appid":"` + miniID + `","pagepath":"pages/pot","url":"https://a.b"}]}]}`, 0},
	} {
		if got := r.code("/cgi-bin/menu/create", tt.body); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
	if list := r.Menu(); len(list) != 2 || list[1].Sub[0].Page != "pages/pot" {
		t.Errorf("the menu is %+v", list)
	}
	special := `{"button":[{"type":"click","name":"安卓","key":"A"}],"matchrule":{"client_platform_type":"2"}}`
	added := r.call(r.with("/cgi-bin/menu/addconditional"), special)
	if added["menuid"] == nil {
		t.Fatalf("addconditional = %v", added)
	}
	if got := r.code("/cgi-bin/menu/addconditional", `{"button":[{"type":"click","name":"a","key":"A"}]}`); got != 65305 {
		t.Errorf("without a rule = %d, want 65305", got)
	}
	if m := r.call(r.with("/cgi-bin/menu/get"), nil); len(m["conditionalmenu"].([]any)) != 1 {
		t.Errorf("menu/get = %v", m)
	}
	if a, b := r.code("/cgi-bin/menu/delconditional", added), r.code("/cgi-bin/menu/delconditional", added); a != 0 || b != 65301 {
		t.Errorf("delconditional = %d, %d, want 0, 65301", a, b)
	}
	if got := r.code("/cgi-bin/menu/delete", nil); got != 0 {
		t.Error(got)
	}
	if got := r.code("/cgi-bin/menu/get", nil); got != 46003 {
		t.Errorf("get of none = %d, want 46003", got)
	}
	if _, err := r.Tap("fan", "BALANCE"); err == nil {
		t.Error("a button of a deleted menu is tapped")
	}
}

func TestQRCodes(t *testing.T) {
	r := newRig(t, func(o *wechat.Options) { o.Mode = wechat.Plain })
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"a text for a minute", `{"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"shop"}}}`, 0},
		{"a number for ever", `{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":100000}}}`, 0},
		{"a number too large", `{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":100001}}}`, 40053},
		{"no scene", `{"action_name":"QR_STR_SCENE","action_info":{"scene":{}}}`, 40053},
		{"no such action", `{"action_name":"QR","action_info":{"scene":{"scene_str":"a"}}}`, 40052},
		{"31 days", `{"expire_seconds":2678400,"action_name":"QR_SCENE","action_info":{"scene":{"scene_id":1}}}`, 40035},
	} {
		if got := r.code("/cgi-bin/qrcode/create", tt.body); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
	m := r.call(r.with("/cgi-bin/qrcode/create"), `{"expire_seconds":60,"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"shop-7"}}}`)
	ticket, _ := m["ticket"].(string)
	if raw := r.raw("/cgi-bin/showqrcode?ticket="+ticket, nil); !bytes.HasPrefix(raw, []byte("\x89PNG")) {
		t.Errorf("showqrcode gave %q", raw[:min(len(raw), 20)])
	}
	r.must(r.ScanTicket("li", ticket))
	r.must(r.ScanTicket("li", ticket))
	r.idle()
	seen := r.app.all()
	if len(seen) != 2 || seen[0].fields["EventKey"]+seen[1].fields["EventKey"] == "" || seen[0].fields["Ticket"] != ticket {
		t.Fatalf("pushed %+v", seen)
	}
	r.clock.move(time.Minute)
	if err := r.ScanTicket("wang", ticket); err == nil {
		t.Error("an expired code is scanned")
	}
	info := r.call(r.with("/cgi-bin/user/info?openid="+r.openID("li")), nil)
	if info["subscribe_scene"] != "ADD_SCENE_QR_CODE" || info["qr_scene_str"] != "shop-7" {
		t.Errorf("user/info = %v", info)
	}
}

func TestFollowersAreTold(t *testing.T) {
	r := newRig(t, nil)
	who, err := r.Persona("fan")
	r.must(err)
	if m := r.call(r.with("/cgi-bin/user/info?openid="+who.OpenID), nil); m["subscribe"] != jsonNumber("1") || m["unionid"] != who.UnionID || m["nickname"] != "" {
		t.Errorf("user/info = %v", m)
	}
	if m := r.call(r.with("/cgi-bin/user/info?openid="+r.openID("li")), nil); m["subscribe"] != jsonNumber("0") || m["subscribe_time"] != nil {
		t.Errorf("user/info of a stranger = %v", m)
	}
	if got := r.code("/cgi-bin/user/info?openid=x", nil); got != 40003 {
		t.Errorf("user/info of nobody = %d, want 40003", got)
	}
	batch := func(n int, id string) map[string]any {
		list := []map[string]string{}
		for range n {
			list = append(list, map[string]string{"openid": id})
		}
		return r.call(r.with("/cgi-bin/user/info/batchget"), map[string]any{"user_list": list})
	}
	if m := batch(100, who.OpenID); len(m["user_info_list"].([]any)) != 100 {
		t.Errorf("batchget = %v", m)
	}
	if a, b := errcode(t, batch(101, who.OpenID)), errcode(t, batch(1, "x")); a != 40032 || b != 40003 {
		t.Errorf("batchget = %d and %d, want 40032 and 40003", a, b)
	}
	m := r.call(r.with("/cgi-bin/user/get"), nil)
	if m["total"] != jsonNumber("1") || m["next_openid"] != who.OpenID {
		t.Errorf("user/get = %v", m)
	}
	if m := r.call(r.with("/cgi-bin/user/get?next_openid="+who.OpenID), nil); m["count"] != jsonNumber("0") || m["next_openid"] != "" {
		t.Errorf("the next page = %v", m)
	}
}

func TestACardArrivesAtTheFriendAlone(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.Share("li", wechat.Card{To: "wang", Page: "pages/redpacket/index?pot=1", Title: "一起凑红包"}))
	got := r.last("wang")
	if got.From != "friend" || got.Friend != "li" || got.Kind != "card" || got.AppID != miniID || got.Page != "pages/redpacket/index?pot=1" {
		t.Errorf("the friend has %+v, want the card", got)
	}
	for name, card := range map[string]wechat.Card{
		"to himself": {To: "li", Page: "p", Title: "t"}, "to nobody": {To: "none", Page: "p", Title: "t"},
		"without a page": {To: "wang", Title: "t"}, "without a title": {To: "wang", Page: "p"},
	} {
		if err := r.Share("li", card); err == nil {
			t.Errorf("a card %s is taken", name)
		}
	}
}

func TestCodesOfTheMiniProgramWorkOnce(t *testing.T) {
	r := newRig(t, nil)
	who, err := r.Persona("li")
	r.must(err)
	session := func(code string) map[string]any {
		return r.call("/sns/jscode2session?appid="+miniID+"&secret="+miniSecret+"&grant_type=authorization_code&js_code="+code, nil)
	}
	code, err := r.LoginCode("li")
	r.must(err)
	if m := session(code); m["openid"] != who.MiniOpenID || m["unionid"] != who.UnionID || m["session_key"] == "" {
		t.Errorf("session = %v", m)
	}
	if got := errcode(t, session(code)); got != 40163 {
		t.Errorf("again = %d, want 40163", got)
	}
	late, err := r.LoginCode("li")
	r.must(err)
	phone, err := r.PhoneCode("li")
	r.must(err)
	latePhone, err := r.PhoneCode("li")
	r.must(err)
	token := r.stable(miniID, miniSecret, false)
	number := func(code string) map[string]any {
		return r.call("/wxa/business/getuserphonenumber?access_token="+token, map[string]string{"code": code})
	}
	if got := errcode(t, session(phone)); got != 40029 {
		t.Errorf("a phone code as a login code = %d, want 40029", got)
	}
	if m := number(phone); m["phone_info"].(map[string]any)["purePhoneNumber"] != "13800138001" {
		t.Errorf("phone = %v", m)
	}
	if got := errcode(t, number(phone)); got != 40029 {
		t.Errorf("again = %d, want 40029", got)
	}
	r.clock.move(5 * time.Minute)
	if a, b, c := errcode(t, session(late)), errcode(t, number(latePhone)), errcode(t, session("x")); a != 40029 || b != 40029 || c != 40029 {
		t.Errorf("after five minutes = %d, %d, %d, want 40029", a, b, c)
	}
	for _, tt := range []struct {
		query string
		want  int
	}{
		{"appid=" + appID + "&secret=" + secret, 40013},
		{"appid=" + miniID + "&secret=x", 40125},
		{"appid=" + miniID + "&secret=" + miniSecret, 40002},
		{"appid=" + miniID + "&secret=" + miniSecret + "&grant_type=authorization_code", 41008},
	} {
		if got := errcode(t, r.call("/sns/jscode2session?"+tt.query, nil)); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.query, got, tt.want)
		}
	}
	if raw := r.raw("/wxa/getwxacodeunlimit?access_token="+token, map[string]any{"scene": "p=1&h=2", "page": "pages/pot"}); !bytes.HasPrefix(raw, []byte("\x89PNG")) {
		t.Errorf("wxacode gave %q", raw[:min(len(raw), 80)])
	}
	for scene, want := range map[string]int{strings.Repeat("a", 33): 40129, "中": 40129, "": 40129} {
		if got := errcode(t, r.call("/wxa/getwxacodeunlimit?access_token="+token, map[string]string{"scene": scene})); got != want {
			t.Errorf("scene %q = %d, want %d", scene, got, want)
		}
	}
}

// upload sends a file as a form.
func (r *rig) upload(path, part string, data []byte) map[string]any {
	r.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	f, err := w.CreateFormFile(part, "a.png")
	r.must(err)
	_, err = f.Write(data)
	r.must(err)
	r.must(w.Close())
	res, err := r.api.Client().Post(r.api.URL+r.with(path), w.FormDataContentType(), &form)
	r.must(err)
	defer res.Body.Close()
	var m map[string]any
	d := json.NewDecoder(res.Body)
	d.UseNumber()
	r.must(d.Decode(&m))
	return m
}

func TestMediaAndMaterial(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct {
		name, path, part string
		data             []byte
		want             int
	}{
		{"no file", "/cgi-bin/media/upload?type=image", "file", png, 41005},
		{"an empty one", "/cgi-bin/media/upload?type=image", "media", nil, 41005},
		{"no such type", "/cgi-bin/media/upload?type=hologram", "media", png, 40004},
		{"text for a picture", "/cgi-bin/media/upload?type=image", "media", []byte("hello"), 40005},
		{"a thumb above 64 KB", "/cgi-bin/media/upload?type=thumb", "media", append(bytes.Clone(png), make([]byte, 64<<10)...), 40009},
	} {
		if got := errcode(t, r.upload(tt.path, tt.part, tt.data)); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
	short, _ := r.upload("/cgi-bin/media/upload?type=image", "media", png)["media_id"].(string)
	long, _ := r.upload("/cgi-bin/material/add_material?type=image", "media", png)["media_id"].(string)
	if raw := r.raw(r.with("/cgi-bin/media/get?media_id="+short), nil); !bytes.Equal(raw, png) {
		t.Errorf("media/get gave %d bytes, want %d", len(raw), len(png))
	}
	draft := fmt.Sprintf(`{"articles":[{"title":"回家","content":"<p>x</p>","thumb_media_id":%q}]}`, long)
	added := r.call(r.with("/cgi-bin/draft/add"), draft)
	if added["media_id"] == nil {
		t.Fatalf("draft/add = %v", added)
	}
	if got := r.code("/cgi-bin/draft/add", strings.ReplaceAll(draft, long, short)); got != 40007 {
		t.Errorf("a draft with a temporary picture = %d, want 40007", got)
	}
	r.must(r.Say("fan", wechat.Said{Text: "喂"}))
	if got := r.code(customPath, map[string]any{"touser": r.openID("fan"), "msgtype": "mpnews", "mpnews": added}); got != 0 || r.last("fan").Articles[0].Title != "回家" {
		t.Errorf("mpnews = %d", got)
	}
	r.clock.move(3 * 24 * time.Hour)
	r.token = ""
	if got := r.code("/cgi-bin/media/get?media_id="+short, nil); got != 40007 {
		t.Errorf("after three days = %d, want 40007", got)
	}
	if raw := r.raw(r.with("/cgi-bin/material/get_material"), map[string]string{"media_id": long}); !bytes.Equal(raw, png) {
		t.Error("material did not stay")
	}
	if m := r.call(r.with("/cgi-bin/material/get_materialcount"), nil); m["image_count"] != jsonNumber("1") || m["news_count"] != jsonNumber("1") {
		t.Errorf("counts = %v", m)
	}
	if m := r.call(r.with("/cgi-bin/material/batchget_material"), `{"type":"image","offset":0,"count":20}`); m["total_count"] != jsonNumber("1") {
		t.Errorf("batchget = %v", m)
	}
	if a, b := r.code("/cgi-bin/material/del_material", map[string]string{"media_id": long}), r.code("/cgi-bin/material/del_material", map[string]string{"media_id": long}); a != 0 || b != 40007 {
		t.Errorf("del = %d, %d, want 0, 40007", a, b)
	}
	if a, b := r.code("/cgi-bin/draft/get", added), r.code("/cgi-bin/draft/delete", added); a != 0 || b != 0 || r.code("/cgi-bin/draft/get", added) != 40007 {
		t.Errorf("draft = %d, %d", a, b)
	}
}

func TestStateCarriesEverythingOver(t *testing.T) {
	r := newRig(t, func(o *wechat.Options) { o.Mode = wechat.Plain })
	r.must(r.Follow("li", "s"))
	r.must(r.Say("li", wechat.Said{Text: "喂"}))
	r.idle()
	token := r.stable(appID, secret, false)
	kept, err := r.State()
	r.must(err)
	again := newRig(t, func(o *wechat.Options) { o.Mode, o.State = wechat.Plain, kept })
	again.token = token
	if got := again.code(customPath, customText(again.openID("li"), "还在")); got != 0 {
		t.Errorf("token or window was lost: %d", got)
	}
	if a, b := mustChat(r, "li"), mustChat(again, "li"); len(b) != len(a)+1 || b[len(b)-1].Seq <= a[len(a)-1].Seq {
		t.Errorf("the chat went from %d to %d bubbles", len(a), len(b))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := wechat.Options{AppID: appID, AppSecret: secret, MiniAppID: miniID, MiniAppSecret: miniSecret, Token: cbToken, AESKey: aesKey}
	for name, spoil := range map[string]func(*wechat.Options){
		"no token":      func(o *wechat.Options) { o.Token = "" },
		"no mini":       func(o *wechat.Options) { o.MiniAppSecret = "" },
		"no such mode":  func(o *wechat.Options) { o.Mode = "loud" },
		"a short key":   func(o *wechat.Options) { o.AESKey = "x" },
		"a twice given": func(o *wechat.Options) { o.Users = []wechat.User{{ID: "a"}, {ID: "a"}} },
		"a bad state":   func(o *wechat.Options) { o.State = json.RawMessage("[") },
	} {
		o := good
		spoil(&o)
		if p, err := wechat.New(time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)), nil, o); err == nil {
			p.Close()
			t.Errorf("%s: a platform was made", name)
		}
	}
}
