package wechat

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kaimenhong/model"
)

// TemplateKind tells through which channel a template goes.
type TemplateKind string

// The three kinds of templates.
const (
	ServiceTemplate TemplateKind = "template"  // template message of the official account
	NoticeTemplate  TemplateKind = "bizsend"   // subscribe notice of the official account, a consent each
	MiniTemplate    TemplateKind = "subscribe" // subscribe message of the mini-program, a consent each
)

// Template is one that the account has chosen from WeChat's library.
type Template struct {
	ID     string        `json:"id"`
	Kind   TemplateKind  `json:"kind"`
	Title  string        `json:"title"`
	Fields []NoticeField `json:"fields"` // Name 活动名称, Value thing1
}

// DefaultTemplates are those of the demo's account. Their ids are a function of
// kind and title, the same in every sandbox.
func DefaultTemplates() []Template {
	list := []Template{
		{Kind: ServiceTemplate, Title: "话费余额提醒", Fields: []NoticeField{{"手机号码", "phone_number1"}, {"账户余额", "amount2"}, {"温馨提示", "thing3"}}},
		{Kind: ServiceTemplate, Title: "流量使用提醒", Fields: []NoticeField{{"套餐名称", "thing1"}, {"剩余流量", "character_string2"}, {"到期时间", "time3"}}},
		{Kind: ServiceTemplate, Title: "积分到期提醒", Fields: []NoticeField{{"到期积分", "number1"}, {"到期时间", "time2"}, {"温馨提示", "thing3"}}},
		{Kind: ServiceTemplate, Title: "兑换结果通知", Fields: []NoticeField{{"兑换商品", "thing1"}, {"使用积分", "number2"}, {"兑换时间", "time3"}, {"兑换结果", "phrase4"}}},
		{Kind: ServiceTemplate, Title: "充值结果通知", Fields: []NoticeField{{"充值号码", "phone_number1"}, {"充值金额", "amount2"}, {"充值结果", "phrase3"}, {"充值时间", "time4"}}},
		{Kind: NoticeTemplate, Title: "活动开始提醒", Fields: []NoticeField{{"活动名称", "thing1"}, {"开始时间", "time2"}, {"活动说明", "thing3"}}},
		{Kind: NoticeTemplate, Title: "优惠到期提醒", Fields: []NoticeField{{"优惠名称", "thing1"}, {"到期时间", "time2"}}},
		{Kind: MiniTemplate, Title: "红包进度提醒", Fields: []NoticeField{{"活动名称", "thing1"}, {"当前进度", "thing2"}, {"温馨提示", "thing3"}}},
		{Kind: MiniTemplate, Title: "流量包到期提醒", Fields: []NoticeField{{"套餐名称", "thing1"}, {"剩余流量", "character_string2"}, {"到期时间", "time3"}}},
		{Kind: MiniTemplate, Title: "订单状态通知", Fields: []NoticeField{{"商品名称", "thing1"}, {"订单状态", "phrase2"}, {"下单时间", "time3"}}},
		{Kind: MiniTemplate, Title: "活动开始提醒", Fields: []NoticeField{{"活动名称", "thing1"}, {"开始时间", "time2"}, {"活动说明", "thing3"}}},
	}
	for i := range list {
		list[i].ID = digest(0, string(list[i].Kind), list[i].Title)
	}
	return list
}

func (t Template) content() string {
	var b strings.Builder
	for _, f := range t.Fields {
		fmt.Fprintf(&b, "%s:{{%s.DATA}}\n", f.Name, f.Value)
	}
	return b.String()
}

// Templates lists what the account has.
func (p *Platform) Templates() []Template { return p.opts.Templates }

func (p *Platform) template(id string, kind TemplateKind) (Template, error) {
	for _, t := range p.opts.Templates {
		if t.ID == id && t.Kind == kind {
			return t, nil
		}
	}
	return Template{}, errTemplate
}

func (p *Platform) templateList(*call) (any, error) {
	list := []map[string]any{}
	for _, t := range p.opts.Templates {
		if t.Kind == ServiceTemplate {
			list = append(list, map[string]any{
				"template_id": t.ID, "title": t.Title, "primary_industry": "IT科技", "deputy_industry": "电信运营商",
				"content": t.content(), "example": "",
			})
		}
	}
	return map[string]any{"template_list": list}, nil
}

// subscribeList is gettemplate of either app.
func (p *Platform) subscribeList(c *call) (any, error) {
	kind := NoticeTemplate
	if c.mini(p) {
		kind = MiniTemplate
	}
	list := []map[string]any{}
	for _, t := range p.opts.Templates {
		if t.Kind == kind {
			list = append(list, map[string]any{"priTmplId": t.ID, "title": t.Title, "content": t.content(), "example": "", "type": 2})
		}
	}
	return map[string]any{"errcode": 0, "errmsg": "ok", "data": list}, nil
}

