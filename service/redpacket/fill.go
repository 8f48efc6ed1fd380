package redpacket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

const (
	fillPots  = 512                   // in one transaction at most, for the budget row is hot
	fillFor   = 10 * time.Second      // how long a pot is looked at again
	fillEvery = 10 * time.Millisecond // helps on their way land in between
	maxDue    = 100_000               // beyond it FillDue finds the pots
	scanPage  = 1000
)

// dueList are the pots that may be full.
type dueList struct {
	mu   sync.Mutex
	pots map[PotID]time.Time // since when
	wake chan struct{}
}

func newDueList() *dueList {
	return &dueList{pots: make(map[PotID]time.Time), wake: make(chan struct{}, 1)}
}

func (d *dueList) add(id PotID) {
	d.mu.Lock()
	if _, there := d.pots[id]; !there && len(d.pots) < maxDue {
		d.pots[id] = time.Now()
	}
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// some returns up to fillPots pots, and forgets those that were looked at for long
// enough.
func (d *dueList) some() []PotID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []PotID
	for id, since := range d.pots {
		if time.Since(since) > fillFor {
			delete(d.pots, id)
		} else if ids = append(ids, id); len(ids) == fillPots {
			break
		}
	}
	slices.Sort(ids)
	return ids
}

func (d *dueList) done(ids []PotID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		delete(d.pots, id)
	}
}

// landed notes the pots that may be full now.
func (e *Engine) landed(rows []*row) {
	for _, r := range rows {
		if r.verdict == stands && r.last {
			e.due.add(r.pot)
		}
	}
}

// fillLoop fills pots soon after their last help.
func (e *Engine) fillLoop() {
	for {
		select {
		case <-e.stop:
			return
		case <-e.due.wake:
		}
		for ids := e.due.some(); len(ids) > 0; ids = e.due.some() {
			ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
			settled, err := e.fill(ctx, ids)
			cancel()
			if err != nil {
				e.log.Warn("redpacket pots were not filled; it is tried again", "pots", len(ids), "err", err)
			}
			e.due.done(settled)
			select {
			case <-e.stop:
				return
			case <-time.After(fillEvery):
			}
		}
	}
}

// FillDue looks at every open pot whose last slot has a row, fills those that are
// full and returns how many those were. It is the net under the filling that follows
// each last help; a job runs it every few seconds.
func (e *Engine) FillDue(ctx context.Context) (int, error) {
	after, filled := int64(0), 0
	var failed error
	for {
		ids, err := e.q.FillCandidates(ctx, db.FillCandidatesParams{ID: after, Limit: scanPage})
		if err != nil {
			return filled, fmt.Errorf("list the pots that may be full: %w", err)
		}
		if len(ids) == 0 {
			return filled, failed
		}
		after = ids[len(ids)-1]
		for part := range slices.Chunk(ids, fillPots) {
			settled, err := e.fill(ctx, potIDs(part))
			if filled += len(settled); ctx.Err() != nil {
				return filled, err
			}
			if err != nil {
				failed = err
			}
		}
	}
}

func potIDs(ids []int64) []PotID {
	pots := make([]PotID, len(ids))
	for i, id := range ids {
		pots[i] = PotID(id)
	}
	return pots
}

func rawIDs(pots []PotID) []int64 {
	ids := make([]int64, len(pots))
	for i, id := range pots {
		ids[i] = int64(id)
	}
	return ids
}

// errRace says that another replica ended one of the pots first.
var errRace = errors.New("another process was first")

// endAttempts bounds how often a group of pots is read again because others were
// first.
const endAttempts = 10

// fill makes those of the pots filled that SQL holds n helps of, and returns the
// pots that need no further look. Where that fails each is tried alone, so that one
// damaged pot keeps none of the others.
func (e *Engine) fill(ctx context.Context, ids []PotID) ([]PotID, error) {
	settled, err := e.fillTogether(ctx, ids)
	if err == nil || len(ids) == 1 {
		return settled, err
	}
	var failed error
	for _, id := range ids {
		if ctx.Err() != nil {
			return settled, err
		}
		alone, err := e.fillTogether(ctx, []PotID{id})
		if settled = append(settled, alone...); err != nil {
			failed = fmt.Errorf("fill pot %s: %w", id, err)
		}
	}
	return settled, failed
}

func (e *Engine) fillTogether(ctx context.Context, ids []PotID) ([]PotID, error) {
	var err error
	for attempt := range endAttempts {
		var settled []PotID
		if settled, err = e.fillOnce(ctx, ids); err == nil {
			return settled, nil
		}
		if !errors.Is(err, errRace) && !errors.Is(err, sqldb.ErrCommitUnknown) {
			return nil, err
		}
		pause(ctx, attempt)
	}
	return nil, err
}

