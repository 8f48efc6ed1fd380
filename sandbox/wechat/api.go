package wechat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"kaimenhong/model"
)

// apiError is an errcode with its errmsg, as WeChat answers it under status 200.
// Extra fields go beside them.
type apiError struct {
	Code  int
	Text  string
	Extra map[string]any
}

func (e *apiError) Error() string { return fmt.Sprintf("errcode %d %s", e.Code, e.Text) }

func errcode(code int, text string) error { return &apiError{Code: code, Text: text} }

// The error codes, with WeChat's own words.
var (
	errSecret      = errcode(40125, "invalid appsecret, view more at http://t.cn/RAEkdVq")
	errAppID       = errcode(40013, "invalid appid")
	errGrantType   = errcode(40002, "invalid grant_type")
	errToken       = errcode(40001, "invalid credential, access_token is invalid or not latest")
	errNoToken     = errcode(41001, "access_token missing")
	errOldToken    = errcode(42001, "access_token expired")
	errOpenID      = errcode(40003, "invalid openid")
	errNotFollower = errcode(43004, "require subscribe")
	errRefused     = errcode(43101, "user refuse to accept the msg")
	errWindow      = errcode(45015, "response out of time limit or subscription is canceled")
	errWindowCount = errcode(45047, "out of response count limit")
	errDayQuota    = errcode(45009, "reach max api daily quota limit")
	errMinuteQuota = errcode(45011, "api minute-quota reach limit, must slower, retry next minute")
	errJSON        = errcode(47001, "data format error")
	errArgument    = errcode(40035, "invalid parameter")
	errPost        = errcode(43002, "require POST method")
	errNoRight     = errcode(48001, "api unauthorized")
	errCode        = errcode(40029, "invalid code")
	errCodeUsed    = errcode(40163, "code been used")
	errTemplate    = errcode(40037, "invalid template_id")
	errMedia       = errcode(40007, "invalid media_id")
	errMediaType   = errcode(40004, "invalid media type")
	errMediaSize   = errcode(40009, "invalid image size")
	errMsgType     = errcode(40008, "invalid message type")
	errSize        = errcode(45002, "content size out of limit")
	errEmpty       = errcode(44004, "empty content")
)

// apps says which of the two may call an endpoint.
type apps uint8

const (
	official apps = 1 << iota
	miniApp
	anyone // no token at all
)

// endpoint is one path of the API.
type endpoint struct {
	method string
	path   string
	point  string // fault point, below "wechat."
	apps   apps
	day    int // calls a day and app; 0 is unlimited
	minute int // calls a minute and app; 0 is unlimited
	handle func(*Platform, *call) (any, error)
}

// call is one request at an endpoint. Handlers run under the platform's lock.
type call struct {
	endpoint *endpoint
	appID    string
	query    url.Values
	body     []byte
	file     *upload
	now      time.Time
}

// mini tells that the mini-program calls.
func (c *call) mini(p *Platform) bool { return c.appID == p.opts.MiniAppID }

// read decodes the body.
func (c *call) read(v any) error {
	if err := json.Unmarshal(c.body, v); err != nil {
		return errJSON
	}
	return nil
}

// picture is an answer that is an image.
type picture struct {
	kind string
	data []byte
}

