package redpacket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

const (
	closePage  = 512    // pots that are closed in one transaction at most
	closeSlots = 16_384 // slots of them together at most, but one pot always
	voidRows   = 1024   // in one INSERT
)

// CloseDue ends the open pots whose time is over, at most limit of them, and returns
// how many it ended: those with free slots are closed, the others filled. Each is tried
// once, so that those that cannot be closed keep none behind them. Several replicas may
// do it at once.
func (e *Engine) CloseDue(ctx context.Context, limit int) (int, error) {
	closed, failed := 0, error(nil)
	after := db.DuePotsParams{Now: int64(model.At(e.now()))}
	for closed < limit && ctx.Err() == nil {
		after.Limit = int32(min(closePage, limit-closed))
		due, err := e.q.DuePots(ctx, after)
		if err != nil {
			return closed, fmt.Errorf("list the ended pots: %w", err)
		}
		if len(due) == 0 {
			break
		}
		after.AfterAt, after.AfterID = due[len(due)-1].EndsAt, due[len(due)-1].ID
		ended, err := e.closePage(ctx, due)
		if closed += ended; err != nil {
			failed = err // each was logged
		}
	}
	return closed, errors.Join(failed, ctx.Err())
}

// closePage closes a page of pots in transactions of a bounded size. Where a group
// fails each pot is tried alone, so that one damaged pot keeps none of the others.
func (e *Engine) closePage(ctx context.Context, due []db.DuePotsRow) (int, error) {
	var failed error
	closed := 0
	for len(due) > 0 {
		var group []PotID
		slots := 0
		for len(due) > 0 && (len(group) == 0 || slots+int(due[0].N) <= closeSlots) {
			group, slots, due = append(group, PotID(due[0].ID)), slots+int(due[0].N), due[1:]
		}
		if err := e.closePots(ctx, group); err == nil {
			closed += len(group)
			continue
		}
		for _, id := range group {
			if err := e.closePots(ctx, []PotID{id}); err != nil {
				e.log.ErrorContext(ctx, "redpacket pot cannot be closed", "pot", id, "err", err)
				failed = err
				continue
			}
			closed++
		}
	}
	return closed, failed
}

// closePots ends those of the pots that are open and whose time is over, in one
// transaction. When a help lands meanwhile, its row makes the void's INSERT fail, and
// the pots are read again.
func (e *Engine) closePots(ctx context.Context, ids []PotID) error {
	slices.Sort(ids)
	var err error
	for attempt := range endAttempts {
		err = e.closeOnce(ctx, ids)
		if err == nil || !errors.Is(err, errRace) && !errors.Is(err, sqldb.ErrCommitUnknown) && !sqldb.Duplicate(err) {
			return err
		}
		pause(ctx, attempt)
	}
	return err
}

func (e *Engine) closeOnce(ctx context.Context, ids []PotID) error {
	now := model.At(e.now())
	pots, err := e.q.PotsByID(ctx, rawIDs(ids))
	if err != nil {
		return fmt.Errorf("read the ended pots: %w", err)
	}
	pots = slices.DeleteFunc(pots, func(p db.Pot) bool { return State(p.State) != Open || model.Millis(p.EndsAt) > now })
	if len(pots) == 0 {
		return nil
	}
	open := make([]int64, len(pots))
	for i, pot := range pots {
		open[i] = pot.ID
	}
	rows, err := e.q.HelpsOfPots(ctx, open)
	if err != nil {
		return fmt.Errorf("read the helps of the ended pots: %w", err)
	}
	var ends []ending
	var voids []void
	for _, pot := range pots {
		n := slices.IndexFunc(rows, func(r db.HelpsOfPotsRow) bool { return r.PotID != pot.ID })
		if n < 0 {
			n = len(rows)
		}
		end, free, err := e.endOf(ctx, pot, rows[:n])
		if err != nil {
			return err
		}
		ends, voids, rows = append(ends, end), append(voids, free...), rows[n:]
	}
	err = sqldb.InTx(ctx, e.db, func(tx *sql.Tx) error {
		for part := range slices.Chunk(voids, voidRows) {
			if err := insertVoids(ctx, tx, part, now); err != nil {
				return err
			}
		}
		return e.endTx(ctx, tx, ends)
	})
	if err != nil {
		return fmt.Errorf("close pots: %w", err)
	}
	e.noteEnds(ends)
	return nil
}

// void is a slot that nobody took in time.
type void struct {
	pot, game int64
	k         int
}

// endOf says how a pot whose time is over ends, given its rows in the order of k,
// and which of its slots are free.
func (e *Engine) endOf(ctx context.Context, pot db.Pot, rows []db.HelpsOfPotsRow) (ending, []void, error) {
	game, err := e.Game(ctx, GameID(pot.GameID))
	if err != nil {
		return ending{}, nil, err
	}
	end := ending{pot: pot, state: Filled}
	var free []void
	next := 1
	gap := func(to int) {
		for ; next < to; next++ {
			free = append(free, void{pot.ID, pot.GameID, next})
		}
	}
	var collected model.Fen
	for _, row := range rows {
		gap(int(row.K))
		next = int(row.K) + 1
		if !row.Nth.Valid {
			end.state = Closed
			continue
		}
		end.helps++
		collected += model.Fen(row.Share)
	}
	gap(int(pot.N) + 1)
	if len(free) > 0 {
		end.state = Closed
	}
	switch {
	case end.state == Filled:
		end.won = model.Fen(pot.Target)
	case game.Rules.Unfilled == Collected:
		end.won = collected
	}
	return end, free, nil
}

// insertVoids occupies free slots: a void has no day and no number, and minus k for
// its helper.
func insertVoids(ctx context.Context, tx *sql.Tx, voids []void, now model.Millis) error {
	b := append(make([]byte, 0, len(insertHelps)+80*len(voids)), insertHelps...)
	for i, v := range voids {
		if i > 0 {
			b = append(b, ',')
		}
		b = number(append(b, '('), v.pot)
		b = number(b, int64(v.k))
		b = number(b, -int64(v.k))
		b = number(append(b, "'',"...), v.game)
		b = append(b, "NULL,NULL,0,0,"...)
		b = append(strconv.AppendInt(b, int64(now), 10), ')')
	}
	_, err := tx.ExecContext(ctx, string(b))
	return err
}
