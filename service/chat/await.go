package chat

import (
	"context"
	"slices"
	"strings"

	"kaimenhong/model"
)

// awaited answers what the conversation was waiting for; false when the message
// is about something else.
func (c *Chat) awaited(ctx context.Context, t *turn) (model.Content, bool, error) {
	said := string(t.said.runes)
	if t.before.Topic == noTopic && t.before.Binding == notBinding {
		return model.Content{}, false, nil
	}
	if isOne(said, cancels) {
		t.after = thread{}
		return model.Text("好的，已经取消。还需要什么随时告诉我，发送“菜单”可以看全部服务。"), true, nil
	}
	switch t.before.Topic {
	case choosing:
		return c.chosen(ctx, t, said)
	case awaitUnbind:
		if isOne(said, agrees) && t.otherPhone() {
			return c.askUnbind(t), true, nil
		}
		if isOne(said, agrees) {
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

// The ways to say yes and no.
var (
	agrees  = strings.Fields("是 是的 确认 确定 好 好的 对 对的 嗯 行 可以 同意 1 一 ok yes y 解绑 确认解绑 确定解绑")
	cancels = strings.Fields("取消 返回 算了 不了 不用了 不用 否 不 退出 不要 不要了 没事 没事了 no n 不解绑 不反馈了")
)

func isOne(said string, of []string) bool { return slices.Contains(of, said) }

// chosen answers a number of the last choice.
func (c *Chat) chosen(ctx context.Context, t *turn, said string) (model.Content, bool, error) {
	n := ordinal(said)
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

// ordinal reads 1 to 9, also as 一, 第一个, 选1, 1号 or ①; 0 for anything else.
func ordinal(said string) int {
	for _, before := range []string{"我", "选择", "选", "回复", "第"} {
		said = strings.TrimPrefix(said, before)
	}
	for _, after := range []string{"吧", "号", "个", "项"} {
		said = strings.TrimSuffix(said, after)
	}
	said = strings.TrimSuffix(said, "\u20e3") // the keycap of 1️⃣
	if len(said) == 1 && said[0] >= '1' && said[0] <= '9' {
		return int(said[0] - '0')
	}
	return ordinals[said]
}
