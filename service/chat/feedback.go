package chat

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/chat/internal/db"
)

// Note is what a member told us, and what became of it.
type Note struct {
	ID        model.ID
	Member    model.MemberID
	Message   string
	CreatedAt model.Millis
	DoneAt    model.Millis // 0: nobody took care of it yet
	DoneBy    model.ID     // the operator who did
	Remark    string       // his
}

// The faults of feedback.
var (
	ErrNoteMissing = fault.New(fault.NotFound, "chat.note_missing", "没有这条意见")
	ErrNoteDone    = fault.New(fault.Conflict, "chat.note_done", "这条意见已经有人处理了，请刷新")
	ErrRemark      = fault.New(fault.Invalid, "chat.remark", "处理说明应为 1 到 500个字")
)

// maxRemark is the length of an operator's remark, in characters.
const maxRemark = 500

// Notes are what members tell us, and what becomes of it. It is a part of the chat of
// its own, because members who become one or leave have it too.
type Notes struct {
	pool    *sql.DB
	queries *db.Queries
	seal    sealer
	ids     *model.IDs
	now     model.Clock
	audit   auditor
}

// NewNotes makes them; audit keeps who took care of what.
func NewNotes(pool *sql.DB, seal sealer, ids *model.IDs, now model.Clock, audit auditor) *Notes {
	return &Notes{pool, db.New(sqldb.Alone{DB: pool}), seal, ids, now, audit}
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
	if t.said.are(greetings) || t.said.are(thanks) || t.said.are(nods) {
		t.after = t.before
		return model.Text("请把您的意见写成一条文字消息，不想写了回复“取消”。"), true, nil
	}
	if c.command(t.said) {
		return model.Content{}, false, nil
	}
	content, err := c.keepNote(ctx, t)
	return content, true, err
}

// command tells that a message asks for something and has no opinion: one that judges
// (套餐太贵), that complains of something (客服态度差) or holds a word that asks for nothing
// (流量不够用) is what somebody has to say, however short it is.
func (c *Chat) command(said folded) bool {
	if m := understand(said, c.opts.Carrier); !m.Sure || len(said.runes) > shortCommand {
		return false
	}
	if _, code := c.opts.Carrier.code(said.runes); code {
		return true
	}
	s := read(said)
	complains := s.live.has(aFeedback) && s.live&objects&^(1<<aFeedback|1<<anAsk) != 0
	return !strange(said) && !complains && !s.live.any(aWhy, aTrouble, aCode)
}

