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

// What the account sends by itself, the noes to it, and what makes of them a question or
// the contrary: 不要取消推送, 不想错过活动消息. Calls are nobody's here to end.
var (
	sendings = strings.Fields("推送 推广 广告 营销 推销 群发 宣传 订阅 打扰 骚扰 活动消息 优惠消息 活动通知 优惠通知 活动信息 优惠信息 乱发消息 发消息 发信息")
	noMore   = strings.Fields("不要 别 不想 不用 不再 勿 不接收 不收 停止 停掉 停了 取消 关闭 关掉 屏蔽 拒绝 拒收 退订 退掉")
	contrary = regexp.MustCompile(`(不要|不想|不用|别|勿|没).{0,3}(停止|停掉|停了|取消|关闭|关掉|屏蔽|拒绝|拒收|退订|错过|漏|断)|恢复|为什么|为啥|怎么没|怎么不|不会|电话`)
	optOuts  = strings.Fields("t td 停止推送 别发了 不要发了 不要再发了 别再发了 别再发")
)

// maxOptOut is the length, in runes, up to which a no to what is sent is trusted.
const maxOptOut = 30

// optsOut tells that a message wants an end of what the account sends by itself.
func optsOut(runes []rune) bool {
	said := string(runes)
	if isOne(said, optOuts) {
		return true
	}
	within := func(word string) bool { return strings.Contains(said, word) }
	return len(runes) <= maxOptOut && slices.ContainsFunc(sendings, within) && slices.ContainsFunc(noMore, within) && !contrary.MatchString(said)
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