func (e *Engine) fillOnce(ctx context.Context, ids []PotID) ([]PotID, error) {
	pots, err := e.q.PotsByID(ctx, rawIDs(ids))
	if err != nil {
		return nil, fmt.Errorf("read the pots to fill: %w", err)
	}
	rows, err := e.q.Fullness(ctx, rawIDs(ids))
	if err != nil {
		return nil, fmt.Errorf("count the helps of the pots to fill: %w", err)
	}
	fullness := make(map[int64]db.FullnessRow, len(rows))
	for _, row := range rows {
		fullness[row.PotID] = row
	}
	var ends []ending
	var settled []PotID
	for _, pot := range pots {
		f := fullness[pot.ID]
		switch {
		case State(pot.State) != Open:
			settled = append(settled, PotID(pot.ID))
		case stateOf(int(f.Held), int(f.Voids), int(pot.N)) == Filled:
			ends = append(ends, ending{pot: pot, state: Filled, helps: int(pot.N), won: model.Fen(pot.Target)})
			settled = append(settled, PotID(pot.ID))
		}
	}
	if len(ends) == 0 {
		return settled, nil
	}
	err = sqldb.InTx(ctx, e.db, func(tx *sql.Tx) error { return e.endTx(ctx, tx, ends) })
	if err != nil {
		return nil, fmt.Errorf("fill pots: %w", err)
	}
	e.noteEnds(ends)
	return settled, nil
}

// ending is how a pot ends.
type ending struct {
	pot   db.Pot
	state State
	helps int
	won   model.Fen // what its owner gets; 0: nothing
}

// noteEnds counts and remembers pots whose end is committed.
func (e *Engine) noteEnds(ends []ending) {
	for i := range ends {
		if pot, ok := e.pots.GetIfPresent(PotID(ends[i].pot.ID)); ok {
			pot.complete.Store(&ends[i].state)
		}
		e.met.ended.WithLabelValues(string(ends[i].state)).Inc()
	}
}

// endTx moves open pots to their end, books their prizes and settles their
// reservations. errRace when one of them is not open any more. The slices come last
// and in order, for they are the rows that everybody wants.
func (e *Engine) endTx(ctx context.Context, tx *sql.Tx, ends []ending) error {
	now := model.At(e.now())
	for _, state := range []State{Filled, Closed} {
		if err := setState(ctx, tx, ends, state, now); err != nil {
			return err
		}
	}
	prizes, err := e.prizes(ctx, ends, now)
	if err != nil {
		return err
	}
	if len(prizes) > 0 {
		if err := e.payouts.CreateTx(ctx, tx, prizes); err != nil {
			return fmt.Errorf("book the prizes: %w", err)
		}
	}
	if err := e.tellTx(ctx, tx, ends); err != nil {
		return err
	}
	return e.settleTx(ctx, tx, ends)
}

// setState is one guarded UPDATE for all pots that end this way. Where the clock of who
// opened a pot was ahead of ours it took no time.
func setState(ctx context.Context, tx *sql.Tx, ends []ending, state State, now model.Millis) error {
	var helps, won, ids []byte
	count := int64(0)
	for _, end := range ends {
		if end.state != state {
			continue
		}
		helps = fmt.Appendf(helps, " WHEN %d THEN %d", end.pot.ID, end.helps)
		won = fmt.Appendf(won, " WHEN %d THEN %d", end.pot.ID, end.won)
		if count++; count > 1 {
			ids = append(ids, ',')
		}
		ids = strconv.AppendInt(ids, end.pot.ID, 10)
	}
	if count == 0 {
		return nil
	}
	changed, err := execCount(ctx, tx, fmt.Sprintf(
		"UPDATE pot SET state = ?, done_at = ?, took = CASE WHEN created_at < ? THEN ? - created_at ELSE 0 END, helps = CASE id%s ELSE 0 END, won = CASE id%s ELSE 0 END "+
			"WHERE id IN (%s) AND state = 'open'", helps, won, ids), string(state), int64(now), int64(now), int64(now))
	if err != nil {
		return fmt.Errorf("end pots: %w", err)
	}
	if changed != count {
		return errRace
	}
	return nil
}

func execCount(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (e *Engine) prizes(ctx context.Context, ends []ending, now model.Millis) ([]model.Prize, error) {
	var prizes []model.Prize
	for _, end := range ends {
		if end.won == 0 {
			continue
		}
		game, err := e.Game(ctx, GameID(end.pot.GameID))
		if err != nil {
			return nil, err
		}
		prizes = append(prizes, model.Prize{
			Pot: model.ID(end.pot.ID), Game: model.ID(end.pot.GameID), Member: model.MemberID(end.pot.OwnerID),
			Kind: game.Rules.Prize.Kind, Value: end.won, Quantity: game.Rules.Prize.quantity(end.won), At: now,
		})
	}
	return prizes, nil
}

// sliceKey names a slice of a budget.
type sliceKey struct {
	game  int64
	slice int32
}

// settleTx gives reservations back and books what is spent, one UPDATE a slice.
func (e *Engine) settleTx(ctx context.Context, tx *sql.Tx, ends []ending) error {
	sums := make(map[sliceKey]db.SettleSliceParams)
	for _, end := range ends {
		key := sliceKey{end.pot.GameID, end.pot.Slice}
		sum := sums[key]
		sum.Released += end.pot.Target
		sum.Paid += int64(end.won)
		sum.GameID, sum.Slice = key.game, key.slice
		sums[key] = sum
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b sliceKey) int {
		return slices.Compare([]int64{a.game, int64(a.slice)}, []int64{b.game, int64(b.slice)})
	})
	for _, key := range keys {
		n, err := e.q.WithTx(tx).SettleSlice(ctx, sums[key])
		if err != nil {
			return fmt.Errorf("settle the budget: %w", err)
		}
		if n != 1 {
			return fmt.Errorf("slice %d of game %d holds less than its pots reserved", key.slice, key.game)
		}
	}
	return nil
}