// notice is the body of a template, subscribe or bizsend message.
type notice struct {
	ToUser   string `json:"touser"`
	Template string `json:"template_id"`
	URL      string `json:"url"`
	Page     string `json:"page"`
	Mini     struct {
		AppID string `json:"appid"`
		Page  string `json:"pagepath"`
	} `json:"miniprogram"`
	ClientID string `json:"client_msg_id"`
	Data     map[string]struct {
		Value any `json:"value"`
	} `json:"data"`
}

// bubble checks every field by its type and lays them out.
func (n *notice) bubble(t Template, channel string) (Bubble, error) {
	b := Bubble{From: "account", Channel: channel, Kind: "notice", Title: t.Title, URL: n.URL, AppID: n.Mini.AppID, Page: n.Mini.Page}
	if n.Page != "" {
		b.Page = n.Page
	}
	for _, f := range t.Fields {
		v, ok := n.Data[f.Value]
		value := ""
		if ok {
			value = fmt.Sprint(v.Value)
		}
		if why := wrongField(f.Value, value); why != "" {
			return b, errcode(47003, "argument invalid! data."+f.Value+".value "+why)
		}
		b.Fields = append(b.Fields, NoticeField{f.Name, value})
	}
	return b, nil
}

// rules are the longest lengths, in letters, of each type of field, and what it
// must look like.
var rules = map[string]struct {
	length int
	form   *regexp.Regexp
}{
	"thing":            {20, nil},
	"number":           {32, regexp.MustCompile(`^-?\d+(\.\d+)?$`)},
	"letter":           {32, regexp.MustCompile(`^[A-Za-z]+$`)},
	"symbol":           {5, nil},
	"character_string": {32, regexp.MustCompile(`^[ -~]+$`)},
	"time":             {40, regexp.MustCompile(`\d`)},
	"date":             {40, regexp.MustCompile(`\d`)},
	"amount":           {14, regexp.MustCompile(`^[¥￥$]?-?\d{1,10}(\.\d+)?元?$`)},
	"phone_number":     {17, regexp.MustCompile(`^[\d+*\- ]+$`)},
	"name":             {20, nil},
	"phrase":           {5, regexp.MustCompile(`^\p{Han}+$`)},
}

// wrongField says what is wrong with a value, or "".
func wrongField(key, value string) string {
	rule, ok := rules[strings.TrimRightFunc(key, unicode.IsDigit)]
	switch {
	case value == "":
		return "is empty"
	case ok && utf8.RuneCountInString(value) > rule.length:
		return "is too long"
	case ok && rule.form != nil && !rule.form.MatchString(value):
		return "has a wrong form"
	}
	return ""
}

// sent is a message that must not be sent twice.
type sent struct {
	MsgID int64        `json:"msgId"`
	Until model.Millis `json:"until"`
}

const templateDedupe = 10 * time.Minute

// templateSend shows a service notice to a follower; the same client_msg_id to
// the same person within ten minutes shows nothing and gets the first answer.
func (p *Platform) templateSend(c *call) (any, error) {
	var in notice
	if err := c.read(&in); err != nil {
		return nil, err
	}
	u := p.byOpenID[in.ToUser]
	if u == nil {
		return nil, errOpenID
	}
	t, err := p.template(in.Template, ServiceTemplate)
	if err != nil {
		return nil, err
	}
	if !u.Follows {
		return nil, errNotFollower
	}
	key, now := "template "+u.OpenID+" "+in.ClientID, model.At(c.now)
	if before, ok := p.s.Sends[key]; ok && in.ClientID != "" && now < before.Until {
		return map[string]any{"errcode": 0, "errmsg": "ok", "msgid": before.MsgID}, nil
	}
	b, err := in.bubble(t, "template")
	if err != nil {
		return nil, err
	}
	id := p.nextMsgID()
	if in.ClientID != "" {
		p.remember(key, sent{id, now.Add(templateDedupe)})
	}
	p.say(u, b)
	p.record(Send{Channel: "template", Persona: u.ID, OpenID: in.ToUser, MsgID: id, ClientID: in.ClientID, Template: t.ID, Page: b.Page})
	p.send(p.event(u, "TEMPLATESENDJOBFINISH", false, field{"MsgID", id}, field{"Status", "success"}))
	return map[string]any{"errcode": 0, "errmsg": "ok", "msgid": id}, nil
}

// remember keeps a client id; when there are too many the expired go, and then
// any one.
func (p *Platform) remember(key string, s sent) {
	if len(p.s.Sends) >= maxSends {
		p.forget()
	}
	for old := range p.s.Sends {
		if len(p.s.Sends) < maxSends {
			break
		}
		delete(p.s.Sends, old)
	}
	p.s.Sends[key] = s
}
