package material

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
)

// Body is what a version says; which parts it has depends on the kind. Texts name
// variables as {{称呼|您}}; addresses, pictures and pages do not.
type Body struct {
	Text string `json:"text,omitempty"` // of a text
	// Picture is of an image and of a card.
	Picture  model.ID `json:"picture,omitzero"`
	Articles []Entry  `json:"articles,omitempty"` // of news
	// LibraryID names an article that stands in the official account's own library
	// (media_id), instead of Articles. Only such a one can be sent to the mass.
	LibraryID string `json:"libraryId,omitempty"`
	Title     string `json:"title,omitempty"` // of a card
	AppID     string `json:"appId,omitempty"` // of a card; of a notice, where a tap leads
	Page      string `json:"page,omitempty"`
	URL       string `json:"url,omitempty"` // of a notice, where a tap leads else
	// Template is the template of a notice, and Fields what its fields say.
	Template model.ID          `json:"template,omitzero"`
	Fields   map[string]string `json:"fields,omitempty"`
}

// Entry is one entry of a news message.
type Entry struct {
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Picture     model.ID `json:"picture,omitzero"`
	URL         string   `json:"url"`
}

// Problem is what is wrong with a body, and where.
type Problem struct {
	Field string // as text, articles[2].title, fields.thing1
	Text  string // what to do about it
	// Hint tells that it may be published all the same.
	Hint bool
}

// Reply is the answer within WeChat's callback: no channel of a push, but of what
// the chat says.
const Reply model.Channel = "reply"

// Channels are those that material goes through, with their Chinese names.
var Channels = []struct {
	Channel model.Channel
	Name    string
}{
	{model.CustomChannel, "客服消息"},
	{Reply, "被动回复"},
	{model.MassChannel, "群发"},
	{model.TemplateChannel, "模板消息"},
	{model.OfficialChannel, "公众号订阅通知"},
	{model.MiniChannel, "小程序订阅消息"},
}

// The lengths of a message's parts. Those of news are of the material library's page.
//
// developers.weixin.qq.com/doc/offiaccount/Asset_Management/New_temporary_materials.html
const (
	maxTitle       = 64  // characters
	maxDescription = 120 // characters
	maxCardTitle   = 32  // characters
	maxPath        = 128 // bytes
	maxArticles    = 8
	maxLibraryID   = 128 // bytes
)

// slot is one text of a body.
type slot struct {
	field string
	words wording
	wrong func(string) string // what is wrong with a rendered text, or ""
}

// compiled is a body made ready: its texts taken apart, its pictures found.
type compiled struct {
	kind     Kind
	body     Body
	slots    []slot
	pictures map[model.ID]Picture
	template Template
	problems []Problem
}

// outside is what a body names and this package keeps.
type outside struct {
	pictures map[model.ID]Picture
	template Template
}

// compile checks a body as far as no channel is asked.
func compile(kind Kind, b Body, have outside) *compiled {
	c := &compiled{kind: kind, body: b, pictures: have.pictures, template: have.template}
	switch kind {
	case Text:
		c.add("text", b.Text, true, textRule)
		c.only(b, "text")
	case Image:
		c.needPicture("picture", b.Picture)
		c.only(b, "picture")
	case News:
		c.news()
		c.only(b, "articles", "libraryId")
	case Card:
		c.add("title", b.Title, true, atMost(maxCardTitle))
		c.needPicture("picture", b.Picture)
		c.page(true)
		c.only(b, "title", "picture", "appId", "page")
	case Notice:
		c.notice()
		c.only(b, "template", "fields", "appId", "page", "url")
	default:
		c.problem("kind", "%s", ErrKind.Text)
	}
	c.dated()
	return c
}

func (c *compiled) problem(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: field, Text: fmt.Sprintf(format, args...)})
}

// add takes a text apart and checks it with its fallbacks alone; where the sample
// values do not fit, it says so as a hint, for many members will get the fallbacks.
func (c *compiled) add(field, text string, needed bool, wrong func(string) string) {
	if text == "" && !needed {
		return
	}
	words, mistakes := parseWording(text)
	for _, m := range mistakes {
		c.problem(field, "%s", m)
	}
	if len(mistakes) > 0 {
		return
	}
	c.slots = append(c.slots, slot{field, words, wrong})
	allowed := ""
	if c.kind == Text {
		allowed = "\n"
	}
	why := unprintable(words.bare(), allowed)
	if why == "" && c.kind == Text {
		why = markup(words.marked())
	}
	if why == "" && c.kind != Text && c.kind != Notice && strings.ContainsAny(words.bare(), "<>") {
		why = "不能含有“<”或“>”"
	}
	if why == "" {
		why = wrong(words.bare())
	}
	if why != "" {
		c.problem(field, "%s", why)
		return
	}
	if why := wrong(words.sample()); why != "" {
		c.problems = append(c.problems, Problem{field, "变量取常见值时放不下，这些会员将收到备用文字：" + why, true})
	}
}

// textRule is the length of a text message.
func textRule(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "不能为空"
	case len(s) > model.MaxText:
		return fmt.Sprintf("共%d字节，不能超过%d字节（一个汉字占3字节）", len(s), model.MaxText)
	}
	return ""
}

func atMost(n int) func(string) string {
	return func(s string) string {
		switch length := utf8.RuneCountInString(s); {
		case strings.TrimSpace(s) == "":
			return "不能为空"
		case length > n:
			return fmt.Sprintf("共%d个字，不能超过%d个字", length, n)
		}
		return ""
	}
}

func (c *compiled) needPicture(field string, id model.ID) {
	if p, found := c.pictures[id]; !found {
		c.problem(field, "请选择图片")
	} else if p.MediaID == "" {
		c.problem(field, "图片尚未上传到微信，请重新上传")
	}
}

