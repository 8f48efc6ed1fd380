package mall

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// Verdict is what a person says of a stuck redemption, because the carrier's people told
// him.
type Verdict string

// The verdicts.
const (
	Given  Verdict = "given"  // the member has the goods
	Refund Verdict = "refund" // he has not, and will not: his points go back
)

// Decision is a verdict on a redemption as the operator saw it, and why.
type Decision struct {
	Verdict  Verdict
	Attempts int    // as StuckNow said, so that nobody decides by an old answer
	Number   string // the carrier's own, of Given; "": as it was
	Why      string // 4 to 100 characters
}

// refundReason is what the member is told; what the operator wrote is for the audit.
const refundReason = "经向运营商核实，未能办理"

// StuckOne is one redemption, in whatever state.
//
// Errors: ErrNoRedemption.
func (m *Mall) StuckOne(ctx context.Context, id model.ID) (Stuck, error) {
	r, err := db.New(m.DB).Redemption(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && r.Refusal.Valid {
		return Stuck{}, ErrNoRedemption
	}
	if err != nil {
		return Stuck{}, fmt.Errorf("read redemption %s: %w", id, err)
	}
	return stuckOf(db.StuckRow{
		ID: r.ID, MemberID: r.MemberID, GiftID: r.GiftID, Kind: r.Kind, Title: r.Title, State: r.State, Attempts: r.Attempts, CarrierNo: r.CarrierNo,
		NextAt: r.NextAt, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}), nil
}

// SettleStuck ends a stuck redemption by what an operator found out: handed over, or
// taken back with the points in the lots that they came from. It happens once, and not
// while the carrier is asked; by is the operator.
//
// Errors: ErrVerdict, ErrNoRedemption, ErrState when it has ended, ErrNotStuck,
// ErrAskedAgain, ErrNoCode.
func (m *Mall) SettleStuck(ctx context.Context, by, id model.ID, d Decision) (Stuck, error) {
	d.Why, d.Number = strings.TrimSpace(d.Why), strings.TrimSpace(d.Number)
	if n := utf8.RuneCountInString(d.Why); n < 4 || n > 100 || d.Verdict != Given && d.Verdict != Refund {
		return Stuck{}, ErrVerdict
	}
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := db.New(tx)
		r, err := q.Redemption(ctx, int64(id))
		if errors.Is(err, sql.ErrNoRows) || err == nil && r.Refusal.Valid {
			return ErrNoRedemption
		}
		if err != nil {
			return fmt.Errorf("read redemption %s: %w", id, err)
		}
		if err := m.settleable(r, d); err != nil {
			return err
		}
		if d.Verdict == Given {
			err = m.givenTx(ctx, q, r, d)
		} else {
			err = m.takeBackTx(ctx, tx, r, Failed, refundReason)
		}
		if errors.Is(err, ErrState) { // claimed since it was read
			return ErrAskedAgain
		}
		if err != nil {
			return err
		}
		return m.recordTx(ctx, tx, by, "mall.settle", refOf(r.ID), map[string]string{
			"verdict": string(d.Verdict), "why": d.Why, "was": r.State, "carrierNumber": d.Number,
		})
	})
	if err != nil {
		return Stuck{}, err
	}
	one, err := m.StuckOne(ctx, id)
	if err == nil {
		m.done.WithLabelValues(string(one.Kind), string(one.State)).Inc()
	}
	return one, err
}

// settleable tells whether the verdict may stand.
func (m *Mall) settleable(r db.MallRedemption, d Decision) error {
	now := m.Now()
	if !stuckState(State(r.State)) || r.NextAt >= toShip {
		return ErrState
	}
	if r.CreatedAt > int64(model.At(now.Add(-stuckAfter))) {
		return ErrNotStuck
	}
	if int(r.Attempts) != d.Attempts || State(r.State) == Submitting && r.NextAt > int64(model.At(now)) {
		return ErrAskedAgain
	}
	if Kind(r.Kind) == Coupon && d.Verdict == Given {
		return ErrNoCode // he would have a coupon without a code
	}
	if from := stuckOf(db.StuckRow{State: r.State, UpdatedAt: r.UpdatedAt}).RefundFrom; d.Verdict == Refund && int64(model.At(now)) < int64(from) {
		return ErrAskedAgain.Saying("系统在%s又向运营商提交过，可能稍后办成；请在%s以后再退回",
			time.UnixMilli(r.UpdatedAt).In(model.Shanghai).Format("15:04"), time.UnixMilli(int64(from)).In(model.Shanghai).Format("15:04"))
	}
	return nil
}

func (m *Mall) givenTx(ctx context.Context, q *db.Queries, r db.MallRedemption, d Decision) error {
	number := r.CarrierNo
	if d.Number != "" {
		number = clip(d.Number, 64)
	}
	n, err := q.SayGiven(ctx, db.SayGivenParams{CarrierNo: number, NextAt: never, Now: m.millis(), ID: r.ID, Was: r.State, Attempts: r.Attempts})
	if err != nil {
		return fmt.Errorf("settle redemption %d: %w", r.ID, err)
	}
	if n == 0 {
		return ErrState
	}
	return nil
}

// stuckState tells whether nobody knows yet what became of it.
func stuckState(s State) bool {
	return s == Accepted || s == Submitting || s == Working || s == Unknown
}