func (p *Platform) endpoints() []endpoint {
	const get, post = http.MethodGet, http.MethodPost
	return []endpoint{
		{post, "/cgi-bin/stable_token", "stable_token", anyone, 500_000, 10_000, (*Platform).stableToken},
		{get, "/cgi-bin/token", "token", anyone, 2_000, 0, (*Platform).plainToken},
		{get, "/cgi-bin/getcallbackip", "callback_ip", official | miniApp, 0, 0, (*Platform).callbackIP},
		{get, "/cgi-bin/get_api_domain_ip", "callback_ip", official | miniApp, 0, 0, (*Platform).callbackIP},
		{post, "/cgi-bin/openapi/quota/get", "quota", official | miniApp, 0, 0, (*Platform).getQuota},
		{post, "/cgi-bin/clear_quota", "quota", official | miniApp, 0, 0, (*Platform).clearQuota},
		{post, "/cgi-bin/message/custom/send", "custom_send", official, 500_000, 0, (*Platform).customSend},
		{post, "/cgi-bin/message/custom/typing", "custom_typing", official, 500_000, 0, (*Platform).customTyping},
		{post, "/cgi-bin/menu/create", "menu", official, 1_000, 0, (*Platform).menuCreate},
		{get, "/cgi-bin/menu/get", "menu", official, 10_000, 0, (*Platform).menuGet},
		{get, "/cgi-bin/menu/delete", "menu", official, 1_000, 0, (*Platform).menuDelete},
		{post, "/cgi-bin/menu/addconditional", "menu", official, 2_000, 0, (*Platform).menuAddConditional},
		{post, "/cgi-bin/menu/delconditional", "menu", official, 2_000, 0, (*Platform).menuDelConditional},
		{post, "/cgi-bin/qrcode/create", "qrcode", official, 100_000, 0, (*Platform).qrCreate},
		{get, "/cgi-bin/showqrcode", "qrcode", anyone, 0, 0, (*Platform).qrShow},
		{get, "/cgi-bin/user/info", "user_info", official, 5_000_000, 0, (*Platform).userInfo},
		{post, "/cgi-bin/user/info/batchget", "user_info", official, 500_000, 0, (*Platform).userBatch},
		{get, "/cgi-bin/user/get", "user_list", official, 500, 0, (*Platform).userList},
		{get, "/cgi-bin/template/get_all_private_template", "template", official, 10_000, 0, (*Platform).templateList},
		{post, "/cgi-bin/message/template/send", "template_send", official, 100_000, 0, (*Platform).templateSend},
		{post, "/cgi-bin/message/subscribe/bizsend", "bizsend", official, 100_000, 0, (*Platform).bizSend},
		{get, "/wxaapi/newtmpl/gettemplate", "template", official | miniApp, 10_000, 0, (*Platform).subscribeList},
		{post, "/cgi-bin/message/subscribe/send", "subscribe_send", miniApp, 1_000_000, 0, (*Platform).subscribeSend},
		{post, "/cgi-bin/message/mass/send", "mass_send", official, 100, 60, (*Platform).massSend},
		{post, "/cgi-bin/message/mass/sendall", "mass_send", official, 100, 60, (*Platform).massSendAll},
		{post, "/cgi-bin/message/mass/preview", "mass_preview", official, 100, 0, (*Platform).massPreview},
		{post, "/cgi-bin/message/mass/get", "mass_get", official, 10_000, 0, (*Platform).massGet},
		{post, "/cgi-bin/media/upload", "media", official | miniApp, 100_000, 0, (*Platform).mediaUpload},
		{post, "/cgi-bin/media/uploadimg", "media", official, 1_000, 0, (*Platform).mediaUploadImage},
		{get, "/cgi-bin/media/get", "media", official | miniApp, 200_000, 0, (*Platform).mediaGet},
		{post, "/cgi-bin/material/add_material", "material", official, 1_000, 0, (*Platform).materialAdd},
		{post, "/cgi-bin/material/get_material", "material", official, 1_000, 0, (*Platform).materialGet},
		{post, "/cgi-bin/material/del_material", "material", official, 1_000, 0, (*Platform).materialDelete},
		{get, "/cgi-bin/material/get_materialcount", "material", official, 5_000, 0, (*Platform).materialCount},
		{post, "/cgi-bin/material/batchget_material", "material", official, 1_000, 0, (*Platform).materialBatch},
		{post, "/cgi-bin/draft/add", "draft", official, 1_000, 0, (*Platform).draftAdd},
		{post, "/cgi-bin/draft/get", "draft", official, 500, 0, (*Platform).draftGet},
		{post, "/cgi-bin/draft/delete", "draft", official, 1_000, 0, (*Platform).draftDelete},
		{get, "/sns/jscode2session", "code2session", anyone, 0, 0, (*Platform).codeToSession},
		{post, "/wxa/business/getuserphonenumber", "phone_number", miniApp, 0, 0, (*Platform).phoneNumber},
		{post, "/wxa/getwxacodeunlimit", "wxacode", miniApp, 0, 5_000, (*Platform).wxaCode},
	}
}

// routes is the whole API; each endpoint passes its fault point first.
func (p *Platform) routes() http.Handler {
	mux := http.NewServeMux()
	list := p.endpoints()
	for i := range list {
		e := &list[i]
		if n, ok := p.opts.Quotas[e.path]; ok {
			e.day = n
		}
		h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(e, w, r) }))
		if p.faults != nil {
			h = p.faults.Wrap("wechat."+e.point, h)
		}
		mux.Handle(e.path, p.inspected(e, h))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, errcode(40066, "invalid url"))
	})
	return mux
}

// Handler is api.weixin.qq.com and mp.weixin.qq.com.
func (p *Platform) Handler() http.Handler { return p.mux }

func (p *Platform) serve(e *endpoint, w http.ResponseWriter, r *http.Request) {
	v, err := p.perform(e, w, r)
	if err != nil {
		answerJSON(w, err)
		return
	}
	if pic, ok := v.(picture); ok {
		w.Header().Set("Content-Type", pic.kind)
		_, _ = w.Write(pic.data) // the caller may have gone; nothing else depends on it
		return
	}
	answerJSON(w, v)
}

