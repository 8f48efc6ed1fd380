package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/points/internal/db"
)

// Earn is EarnTx in a transaction of its own.
func (l *Ledger) Earn(ctx context.Context, member model.MemberID, source string, amount model.Points, ref model.Ref, request model.RequestID) (model.Points, error) {
	var granted model.Points
	err := l.inTx(ctx, kindEarn, func(tx *sql.Tx) error {
		var err error
		granted, err = l.EarnTx(ctx, tx, member, source, amount, ref, request)
		return err
	})
	return granted, err
}

// EarnTx credits the member with points of a source, under the source's rule for
// expiry, delay and caps, and returns how many were granted: less than asked for
// where a cap of the day or month leaves less. ref names what they are for, is
// earned once and may be zero.
//
// Errors: ErrCapped (stored), ErrSource, ErrSourceEnded, ErrAmount, ErrRef,
// ErrRefUsed, ErrClosed, ErrRequest, ErrRequestReused.
func (l *Ledger) EarnTx(ctx context.Context, tx *sql.Tx, member model.MemberID, source string, amount model.Points, ref model.Ref, request model.RequestID) (model.Points, error) {
	rule, ok := l.opts.Rules[source]
	switch {
	case !ok:
		return 0, ErrSource
	case amount <= 0 || amount > MaxAmount:
		return 0, ErrAmount
	case ref != (model.Ref{}) && !ref.Valid():
		return 0, ErrRef
	}
	id, now := l.ids.Next(), model.At(l.now())
	c := claim{int64(member), request, body(kindEarn, source, amount, ref)}
	first, repeated, err := l.claim(ctx, tx, c, id, now)
	if err != nil || repeated {
		return first.amount, err
	}
	row, err := l.lockSettled(ctx, tx, int64(member), true, now)
	if err != nil {
		return 0, err
	}
	granted, err := l.useCaps(ctx, tx, row.MemberID, source, rule, amount, now)
	if err != nil {
		return 0, err
	}
	if granted == 0 {
		return 0, l.refuse(ctx, tx, c, ErrCapped)
	}
	p := posting{id: id, member: row.MemberID, kind: kindEarn, amount: int64(granted), source: source, ref: ref, reason: rule.Title, at: now}
	if err := l.issue(ctx, tx, p, accountIssued, rule); err != nil {
		return 0, err
	}
	return granted, nil
}

// issue makes a lot of the posting's amount out of a house account. The lock is
// held.
func (l *Ledger) issue(ctx context.Context, tx *sql.Tx, p posting, from string, rule Rule) error {
	active := rule.Delay.from(p.at)
	lot := db.InsertLotParams{
		ID: int64(l.ids.Next()), MemberID: p.member, Issued: p.amount, Remaining: p.amount, Source: p.source,
		ActiveAt: int64(active), ExpiresAt: int64(rule.Expiry.At(active)), PostingID: int64(p.id), CreatedAt: int64(p.at),
	}
	if lot.ExpiresAt <= lot.ActiveAt {
		return ErrSourceEnded
	}
	change := db.MoveAccountParams{MemberID: p.member}
	side := line{accountMember, p.member, lot.ID, p.amount}
	if active > p.at {
		lot.PendingMember, change.Pending, change.DueAt, side.account = some(p.member), p.amount, lot.ActiveAt, accountPending
	} else {
		lot.OpenMember, change.Balance, change.DueAt = some(p.member), p.amount, lot.ExpiresAt
	}
	q := queries(tx)
	if err := move(ctx, q, change); err != nil {
		return err
	}
	if err := q.InsertLot(ctx, lot); err != nil {
		return fmt.Errorf("insert lot: %w", err)
	}
	return l.post(ctx, tx, p, []line{side, {from, 0, 0, -p.amount}})
}

// useCaps takes as much of the caps of this day and month as they leave, at most
// amount, and returns it. The member's lock is held.
func (l *Ledger) useCaps(ctx context.Context, tx *sql.Tx, member int64, source string, rule Rule, amount model.Points, now model.Millis) (model.Points, error) {
	q := queries(tx)
	caps := []struct {
		period string
		limit  model.Points
	}{{dayPeriod(now), rule.DayCap}, {monthPeriod(now), rule.MonthCap}}
	for _, c := range caps {
		if c.limit == 0 {
			continue
		}
		used, err := q.CapUsed(ctx, db.CapUsedParams{OwnerID: member, Source: source, Period: c.period})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("read cap: %w", err)
		}
		amount = min(amount, max(0, c.limit-model.Points(used)))
	}
	if amount == 0 {
		return 0, nil
	}
	for _, c := range caps {
		if c.limit == 0 {
			continue
		}
		if err := addCap(ctx, q, member, source, c.period, amount); err != nil {
			return 0, err
		}
	}
	return amount, nil
}

// addCap books the amount, whatever the limit: the caller holds the lock and has
// looked.
func addCap(ctx context.Context, q *db.Queries, owner int64, source, period string, amount model.Points) error {
	const anything = 1 << 60
	n, err := q.UseCap(ctx, db.UseCapParams{Amount: int64(amount), OwnerID: owner, Source: source, Period: period, Cap: anything})
	if err != nil {
		return fmt.Errorf("use cap: %w", err)
	}
	if n == 0 {
		err = q.InsertCap(ctx, db.InsertCapParams{OwnerID: owner, Source: source, Period: period, Used: int64(amount)})
		if err != nil {
			return fmt.Errorf("insert cap: %w", err)
		}
	}
	return nil
}

func dayPeriod(now model.Millis) string { return now.Time().Format("20060102") }

func monthPeriod(now model.Millis) string { return now.Time().Format("200601") }
