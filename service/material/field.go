package material

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fieldRule is what one type of a template's field takes.
type fieldRule struct {
	runes int // at most
	form  *regexp.Regexp
	says  string
}

// fieldRules are the types of fields, by the letters of a field's name, as
// 订阅消息参数值内容限制说明 of the mini-program's documentation has them. What is
// written here refuses before WeChat does (47003), for a consent is used up by trying.
//
// developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
var fieldRules = map[string]fieldRule{
	"thing":            {20, nil, "20个以内字符"},
	"short_thing":      {5, nil, "5个以内字符"},
	"const":            {20, nil, "20个以内字符"},
	"number":           {32, regexp.MustCompile(`^-?\d+(\.\d+)?$`), "32位以内数字，可带小数"},
	"letter":           {32, regexp.MustCompile(`^[A-Za-z]+$`), "32位以内字母"},
	"symbol":           {5, regexp.MustCompile(`^[\p{P}\p{S}]+$`), "5位以内符号"},
	"character_string": {32, regexp.MustCompile(`^[!-~]+$`), "32位以内数字、字母或符号"},
	"time":             {41, regexp.MustCompile(`^` + moment + `(~` + moment + `)?$`), "24小时制时间，如15:01或2026年2月17日 15:01，时间段用~连接"},
	"date":             {41, regexp.MustCompile(`^` + day + `( ` + hour + `)?(~` + day + `( ` + hour + `)?)?$`), "日期，如2026年2月17日或2026-02-17，可带时间，日期段用~连接"},
	"amount":           {14, regexp.MustCompile(`^[¥￥$€£]?\d{1,10}(\.\d{1,2})?元?$`), "金额，10位以内数字，可带小数，前可有币种符号，后可有“元”"},
	"phone_number":     {17, regexp.MustCompile(`^[\d+*\- ]+$`), "17位以内数字、符号"},
	"car_number":       {8, regexp.MustCompile(`^[\p{Han}A-Z0-9][A-Z0-9]*[\p{Han}A-Z0-9]$`), "8位以内车牌号"},
	"name":             {20, nil, "10个以内汉字，或20个以内字母或符号"},
	"phrase":           {5, regexp.MustCompile(`^\p{Han}+$`), "5个以内纯汉字"},
}

// The forms of instants.
const (
	hour   = `([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d)?`
	day    = `((\d{4}年)?\d{1,2}月(\d{1,2}日)?|\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?)`
	moment = `(` + day + ` )?` + hour
)

// maxNameHan is how many characters a name with a Chinese one has at most.
const maxNameHan = 10

// kindOfField is the type of a field: thing of thing12.
func kindOfField(name string) string { return strings.TrimRight(name, "0123456789") }

// wrongField says what is wrong with a field's value, or "".
func wrongField(name, value string) string {
	rule, known := fieldRules[kindOfField(name)]
	n := utf8.RuneCountInString(value)
	switch {
	case !known:
		return fmt.Sprintf("不认识的字段类型“%s”", name)
	case strings.TrimSpace(value) == "":
		return "不能为空"
	case unprintable(value, "") != "":
		return unprintable(value, "")
	case n > rule.runes, rule.form != nil && !rule.form.MatchString(value):
		return fmt.Sprintf("“%s”不符合要求：%s", value, rule.says)
	case kindOfField(name) == "name" && n > maxNameHan && strings.ContainsFunc(value, func(r rune) bool { return unicode.Is(unicode.Han, r) }):
		return fmt.Sprintf("“%s”不符合要求：%s", value, rule.says)
	}
	return ""
}

// marketing are words that make a message an advertisement: a template message with
// one of them costs the account its template messages.
//
// 模板消息运营规范: no marketing, no guidance to a purchase, no red packets or coupons to
// be had, no invitation of others.
var marketing = []string{
	"优惠", "特惠", "惠享", "促销", "折扣", "打折", "特价", "降价", "低价", "秒杀", "抢购", "限时抢", "限量抢", "立减", "满减", "直降", "返现",
	"优惠券", "代金券", "抵用券", "免费领", "免费送", "免费体验", "领红包", "抢红包", "拆红包", "红包雨", "领取红包", "送红包", "领流量", "送流量", "送话费",
	"抽奖", "中奖", "大奖", "好礼", "豪礼", "礼包", "福利", "赠送", "赠品", "买一送一", "邀请好友", "推荐有礼", "分享有礼", "助力", "砍价", "拼团", "集赞",
	"办理即", "立即办理", "立即购买", "马上抢", "点击领取", "立即领取", "不容错过", "火热", "钜惠", "劲爆", "狂欢", "大促", "开门红",
}

// advertises finds a marketing word, also one that is written apart.
func advertises(text string) string {
	folded := fold(text)
	for _, word := range marketing {
		if strings.Contains(folded, word) {
			return word
		}
	}
	return ""
}

// fold leaves letters and digits alone, so that 优 惠 and 优*惠 are 优惠. WeChat folds
// them too.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
