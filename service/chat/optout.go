package chat

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"kaimenhong/model"
)

// decliner keeps that a member wants no offers and campaigns any more.
type decliner interface {
	DeclineMarketing(ctx context.Context, member model.MemberID, request model.RequestID) error
}

// A no to what the account sends by itself: a no shortly before it, or an end of it right
// behind. What makes of them the contrary is none (不要取消推送, 不想错过活动消息), nor is a question
// about such an end (取消推送后还能收到账单吗), what is only said of an offer (不想办推广的业务), what is
// sent to others, a word that only holds a no (特别, 别的, 不要钱), or 打扰一下. Calls are nobody's
// here to end.
var (
	sent     = strings.Fields("推送 推广 广告 营销 推销 群发 宣传 订阅消息 打扰 骚扰 活动消息 优惠消息 活动通知 优惠通知 活动信息 优惠信息 发消息 发信息")
	sendings = `(` + strings.Join(sent, "|") + `)`
	noBefore = regexp.MustCompile(`(不要|不想|不用|不再|别|勿|不接收|不收|停止|停掉|停了|取消|关闭|关掉|屏蔽|拒绝|拒收|退订|退掉).{0,8}` + sendings)
	endAfter = regexp.MustCompile(sendings + `(了|给我|全都|全部|都|全)?(停止|停掉|取消|关闭|关掉|关了|屏蔽|拒收|退订|退掉|不要发|别发|别再发)`)
	noNoes   = strings.NewReplacer("特别", "", "分别", "", "区别", "", "别的", "", "别人", "", "别家", "", "不要钱", "", "打扰一下", "", "打扰下", "", "不想打扰", "")
	contrary = regexp.MustCompile(`(不要|不想|不用|别|勿|没).{0,3}(停止|停掉|停了|取消|关闭|关掉|屏蔽|拒绝|拒收|退订|错过|漏|断)|恢复|为什么|为啥|怎么没|怎么不|不会|电话`)
	doubt    = regexp.MustCompile(`影响|是不是|后悔|怎样|怎么样|会有|(还|会|以后|之后|了)能|还会|(取消|关闭|关掉|关|屏蔽|停止|停|退订|退)了(吗|没|么)|(现在|又|还是?)想(要$|收|看|接收|开|恢复)`)
	ofOffers = regexp.MustCompile(`(推送|推广|广告|营销|推销|宣传)(员|里|上|中|说|写|的(那|这)?(个|种|款)?(套餐|流量|业务|活动|产品|优惠|合约|卡|手机|宽带))`)
	toOthers = regexp.MustCompile(`(给|到|对|向|打扰|骚扰)(我|我的|我们)?(` + strings.Join(strings.Fields(words[anOther]), "|") + `)`)
	wanted   = regexp.MustCompile(`(恢复|重新|继续|打开|开启|开通|想收|要收|收不到|没收到|怎么收到|怎么没|怎么不|为什么不|为什么没|为啥不|为啥没).{0,6}` + sendings + `|` + sendings + `(怎么)?(恢复|重新打开|开启|没了|没有了|太多|好多|真多)|少.{0,4}` + sendings)
	noTexts  = regexp.MustCompile(`(不要|不想|别|不再|停止)(再)?.{0,4}(发|收|看).{0,4}短信|(退订|屏蔽|拒收|拒绝|停掉|关掉).{0,4}短信|短信.{0,3}(退订|屏蔽|拒收|别发|别再发|不要发|不要再发|太多|好多|烦)`)
	ofTexts  = regexp.MustCompile(`验证码|短信(包|套餐|业务|费|提醒|功能|余量|条数)|收不到|没收到|为什么|为啥|怎么不|怎么没`)
	optOuts  = strings.Fields("t td 停止推送 取消订阅 退订消息 别发了 不要发了 不要再发了 别再发了 别再发 拒收 退订回t 退订回复t")
	leaves   = strings.Fields("退订 我要退订 退订吧 怎么退订 如何退订 退定") // of what, nobody knows
	annoyed  = strings.Fields("别烦我 不要烦我 别再烦我 免打扰 消息免打扰")
)

// maxOptOut is the length, in runes, up to which a no to what is sent is trusted.
const maxOptOut = 30

// aboutSendings reads what a message wants of what the account sends by itself: its end,
// or to know of it, or to have it again; "" for nothing of that.
func aboutSendings(f folded) Intent {
	said := string(f.runes)
	holds := func(word string) bool { return strings.Contains(said, word) }
	switch {
	case isOne(said, optOuts):
		return OptOut
	case said == names[Sendings], isOne(said, annoyed):
		return Sendings
	case len(f.runes) <= maxOptOut && noTexts.MatchString(said) && !ofTexts.MatchString(said) && !slices.ContainsFunc(sent, holds) && !toOthers.MatchString(said):
		return Sendings // they are not sent from here
	case len(f.runes) > maxOptOut || !slices.ContainsFunc(sent, holds):
		return ""
	}
	no, asks := refusesSendings(f), doubt.MatchString(said)
	switch {
	case no && !asks && !contrary.MatchString(said):
		return OptOut
	case holds("电话") || toOthers.MatchString(said):
		return ""
	case no && asks, wanted.MatchString(ofOffers.ReplaceAllString(said, "")):
		return Sendings
	}
	return ""
}

// refusesSendings tells that one of the clauses is a no to what is sent.
func refusesSendings(f folded) bool {
	for from := 0; from < len(f.runes); {
		to := from + 1
		for to < len(f.runes) && f.clause[to] == f.clause[from] {
			to++
		}
		clause := string(f.runes[from:to])
		from = to
		if toOthers.MatchString(clause) {
			continue
		}
		clause = ofOffers.ReplaceAllString(noNoes.Replace(clause), "")
		if noBefore.MatchString(clause) || endAfter.MatchString(clause) {
			return true
		}
	}
	return false
}

// sendingsTold says how the member ends what is sent, and has it again: the consent is
// given where its text is read.
func (c *Chat) sendingsTold(t *turn) string {
	text := "优惠和活动的消息，不想收就发送“" + c.tap(names[OptOut], names[OptOut]) + "”，只停这些，您自己查询和办理的结果照常告诉您。\n想恢复，在小程序“我的”里打开“优惠与活动”。"
	if link := c.link(Points, "打开小程序"); link != "" {
		text += "\n" + link
	}
	return text + textsToo(t)
}

// textsToo leads who speaks of SMS to those who can end them.
func textsToo(t *turn) string {
	if strings.Contains(string(t.said.runes), "短信") {
		return "\n短信不从这里发，要停短信就发送“人工”。"
	}
	return ""
}

// optOut ends it at once: whoever has had enough is asked nothing.
func (c *Chat) optOut(ctx context.Context, t *turn) (model.Content, error) {
	if c.Declines == nil {
		return c.transfer(t), nil
	}
	if err := c.Declines.DeclineMarketing(ctx, t.member.ID, t.in.Key); err != nil {
		return model.Content{}, err
	}
	return model.Text("好的，以后不再给您发优惠和活动的消息；您自己查询和办理的结果照常告诉您。\n想恢复，随时在小程序“我的”里打开“优惠与活动”。" + textsToo(t)), nil
}
