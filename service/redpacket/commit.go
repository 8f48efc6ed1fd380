package redpacket

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
)

// verdict is what became of a row.
type verdict uint8

const (
	undecided verdict = iota
	stands            // the helper stands in this pot, at row.standing
	slotTaken         // another helper, or a void, has this slot
	nthTaken          // another pot has this number of the helper's day
)

// standing is the row that SQL holds for a helper in a pot.
type standing struct {
	k       int
	request model.RequestID
	share   model.Fen
	day     model.Day
}

// row is a help on its way into SQL.
type row struct {
	pot     PotID
	k       int
	helper  model.MemberID
	request model.RequestID
	game    GameID
	day     model.Day
	nth     int
	share   model.Fen
	shown   bool
	at      model.Millis
	last    bool // the pot may be full with this row

	verdict  verdict
	standing standing
	err      error
	done     chan struct{}
}

// stand says that the row is in SQL as it is.
func (r *row) stand() {
	r.verdict, r.standing = stands, standing{r.k, r.request, r.share, r.day}
}

const (
	commitRows     = 512 // in one commit at most
	commitAttempts = 12
	commitTimeout  = 10 * time.Second // of one batch with all its attempts
)

// committer writes helps in groups: many rows, one INSERT, one COMMIT. While one
// commit is under way the next group gathers.
type committer struct {
	db     *sql.DB
	queue  chan *row
	met    *metrics
	landed func([]*row) // told of rows that stand, before they are answered
}

func newCommitter(db *sql.DB, queue int, met *metrics, landed func([]*row)) *committer {
	return &committer{db: db, queue: make(chan *row, queue), met: met, landed: landed}
}

// write returns when the row's fate is committed: row.verdict says which. ErrBusy
// when too many wait; when the context ends first the row may still be written, and
// a repeat of the request will find it.
func (c *committer) write(ctx context.Context, r *row) error {
	if err := c.enqueue(r); err != nil {
		return err
	}
	return r.wait(ctx)
}

func (c *committer) enqueue(r *row) error {
	r.done = make(chan struct{})
	select {
	case c.queue <- r:
		return nil
	default:
		return ErrBusy
	}
}

func (r *row) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ErrBusy.With(ctx.Err())
	}
}

func (c *committer) loop(stop <-chan struct{}) {
	batch := make([]*row, 0, commitRows)
	for {
		batch = queued(c.queue, batch[:0], commitRows, stop)
		if len(batch) == 0 {
			return
		}
		c.commit(batch)
	}
}

// commit decides every row of the batch and tells those who wait.
func (c *committer) commit(batch []*row) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	c.met.rows.Observe(float64(len(batch)))
	// One order for all: two committers that meet wait for each other rather than
	// dead-lock.
	slices.SortFunc(batch, func(a, b *row) int { return cmp.Or(cmp.Compare(a.pot, b.pot), cmp.Compare(a.k, b.k)) })
	if err := c.settle(ctx, batch); err != nil {
		for _, r := range batch {
			if r.verdict == undecided {
				r.err = ErrBusy.With(err)
			}
		}
	}
	c.landed(batch)
	for _, r := range batch {
		close(r.done)
	}
}

// settle inserts until every row is decided. After a duplicate the standing rows
// are read and the rest is inserted; after an unknown COMMIT the same INSERT is
// repeated without reading, for a read would miss a commit that is still in flight
// while the INSERT waits for it at the key.
func (c *committer) settle(ctx context.Context, batch []*row) error {
	pending, met, failure := batch, false, error(nil)
	for attempt := range commitAttempts {
		if met {
			left, err := c.meet(ctx, pending)
			if err != nil {
				failure = err
				pause(ctx, attempt)
				continue
			}
			pending = left
		}
		now, later := apart(pending)
		if len(now) == 0 {
			return nil
		}
		err := c.insert(ctx, now)
		switch {
		case err == nil:
			for _, r := range now {
				r.stand()
			}
			pending, met, failure = later, true, nil
			if len(later) == 0 {
				return nil
			}
		case sqldb.Duplicate(err):
			met, failure = true, err
		default:
			failure = err
			pause(ctx, attempt)
		}
	}
	return errors.Join(failure, ctx.Err())
}

