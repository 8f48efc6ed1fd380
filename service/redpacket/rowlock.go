package redpacket

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

// RowLock plays by the same rules in the plainest way: one transaction a help,
// which holds the pot's row from its start to its commit. It needs no Redis and no
// argument about its correctness, so the tests compare the engine with it, and the
// bench its speed.
type RowLock struct{ engine *Engine }

// NewRowLock returns the plain version on the engine's stores.
func NewRowLock(e *Engine) *RowLock { return &RowLock{e} }

// Help answers as Engine.Help does.
func (r *RowLock) Help(ctx context.Context, in HelpRequest) (Help, error) {
	e := r.engine
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	a, err := e.newAttempt(ctx, in)
	if err != nil {
		return Help{}, orUnavailable(err)
	}
	if a.owns() {
		return Help{}, ErrOwnPot
	}
	if refusal := e.mayHelp(ctx, a); refusal != nil {
		help, err := e.unlessStanding(ctx, a, refusal)
		return help, orUnavailable(err)
	}
	if own, err := e.joined(ctx, a); err != nil || own != nil {
		help, err := a.answerOr(own, err)
		return help, orUnavailable(err)
	}
	for attempt := range endAttempts {
		var stood standing
		err = sqldb.InTx(ctx, e.db, func(tx *sql.Tx) error {
			stood, err = r.helpTx(ctx, tx, a)
			return err
		})
		switch {
		case err == nil:
			return a.answer(stood)
		case errors.Is(err, errAgain):
			if err := e.closePots(ctx, []PotID{a.pot.id}); err != nil {
				return Help{}, orUnavailable(err)
			}
		case !errors.Is(err, sqldb.ErrCommitUnknown) && !sqldb.Duplicate(err):
			return Help{}, orUnavailable(err)
		}
		pause(ctx, attempt)
	}
	return Help{}, orUnavailable(err)
}

// helpTx returns the row that stands after it. errAgain: the pot's time is over and
// it must be closed first.
func (r *RowLock) helpTx(ctx context.Context, tx *sql.Tx, a *attempt) (standing, error) {
	q := r.engine.q.WithTx(tx)
	locked, err := q.LockOpenPot(ctx, db.LockOpenPotParams{ID: int64(a.pot.id), EndsAt: int64(a.now)})
	if err != nil {
		return standing{}, fmt.Errorf("lock pot %s: %w", a.pot.id, err)
	}
	own, err := q.OwnHelp(ctx, db.OwnHelpParams{PotID: int64(a.pot.id), HelperID: int64(a.helper())})
	if err == nil {
		return standing{int(own.K), model.RequestID(own.RequestID), model.Fen(own.Share), model.Day(own.Day.Int32)}, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return standing{}, fmt.Errorf("read a help of pot %s: %w", a.pot.id, err)
	}
	if locked == 0 {
		return standing{}, r.refusal(ctx, q, a)
	}
	day, err := q.DayOfHelper(ctx, db.DayOfHelperParams{
		HelperID: int64(a.helper()), GameID: int64(a.pot.game), Day: sql.NullInt32{Int32: int32(a.day), Valid: true},
	})
	if err != nil {
		return standing{}, fmt.Errorf("read a helper's day: %w", err)
	}
	k, err := q.LastSlot(ctx, int64(a.pot.id))
	if err != nil {
		return standing{}, fmt.Errorf("read the last slot of pot %s: %w", a.pot.id, err)
	}
	slot := int(k) + 1
	if slot > a.pot.n() {
		// The last slot may be taken while an earlier one is free, for the engine
		// without Redis takes any.
		if slot, err = r.gap(ctx, q, a.pot); err != nil || slot == 0 {
			return standing{}, cmp.Or(err, error(ErrFull))
		}
	}
	nth := freeNumber(day, a.perDay)
	if nth == 0 {
		return standing{}, ErrDayLimit
	}
	err = q.InsertHelp(ctx, db.InsertHelpParams{
		PotID: int64(a.pot.id), K: int32(slot), HelperID: int64(a.helper()), RequestID: string(a.Request),
		GameID: int64(a.pot.game), Day: sql.NullInt32{Int32: int32(a.day), Valid: true},
		Nth: sql.NullInt32{Int32: int32(nth), Valid: true}, Share: int64(a.pot.share(slot)), Shown: a.Shown, CreatedAt: int64(a.now),
	})
	if err != nil {
		return standing{}, fmt.Errorf("insert a help: %w", err)
	}
	if full, err := r.full(ctx, q, a.pot, max(int(k), slot)); err != nil {
		return standing{}, err
	} else if full {
		if err := r.fillTx(ctx, tx, a); err != nil {
			return standing{}, err
		}
	}
	return standing{slot, a.Request, a.pot.share(slot), a.day}, nil
}

// gap is a slot without a row, 0 when there is none.
func (r *RowLock) gap(ctx context.Context, q *db.Queries, pot *facts) (int, error) {
	rows, err := q.HelpsOfPot(ctx, int64(pot.id))
	if err != nil {
		return 0, fmt.Errorf("read the helps of pot %s: %w", pot.id, err)
	}
	for i, row := range rows { // in the order of k
		if int(row.K) != i+1 {
			return i + 1, nil
		}
	}
	return 0, nil
}

// full tells whether the pot is full now, given its last slot with a row.
func (r *RowLock) full(ctx context.Context, q *db.Queries, pot *facts, last int) (bool, error) {
	if last < pot.n() {
		return false, nil
	}
	free, err := r.gap(ctx, q, pot)
	return free == 0 && err == nil, err
}

// refusal says why a pot that is not open, or whose time is over, takes no help.
func (r *RowLock) refusal(ctx context.Context, q *db.Queries, a *attempt) error {
	state, err := q.PotState(ctx, int64(a.pot.id))
	if err != nil {
		return fmt.Errorf("read the state of pot %s: %w", a.pot.id, err)
	}
	switch State(state) {
	case Filled:
		return ErrFull
	case Closed:
		return ErrEnded
	}
	return errAgain
}

func (r *RowLock) fillTx(ctx context.Context, tx *sql.Tx, a *attempt) error {
	pot, err := r.engine.q.WithTx(tx).Pot(ctx, int64(a.pot.id))
	if err != nil {
		return fmt.Errorf("read pot %s: %w", a.pot.id, err)
	}
	return r.engine.endTx(ctx, tx, []ending{{pot: pot, state: Filled, helps: a.pot.n(), won: a.pot.target}})
}
