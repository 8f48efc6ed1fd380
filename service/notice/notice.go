// Package notice is the list in the mini-program of what a member was told of his
// own affairs: points that expire, a gift that could not be handed over, a number
// that is no longer his.
//
// Invariants: one notice for each topic and request; an unread count is at most
// Options.Cached old in another process, and never in the one that changed it.
//
// Table: notice. No other package touches it. Redis keys: none.
package notice

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/maypok86/otter/v2"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/notice/internal/db"
)

// The faults of this domain.
var (
	ErrCursor = fault.New(fault.Invalid, "notice.cursor", "翻页参数不正确")
	ErrNotice = fault.New(fault.Invalid, "notice.body", "消息内容不正确")
)

// MaxUnread is where counting ends: a page says 99+.
const MaxUnread = 100

const (
	maxPage  = 100
	maxBody  = 512
	keepFor  = 180 * 24 * time.Hour
	maxPurge = 1000
)

// Options have good defaults.
type Options struct {
	Cached  time.Duration // default 5 s
	Entries int           // counts in memory; default 50,000
}

// Notices is the domain. It is safe for use by many goroutines.
type Notices struct {
	db     *sql.DB
	q      *db.Queries
	ids    *model.IDs
	now    model.Clock
	opts   Options
	unread *otter.Cache[model.MemberID, counted]
}

type counted struct {
	n  int
	at time.Time
}

// New returns the domain.
func New(pool *sql.DB, ids *model.IDs, now model.Clock, opts Options) (*Notices, error) {
	opts.Cached = cmp.Or(opts.Cached, 5*time.Second)
	opts.Entries = cmp.Or(opts.Entries, 50_000)
	cache, err := otter.New(&otter.Options[model.MemberID, counted]{MaximumSize: opts.Entries})
	if err != nil {
		return nil, fmt.Errorf("make the cache of unread counts: %w", err)
	}
	return &Notices{db: pool, q: db.New(pool), ids: ids, now: now, opts: opts, unread: cache}, nil
}

// Add tells a member something, once for each topic and request. Errors: ErrNotice.
func (n *Notices) Add(ctx context.Context, member model.MemberID, topic string, request model.RequestID, body string) error {
	if topic == "" || len(topic) > 64 || !request.Valid() || body == "" || utf8.RuneCountInString(body) > maxBody {
		return ErrNotice
	}
	err := n.q.Add(ctx, db.AddParams{
		ID: int64(n.ids.Next()), MemberID: int64(member), Topic: topic, RequestID: string(request), Body: body, CreatedAt: int64(model.At(n.now())),
	})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("add notice: %w", err)
	}
	n.unread.Invalidate(member)
	return nil
}

// Unread is how many the member has not read, at most MaxUnread.
func (n *Notices) Unread(ctx context.Context, member model.MemberID) (int, error) {
	now := n.now()
	if c, ok := n.unread.GetIfPresent(member); ok && now.Sub(c.at) < n.opts.Cached {
		return c.n, nil
	}
	ids, err := n.q.Unread(ctx, db.UnreadParams{MemberID: int64(member), Limit: MaxUnread})
	if err != nil {
		return 0, fmt.Errorf("count unread notices: %w", err)
	}
	n.unread.Set(member, counted{len(ids), now})
	return len(ids), nil
}

// Notice is one entry of the list.
type Notice struct {
	ID    model.ID     `json:"id"`
	Topic string       `json:"topic"`
	Body  string       `json:"body"`
	Read  bool         `json:"read"`
	At    model.Millis `json:"at"`
}

// List is the member's notices, newest first; cursor is "" or the one that came with
// the page before. Errors: ErrCursor.
func (n *Notices) List(ctx context.Context, member model.MemberID, cursor string, limit int) (page []Notice, next string, err error) {
	before := int64(math.MaxInt64)
	if cursor != "" {
		id, err := model.ParseID(cursor)
		if err != nil {
			return nil, "", ErrCursor
		}
		before = int64(id)
	}
	size := min(max(limit, 1), maxPage)
	rows, err := n.q.Page(ctx, db.PageParams{MemberID: int64(member), Before: before, Limit: int32(size + 1)})
	if err != nil {
		return nil, "", fmt.Errorf("read notices: %w", err)
	}
	if len(rows) > size {
		rows = rows[:size]
		next = strconv.FormatInt(rows[size-1].ID, 10)
	}
	for _, r := range rows {
		page = append(page, Notice{model.ID(r.ID), r.Topic, r.Body, r.ReadAt != 0, model.Millis(r.CreatedAt)})
	}
	return page, next, nil
}

// MarkRead says that the member has read all up to one notice, that one included.
func (n *Notices) MarkRead(ctx context.Context, member model.MemberID, upTo model.ID) error {
	_, err := n.q.MarkRead(ctx, db.MarkReadParams{ReadAt: int64(model.At(n.now())), MemberID: int64(member), UpTo: int64(upTo)})
	if err != nil {
		return fmt.Errorf("mark notices as read: %w", err)
	}
	n.unread.Invalidate(member)
	return nil
}

// JoinTx gives the notices of a member to the one that he became.
func (n *Notices) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	if err := n.q.WithTx(tx).Move(ctx, db.MoveParams{IntoID: int64(into), FromID: int64(from)}); err != nil {
		return fmt.Errorf("move notices: %w", err)
	}
	return nil
}

// CloseTx deletes what a member was told.
func (n *Notices) CloseTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error {
	if err := n.q.WithTx(tx).Shred(ctx, int64(member)); err != nil {
		return fmt.Errorf("shred notices: %w", err)
	}
	return nil
}

// maxExport bounds the list of an export.
const maxExport = 1000

// Export lists what the member was told, newest first.
func (n *Notices) Export(ctx context.Context, member model.MemberID) ([]Notice, error) {
	rows, err := n.q.Page(ctx, db.PageParams{MemberID: int64(member), Before: math.MaxInt64, Limit: maxExport})
	if err != nil {
		return nil, fmt.Errorf("export notices: %w", err)
	}
	out := make([]Notice, 0, len(rows))
	for _, r := range rows {
		out = append(out, Notice{model.ID(r.ID), r.Topic, r.Body, r.ReadAt != 0, model.Millis(r.CreatedAt)})
	}
	return out, nil
}

// Purge deletes at most limit (≤ 1,000) notices that are older than 180 days.
func (n *Notices) Purge(ctx context.Context, limit int) (int, error) {
	ids, err := n.q.Old(ctx, db.OldParams{Before: int64(model.At(n.now().Add(-keepFor))), Limit: int32(min(limit, maxPurge))})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	gone, err := n.q.Drop(ctx, ids)
	return int(gone), err
}
