package mall

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// How the carrier is asked.
const (
	callTime = 20 * time.Second // one call's deadline
	lease    = time.Minute      // longer than a call: after it, the caller is dead and the outcome unknown
	firstGap = 2 * time.Second  // between two tries, doubled each time
	longGap  = time.Hour
	// stray is how long after a try what it sent may still arrive. It is half of the longest
	// gap between two tries, so that an operator has time for his verdict.
	stray = 30 * time.Minute
)

// slice and maxSlices bound one run of FulfilDue, fanOut what it does at once.
const (
	slice     = 100
	maxSlices = 100
	fanOut    = 8
)

// FulfilDue takes up every redemption about which something is to be done: goods
// that were not handed over yet, answers that are not known, payments that never
// came; at most fanOut at a time, for each may wait for the carrier. It returns how
// many it moved and may be stopped and repeated at any point.
func (m *Mall) FulfilDue(ctx context.Context) (int, error) {
	moved, failed := 0, 0
	after := db.DueParams{Now: m.millis(), Limit: slice}
	for range maxSlices {
		due, err := db.New(m.DB).Due(ctx, after)
		if err != nil {
			return moved, fmt.Errorf("find due redemptions: %w", err)
		}
		ok, err := m.fulfilAll(ctx, due)
		moved, failed = moved+ok, failed+len(due)-ok
		if err != nil {
			return moved, err
		}
		if len(due) < slice {
			break
		}
		after.AfterNext, after.AfterID = due[slice-1].NextAt, due[slice-1].ID
	}
	if failed > 0 {
		return moved, fmt.Errorf("%d redemptions could not be handed over", failed)
	}
	return moved, nil
}

// fulfilAll takes up one slice and returns how many were moved; the others are
// logged. Its error is that the context ended.
func (m *Mall) fulfilAll(ctx context.Context, due []db.DueRow) (int, error) {
	var moved atomic.Int64
	var wait sync.WaitGroup
	next := make(chan int64)
	for range min(fanOut, len(due)) {
		wait.Go(func() {
			for id := range next {
				if m.fulfilOne(ctx, model.ID(id)) {
					moved.Add(1)
				}
			}
		})
	}
	for _, r := range due {
		if ctx.Err() != nil {
			break
		}
		next <- r.ID
	}
	close(next)
	wait.Wait()
	return int(moved.Load()), ctx.Err()
}

// fulfilOne takes up one of many: what fails, panic included, is logged and leaves
// the others alone.
func (m *Mall) fulfilOne(ctx context.Context, id model.ID) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			m.Log.ErrorContext(ctx, "panic", "redemption", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	err := m.Fulfil(ctx, id)
	if err != nil && ctx.Err() == nil {
		m.Log.ErrorContext(ctx, "redemption not handed over", "redemption", id, "err", err)
	}
	return err == nil
}

// Fulfil does what is due about one redemption now. Two at once do it once.
//
// Errors: ErrNoRedemption; those of the carrier and the database, after which the
// redemption is taken up again by FulfilDue.
func (m *Mall) Fulfil(ctx context.Context, id model.ID) error {
	r, err := db.New(m.DB).Redemption(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoRedemption
	}
	if err != nil {
		return fmt.Errorf("read redemption %s: %w", id, err)
	}
	switch {
	case r.NextAt > m.millis():
		return nil
	case State(r.State) == Paying:
		return m.takeBack(ctx, r, Cancelled, "超时未支付")
	case r.Refusal.Valid:
		return wrapped("forget a refusal", db.New(sqldb.Alone{DB: m.DB}).ForgetRefused(ctx, r.ID))
	case Kind(r.Kind) == Coupon && State(r.State) == Accepted:
		return m.handCoupon(ctx, r)
	case Kind(r.Kind) == Carrier:
		return m.deliver(ctx, r)
	}
	return nil
}

