package chat

import (
	"context"
	"fmt"

	"kaimenhong/model"
)

// potBook knows the red envelopes of members.
type potBook interface {
	// Progress tells of the envelope that the member opened last; without one, or when it
	// is past, Title is that of a game that runs, or "".
	Progress(ctx context.Context, member model.MemberID) (model.PotProgress, error)
	// Card sends the member the card of the page soon, once for a request; what cannot
	// be sent is not: the answer itself leads to the same page.
	Card(member model.MemberID, request model.RequestID, title, page string)
}

// redpacket says how far the member's envelope is, and leads to it in the
// mini-program, never to a web page: WeChat allows the game nowhere else.
func (c *Chat) redpacket(ctx context.Context, t *turn) (model.Content, error) {
	if c.Pots == nil {
		return model.Text("现在没有进行中的红包活动，有了新活动会在这里告诉您。"), nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	p, err := c.Pots.Progress(ctx, t.member.ID)
	if err != nil {
		text, err := plainly(err)
		if err != nil {
			return model.Content{}, fmt.Errorf("tell of an envelope: %w", err)
		}
		return model.Text(text), nil
	}
	text, label := potSaid(p)
	page, ok := c.potPage(p.Pot)
	if !ok || label == "" {
		return model.Text(text), nil
	}
	c.Pots.Card(t.member.ID, t.in.Key, p.Title, page)
	return model.Text(text + "\n" + fmt.Sprintf(`<a data-miniprogram-appid="%s" data-miniprogram-path="%s">%s</a>`,
		attribute(c.opts.Links[Redpacket].AppID), attribute(page), label)), nil
}

// potPage is the page of an envelope, or of all.
func (c *Chat) potPage(pot model.ID) (string, bool) {
	link := c.opts.Links[Redpacket]
	if pot == 0 {
		return link.Page, link.AppID != ""
	}
	return link.Page + "?pot=" + pot.String(), link.AppID != ""
}

// potSaid words the progress, and what is written on the link; "" for none.
func potSaid(p model.PotProgress) (text, label string) {
	title := plain(p.Title)
	switch {
	case p.Pot == 0 && title == "":
		return "现在没有进行中的红包活动，有了新活动会在这里告诉您。", ""
	case p.Pot == 0:
		return "“" + title + "”正在进行：开一个红包，请亲友助力，凑满就能领取，金额事先公示。", "去看规则、开红包"
	case p.Open && p.Stopped:
		return fmt.Sprintf("您的“%s”已有%d位好友助力。活动已暂停，请留意官方通知。", title, p.Helped), "看我的红包"
	case p.Open:
		return fmt.Sprintf("您的“%s”已有%d位好友助力，还差%d位，凑满得%s，%s截止。",
			title, p.Helped, p.Helps-p.Helped, p.Prize, p.EndsAt.Time().Format("1月2日15:04")), "看我的红包"
	case p.Filled:
		return fmt.Sprintf("您的“%s”凑满了，共%d位好友助力，奖品是%s。", title, p.Helps, p.Prize), "看奖品到哪了"
	}
	return fmt.Sprintf("您的“%s”已截止，有%d位好友助力，没能凑满%d位。", title, p.Helped, p.Helps), "看看红包"
}
