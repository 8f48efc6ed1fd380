package redpacket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// own returns the row that a helper has in a pot under the first of his ids that has
// one, nil when there is none.
func (e *Engine) own(ctx context.Context, pot PotID, ids ...model.MemberID) (*standing, error) {
	for _, id := range ids {
		row, err := e.q.OwnHelp(ctx, db.OwnHelpParams{PotID: int64(pot), HelperID: int64(id)})
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read a help of pot %s: %w", pot, err)
		}
		return &standing{int(row.K), model.RequestID(row.RequestID), model.Fen(row.Share), model.Day(row.Day.Int32)}, nil
	}
	return nil, nil
}

// limited handles a day that Redis calls full. It is told only when SQL counts as
// many rows, and a slot that can therefore not be written goes back: otherwise the
// pot could never be filled.
func (e *Engine) limited(ctx context.Context, a *attempt) (Help, error) {
	held, err := e.loadDay(ctx, a.helper(), a.pot.game, a.day)
	if err != nil {
		return Help{}, err
	}
	own, err := e.own(ctx, a.pot.id, a.helper())
	if err != nil {
		return Help{}, err
	}
	if own != nil {
		return a.answer(*own)
	}
	// Full and ended are true for ever, a full day only until midnight: who was told
	// the first is not told the second when he asks again.
	if help, err := e.refuse(ctx, a); !errors.Is(err, errAgain) {
		return help, err
	}
	if held < a.perDay {
		return Help{}, errAgain
	}
	said, err := e.redis.run(ctx, heldScript, a.pot.id.slotsKey(), int64(a.helper()))
	if err != nil {
		return Help{}, err
	}
	for _, h := range readHolds(said) {
		if err := e.unissue(ctx, a.pot.id, a.helper(), h.k); err != nil {
			return Help{}, err
		}
	}
	return Help{}, ErrDayLimit
}

// loadDay makes Redis hold what SQL holds of a helper's day and returns how many
// helps that is.
func (e *Engine) loadDay(ctx context.Context, helper model.MemberID, game GameID, day model.Day) (int, error) {
	e.met.redis.WithLabelValues("day").Inc()
	rows, err := e.dayOf(ctx, helper, game, day)
	if err != nil {
		return 0, err
	}
	args := make([]any, 0, 2*len(rows))
	for _, row := range rows {
		args = append(args, row.PotID, int64(row.Nth.Int32))
	}
	_, err = e.redis.run(ctx, dayLoadScript, dayKey(helper, game, day), args...)
	return len(rows), err
}

