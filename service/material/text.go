package material

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Variable is something known of a member that a text may name: {{积分|0}} is his
// points, or 0 when they are not known.
type Variable struct {
	Name   string
	Means  string // for the page that offers it
	Sample string
	// Always tells that there is a value for everybody; every other variable needs a
	// fallback, which may be empty ({{称呼|}}) where something else is left.
	Always bool
	// Dated is the variable that says when the value was known: a number that may be
	// old is not told without its time.
	Dated string
}

// Variables are all of them, in the order of a page.
var Variables = []Variable{
	{Name: "称呼", Means: "姓氏加“先生”或“女士”，姓氏或性别未知时用备用文字", Sample: "张先生"},
	{Name: "手机尾号", Means: "绑定号码的后四位", Sample: "5678"},
	{Name: "套餐", Means: "当前主套餐的名称", Sample: "5G畅享套餐"},
	{Name: "省份", Means: "归属省份", Sample: "江苏"},
	{Name: "城市", Means: "归属城市", Sample: "南京"},
	{Name: "网龄", Means: "入网时间，如“6年”“18个月”", Sample: "6年"},
	{Name: "等级", Means: "会员阶段，如“朋友”", Sample: "朋友"},
	{Name: "上月流量使用率", Means: "上月用掉的套餐流量，如“92%”", Sample: "92%"},
	{Name: "积分", Means: "可用积分", Sample: "1280"},
	{Name: "余额", Means: "最近一次查到的话费余额，须与“余额时间”同用", Sample: "35.20元", Dated: "余额时间"},
	{Name: "余额时间", Means: "余额是什么时候查到的", Sample: "2月16日10:05"},
	{Name: "剩余流量", Means: "最近一次查到的剩余流量，须与“流量时间”同用", Sample: "3.2GB", Dated: "流量时间"},
	{Name: "流量时间", Means: "剩余流量是什么时候查到的", Sample: "2月16日10:05"},
	{Name: today, Means: "发送当天的日期，如“2月17日”", Sample: "2月17日", Always: true},
}

var variables = func() map[string]Variable {
	found := make(map[string]Variable, len(Variables))
	for _, v := range Variables {
		found[v.Name] = v
	}
	return found
}()

// wording is a text with variables, taken apart once.
type wording []piece

// piece is a literal, or a variable with its fallback.
type piece struct {
	literal  string
	variable string
	fallback string
	backed   bool // has a fallback
}

// maxVariables bounds how many variables one text names.
const maxVariables = 20

// parseWording takes a text apart; what is wrong is said in words for the author.
func parseWording(text string) (w wording, wrong []string) {
	rest := text
	for rest != "" {
		before, after, found := strings.Cut(rest, "{{")
		if strings.Contains(before, "}}") {
			return nil, append(wrong, "“}}”之前缺少“{{”")
		}
		if before != "" {
			w = append(w, piece{literal: before})
		}
		if !found {
			break
		}
		inside, next, closed := strings.Cut(after, "}}")
		if !closed || strings.Contains(inside, "{{") {
			return nil, append(wrong, "“{{”之后缺少“}}”")
		}
		name, fallback, backed := strings.Cut(inside, "|")
		p := piece{variable: strings.TrimSpace(name), fallback: fallback, backed: backed}
		if why := p.wrong(); why != "" {
			wrong = append(wrong, why)
		}
		w, rest = append(w, p), next
	}
	if n := len(w.variables()); n > maxVariables {
		wrong = append(wrong, fmt.Sprintf("变量最多%d个", maxVariables))
	}
	return w, wrong
}

func (p piece) wrong() string {
	v, known := variables[p.variable]
	switch {
	case !known:
		return fmt.Sprintf("没有名为“%s”的变量", p.variable)
	case !v.Always && !p.backed:
		return fmt.Sprintf("变量“%s”可能没有值，请写备用文字，如{{%s|%s}}", p.variable, p.variable, "您")
	case strings.ContainsAny(p.fallback, "<>|\n"):
		return fmt.Sprintf("变量“%s”的备用文字不能含有<、>、|或换行", p.variable)
	}
	return ""
}

// variables are the names that the wording uses; one may be there twice.
func (w wording) variables() (names []string) {
	for _, p := range w {
		if p.variable != "" {
			names = append(names, p.variable)
		}
	}
	return names
}

