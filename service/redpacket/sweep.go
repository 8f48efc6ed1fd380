package redpacket

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// pickAmong bounds how far from the lowest free slot a help without Redis may land:
// far enough that helps at the same time seldom meet.
const pickAmong = 64

func pick(free []int) int { return free[rand.N(min(len(free), pickAmong))] }

// keyLife is how long Redis keeps a pot after its end.
const keyLife = 2 * time.Hour

// merging does what makes Redis know a pot, once at a time for each pot and within the
// time of one help.
func (e *Engine) merging(ctx context.Context, pot *facts, work func(context.Context) error) error {
	return e.merges.do(ctx, pot.id, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
		defer cancel()
		return work(ctx)
	})
}

// merge makes Redis know the standing rows of a pot.
func (e *Engine) merge(ctx context.Context, pot *facts) error {
	return e.merging(ctx, pot, func(ctx context.Context) error {
		rows, err := e.standingArgs(ctx, pot)
		if err != nil {
			return err
		}
		_, err = e.redis.run(ctx, mergeScript, pot.id.slotsKey(), rows...)
		return err
	})
}

// standingArgs is what the merge script takes of a pot.
func (e *Engine) standingArgs(ctx context.Context, pot *facts) ([]any, error) {
	e.met.redis.WithLabelValues("merge").Inc()
	var rows []db.StandingOfPotsRow
	if !pot.fresh.CompareAndSwap(true, false) {
		var err error
		if rows, _, err = loaded(ctx, e.loads.rows, pot.id); err != nil {
			return nil, err
		}
	}
	left := max(pot.ends.Time().Sub(e.now()), 0)
	args := make([]any, 0, 3+3*len(rows))
	args = append(args, pot.n(), int64(pot.ends), (left + keyLife).Milliseconds())
	for _, row := range rows {
		args = append(args, int64(row.K), row.HelperID, strconv.Itoa(int(row.Day.Int32))+"|"+row.RequestID)
	}
	return args, nil
}

// mergeAndAgain is merge for a help that must be decided anew.
func (e *Engine) mergeAndAgain(ctx context.Context, pot *facts) error {
	if err := e.merge(ctx, pot); err != nil {
		return err
	}
	return errAgain
}

// hold is a slot that Redis has handed out.
type hold struct {
	helper model.MemberID
	decision
}

// readHolds reads the held script's answer; what cannot be a help of anybody (voids
// among them) is left out.
func readHolds(said any) []hold {
	list, _ := said.([]any)
	holds := make([]hold, 0, len(list))
	for _, item := range list {
		text, _ := item.(string)
		id, rest, _ := strings.Cut(text, "|")
		helper, err := model.ParseID(id)
		k, day, request, ok := readHeld(rest)
		if err == nil && ok {
			holds = append(holds, hold{model.MemberID(helper), decision{k: k, day: day, request: request}})
		}
	}
	return holds
}

// sweep writes the slots that Redis has handed out and that have no row: their
// processes died in between, or are about to. What cannot be written goes back.
func (e *Engine) sweep(ctx context.Context, pot *facts) error {
	e.met.redis.WithLabelValues("sweep").Inc()
	ctx, cancel := context.WithTimeout(ctx, 2*e.opts.Timeout)
	defer cancel()
	said, err := e.redis.run(ctx, heldScript, pot.id.slotsKey())
	if err != nil {
		return err
	}
	standing, err := e.q.HelpsOfPot(ctx, int64(pot.id))
	if err != nil {
		return fmt.Errorf("read the helps of pot %s: %w", pot.id, err)
	}
	helpers := make(map[model.MemberID]bool, len(standing))
	for _, row := range standing {
		helpers[model.MemberID(row.HelperID)] = true
	}
	game, err := e.Game(ctx, pot.game)
	if err != nil {
		return err
	}
	var written []*row
	for _, h := range readHolds(said) {
		if helpers[h.helper] || h.helper == pot.owner {
			continue
		}
		r, err := e.sweepOne(ctx, pot, &game, h)
		if err != nil {
			return err
		}
		if r != nil {
			written = append(written, r)
		}
	}
	return e.sweepOutcome(ctx, pot, written)
}

// sweepOne queues the row of a hold, or gives the hold back; nil without a row.
func (e *Engine) sweepOne(ctx context.Context, pot *facts, game *Game, h hold) (*row, error) {
	opened, ends := model.DayOf(pot.opened.Time()), model.DayOf(pot.ends.Time())
	if !pot.has(h.k) || h.day < opened-1 || h.day > ends+1 {
		return nil, e.unissue(ctx, pot.id, h.helper, h.k) // nobody decided this
	}
	a := &attempt{pot: pot, game: game, day: h.day, ids: game.joins.all(h.helper), perDay: game.Rules.HelpsPerDay}
	a.Who.Member.ID = h.helper
	if own, err := e.joined(ctx, a); err != nil {
		return nil, err
	} else if own != nil { // he stands here as who he was before
		return nil, e.unissue(ctx, pot.id, h.helper, h.k)
	}
	nth, err := e.takeNumber(ctx, a, h.day)
	if err != nil {
		return nil, err
	}
	if nth == 0 {
		held, err := e.loadDay(ctx, h.helper, pot.game, h.day)
		if err == nil && held >= a.perDay {
			err = e.unissue(ctx, pot.id, h.helper, h.k)
		}
		return nil, err
	}
	r := &row{
		pot: pot.id, game: pot.game, k: h.k, helper: h.helper, request: h.request, day: h.day, nth: nth,
		share: pot.share(h.k), at: model.At(e.now()), last: true,
	}
	return r, e.rows.enqueue(r)
}

func (e *Engine) sweepOutcome(ctx context.Context, pot *facts, rows []*row) error {
	contradicted := false
	for _, r := range rows {
		if err := r.wait(ctx); err != nil {
			return err
		}
		switch {
		case r.verdict == nthTaken:
			if _, err := e.loadDay(ctx, r.helper, r.game, r.day); err != nil {
				return err
			}
		case r.verdict == slotTaken || r.standing.k != r.k:
			contradicted = true
		}
	}
	if contradicted {
		return e.merge(ctx, pot)
	}
	return nil
}

// sweepWindow is how far back Sweep looks; a SQL failover is over by then.
const sweepWindow = 10 * time.Minute

// Sweep writes the decisions without a row of every pot that this process was asked
// about in the last ten minutes, and returns how many pots that were. It forgets
// which of them were full first, so that after a failover of SQL that lost commits
// their helps are written again from what Redis still holds.
func (e *Engine) Sweep(ctx context.Context) (int, error) {
	after, swept := e.now().Add(-sweepWindow).UnixMilli(), 0
	var failed error
	for _, pot := range e.pots.All() {
		if ctx.Err() != nil {
			break
		}
		if pot.touched.Load() < after {
			continue
		}
		pot.complete.Store(nil)
		err := e.sweeps.do(ctx, pot.id, func(ctx context.Context) error { return e.sweep(ctx, pot) })
		if errors.Is(err, errAway) {
			return swept, ErrBusy.With(err)
		}
		if err != nil {
			failed = err
			continue
		}
		swept++
	}
	return swept, errors.Join(orUnavailable(failed), ctx.Err())
}
