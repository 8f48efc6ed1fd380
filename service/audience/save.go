package audience

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// writer saves the batches of one import.
type writer struct {
	a       *Audience
	p       *parser
	id      int64
	token   string
	done    int64 // the last line that is saved
	refused int64
	source  source
	over    map[int64]int64 // origin before → origin with this file's facts; committed
	// allNew tells that the last batch met no number that was known. The next one
	// is then inserted without a look; the unique index says when that was wrong.
	allNew bool
	took   time.Duration // from the turn of the last laid batch to its end
}

// errMoved says that a number changed hands, or that somebody became another, between being
// found and being locked.
var errMoved = errors.New("a customer moved meanwhile")

// run reads and checks lines in one goroutine and saves batches in another. Three batches
// are in memory at most: one is read, one is laid, one is committed.
func (w *writer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, failed := make(chan *batch), make(chan error, 1)
	go func() {
		defer close(batches)
		for {
			b, err := w.p.batch()
			if err != nil {
				failed <- err
				return
			}
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			if b.last {
				return
			}
		}
	}()
	err := w.saveAll(ctx, batches)
	cancel()
	for range batches { // the reader has ended when the channel is closed
	}
	select {
	case broken := <-failed:
		return errors.Join(broken, err)
	default:
		return err
	}
}

