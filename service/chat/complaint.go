package chat

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"kaimenhong/model"
)

// What surrounds an opinion, and what asks about giving one instead of having one.
var (
	wishes = regexp.MustCompile(strings.Join(append(
		strings.Fields("我们 我想 我要 本人 你们 您们 他们 公司 客服 移动 联通 电信 需要 麻烦 帮忙 可以 一下 一个 一条 一点 几句 有些 这里 这边 怎么 问题 事情 情况 今天 昨天 再次 关于 针对 谢谢 你好 您好"),
		strings.Fields("意见反馈 反馈 意见 投诉 举报 提建议 建议 吐槽 留言 留个言 反映 反应 feedback complaint complain suggestion")...), "|") + "|[我你您想要来给向对帮请有提写说就去和跟的了吧啊呢吗么一下个点些条这那]")
	aboutIt = regexp.MustCompile(`哪|如何|怎样|怎么(投诉|反馈|举报|提|联系|才|写|留)|电话|热线|渠道|入口|进度|结果|处理了|受理|怎么样了|回复我|撤|取消|(不|没有?|别)(要|想|用|必|再)?(投诉|反馈|举报|建议|意见|留言|反映|吐槽)`)
)

// Lengths, in letters, from which what is left beside the wish is an opinion: a trouble
// (乱扣费) is one with fewer.
const (
	opinionLetters = 5
	troubleLetters = 3
)

// hasOpinion tells that a message that wants to give an opinion holds it already: 我要投诉，
// 你们流量扣费不明 does, 我要投诉你们公司 and 在哪里投诉 do not. What is left in doubt is asked
// for, so that nothing is kept that nobody meant to say.
func hasOpinion(f folded) bool {
	said := f.words()
	if aboutIt.MatchString(said) {
		return false
	}
	troubled := read(f).live.any(aWhy, aTrouble)
	if !troubled && (f.asks || strings.HasSuffix(said, "吗") || strings.HasSuffix(said, "么")) {
		return false
	}
	left := folded{runes: []rune(wishes.ReplaceAllString(said, ""))}.length()
	return left >= opinionLetters || troubled && left >= troubleLetters
}

// complain takes the opinion that came with the wish to give one, or asks for it.
func (c *Chat) complain(ctx context.Context, t *turn) (model.Content, error) {
	if !hasOpinion(t.said) {
		return c.askFeedback(t), nil
	}
	return c.keepNote(ctx, t)
}

// keepNote writes the message down as what the member has to say.
func (c *Chat) keepNote(ctx context.Context, t *turn) (model.Content, error) {
	id, err := c.Notes.Keep(ctx, t.member.ID, t.in.Text, t.in.Key)
	if err != nil {
		return model.Content{}, err
	}
	return model.Text(fmt.Sprintf("已经记下，编号 %s。我们会尽快处理，谢谢您的意见。\n还需要帮忙就发送“菜单”，急事可以发送“人工”。", id)), nil
}
