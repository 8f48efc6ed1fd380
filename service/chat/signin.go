package chat

import (
	"context"
	"fmt"
	"strings"

	"kaimenhong/model"
)

// visitBook keeps who came on which day.
type visitBook interface {
	// SignIn credits the member for coming today, once a day, and says what today's gave
	// and how many days in a row it was; whoever comes again is told the same.
	SignIn(ctx context.Context, member model.MemberID) (points model.Points, streak int, err error)
}

// signIn is today's 签到. The words are the same for one that was there before, so that
// a repeat of the message is answered as its first try was.
func (c *Chat) signIn(ctx context.Context, t *turn) (model.Content, error) {
	if c.Visits == nil {
		return model.Text(strings.TrimSpace("签到在小程序的“首页”里。\n" + c.link(Points, "去签到"))), nil
	}
	bounded, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	got, streak, err := c.Visits.SignIn(bounded, t.member.ID)
	if err != nil {
		text, err := plainly(err)
		if err != nil {
			return model.Content{}, fmt.Errorf("sign in: %w", err)
		}
		return model.Text(text), nil
	}
	text := fmt.Sprintf("今天已签到，得到 %d积分，连续签到 %d天。", got, streak)
	return model.Text(text + "\n" + c.tap(names[Points], names[Points])), nil
}