// with is the text with the values; own tells whether it has all of them.
func (w wording) with(values map[string]string) (text string, own bool) {
	var b strings.Builder
	own = true
	for _, p := range w {
		value := tame(values[p.variable])
		switch {
		case p.variable == "":
			b.WriteString(p.literal)
		case value != "":
			b.WriteString(value)
		default:
			own = false
			b.WriteString(p.fallback)
		}
	}
	return b.String(), own
}

// bare is the text with fallbacks alone.
func (w wording) bare() string {
	text, _ := w.with(always)
	return text
}

// sample is the text with the sample of every variable.
func (w wording) sample() string {
	text, _ := w.with(sampleValues)
	return text
}

// marked is the text with a character that no author can write for each variable.
func (w wording) marked() string {
	var b strings.Builder
	for _, p := range w {
		b.WriteString(p.literal)
		if p.variable != "" {
			b.WriteByte(0)
		}
	}
	return b.String()
}

var sampleValues, always = func() (all, sure map[string]string) {
	all, sure = map[string]string{}, map[string]string{}
	for _, v := range Variables {
		all[v.Name] = v.Sample
		if v.Always {
			sure[v.Name] = v.Sample
		}
	}
	return all, sure
}()

// maxValue bounds, in characters, what a value brings into a text.
const maxValue = 40

// tame makes a value from outside a plain word: no markup, no line, no control
// character, nothing that turns the writing round.
func tame(value string) string {
	if value == "" {
		return ""
	}
	value = strings.Map(func(r rune) rune {
		switch {
		case r == '<':
			return '＜'
		case r == '>':
			return '＞'
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case hidden(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(value, ""))
	value = strings.TrimSpace(value)
	if utf8.RuneCountInString(value) > maxValue {
		value = string([]rune(value)[:maxValue])
	}
	return value
}

// hidden tells of a character that is not seen or changes how others are: control
// characters, and those of Unicode's Cf but the joiner of emoji.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
}

// unprintable says what is wrong with the characters of s, or "". Those of allowed
// are taken.
func unprintable(s, allowed string) string {
	if !utf8.ValidString(s) {
		return "文字编码不正确"
	}
	for _, r := range s {
		if hidden(r) && !strings.ContainsRune(allowed, r) {
			return fmt.Sprintf("含有看不见的控制字符（U+%04X），请删除", r)
		}
	}
	return ""
}

// anchor is the one markup that WeChat knows within a text: a link, perhaps to a
// mini-program, or an entry of a menu that answers for the reader.
//
// developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
var anchor = regexp.MustCompile(`^<a href="(https://[^"<>\s\x00]+|weixin://bizmsgmenu\?[^"<>\s\x00]+)"(?: data-miniprogram-appid="wx[0-9a-f]{16}" data-miniprogram-path="[^"<>\s\x00]+")?>`)

// markup says what is wrong with the links of a text, or "".
func markup(marked string) string {
	open := false
	for rest := marked; ; {
		at := strings.IndexByte(rest, '<')
		if at < 0 {
			break
		}
		rest = rest[at:]
		if after, ok := strings.CutPrefix(rest, "</a>"); ok && open {
			open, rest = false, after
			continue
		}
		found := anchor.FindStringSubmatch(rest)
		if found == nil || open {
			return `除<a href="https://…">文字</a>外不能使用标签；“<”请写成“＜”`
		}
		if strings.HasPrefix(found[1], "https://") {
			if why := address(found[1]); why != "" {
				return why
			}
		}
		open, rest = true, rest[len(found[0]):]
	}
	if open {
		return "链接缺少</a>"
	}
	return ""
}

// maxAddress bounds an address, in bytes.
const maxAddress = 1024

// address says what is wrong with the address of a page, or "".
func address(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || len(s) > maxAddress || unprintable(s, "") != "" || strings.ContainsAny(s, " <>\"'\\{}"):
		return "网址不正确"
	case u.Scheme != "https" || u.Hostname() == "" || !strings.Contains(u.Hostname(), "."):
		return "网址须以https://开头，并有完整的域名"
	case u.User != nil:
		return "网址不能含有用户名或密码"
	}
	return ""
}
