package payout

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/payout/internal/db"
)

// attemptState is where an attempt is.
type attemptState string

// The states of an attempt; succeeded and failed are final.
const (
	ready      attemptState = "ready"      // surely nothing was sent
	submitting attemptState = "submitting" // leased; when the lease ran out, unknown
	processing attemptState = "processing" // the carrier has it
	unknown    attemptState = "unknown"    // nobody knows
	succeeded  attemptState = "succeeded"
	failed     attemptState = "failed"
	frozen     attemptState = "frozen" // a person looks at it
)

// next says where an answer leads. A refusal is an end only while nothing could
// have been sent before it: an earlier call may still be on its way, and would
// succeed after we had taken a new number.
func next(answer Answer, again bool) attemptState {
	switch answer {
	case Delivered:
		return succeeded
	case Working:
		return processing
	case Rejected:
		return failed
	case Contradicted:
		return frozen
	case Refused:
		if !again {
			return failed
		}
	case Unsent, Halted:
		if !again {
			return ready
		}
	}
	return unknown
}

// settle writes what became of a try. A lost lease changes nothing: whoever has it
// now asks under the same number.
func (p *Payer) settle(ctx context.Context, a db.PayoutAttempt, out Outcome) error {
	state := next(out.Answer, a.Again)
	if out.Answer == Halted {
		p.halt(ctx, out.Why)
	}
	now := p.Now()
	change := db.SettleAttemptParams{
		State: string(state), Active: sql.NullInt32{Int32: 1, Valid: true}, Again: state != ready, Receipt: cut(out.Receipt, 128), Why: cut(out.Why, 64),
		Now: int64(model.At(now)), NextAt: never, PotID: a.PotID, N: a.N, Token: a.LeaseToken,
	}
	var to State
	switch state {
	case succeeded:
		to = Paid
	case failed:
		to, change.Active = Failed, sql.NullInt32{}
	case frozen:
		to = Frozen
	default:
		change.NextAt = int64(model.At(now.Add(p.gap(a.Tries))))
	}
	err := p.settleWith(ctx, change, to)
	if errors.Is(err, ErrState) {
		return nil // the lease was lost
	}
	if err != nil {
		return fmt.Errorf("settle bill %s: %w", a.BillNo, err)
	}
	return nil
}

// settleWith moves the attempt and, where that is its end, the payout.
func (p *Payer) settleWith(ctx context.Context, change db.SettleAttemptParams, to State) error {
	row, err := p.q.Payout(ctx, change.PotID)
	if err != nil {
		return err
	}
	v := payoutOf(row)
	if to == Failed {
		if to, err = p.afterFailure(ctx, v.Game); err != nil {
			return err
		}
	}
	err = sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		n, err := db.New(tx).SettleAttempt(ctx, change)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrState
		}
		if to == "" {
			return nil
		}
		return p.moveTx(ctx, tx, v, to, change.Why)
	})
	if err == nil {
		p.outcomes.WithLabelValues(string(v.Kind), change.State).Inc()
	}
	return err
}

// afterFailure is where a failed payout goes: back to the budget, or onto the list of
// people, as the game says.
func (p *Payer) afterFailure(ctx context.Context, game model.ID) (State, error) {
	release, err := p.Budget.ReleasesFailed(ctx, game)
	if err != nil {
		return "", fmt.Errorf("read what game %s does with failures: %w", game, err)
	}
	if release {
		return Released, nil
	}
	return Failed, nil
}

// fail ends a payout for which nothing could be sent.
func (p *Payer) fail(ctx context.Context, v Payout, why string) (bool, error) {
	to, err := p.afterFailure(ctx, v.Game)
	if err != nil {
		return false, err
	}
	ok, err := p.move(ctx, v, to, why)
	if ok {
		p.outcomes.WithLabelValues(string(v.Kind), string(failed)).Inc()
	}
	return ok, err
}

// moveTx moves a payout from the state in which it was read, gives back what is
// released and promises to tell the winner of its end. ErrState when it is not there
// any more.
func (p *Payer) moveTx(ctx context.Context, tx *sql.Tx, v Payout, to State, why string) error {
	n, err := db.New(tx).MovePayout(ctx, db.MovePayoutParams{State: string(to), Why: cut(why, 255), Now: p.millis(), PotID: int64(v.Pot), FromState: string(v.State)})
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrState
	}
	if to != Paid && to != Released {
		return nil
	}
	if to == Released {
		if err := p.Budget.ReleaseTx(ctx, tx, v.Prize()); err != nil {
			return fmt.Errorf("give back the budget of pot %s: %w", v.Pot, err)
		}
	}
	return p.Outbox.AddTx(ctx, tx, TopicSettled, model.RequestID("pot-"+v.Pot.String()), Settled{v.Pot, v.Game, v.Member, v.Kind, v.Quantity, to})
}

func (p *Payer) move(ctx context.Context, v Payout, to State, why string) (bool, error) {
	err := sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error { return p.moveTx(ctx, tx, v, to, why) })
	if errors.Is(err, ErrState) {
		return false, nil
	}
	return err == nil, err
}

// later looks at a payout again after a while.
func (p *Payer) later(ctx context.Context, v Payout, wait time.Duration, why string) error {
	now := p.Now()
	_, err := p.q.DelayPayout(ctx, db.DelayPayoutParams{
		NextAt: sql.NullInt64{Int64: int64(model.At(now.Add(wait))), Valid: true}, Why: cut(why, 255), Now: int64(model.At(now)),
		PotID: int64(v.Pot), FromState: string(v.State),
	})
	if err != nil {
		return fmt.Errorf("delay payout %s: %w", v.Pot, err)
	}
	return nil
}

// cut shortens to so many bytes, at the end of a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xC0 == 0x80 {
		most--
	}
	return s[:most]
}

// look counts what waits, for the metrics.
func (p *Payer) look(ctx context.Context) error {
	rows, err := p.q.CountStates(ctx, int64(model.At(p.Now().Add(-p.opts.Overdue))))
	if err != nil {
		return fmt.Errorf("count payouts: %w", err)
	}
	p.waiting.Reset()
	overdue := int64(0)
	for _, r := range rows {
		p.waiting.WithLabelValues(r.State).Set(float64(r.Total))
		overdue += r.Overdue
	}
	p.overdue.Set(float64(overdue))
	return nil
}