// saveAll saves each batch after the one before. One that can be laid is laid beside the
// one before it.
func (w *writer) saveAll(ctx context.Context, batches <-chan *batch) (err error) {
	var before *laid
	defer func() { before.giveWay() }()
	for b := range batches {
		var next *laid
		if w.mayLay(b) {
			next = w.lay(ctx, b)
		}
		err, before = w.keep(ctx, before, next), next
		if err == nil && next == nil {
			err = w.save(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	if err = w.keep(ctx, before, nil); err != nil {
		return err
	}
	return ctx.Err()
}

// save is one batch with its checkpoint.
func (w *writer) save(ctx context.Context, b *batch) error {
	var added, changed int64
	var over map[int64]int64
	var err error
	for range duplicates {
		err = w.a.inTx(ctx, func(tx *sql.Tx) (err error) {
			over = map[int64]int64{}
			added, changed, err = w.saveTx(ctx, tx, b, over)
			if sqldb.Duplicate(err) || errors.Is(err, sqldb.ErrSkipped) {
				w.allNew = false
			}
			return err
		})
		if !errors.Is(err, sqldb.ErrSkipped) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("save lines up to %d: %w", b.to, err)
	}
	for before, after := range over {
		w.over[before] = after
	}
	w.allNew = changed == 0
	w.saved(b, added, changed)
	return nil
}

// saved takes over that a batch is committed.
func (w *writer) saved(b *batch, added, changed int64) {
	w.done, w.refused = max(w.done, b.to), w.refused+b.refused
	for result, n := range map[string]int64{"added": added, "changed": changed, "refused": b.refused} {
		w.a.imported.WithLabelValues(result).Add(float64(n))
	}
}

func (w *writer) saveTx(ctx context.Context, tx *sql.Tx, b *batch, over map[int64]int64) (added, changed int64, err error) {
	known := map[string]db.CustomersByPhoneRow{}
	if !w.allNew {
		if known, err = w.a.customers(ctx, w.a.q.WithTx(tx), b.lines); err != nil {
			return 0, 0, err
		}
	}
	if added, err = w.linesTx(ctx, tx, b, known, over); err != nil {
		return 0, 0, err
	}
	return added, int64(len(b.lines)) - added, w.checkpoint(ctx, tx, b, added)
}

// checkpoint writes how far the import is after a batch of which so many lines are new.
func (w *writer) checkpoint(ctx context.Context, tx *sql.Tx, b *batch, added int64) error {
	now := w.a.nowMillis()
	advance := db.AdvanceImportParams{
		ID: w.id, Token: w.token, Was: w.done, DoneLine: max(w.done, b.to), Total: b.total, Refused: b.refused,
		Added: added, Changed: int64(len(b.lines)) - added, LeasedUntil: int64(now.Add(w.a.opts.ImportLease)),
	}
	var args []any
	for _, e := range b.errors[:max(0, min(int64(len(b.errors)), MaxImportErrors-w.refused))] {
		args = append(args, w.id, e.Line, e.Text)
	}
	if err := insertRows(ctx, tx, "audience_import_error", 3, args); err != nil {
		return err
	}
	if b.last {
		advance.DoneAt = int64(now)
	}
	n, err := w.a.q.WithTx(tx).AdvanceImport(ctx, advance)
	if err == nil && n == 0 {
		err = ErrImporting // another worker has taken the lease over, or an operator halted it
	}
	return err
}

// linesTx saves the lines and answers how many of them are new customers.
func (w *writer) linesTx(ctx context.Context, tx *sql.Tx, b *batch, known map[string]db.CustomersByPhoneRow, over map[int64]int64) (added int64, err error) {
	if len(known) == 0 && !b.repeats {
		if w.p.loads {
			return int64(len(b.lines)), loadTx(ctx, tx, &b.portraits, &b.customers)
		}
		return int64(len(b.lines)), w.insertTx(ctx, tx, b.lines)
	}
	old, fresh, names, err := w.merge(ctx, w.a.q.WithTx(tx), b, known, over)
	if err != nil {
		return 0, err
	}
	if err := w.replaceTx(ctx, tx, old, names); err != nil {
		return 0, err
	}
	return int64(len(fresh)), w.insertTx(ctx, tx, fresh)
}

func loadTx(ctx context.Context, tx *sql.Tx, portraits, customers *sqldb.Lines) error {
	if err := sqldb.LoadTx(ctx, tx, "audience_portrait", portraits); err != nil {
		return err
	}
	return sqldb.LoadTx(ctx, tx, "audience_customer", customers)
}

// customers finds whose the numbers are.
func (a *Audience) customers(ctx context.Context, q *db.Queries, lines []checkedLine) (map[string]db.CustomersByPhoneRow, error) {
	indexes := make([]string, 0, len(lines))
	for i := range lines {
		indexes = append(indexes, lines[i].index)
	}
	known := map[string]db.CustomersByPhoneRow{}
	for part := range slices.Chunk(indexes, insertBatch) {
		rows, err := q.CustomersByPhone(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("find customers: %w", err)
		}
		for _, r := range rows {
			known[r.PhoneIndex] = r
		}
	}
	return known, nil
}

// merge sorts the lines into rows that stand, with the file's word over theirs,
// and new ones. A number that occurs twice in the batch is one row; the later line
// has the last word.
func (w *writer) merge(ctx context.Context, q *db.Queries, b *batch, known map[string]db.CustomersByPhoneRow, over map[int64]int64) (old []row, fresh []checkedLine, names map[int64]string, err error) {
	standing, err := w.lock(ctx, q, known)
	if err != nil {
		return nil, nil, nil, err
	}
	names = map[int64]string{}
	touched, place := map[int64]bool{}, map[string]int{}
	for i := range b.lines {
		l := &b.lines[i]
		c, ok := known[l.index]
		if !ok {
			if at, again := place[l.index]; again {
				row := fresh[at].row
				again := line{row: row}
				if err := w.p.apply(&again, l.cells); err != nil {
					return nil, nil, nil, err
				}
				fresh[at].row, fresh[at].name = again.row, l.name
				continue
			}
			place[l.index] = len(fresh)
			fresh = append(fresh, *l)
			continue
		}
		r := standing[c.MemberID]
		target := line{row: *r}
		if err := w.p.apply(&target, l.cells); err != nil {
			return nil, nil, nil, err
		}
		if !touched[c.MemberID] {
			if target.row.OriginID, err = w.origin(ctx, q, r.OriginID, over); err != nil {
				return nil, nil, nil, err
			}
			touched[c.MemberID] = true
		}
		*r = target.row
		if w.p.has(fieldName) && l.name != c.Name {
			names[c.MemberID] = l.name
		}
	}
	for _, id := range sorted(touched) {
		old = append(old, *standing[id])
	}
	return old, fresh, names, nil
}

// lock takes the rows that stand, in the order of their ids, and looks again whose
// the numbers are.
func (w *writer) lock(ctx context.Context, q *db.Queries, known map[string]db.CustomersByPhoneRow) (map[int64]*row, error) {
	ids, indexes := make([]int64, 0, len(known)), sorted(known)
	for _, c := range known {
		ids = append(ids, c.MemberID)
	}
	slices.Sort(ids)
	standing := map[int64]*row{}
	for part := range slices.Chunk(ids, insertBatch) {
		if err := q.LockPortraits(ctx, part); err != nil {
			return nil, fmt.Errorf("lock portraits: %w", err)
		}
		rows, err := q.PortraitsOf(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("read portraits: %w", err)
		}
		for i := range rows {
			standing[rows[i].MemberID] = &rows[i]
		}
	}
	for part := range slices.Chunk(indexes, insertBatch) {
		rows, err := q.CustomersByPhone(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("find customers: %w", err)
		}
		if len(rows) != len(part) {
			return nil, errMoved
		}
		for _, r := range rows {
			if known[r.PhoneIndex].MemberID != r.MemberID || standing[r.MemberID] == nil {
				return nil, errMoved
			}
		}
	}
	return standing, nil
}

// origin is the origin before with this file's facts, found once for each.
func (w *writer) origin(ctx context.Context, q *db.Queries, before int64, over map[int64]int64) (int64, error) {
	if id, ok := w.over[before]; ok {
		return id, nil
	}
	if id, ok := over[before]; ok {
		return id, nil
	}
	id, err := w.a.overlaid(ctx, q, before, w.p.facts, w.source)
	over[before] = id
	return id, err
}

func (w *writer) replaceTx(ctx context.Context, tx *sql.Tx, rows []row, names map[int64]string) error {
	q := w.a.q.WithTx(tx)
	for part := range slices.Chunk(rows, insertBatch) {
		ids := make([]int64, len(part))
		for i := range part {
			ids[i] = part[i].MemberID
		}
		if err := q.DeletePortraits(ctx, ids); err != nil {
			return fmt.Errorf("replace portraits: %w", err)
		}
		if err := insertPortraits(ctx, tx, part); err != nil {
			return err
		}
	}
	for _, id := range sorted(names) {
		if err := q.RenameCustomer(ctx, db.RenameCustomerParams{MemberID: id, Name: names[id]}); err != nil {
			return fmt.Errorf("rename a customer: %w", err)
		}
	}
	return nil
}

func (w *writer) insertTx(ctx context.Context, tx *sql.Tx, fresh []checkedLine) error {
	if w.p.loads {
		var portraits, customers sqldb.Lines
		for i := range fresh {
			fresh[i].writeTo(&portraits, &customers)
		}
		return loadTx(ctx, tx, &portraits, &customers)
	}
	rows := make([]row, len(fresh))
	args := make(values, 0, 4*len(fresh))
	for i := range fresh {
		rows[i] = fresh[i].row
		fresh[i].writeCustomer(&args)
	}
	if err := insertPortraits(ctx, tx, rows); err != nil {
		return err
	}
	return insertRows(ctx, tx, "audience_customer", 4, args)
}

// has tells whether the file has the field.
func (p *parser) has(key string) bool {
	return slices.ContainsFunc(p.columns, func(f *field) bool { return f != nil && f.key == key })
}
