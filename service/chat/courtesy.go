package chat

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"kaimenhong/model"
)

// What people say to a person; none of it asks for anything. They say several at once, and
// softly: 好的知道了, 谢谢你啦.
var (
	greetings = pieces("你好 您好 大家好 在吗 在么 在不在 早上好 早安 上午好 中午好 下午好 晚上好 哈喽 哈罗 嗨 hi hello 新年好 过年好 新年快乐 春节快乐 元旦快乐 节日快乐 恭喜发财 亲", "啊 呀 哈 哦 啦")
	thanks    = pieces("谢谢 多谢 谢了 太感谢 感谢 辛苦 麻烦 好 好的 嗯 知道 收到 thanks thankyou thx 再见 拜拜 没别的 没有了 没有别的", "你 您 了 啦 啊 呀 哈 哦 晒 们")
	nods      = pieces("是 是的 确认 确定 好 好的 好吧 好嘞 好滴 行 行吧 可以 可以的 对 对的 嗯 哦 噢 同意 知道 明白 收到 了解 没错 ok yes", "了 啦 啊 呀 哈 哦")
	yes       = `(是的?|确认|确定|好的?|对的?|嗯|行的?|可以的?|同意|没错|ok|yes|y)`
	agreed    = regexp.MustCompile(`^我?` + yes + `[啊呀哒滴嘞哈]?` + yes + `?[啊呀哒滴嘞哈]?((谢谢|多谢)[你您啦了啊]?)?$`)
)

// phrases match what is made of some words alone. Nearly all messages ask for something,
// and their first letter tells that they are none.
type phrases struct {
	whole  *regexp.Regexp
	begins map[rune]bool
}

// pieces match what is made of the words alone, a particle or two after each.
func pieces(words, particles string) phrases {
	or := func(list string) string { return "(" + strings.Join(strings.Fields(list), "|") + ")" }
	p := phrases{regexp.MustCompile("^(" + or(words) + or(particles) + "{0,2})+$"), map[rune]bool{}}
	for _, word := range strings.Fields(words) {
		p.begins[[]rune(word)[0]] = true
	}
	return p
}

// maxCourtesy is the length, in bytes, of words that are looked at for courtesy.
const maxCourtesy = 60

func (f folded) are(of phrases) bool {
	first := slices.IndexFunc(f.runes, isWord)
	return first >= 0 && of.begins[f.runes[first]] && wholly(f.words(), of.whole)
}

// wholly tells that words of the length of a courtesy match.
func wholly(said string, whole *regexp.Regexp) bool {
	return len(said) <= maxCourtesy && whole.MatchString(said)
}

// words are the letters of a message, without emoji.
func (f folded) words() string {
	var b strings.Builder
	b.Grow(3 * len(f.runes))
	for _, r := range f.runes {
		if isWord(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isWord(r rune) bool {
	return isHan(r) || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsNumber(r)
}

// faces are the emoji of WeChat, which it sends as words: 谢谢[玫瑰]. [红包] is not among
// them: who sends it may mean the game.
var faces = regexp.MustCompile(`\[(微笑|撇嘴|色|发呆|得意|流泪|害羞|闭嘴|睡|大哭|尴尬|发怒|调皮|呲牙|惊讶|难过|囧|抓狂|吐|偷笑|愉快|白眼|傲慢|困|惊恐|憨笑|悠闲|咒骂|疑问|嘘|晕|衰|骷髅|敲打|再见|擦汗|抠鼻|鼓掌|坏笑|右哼哼|鄙视|委屈|快哭了|阴险|亲亲|可怜|笑脸|生病|脸红|破涕为笑|恐惧|失望|无语|嘿哈|捂脸|奸笑|机智|皱眉|耶|吃瓜|加油|汗|天啊|Emm|社会社会|旺柴|好的|打脸|哇|翻白眼|666|让我看看|叹气|苦涩|裂开|嘴唇|爱心|心碎|拥抱|强|弱|握手|胜利|抱拳|勾引|拳头|OK|合十|啤酒|咖啡|蛋糕|玫瑰|凋谢|菜刀|炸弹|便便|月亮|太阳|庆祝|礼物|發|福|烟花|爆竹|猪头|跳跳|发抖|转圈)\]|/:[a-z]+|/::[^\s\p{Han}]{1,2}`)

// withoutFaces leaves a mark where an emoji was, so that it is no word.
func withoutFaces(s string) string {
	if !strings.Contains(s, "[") && !strings.Contains(s, "/:") {
		return s
	}
	return faces.ReplaceAllString(s, "😊")
}

// agrees tells that the message is a yes to a question that is asked, in whatever words;
// with a question mark it is none. The deed's own verbs are yeses to it, and to no other.
func (t *turn) agrees(verbs ...string) bool {
	if t.said.asks {
		return false
	}
	said := t.said.words()
	for _, verb := range verbs {
		if isOne(said, []string{verb + "吧", "确认" + verb, "确定" + verb}) || said == verb && len([]rune(verb)) > 1 {
			return true
		}
	}
	return said == "1" || said == "一" || wholly(said, agreed)
}

// courtesy answers a greeting, thanks and a yes to no question; false for anything else.
func (c *Chat) courtesy(t *turn) (model.Content, bool) {
	const more = "还需要什么随时告诉我，发送“菜单”可以看全部服务。"
	switch {
	case t.said.are(nods):
	case t.said.are(greetings):
		return c.choose(t, t.untouched()+"您好，"+c.opts.Name+"为您服务，想办哪一项？", menuChoices), true
	case t.said.are(thanks):
		if t.untouched() != "" {
			return model.Text("不客气。" + t.untouched() + more), true
		}
		return model.Text("不客气，" + more), true
	default:
		return model.Content{}, false
	}
	switch t.before.Binding {
	case awaitPhone:
		return model.Text(sendNumber + "；不需要就回复“取消”。"), true
	case awaitCode:
		return model.Text("请把短信里的6位数字发给我，没收到就再发一次手机号；不需要就回复“取消”。"), true
	}
	return model.Text("好的。" + t.untouched() + "现在没有正在等您确认的事，" + more), true
}