// Keep writes down what a member tells us, in the chat or elsewhere; what is longer
// than model.MaxText is cut. A repeat of the request gets the first number.
func (b *Notes) Keep(ctx context.Context, member model.MemberID, message string, request model.RequestID) (model.ID, error) {
	id := b.ids.Next()
	message = model.CutText(strings.ToValidUTF8(message, ""))
	err := b.queries.AddFeedback(ctx, db.AddFeedbackParams{
		ID: int64(id), MemberID: int64(member), Message: b.seal.SealText([]byte(message), noteContext(id)),
		RequestID: string(request), CreatedAt: int64(model.At(b.now())),
	})
	if sqldb.Duplicate(err) {
		kept, err := b.queries.FeedbackByRequest(ctx, string(request))
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
func noteContext(id model.ID) []byte { return seal.Bind(noteColumn, int64(id)) }

// remarkContext binds a sealed remark to its row.
func remarkContext(id model.ID) []byte { return seal.Bind(remarkColumn, int64(id)) }

// List returns the notes, newest first; cursor is "" or the one that came with the page
// before. open leaves out what was taken care of. Errors: page.ErrCursor.
func (b *Notes) List(ctx context.Context, open bool, cursor string, limit int) (notes []Note, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	var rows []db.FeedbackBeforeRow
	if open {
		var waiting []db.OpenFeedbackBeforeRow
		waiting, err = b.queries.OpenFeedbackBefore(ctx, db.OpenFeedbackBeforeParams{ID: before, Limit: size + 1})
		for _, r := range waiting {
			rows = append(rows, db.FeedbackBeforeRow{ID: r.ID, MemberID: r.MemberID, Message: r.Message, CreatedAt: r.CreatedAt})
		}
	} else {
		rows, err = b.queries.FeedbackBefore(ctx, db.FeedbackBeforeParams{ID: before, Limit: size + 1})
	}
	if err != nil {
		return nil, "", fmt.Errorf("list the feedback: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.FeedbackBeforeRow) string { return page.Cursor(r.ID) })
	for _, r := range rows {
		n, err := b.note(r)
		if err != nil {
			return nil, "", err
		}
		notes = append(notes, n)
	}
	return notes, next, nil
}

func (b *Notes) note(r db.FeedbackBeforeRow) (Note, error) {
	n := Note{ID: model.ID(r.ID), Member: model.MemberID(r.MemberID), CreatedAt: model.Millis(r.CreatedAt), DoneAt: model.Millis(r.DoneAt.Int64), DoneBy: model.ID(r.OperatorID.Int64)}
	message, err := b.seal.OpenText(r.Message, noteContext(n.ID))
	if err != nil {
		return n, fmt.Errorf("open feedback %d: %w", r.ID, err)
	}
	n.Message = string(message)
	if r.Note.Valid {
		remark, err := b.seal.OpenText(r.Note.String, remarkContext(n.ID))
		if err != nil {
			return n, fmt.Errorf("open the remark on feedback %d: %w", r.ID, err)
		}
		n.Remark = string(remark)
	}
	return n, nil
}

// Teller is who told a note. Errors: ErrNoteMissing.
func (b *Notes) Teller(ctx context.Context, id model.ID) (model.MemberID, error) {
	member, err := b.queries.FeedbackTeller(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrNoteMissing
	}
	if err != nil {
		return 0, fmt.Errorf("read who told feedback %d: %w", id, err)
	}
	return model.MemberID(member), nil
}

// Finish says what became of a note; by is the operator who took care of it. Errors:
// ErrRemark, ErrNoteMissing, ErrNoteDone.
func (b *Notes) Finish(ctx context.Context, by, id model.ID, remark string) error {
	if strings.TrimSpace(remark) == "" || !short(remark, maxRemark) {
		return ErrRemark
	}
	err := sqldb.InTx(ctx, b.pool, func(tx *sql.Tx) error {
		q := b.queries.WithTx(tx)
		if n, err := q.FeedbackIsThere(ctx, int64(id)); err != nil || n == 0 {
			return cmp.Or(err, error(ErrNoteMissing))
		}
		err := q.FinishFeedback(ctx, db.FinishFeedbackParams{
			FeedbackID: int64(id), OperatorID: int64(by), Note: b.seal.SealText([]byte(remark), remarkContext(id)), DoneAt: int64(model.At(b.now())),
		})
		if sqldb.Duplicate(err) {
			return ErrNoteDone
		}
		if err != nil {
			return err
		}
		return b.audit.RecordTx(ctx, tx, model.AuditEntry{Operator: by, Action: "chat.feedback", Target: model.Ref{Type: "feedback", ID: id.String()}})
	})
	if err != nil {
		return fmt.Errorf("finish feedback %d: %w", id, err)
	}
	return nil
}

// JoinTx gives what one member told us to the one whom he became.
func (b *Notes) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	err := b.queries.WithTx(tx).MoveFeedback(ctx, db.MoveFeedbackParams{Survivor: int64(into), Absorbed: int64(from)})
	if err != nil {
		return fmt.Errorf("move the feedback: %w", err)
	}
	return nil
}

// CloseTx forgets what a member told us, who leaves, and what was remarked on it.
func (b *Notes) CloseTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error {
	q := b.queries.WithTx(tx)
	if err := q.ForgetRemarks(ctx, int64(member)); err != nil {
		return fmt.Errorf("forget the remarks: %w", err)
	}
	if err := q.ForgetFeedback(ctx, int64(member)); err != nil {
		return fmt.Errorf("forget the feedback: %w", err)
	}
	return nil
}

// Told is one thing that a member told us, as his export shows it.
type Told struct {
	Message string       `json:"message"`
	At      model.Millis `json:"at"`
	DoneAt  model.Millis `json:"doneAt,omitempty"`
}

// maxTold bounds an export.
const maxTold = 1000

// Export is what a member told us, newest first; the latest 1,000.
func (b *Notes) Export(ctx context.Context, member model.MemberID) ([]Told, error) {
	rows, err := b.queries.FeedbackOf(ctx, db.FeedbackOfParams{MemberID: int64(member), Limit: maxTold})
	if err != nil {
		return nil, fmt.Errorf("read the feedback of a member: %w", err)
	}
	told := make([]Told, 0, len(rows))
	for _, r := range rows {
		n, err := b.note(db.FeedbackBeforeRow(r))
		if err != nil {
			return nil, err
		}
		told = append(told, Told{n.Message, n.CreatedAt, n.DoneAt})
	}
	return told, nil
}