func (p *Platform) perform(e *endpoint, w http.ResponseWriter, r *http.Request) (any, error) {
	if e.method == http.MethodPost && r.Method != http.MethodPost {
		return nil, errPost
	}
	c := &call{endpoint: e, query: r.URL.Query()}
	if err := c.readBody(w, r); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.now = p.now()
	if e.apps&anyone == 0 {
		id, err := p.authorise(c.query.Get("access_token"), c.now)
		if err != nil {
			return nil, err
		}
		c.appID = id
		of := official
		if c.mini(p) {
			of = miniApp
		}
		if e.apps&of == 0 {
			return nil, errNoRight
		}
		if err := p.spend(c); err != nil {
			return nil, err
		}
	}
	return e.handle(p, c)
}

// readBody takes the form of a file upload, or everything else as it is.
func (c *call) readBody(w http.ResponseWriter, r *http.Request) error {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return c.readUpload(w, r)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	if err != nil {
		return errSize
	}
	c.body = body
	return nil
}

// answerJSON writes v, or the errcode that err carries.
func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	if err, ok := v.(error); ok {
		var e *apiError
		if !errors.As(err, &e) {
			e = &apiError{Code: -1, Text: "system error"}
		}
		m := map[string]any{"errcode": e.Code, "errmsg": e.Text}
		for k, x := range e.Extra {
			m[k] = x
		}
		v = m
	}
	if v == nil {
		v = map[string]any{"errcode": 0, "errmsg": "ok"}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // the caller may have gone; nothing else depends on it
}

// use is how often an app called a path.
type use struct {
	Day    model.Day `json:"day"`
	Count  int       `json:"count"`
	Minute int64     `json:"minute,omitempty"`
	InMin  int       `json:"inMinute,omitempty"`
	Month  string    `json:"month,omitempty"` // of clear_quota
}

// spend takes one call from the day's and the minute's quota of the app.
func (p *Platform) spend(c *call) error {
	if c.endpoint.day == 0 && c.endpoint.minute == 0 {
		return nil
	}
	key := c.appID + " " + c.endpoint.path
	u := p.s.Uses[key]
	if today := model.DayOf(c.now); u.Day != today {
		u = use{Day: today}
	}
	if minute := c.now.Unix() / 60; u.Minute != minute {
		u.Minute, u.InMin = minute, 0
	}
	if c.endpoint.day > 0 && u.Count >= c.endpoint.day {
		return errDayQuota
	}
	if c.endpoint.minute > 0 && u.InMin >= c.endpoint.minute {
		return errMinuteQuota
	}
	u.Count++
	u.InMin++
	p.s.Uses[key] = u
	p.changed(nil)
	return nil
}

// getQuota tells what is left of a path's day.
func (p *Platform) getQuota(c *call) (any, error) {
	var in struct {
		Path string `json:"cgi_path"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	for _, e := range p.endpoints() {
		if e.path != in.Path {
			continue
		}
		limit := e.day
		if n, ok := p.opts.Quotas[e.path]; ok {
			limit = n
		}
		u := p.s.Uses[c.appID+" "+e.path]
		if u.Day != model.DayOf(c.now) {
			u.Count = 0
		}
		return map[string]any{"errcode": 0, "errmsg": "ok", "quota": map[string]int{
			"daily_limit": limit, "used": u.Count, "remain": max(0, limit-u.Count),
		}}, nil
	}
	return nil, errcode(76021, "cgi_path not found")
}

const clearsAMonth = 10

// clearQuota sets every count of the app to zero, ten times a month.
func (p *Platform) clearQuota(c *call) (any, error) {
	var in struct {
		AppID string `json:"appid"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if in.AppID != c.appID {
		return nil, errAppID
	}
	key, month := c.appID+" clear", c.now.In(model.Shanghai).Format("2006-01")
	u := p.s.Uses[key]
	if u.Month != month {
		u = use{Month: month}
	}
	if u.Count >= clearsAMonth {
		return nil, errcode(48006, "forbid to clear quota because of reaching the limit")
	}
	for k := range p.s.Uses {
		if strings.HasPrefix(k, c.appID+" /") {
			delete(p.s.Uses, k)
		}
	}
	u.Count++
	p.s.Uses[key] = u
	p.changed(nil)
	return nil, nil
}

func (p *Platform) callbackIP(*call) (any, error) {
	return map[string]any{"ip_list": []string{"127.0.0.1"}}, nil
}
