package chat

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"kaimenhong/model"
)

// awaited answers what the conversation was waiting for; false when the message
// is about something else.
func (c *Chat) awaited(ctx context.Context, t *turn) (model.Content, bool, error) {
	said := t.said.words()
	if t.before.Topic == noTopic && t.before.Binding == notBinding {
		return model.Content{}, false, nil
	}
	if isOne(said, cancels) || t.refuses(said) {
		t.after = thread{}
		return model.Text("好的，已经取消。还需要什么随时告诉我，发送“菜单”可以看全部服务。"), true, nil
	}
	if t.before.Topic == noTopic && t.before.Binding == awaitCode && noCode.MatchString(said) {
		return c.lostCode(t), true, nil
	}
	switch t.before.Topic {
	case choosing:
		return c.chosen(ctx, t, said)
	case awaitUnbind:
		yes := t.agrees("解", "解绑")
		if yes && t.otherPhone() {
			return c.askUnbind(t), true, nil
		}
		if yes {
			content, err := c.unbind(ctx, t)
			return content, true, err
		}
	case awaitFeedback:
		return c.feedback(ctx, t)
	case choosingGift:
		return c.chosenGift(ctx, t, said)
	case awaitRedeem:
		return c.confirmedGift(ctx, t, said)
	}
	return model.Content{}, false, nil
}

// The ways to say no.
var (
	cancels = strings.Fields("取消 返回 算了 不了 不用了 不用 否 不 退出 不要 不要了 没事 没事了 no n 不解绑 不反馈了")
)

// The noes that are one only to a question: to a gift or an unbinding, and to a binding.
var (
	refusals   = strings.Fields("不是 不确定 不同意 不行 不可以 不好 想想 再想想 考虑一下 再考虑一下 再说 不需要 暂时不要 暂时不用 不换 不换了 不想换 不想换了 别换 别换了 不兑 不兑了 不兑换 不兑换了 不办 不办了 不想要 不想要了 不解绑了 不想解绑 不想解绑了 不用解绑 不用解绑了 不要解绑 别 别了 别解绑")
	noFeedback = regexp.MustCompile(`^(算了)?(不投诉|不写|不反馈|不提|不用|没事|没有|没意见|没有意见|没什么|没什么意见)[了吧啊]*(谢谢)?$`)
	noBinding  = strings.Fields("不绑 不绑了 不绑定 不绑定了 不想绑 不想绑了 不想绑定 不用绑了 不换绑 不换绑了 不换 不换了 不换号了 不需要")
)

// refuses tells that the message is a no to what is waited for, as people put it:
// 算了不要了, 我再想想, 那不绑了.
func (t *turn) refuses(said string) bool {
	for _, before := range []string{"好的", "好吧", "嗯", "那", "还是", "我", "先"} {
		said = strings.TrimPrefix(said, before)
	}
	rest, enough := strings.CutPrefix(said, "算了")
	rest = strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(rest, "谢谢"), "吧"), "我")
	no := enough && rest == "" || isOne(rest, cancels)
	switch t.before.Topic {
	case choosingGift, awaitRedeem, awaitUnbind:
		return no || isOne(rest, refusals)
	case awaitFeedback:
		return noFeedback.MatchString(said)
	}
	return t.before.Binding != notBinding && (no || isOne(rest, noBinding))
}

// untouched says that what was asked before was not done, to whom answered something else.
func (t *turn) untouched() string {
	switch t.before.Topic {
	case awaitRedeem:
		return "刚才的兑换没有办，积分没有动。"
	case awaitUnbind:
		return "没有解绑。"
	}
	return ""
}

func isOne(said string, of []string) bool { return slices.Contains(of, said) }

// chosen answers a number of the last choice.
func (c *Chat) chosen(ctx context.Context, t *turn, said string) (model.Content, bool, error) {
	n := ordinal(said, len(t.before.Choices))
	if n == 0 {
		return model.Content{}, false, nil
	}
	if n > len(t.before.Choices) {
		c.count("", unknown)
		return c.choose(t, "没有这个选项，请", t.before.Choices), true, nil
	}
	i := t.before.Choices[n-1]
	c.count(i, understood)
	content, err := c.perform(ctx, t, i)
	return content, true, err
}

// ordinals are the ways to write a choice, besides its digit.
var ordinals = map[string]int{
	"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
	"①": 1, "②": 2, "③": 3, "④": 4, "⑤": 5, "⑥": 6, "⑦": 7, "⑧": 8, "⑨": 9,
	"壹": 1, "贰": 2, "叁": 3,
}

// ordinal reads 1 to 9, also as 一, 第一个, 选1, 我要第一个, 1号, ① or 最后一个 of all; 0 for
// anything else.
func ordinal(said string, all int) int {
	for _, before := range []string{"那", "就", "我", "要", "换成", "选择", "选", "回复"} {
		said = strings.TrimPrefix(said, before)
	}
	for _, after := range []string{"吧", "号", "个", "项"} {
		said = strings.TrimSuffix(said, after)
	}
	if said == "最后一" {
		return all
	}
	said = strings.TrimPrefix(said, "第")
	said = strings.TrimSuffix(said, "\u20e3") // the keycap of 1️⃣
	if len(said) == 1 && said[0] >= '1' && said[0] <= '9' {
		return int(said[0] - '0')
	}
	return ordinals[said]
}
