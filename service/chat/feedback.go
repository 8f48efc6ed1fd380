package chat

import (
	"context"
	"fmt"
	"math"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/chat/internal/db"
)

// Note is what a member told us.
type Note struct {
	ID        model.ID
	Member    model.MemberID
	Message   string
	CreatedAt model.Millis
}

// askFeedback waits for the next message.
func (c *Chat) askFeedback(t *turn) model.Content {
	t.after.Topic = awaitFeedback
	return model.Text("请把您的意见写在下一条消息里，我会记下来交给专人处理。不想写了回复“取消”。")
}

// shortCommand is the length, in runes, up to which a message that is a command
// leaves the feedback instead of being it.
const shortCommand = 6

// feedback keeps the message; false when it is a command.
func (c *Chat) feedback(ctx context.Context, t *turn) (model.Content, bool, error) {
	if len(t.said.runes) == 0 || !t.said.spoken {
		t.after = t.before
		return model.Text("没看到文字。请把您的意见写成一条文字消息，不想写了回复“取消”。"), true, nil
	}
	if m := understand(t.said, c.opts.Carrier); m.Sure && len(t.said.runes) <= shortCommand {
		return model.Content{}, false, nil
	}
	id, err := c.keepFeedback(ctx, t)
	if err != nil {
		return model.Content{}, true, err
	}
	return model.Text(fmt.Sprintf("已经记下，编号 %s。我们会尽快处理，谢谢您的意见。\n还需要帮忙就发送“菜单”，急事可以发送“人工”。", id)), true, nil
}

// keepFeedback writes the message once; a repeat gets the first number.
func (c *Chat) keepFeedback(ctx context.Context, t *turn) (model.ID, error) {
	return c.Keep(ctx, t.member.ID, t.in.Text, t.in.Key)
}

// Keep writes down what a member tells us, in the chat or elsewhere; what is longer
// than model.MaxText is cut. A repeat of the request gets the first number.
func (c *Chat) Keep(ctx context.Context, member model.MemberID, message string, request model.RequestID) (model.ID, error) {
	id := c.IDs.Next()
	message = model.CutText(strings.ToValidUTF8(message, ""))
	err := c.queries.AddFeedback(ctx, db.AddFeedbackParams{
		ID: int64(id), MemberID: int64(member), Message: c.Seal.SealText([]byte(message), noteContext(id)),
		RequestID: string(request), CreatedAt: int64(model.At(c.Now())),
	})
	if sqldb.Duplicate(err) {
		kept, err := c.queries.FeedbackByRequest(ctx, string(request))
		if err != nil {
			return 0, fmt.Errorf("read the feedback: %w", err)
		}
		return model.ID(kept.ID), nil
	}
	if err != nil {
		return 0, fmt.Errorf("keep the feedback: %w", err)
	}
	return id, nil
}

// noteContext binds a sealed message to its row.
func noteContext(id model.ID) []byte { return seal.Bind("chat_feedback.message", int64(id)) }

// maxPage bounds a page of feedback or rules.
const maxPage = 200

// Notes returns at most limit (up to 200) notes older than before, newest first;
// before 0 begins with the newest.
func (c *Chat) Notes(ctx context.Context, before model.ID, limit int) ([]Note, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := c.queries.FeedbackBefore(ctx, db.FeedbackBeforeParams{ID: int64(before), Limit: int32(min(max(limit, 1), maxPage))})
	if err != nil {
		return nil, fmt.Errorf("list the feedback: %w", err)
	}
	notes := make([]Note, 0, len(rows))
	for _, r := range rows {
		message, err := c.Seal.OpenText(r.Message, noteContext(model.ID(r.ID)))
		if err != nil {
			return nil, fmt.Errorf("open feedback %d: %w", r.ID, err)
		}
		notes = append(notes, Note{model.ID(r.ID), model.MemberID(r.MemberID), string(message), model.Millis(r.CreatedAt)})
	}
	return notes, nil
}