func (c *compiled) news() {
	b := c.body
	if b.LibraryID != "" {
		if len(b.Articles) > 0 {
			c.problem("libraryId", "已填写公众号图文，不能再添加文章")
		}
		if len(b.LibraryID) > maxLibraryID || !model.RequestID(b.LibraryID[:min(len(b.LibraryID), model.MaxRequestID)]).Valid() {
			c.problem("libraryId", "公众号图文编号不正确")
		}
		return
	}
	if len(b.Articles) == 0 || len(b.Articles) > maxArticles {
		c.problem("articles", "图文应有1到%d篇文章", maxArticles)
		return
	}
	for i, a := range b.Articles {
		at := articleField(i)
		c.add(at+"title", a.Title, true, atMost(maxTitle))
		c.add(at+"description", a.Description, false, atMost(maxDescription))
		c.needPicture(at+"picture", a.Picture)
		if why := address(a.URL); why != "" {
			c.problem(at+"url", "%s", why)
		}
	}
}

func articleField(i int) string { return "articles[" + strconv.Itoa(i) + "]." }

// miniAppID and miniPage are what WeChat's names of an app and of a page look like.
var (
	miniAppID = regexp.MustCompile(`^wx[0-9A-Za-z]{16}$`)
	miniPage  = regexp.MustCompile(`^[A-Za-z0-9_/-]+(\?[A-Za-z0-9_=&%.~-]*)?$`)
)

// page checks where a tap leads in a mini-program.
func (c *compiled) page(needed bool) {
	b := c.body
	if b.AppID == "" && b.Page == "" && !needed {
		return
	}
	if !miniAppID.MatchString(b.AppID) {
		c.problem("appId", "小程序的AppID以wx开头，共18位")
	}
	if len(b.Page) > maxPath || !miniPage.MatchString(b.Page) {
		c.problem("page", "页面路径不正确，如pages/pot/index?game=1，最多%d字节", maxPath)
	}
}

func (c *compiled) notice() {
	b := c.body
	if c.template.ID == 0 {
		c.problem("template", "请选择模板")
		return
	}
	known := map[string]bool{}
	for _, f := range c.template.Fields {
		known[f.Name] = true
		if _, there := b.Fields[f.Name]; !there {
			c.problem("fields."+f.Name, "缺少字段“%s”", f.Label)
			continue
		}
		c.add("fields."+f.Name, b.Fields[f.Name], true, func(s string) string { return wrongField(f.Name, s) })
	}
	for _, name := range ordered(b.Fields) {
		if !known[name] {
			c.problem("fields."+name, "模板里没有这个字段")
		}
	}
	c.page(false)
	if b.URL != "" {
		if why := address(b.URL); why != "" {
			c.problem("url", "%s", why)
		}
	}
	if c.template.Channel == model.TemplateChannel {
		c.sober()
	}
}

// sober refuses an advertisement as a template message.
func (c *compiled) sober() {
	for _, s := range c.slots {
		for _, text := range []string{s.words.bare(), s.words.literals()} {
			if word := advertises(text); word != "" {
				c.problem(s.field, "模板消息只能用于服务通知，不能含有营销词“%s”", word)
				break
			}
		}
	}
}

// literals are what the author wrote himself.
func (w wording) literals() string {
	var b strings.Builder
	for _, p := range w {
		b.WriteString(p.literal)
	}
	return b.String()
}

// dated wants the time beside a number that may be old.
func (c *compiled) dated() {
	used := map[string]bool{}
	for _, name := range c.variables() {
		used[name] = true
	}
	for _, v := range Variables {
		if v.Dated != "" && used[v.Name] && !used[v.Dated] {
			c.problem("variables", "“%s”可能不是最新的，请同时写上“%s”", v.Name, v.Dated)
		}
	}
}

// only refuses the parts that a kind does not have.
func (c *compiled) only(b Body, fields ...string) {
	has := map[string]bool{
		"text": b.Text != "", "picture": b.Picture != 0, "articles": len(b.Articles) > 0, "libraryId": b.LibraryID != "", "title": b.Title != "",
		"appId": b.AppID != "", "page": b.Page != "", "url": b.URL != "", "template": b.Template != 0, "fields": len(b.Fields) > 0,
	}
	for _, f := range fields {
		delete(has, f)
	}
	for _, f := range ordered(has) {
		if has[f] {
			c.problem(f, "这种素材没有这一项")
		}
	}
}

// variables are the names that the body uses, each once.
func (c *compiled) variables() (names []string) {
	seen := map[string]bool{}
	for _, s := range c.slots {
		for _, name := range s.words.variables() {
			if !seen[name] {
				seen[name], names = true, append(names, name)
			}
		}
	}
	return names
}

// refuses says why the body cannot go through the channel, or "".
func (c *compiled) refuses(channel model.Channel) string {
	switch channel {
	case model.TemplateChannel, model.OfficialChannel, model.MiniChannel:
		if c.kind != Notice || c.template.Channel != channel {
			return "该渠道只能发送它自己的模板"
		}
		return ""
	case model.MassChannel:
		switch {
		case c.kind != Text && c.kind != Image && c.body.LibraryID == "":
			return "群发只能用文本、图片或公众号图文（libraryId）"
		case len(c.variables()) > 0:
			return "群发的内容人人相同，不能使用变量"
		}
		return ""
	case model.CustomChannel:
		if c.kind == News && len(c.body.Articles) > 1 {
			return "客服消息的图文只能有1篇文章"
		}
	case Reply:
		if c.kind == Card || c.body.LibraryID != "" {
			return "被动回复只能用文本、图片或图文"
		}
	}
	if c.kind == Notice {
		return "模板只能通过它自己的渠道发送"
	}
	return ""
}