// handCoupon gives the redemption the oldest free code.
func (m *Mall) handCoupon(ctx context.Context, r db.MallRedemption) error {
	return sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := db.New(tx)
		// Lock the redemption first, so that two at once take one code.
		n, err := q.Advance(ctx, db.AdvanceParams{State: string(Accepted), Was: string(Accepted), NextAt: r.NextAt, Now: m.millis(), ID: r.ID})
		if err != nil || n == 0 {
			return err // somebody was faster
		}
		for range maxTries {
			free, err := q.FreeCoupons(ctx, db.FreeCouponsParams{GiftID: r.GiftID, Limit: slice})
			if err != nil {
				return fmt.Errorf("find a free coupon: %w", err)
			}
			for _, c := range free {
				n, err := q.TakeCoupon(ctx, db.TakeCouponParams{RedemptionID: r.ID, ID: c.ID})
				if err != nil {
					return fmt.Errorf("take coupon: %w", err)
				}
				if n == 1 {
					return m.handCode(ctx, q, r, c)
				}
			}
			if len(free) == 0 {
				break
			}
		}
		return fmt.Errorf("redemption %d: no coupon is free although one was reserved", r.ID)
	})
}

func (m *Mall) handCode(ctx context.Context, q *db.Queries, r db.MallRedemption, c db.FreeCouponsRow) error {
	code, err := m.Sealer.OpenText(c.Code, seal.Bind(couponColumn, c.ID))
	if err != nil {
		return fmt.Errorf("open coupon %d: %w", c.ID, err)
	}
	n, err := q.Advance(ctx, db.AdvanceParams{
		State: string(Fulfilled), Was: string(Accepted), NextAt: never, Now: m.millis(), ID: r.ID,
		Code: m.Sealer.SealText(code, seal.Bind(codeColumn, r.ID)),
	})
	if err := one(n, err); err != nil {
		return fmt.Errorf("hand over coupon: %w", err)
	}
	m.done.WithLabelValues(r.Kind, "fulfilled").Inc()
	return nil
}

// deliver asks the carrier. The claim is committed before the call; whoever finds a
// claim that ran out knows only that the outcome is unknown.
func (m *Mall) deliver(ctx context.Context, r db.MallRedemption) error {
	q, now := db.New(sqldb.Alone{DB: m.DB}), m.Now()
	again := State(r.State) != Accepted
	n, err := q.Claim(ctx, db.ClaimParams{
		LeaseUntil: int64(model.At(now.Add(lease))), Now: int64(model.At(now)), ID: r.ID, State: r.State, Attempts: r.Attempts,
	})
	if err != nil {
		return fmt.Errorf("claim redemption %d: %w", r.ID, err)
	}
	if n == 0 {
		return nil // somebody was faster
	}
	r.State, r.Attempts = string(Submitting), r.Attempts+1
	goods, err := m.goods(r)
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTime)
	out, callErr := m.Carrier.Deliver(call, goods, requestOf(r.ID, "deliver"), again)
	cancel()
	if callErr != nil {
		m.Log.WarnContext(ctx, "carrier did not answer a redemption cleanly", "redemption", r.ID, "state", out.State, "err", callErr)
	}
	// What is known now is written even when the caller is leaving.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	return m.record(ctx, r, out, again)
}

func (m *Mall) goods(r db.MallRedemption) (Goods, error) {
	d, err := m.opened(r)
	if err != nil {
		return Goods{}, err
	}
	phone, err := model.ParsePhone(d.Phone)
	if err != nil {
		return Goods{}, fmt.Errorf("redemption %d: %w", r.ID, err)
	}
	var spec Spec
	if err := json.Unmarshal([]byte(r.Spec), &spec); err != nil {
		return Goods{}, fmt.Errorf("read the spec of redemption %d: %w", r.ID, err)
	}
	goods := Goods{Phone: phone, Offering: spec.Offering, Credit: spec.Credit}
	if spec.Bill {
		goods.Charge = model.Fen(r.Fen)
	}
	return goods, nil
}

