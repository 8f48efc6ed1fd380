package chat

import (
	"context"
	"regexp"
	"strings"

	"kaimenhong/model"
)

// decliner keeps that a member wants no offers and campaigns any more.
type decliner interface {
	DeclineMarketing(ctx context.Context, member model.MemberID, request model.RequestID) error
}

// A no to what the account sends by itself: a no shortly before it, or an end of it right
// behind. What makes of them a question or the contrary is none (不要取消推送, 不想错过活动消息),
// nor is a word that only holds a no (特别, 别的, 不要钱), nor 打扰一下. Calls are nobody's here to
// end.
var (
	sendings = `(推送|推广|广告|营销|推销|群发|宣传|订阅消息|打扰|骚扰|活动消息|优惠消息|活动通知|优惠通知|活动信息|优惠信息|发消息|发信息)`
	noBefore = regexp.MustCompile(`(不要|不想|不用|不再|别|勿|不接收|不收|停止|停掉|停了|取消|关闭|关掉|屏蔽|拒绝|拒收|退订|退掉).{0,8}` + sendings)
	endAfter = regexp.MustCompile(sendings + `(了|给我|全都|全部|都|全)?(停止|停掉|取消|关闭|关掉|屏蔽|拒收|退订|退掉|不要发|别发|别再发)`)
	noNoes   = strings.NewReplacer("特别", "", "分别", "", "区别", "", "别的", "", "别人", "", "别家", "", "不要钱", "", "打扰一下", "", "打扰下", "", "不想打扰", "")
	contrary = regexp.MustCompile(`(不要|不想|不用|别|勿|没).{0,3}(停止|停掉|停了|取消|关闭|关掉|屏蔽|拒绝|拒收|退订|错过|漏|断)|恢复|为什么|为啥|怎么没|怎么不|不会|电话`)
	optOuts  = strings.Fields("t td 停止推送 取消订阅 退订消息 别发了 不要发了 不要再发了 别再发了 别再发")
)

// maxOptOut is the length, in runes, up to which a no to what is sent is trusted.
const maxOptOut = 30

// optsOut tells that a message wants an end of what the account sends by itself.
func optsOut(f folded) bool {
	said := string(f.runes)
	if isOne(said, optOuts) {
		return true
	}
	if len(f.runes) > maxOptOut || contrary.MatchString(said) {
		return false
	}
	for from := 0; from < len(f.runes); {
		to := from + 1
		for to < len(f.runes) && f.clause[to] == f.clause[from] {
			to++
		}
		if clause := noNoes.Replace(string(f.runes[from:to])); noBefore.MatchString(clause) || endAfter.MatchString(clause) {
			return true
		}
		from = to
	}
	return false
}

// optOut ends it at once: whoever has had enough is asked nothing.
func (c *Chat) optOut(ctx context.Context, t *turn) (model.Content, error) {
	if c.Declines == nil {
		return c.transfer(t), nil
	}
	if err := c.Declines.DeclineMarketing(ctx, t.member.ID, t.in.Key); err != nil {
		return model.Content{}, err
	}
	text := "好的，以后不再给您发优惠和活动的消息；您自己查询和办理的结果照常告诉您。\n想恢复，随时在小程序“我的”里打开“优惠与活动”。"
	if strings.Contains(string(t.said.runes), "短信") {
		text += "\n短信不从这里发，要停短信就发送“人工”。"
	}
	return model.Text(text), nil
}
