package payout

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/payout/internal/db"
)

// Verdict is what a person decides about a payout that waits for him.
type Verdict string

// The verdicts.
const (
	// Pay lets a held payout go on, and tries a failed one again under a new number.
	Pay Verdict = "pay"
	// GiveUp ends a held or failed payout; the budget has it back.
	GiveUp Verdict = "give_up"
	// WasPaid and WasNot settle a frozen payout, or one that has been unknown or in the
	// carrier's hands for long, by what the carrier's people said. WasNot makes it a
	// failed one.
	WasPaid Verdict = "was_paid"
	WasNot  Verdict = "was_not"
)

// Decision is a verdict, who answers for it, and why.
type Decision struct {
	Verdict Verdict
	By      string // the operator's id
	Why     string
}

const (
	maxBy  = 64
	maxWhy = 255
	// stray is how long what was sent to the carrier may be on its way.
	stray = 30 * time.Minute
)

// Waiting lists payouts in a state, by pot; cursor is "" or the one that came with the
// page before. Held, Failed and Frozen ones wait for a person. Errors: page.ErrCursor.
func (p *Payer) Waiting(ctx context.Context, state State, cursor string, limit int) (list []Payout, next string, err error) {
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := p.q.InState(ctx, db.InStateParams{State: string(state), After: after, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list payouts: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.Payout) string { return page.Cursor(r.PotID) })
	return payoutsOf(rows), next, nil
}

// Review carries out a decision and records it. Errors: ErrUnknownPayout,
// ErrDecision, ErrState when the payout is in no state for it, and ErrEarly for a WasNot
// of what may still arrive: a failed payout is paid again or given up.
func (p *Payer) Review(ctx context.Context, pot model.ID, d Decision) error {
	d.Why = strings.TrimSpace(d.Why)
	if d.By == "" || len(d.By) > maxBy || d.Why == "" || len(d.Why) > maxWhy {
		return ErrDecision
	}
	v, err := p.Payout(ctx, pot)
	if err != nil {
		return err
	}
	to, err := d.leads(v.State)
	if err != nil {
		return err
	}
	if d.Verdict == WasNot && v.State == Paying && p.millis() < int64(v.UpdatedAt.Add(p.opts.Overdue)) {
		return ErrEarly.Saying("这份奖品提交运营商不到%d小时，还没有结果；到时仍无结果再认定没有办成", int(p.opts.Overdue.Hours()))
	}
	err = sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		q, now := db.New(tx), p.millis()
		if v.State == Paying || v.State == Frozen {
			change := db.DecideAttemptParams{
				State: string(succeeded), Active: sql.NullInt32{Int32: 1, Valid: true}, NextAt: never, Why: "payout.decided", Now: now, PotID: int64(pot), Before: never,
			}
			if to == Failed {
				change.State, change.Active = string(failed), sql.NullInt32{}
			}
			if d.Verdict == WasNot {
				change.Before = now - stray.Milliseconds()
			}
			n, err := q.DecideAttempt(ctx, change)
			if err != nil {
				return err
			}
			if n == 0 {
				return d.tooEarly()
			}
		}
		if err := p.moveTx(ctx, tx, v, to, d.Why); err != nil {
			return err
		}
		err = q.AddReview(ctx, db.AddReviewParams{
			ID: int64(p.IDs.Next()), PotID: int64(pot), Decision: string(d.Verdict), DecidedBy: d.By, Why: d.Why, DecidedAt: now,
		})
		if err != nil || p.Audit == nil {
			return err
		}
		return p.Audit.RecordTx(ctx, tx, model.AuditEntry{
			Operator: d.operator(), Action: "payout.review", Target: model.Ref{Type: "payout", ID: pot.String()},
			Detail: map[string]string{"verdict": string(d.Verdict), "why": d.Why},
		})
	})
	if err != nil {
		return fmt.Errorf("review payout %s: %w", pot, err)
	}
	return nil
}

// tooEarly says why an attempt cannot be decided about now.
func (d Decision) tooEarly() error {
	if d.Verdict == WasNot {
		return ErrEarly.Saying("系统半小时内还向运营商提交或查询过这份奖品，可能稍后到账；请过一会儿再认定没有办成")
	}
	return ErrState // it is being asked about right now
}

// operator is who decided, 0 when it is nobody with an account.
func (d Decision) operator() model.ID {
	id, err := model.ParseID(d.By)
	if err != nil {
		return 0 // the command line
	}
	return id
}

// leads says where the verdict leads from a state.
func (d Decision) leads(from State) (State, error) {
	waits := from == Held || from == Failed
	open := from == Frozen || from == Paying
	switch {
	case d.Verdict == Pay && waits:
		return Approved, nil
	case d.Verdict == GiveUp && waits:
		return Released, nil
	case d.Verdict == WasPaid && open:
		return Paid, nil
	case d.Verdict == WasNot && open:
		return Failed, nil
	case d.Verdict != Pay && d.Verdict != GiveUp && d.Verdict != WasPaid && d.Verdict != WasNot:
		return "", ErrDecision
	}
	return "", ErrState
}
