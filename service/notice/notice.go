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
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/maypok86/otter/v2"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/gather"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/notice/internal/db"
)

// The faults of this domain.
var (
	ErrNotice = fault.New(fault.Invalid, "notice.body", "消息内容不正确")
)

// MaxUnread is where counting ends: a page says 99+.
const MaxUnread = 100

const (
	maxBody  = 512
	keepFor  = 180 * 24 * time.Hour
	maxPurge = 1000
	// countLimit bounds a question for counts, by members (an SQLite has at most 500
	// parts of a UNION) and by time.
	countLimit = 128
	countTime  = 2 * time.Second
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

	changes [1024]atomic.Uint64
	counts  *gather.Group[model.MemberID, int]
}

// counted holds as long as the member's changes are as many as before it was read.
type counted struct {
	n      int
	at     time.Time
	change uint64
}

// changesOf counts what this process told the member and heard that he read; those of
// his stripe share the number.
func (n *Notices) changesOf(member model.MemberID) *atomic.Uint64 {
	return &n.changes[uint64(member)%uint64(len(n.changes))]
}

// New returns the domain.
func New(pool *sql.DB, ids *model.IDs, now model.Clock, opts Options) (*Notices, error) {
	opts.Cached = cmp.Or(opts.Cached, 5*time.Second)
	opts.Entries = cmp.Or(opts.Entries, 50_000)
	cache, err := otter.New(&otter.Options[model.MemberID, counted]{MaximumSize: opts.Entries})
	if err != nil {
		return nil, fmt.Errorf("make the cache of unread counts: %w", err)
	}
	n := &Notices{db: pool, q: db.New(sqldb.Alone{DB: pool}), ids: ids, now: now, opts: opts, unread: cache}
	n.counts = gather.New(n.count, gather.Options{Limit: countLimit, Timeout: countTime})
	return n, nil
}

// Reading tells within a transaction whom a notice is for, who is nobody else until its
// end. Its error is Add's.
type Reading func(ctx context.Context, tx *sql.Tx) (model.MemberID, error)

// Add tells a member something, once for each topic and request. He is read in the
// transaction that writes it: what is written for one who has become another, or has left,
// is moved and forgotten by nobody. Errors: ErrNotice.
func (n *Notices) Add(ctx context.Context, whose Reading, topic string, request model.RequestID, body string) error {
	if topic == "" || len(topic) > 64 || !request.Valid() || body == "" || utf8.RuneCountInString(body) > maxBody {
		return ErrNotice
	}
	var member model.MemberID
	err := sqldb.InTx(ctx, n.db, func(tx *sql.Tx) (err error) {
		if member, err = whose(ctx, tx); err != nil {
			return err
		}
		return n.q.WithTx(tx).Add(ctx, db.AddParams{
			ID: int64(n.ids.Next()), MemberID: int64(member), Topic: topic, RequestID: string(request), Body: body, CreatedAt: int64(model.At(n.now())),
		})
	})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("add notice: %w", err)
	}
	n.changesOf(member).Add(1)
	return nil
}

// Unread is how many the member has not read, at most MaxUnread.
func (n *Notices) Unread(ctx context.Context, member model.MemberID) (int, error) {
	if count, known := n.Known(member); known {
		return count, nil
	}
	now, change := n.now(), n.changesOf(member).Load()
	count, _, err := n.counts.Get(ctx, member)
	if err != nil {
		return 0, fmt.Errorf("count unread notices: %w", err)
	}
	n.unread.Set(member, counted{count, now, change})
	return count, nil
}

// Known is what Unread answers from memory.
func (n *Notices) Known(member model.MemberID) (count int, known bool) {
	c, ok := n.unread.GetIfPresent(member)
	return c.n, ok && c.change == n.changesOf(member).Load() && n.now().Sub(c.at) < n.opts.Cached
}

// countOne counts one member's notices as far as a page shows.
const countOne = "SELECT ? AS member_id, COUNT(*) AS unread FROM (SELECT n.id FROM notice n WHERE n.member_id = ? AND n.read_at = 0 LIMIT ?) counted"

// count is the question that callers of Unread share; it is built by hand because
// each member's count has a limit of its own.
func (n *Notices) count(ctx context.Context, members []model.MemberID) (map[model.MemberID]int, error) {
	parts, args := make([]string, len(members)), make([]any, 0, 3*len(members))
	for i, member := range members {
		parts[i], args = countOne, append(args, int64(member), int64(member), MaxUnread)
	}
	rows, err := n.db.QueryContext(ctx, strings.Join(parts, " UNION ALL "), args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells what failed
	counts := make(map[model.MemberID]int, len(members))
	for rows.Next() {
		var member int64
		var count int
		if err := rows.Scan(&member, &count); err != nil {
			return nil, err
		}
		counts[model.MemberID(member)] = count
	}
	return counts, rows.Err()
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
// the page before. Errors: page.ErrCursor.
func (n *Notices) List(ctx context.Context, member model.MemberID, cursor string, limit int) (list []Notice, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := n.q.Page(ctx, db.PageParams{MemberID: int64(member), Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read notices: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.PageRow) string { return page.Cursor(r.ID) })
	for _, r := range rows {
		list = append(list, Notice{model.ID(r.ID), r.Topic, r.Body, r.ReadAt != 0, model.Millis(r.CreatedAt)})
	}
	return list, next, nil
}

// MarkRead says that the member has read all up to one notice, that one included.
func (n *Notices) MarkRead(ctx context.Context, member model.MemberID, upTo model.ID) error {
	_, err := n.q.MarkRead(ctx, db.MarkReadParams{ReadAt: int64(model.At(n.now())), MemberID: int64(member), UpTo: int64(upTo)})
	if err != nil {
		return fmt.Errorf("mark notices as read: %w", err)
	}
	n.changesOf(member).Add(1)
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