func (m *Mall) record(ctx context.Context, r db.MallRedemption, out Outcome, again bool) error {
	next := int64(model.At(m.Now().Add(min(longGap, firstGap<<min(r.Attempts, 11)))))
	switch out.State {
	case Failed:
		// r.UpdatedAt is of the try before.
		if !out.Repeat || m.millis() >= r.UpdatedAt+stray.Milliseconds() {
			return m.takeBack(ctx, r, Failed, out.Reason)
		}
		out.State = Unknown
	case Fulfilled:
		next = never
	case Working:
	case Accepted: // not sent now; what an earlier try did is still not known
		if again {
			out.State = Unknown
		}
	default:
		out.State = Unknown
	}
	n, err := db.New(sqldb.Alone{DB: m.DB}).Settle(ctx, db.SettleParams{
		State: string(out.State), CarrierNo: clip(out.Number, 64), NextAt: next, Now: m.millis(), ID: r.ID, Attempts: r.Attempts,
	})
	if err != nil {
		return fmt.Errorf("record the carrier's answer to redemption %d: %w", r.ID, err)
	}
	if n == 1 {
		m.done.WithLabelValues(r.Kind, string(out.State)).Inc()
	}
	return nil
}

// takeBack ends a redemption without the gift: points into the lots that they came
// from, the gift back on the shelf, the member told. It happens once, and only from
// the state in which r was read.
func (m *Mall) takeBack(ctx context.Context, r db.MallRedemption, to State, reason string) error {
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error { return m.takeBackTx(ctx, tx, r, to, reason) })
	if err == nil {
		m.done.WithLabelValues(r.Kind, string(to)).Inc()
	}
	return err
}

func (m *Mall) takeBackTx(ctx context.Context, tx *sql.Tx, r db.MallRedemption, to State, reason string) error {
	q := db.New(tx)
	n, err := q.TakeBack(ctx, db.TakeBackParams{
		State: string(to), Reason: clip(reason, 255), NextAt: never, Now: m.millis(), ID: r.ID, Was: r.State, Attempts: r.Attempts,
	})
	if err != nil {
		return fmt.Errorf("take back redemption %d: %w", r.ID, err)
	}
	if n == 0 {
		return ErrState
	}
	lost, err := m.giveBackTx(ctx, tx, r)
	if err != nil {
		return err
	}
	if lost > 0 {
		note := clip(fmt.Sprintf("%s；其中%d积分已过有效期，未能退回", clip(reason, 200), lost), 255)
		if err := one(q.SetReason(ctx, db.SetReasonParams{Reason: note, ID: r.ID})); err != nil {
			return fmt.Errorf("note the lost points of redemption %d: %w", r.ID, err)
		}
	}
	if err := one(q.ReleaseGift(ctx, r.GiftID)); err != nil {
		return fmt.Errorf("release gift %d: %w", r.GiftID, err)
	}
	if to != Failed {
		return nil // the member did it himself, or let the time pass
	}
	told := Told{model.ID(r.ID), model.MemberID(r.MemberID), r.Title, model.Points(r.Points) - lost, lost, reason}
	return m.Outbox.AddTx(ctx, tx, TopicFailed, requestOf(r.ID, "failed"), told)
}

// giveBackTx puts the points into the lots that they came from, and tells how many of
// them were lost, for their lots were over.
func (m *Mall) giveBackTx(ctx context.Context, tx *sql.Tx, r db.MallRedemption) (lost model.Points, err error) {
	if State(r.State) == Paying {
		return 0, m.Holder.VoidTx(ctx, tx, model.ID(r.HoldID), int(r.ExtendDays), requestOf(r.ID, "back"))
	}
	if _, err := m.Spender.ReverseTx(ctx, tx, refOf(r.ID), int(r.ExtendDays), requestOf(r.ID, "back")); err != nil {
		return 0, err
	}
	return m.Spender.LostTx(ctx, tx, refOf(r.ID))
}

func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n])
	}
	return s
}

// one makes an error of a change that did not hit exactly one row.
func one(n int64, err error) error {
	if err == nil && n != 1 {
		return fmt.Errorf("%d rows changed, 1 expected", n)
	}
	return err
}