// pause waits before an attempt is repeated: 1–2 ms, doubling up to 64–128 ms.
func pause(ctx context.Context, attempt int) {
	base := time.Millisecond << min(attempt, 6)
	timer := time.NewTimer(base + rand.N(base))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// slotKey, helperKey and numberKey are the three unique keys of a row.
type (
	slotKey struct {
		pot PotID
		k   int
	}
	helperKey struct {
		pot    PotID
		helper model.MemberID
	}
	numberKey struct {
		helper model.MemberID
		game   GameID
		day    model.Day
		nth    int
	}
)

// apart takes the rows that collide with none before them in the batch; the others
// come later, when those stand.
func apart(batch []*row) (now, later []*row) {
	slot := make(map[slotKey]bool, len(batch))
	helper := make(map[helperKey]bool, len(batch))
	number := make(map[numberKey]bool, len(batch))
	for i, r := range batch {
		a, b, c := slotKey{r.pot, r.k}, helperKey{r.pot, r.helper}, numberKey{r.helper, r.game, r.day, r.nth}
		if slot[a] || helper[b] || number[c] {
			if later == nil { // most batches have none: nothing is copied for them
				now = slices.Clone(batch[:i])
			}
			later = append(later, r)
			continue
		}
		slot[a], helper[b], number[c] = true, true, true
		if later != nil {
			now = append(now, r)
		}
	}
	if later == nil {
		now = batch
	}
	return now, later
}

const insertHelps = `INSERT INTO pot_help (pot_id, k, helper_id, request_id, game_id, day, nth, share, shown, created_at) VALUES `

// insert writes the rows with one statement, which is one transaction.
func (c *committer) insert(ctx context.Context, rows []*row) error {
	b := append(make([]byte, 0, len(insertHelps)+112*len(rows)), insertHelps...)
	args := make([]any, len(rows))
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '(')
		b = number(b, int64(r.pot))
		b = number(b, int64(r.k))
		b = number(b, int64(r.helper))
		b = append(b, "?,"...)
		b = number(b, int64(r.game))
		b = number(b, int64(r.day))
		b = number(b, int64(r.nth))
		b = number(b, int64(r.share))
		b = number(b, flag(r.shown))
		b = strconv.AppendInt(b, int64(r.at), 10)
		b = append(b, ')')
		args[i] = string(r.request)
	}
	_, err := c.db.ExecContext(ctx, string(b), args...)
	return err
}

// number appends a number of an INSERT's row and the comma after it.
func number(b []byte, n int64) []byte { return append(strconv.AppendInt(b, n, 10), ',') }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// meet reads the rows that stand at the keys of the pending ones, decides those that
// met one, and returns the others.
func (c *committer) meet(ctx context.Context, pending []*row) ([]*row, error) {
	if len(pending) == 0 {
		return nil, nil
	}
	bySlot := make(map[slotKey]bool)
	byHelper := make(map[helperKey]standing)
	byNumber := make(map[numberKey]bool)
	rows, err := c.db.QueryContext(ctx, meetSQL(pending))
	if err != nil {
		return nil, fmt.Errorf("read the standing rows: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var pot, helper, game, share int64
		var s standing
		var day, nth sql.NullInt32
		if err := rows.Scan(&pot, &s.k, &helper, &s.request, &game, &day, &nth, &share); err != nil {
			return nil, fmt.Errorf("read the standing rows: %w", err)
		}
		s.share, s.day = model.Fen(share), model.Day(day.Int32)
		bySlot[slotKey{PotID(pot), s.k}] = true
		byHelper[helperKey{PotID(pot), model.MemberID(helper)}] = s
		if nth.Valid {
			byNumber[numberKey{model.MemberID(helper), GameID(game), s.day, int(nth.Int32)}] = true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the standing rows: %w", err)
	}
	var left []*row
	for _, r := range pending {
		if s, ok := byHelper[helperKey{r.pot, r.helper}]; ok {
			r.verdict, r.standing = stands, s
			if s.k != r.k {
				c.met.conflicts.WithLabelValues("helper").Inc()
			}
		} else if bySlot[slotKey{r.pot, r.k}] {
			r.verdict = slotTaken
			c.met.conflicts.WithLabelValues("slot").Inc()
		} else if byNumber[numberKey{r.helper, r.game, r.day, r.nth}] {
			r.verdict = nthTaken
			c.met.conflicts.WithLabelValues("nth").Inc()
		} else {
			left = append(left, r)
		}
	}
	return left, nil
}

// meetSQL is one SELECT over the three keys. The rows are sorted by pot, so that
// those of one pot share a condition.
func meetSQL(rows []*row) string {
	const head = "SELECT pot_id, k, helper_id, request_id, game_id, day, nth, share FROM pot_help WHERE "
	b := []byte(head)
	b = eachPot(b, rows, " AND k IN (", func(r *row) int64 { return int64(r.k) })
	b = append(b, " UNION ALL "+head...)
	b = eachPot(b, rows, " AND helper_id IN (", func(r *row) int64 { return int64(r.helper) })
	b = append(b, " UNION ALL "+head...)
	for i, r := range rows {
		if i > 0 {
			b = append(b, " OR "...)
		}
		b = fmt.Appendf(b, "(helper_id=%d AND game_id=%d AND day=%d AND nth=%d)", r.helper, r.game, r.day, r.nth)
	}
	return string(b)
}

func eachPot(b []byte, rows []*row, and string, of func(*row) int64) []byte {
	for i, r := range rows {
		switch {
		case i > 0 && rows[i-1].pot == r.pot:
			b = append(b, ',')
		case i > 0:
			b = append(b, ")) OR "...)
			fallthrough
		default:
			b = append(append(strconv.AppendInt(append(b, "(pot_id="...), int64(r.pot), 10), and...), ""...)
		}
		b = strconv.AppendInt(b, of(r), 10)
	}
	return append(b, "))"...)
}