func (e *Engine) dayOf(ctx context.Context, helper model.MemberID, game GameID, day model.Day) ([]db.DayOfHelperRow, error) {
	rows, err := e.q.DayOfHelper(ctx, db.DayOfHelperParams{
		HelperID: int64(helper), GameID: int64(game), Day: sql.NullInt32{Int32: int32(day), Valid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("read a helper's day: %w", err)
	}
	return rows, nil
}

// refuse says that the pot is full or has ended, if SQL says so: first that all
// slots have rows, which is true for ever, then that none of them is this helper's.
// The other order would miss a row that lands in between.
func (e *Engine) refuse(ctx context.Context, a *attempt) (Help, error) {
	state, err := e.complete(ctx, a.pot)
	if err != nil {
		return Help{}, err
	}
	switch state {
	case Filled:
		return e.unlessStanding(ctx, a, ErrFull)
	case Closed:
		return e.unlessStanding(ctx, a, ErrEnded)
	}
	return Help{}, errAgain
}

// complete tells whether all slots have rows, and whether voids are among them; Open
// when not all have.
func (e *Engine) complete(ctx context.Context, pot *facts) (State, error) {
	if state := pot.complete.Load(); state != nil {
		return *state, nil
	}
	rows, err := e.q.Fullness(ctx, []int64{int64(pot.id)})
	if err != nil {
		return "", fmt.Errorf("count the helps of pot %s: %w", pot.id, err)
	}
	state := Open
	for _, row := range rows {
		state = stateOf(int(row.Held), int(row.Voids), pot.n())
	}
	if state != Open {
		pot.complete.Store(&state)
	}
	return state, nil
}

func stateOf(held, voids, n int) State {
	switch {
	case held < n:
		return Open
	case voids > 0:
		return Closed
	}
	return Filled
}

// ended handles a pot whose time is over: whoever meets it closes it, so that the
// answer is true.
func (e *Engine) ended(ctx context.Context, a *attempt) (Help, error) {
	if err := e.closePots(ctx, []PotID{a.pot.id}); err != nil {
		return Help{}, err
	}
	return e.refuse(ctx, a)
}

// full handles a pot that Redis calls full while SQL may not know all its rows yet:
// those that are on their way get a moment, then the decisions without a row are
// written.
func (e *Engine) full(ctx context.Context, a *attempt, try int) (Help, error) {
	help, err := e.refuse(ctx, a)
	if !errors.Is(err, errAgain) {
		return help, err
	}
	pause(ctx, try)
	if try%2 == 1 {
		if err := e.sweeps.do(ctx, a.pot.id, func(ctx context.Context) error { return e.sweep(ctx, a.pot) }); err != nil {
			return Help{}, err
		}
	}
	return Help{}, errAgain
}

// lastFew is how many free slots make a help without Redis look whether the pot is
// full: as many as may be taken at the same time.
const lastFew = 8

// decideInSQL is the game without Redis: the same rows under the same keys, with the
// slot and the number chosen from what SQL holds.
func (e *Engine) decideInSQL(ctx context.Context, a *attempt) (Help, error) {
	if own, err := e.own(ctx, a.pot.id, a.helper()); err != nil {
		return Help{}, err
	} else if own != nil {
		return a.answer(*own)
	}
	if a.now >= a.pot.ends && a.pot.complete.Load() == nil {
		return e.ended(ctx, a)
	}
	free, err := e.freeSlots(ctx, a.pot)
	if err != nil {
		return Help{}, err
	}
	if len(free) == 0 {
		return e.refuse(ctx, a)
	}
	day, err := e.dayOf(ctx, a.helper(), a.pot.game, a.day)
	if err != nil {
		return Help{}, err
	}
	nth := freeNumber(day, a.perDay)
	if nth == 0 {
		return e.unlessStanding(ctx, a, ErrDayLimit)
	}
	r := &row{
		pot: a.pot.id, game: a.pot.game, helper: a.helper(), request: a.Request,
		k: pick(free), day: a.day, nth: nth, shown: a.Shown, at: a.now,
		last: len(free) <= lastFew,
	}
	r.share = a.pot.share(r.k)
	if err := e.rows.write(ctx, r); err != nil {
		return Help{}, err
	}
	if r.verdict != stands {
		return Help{}, errAgain
	}
	if e.opts.News != nil && (len(free) == a.pot.n() || len(free) <= lastFew) {
		e.opts.News(a.pot.id)
	}
	return a.answer(r.standing)
}

// freeSlots lists the slots without a row, ascending.
func (e *Engine) freeSlots(ctx context.Context, pot *facts) ([]int, error) {
	rows, err := e.q.HelpsOfPot(ctx, int64(pot.id))
	if err != nil {
		return nil, fmt.Errorf("read the helps of pot %s: %w", pot.id, err)
	}
	free, next := make([]int, 0, max(pot.n()-len(rows), 0)), 1
	for _, row := range rows { // in the order of k
		for ; next < int(row.K); next++ {
			free = append(free, next)
		}
		next = int(row.K) + 1
	}
	for ; next <= pot.n(); next++ {
		free = append(free, next)
	}
	return free, nil
}

// freeNumber is the lowest free number of a day, 0 when the day holds as many helps as
// the limit allows. Those of a member who was two may lie above his limit.
func freeNumber(day []db.DayOfHelperRow, limit int) int {
	if len(day) >= limit {
		return 0
	}
	taken := make(map[int32]bool, len(day))
	for _, row := range day {
		taken[row.Nth.Int32] = true
	}
	for nth := 1; nth <= limit; nth++ {
		if !taken[int32(nth)] {
			return nth
		}
	}
	return 0
}
