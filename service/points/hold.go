package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/points/internal/db"
)

// The states of a hold.
const (
	holdOpen      = "open"
	holdConfirmed = "confirmed"
)

// refHold is the type of the refs of a hold's own postings.
const refHold = "points.hold"

// Hold is HoldTx in a transaction of its own.
func (l *Ledger) Hold(ctx context.Context, member model.MemberID, amount model.Points, until model.Millis, ref model.Ref, title string, request model.RequestID) (model.ID, error) {
	var id model.ID
	err := l.inTx(ctx, kindHold, func(tx *sql.Tx) error {
		var err error
		id, err = l.HoldTx(ctx, tx, member, amount, until, ref, title, request)
		return err
	})
	return id, err
}

// HoldTx sets points aside, soonest-expiring first, on an account of their own
// and returns the hold. After until (0: never) VoidOverdue gives them back. ref
// names what they are held for, once; title is as in SpendTx.
//
// Errors: as SpendTx.
func (l *Ledger) HoldTx(ctx context.Context, tx *sql.Tx, member model.MemberID, amount model.Points, until model.Millis, ref model.Ref, title string, request model.RequestID) (model.ID, error) {
	if !ref.Valid() {
		return 0, ErrRef
	}
	t := taking{member: int64(member), kind: kindHold, amount: int64(amount), to: accountHold, ref: ref, reason: redeemed("积分冻结", title)}
	if t.amount <= 0 || amount > MaxAmount {
		return 0, ErrAmount
	}
	id, now := l.ids.Next(), model.At(l.now())
	c := claim{t.member, request, body(kindHold, amount, until, ref)}
	first, repeated, err := l.claim(ctx, tx, c, id, now)
	if err != nil || repeated {
		return first.posting, err
	}
	owner, missing, err := l.take(ctx, tx, id, t, now)
	if missing > 0 {
		return 0, l.refuse(ctx, tx, c, ErrInsufficient.Saying("积分不足，还差%d积分", missing))
	}
	if err != nil {
		return 0, err
	}
	// The hold has the id of the posting that made it.
	err = queries(tx).InsertHold(ctx, db.InsertHoldParams{
		ID: int64(id), MemberID: owner, PostingID: int64(id), Amount: t.amount, UntilAt: int64(until), CreatedAt: int64(now),
	})
	if err != nil {
		return 0, fmt.Errorf("insert hold: %w", err)
	}
	return id, nil
}

// Confirm is ConfirmTx in a transaction of its own.
func (l *Ledger) Confirm(ctx context.Context, hold model.ID, amount model.Points, request model.RequestID) error {
	return l.inTx(ctx, kindConfirm, func(tx *sql.Tx) error { return l.ConfirmTx(ctx, tx, hold, amount, request) })
}

// ConfirmTx redeems an amount of a hold; what is left stays held, for another
// Confirm or a Void. The lots that expire soonest are redeemed first.
//
// Errors: ErrNoHold, ErrHoldClosed, ErrHoldAmount, ErrAmount, ErrRequest,
// ErrRequestReused.
func (l *Ledger) ConfirmTx(ctx context.Context, tx *sql.Tx, hold model.ID, amount model.Points, request model.RequestID) error {
	if amount <= 0 || amount > MaxAmount {
		return ErrAmount
	}
	id, now := l.ids.Next(), model.At(l.now())
	c := claim{int64(hold), request, body(kindConfirm, amount)}
	h, _, repeated, err := l.lockHold(ctx, tx, c, hold, id, now)
	if err != nil || repeated {
		return err
	}
	if h.Remaining < int64(amount) {
		return ErrHoldAmount
	}
	q := queries(tx)
	state := holdOpen
	if h.Remaining == int64(amount) {
		state = holdConfirmed
	}
	if err := one(q.ConfirmHold(ctx, db.ConfirmHoldParams{Amount: int64(amount), State: state, ID: h.ID})); err != nil {
		return fmt.Errorf("confirm hold: %w", err)
	}
	if err := move(ctx, q, db.MoveAccountParams{MemberID: h.MemberID, Held: -int64(amount), DueAt: int64(never)}); err != nil {
		return err
	}
	pieces, err := l.heldPieces(ctx, tx, h.PostingID, h.Confirmed, int64(amount))
	if err != nil {
		return err
	}
	lines := []line{{accountRedeemed, 0, 0, int64(amount)}}
	for _, p := range pieces {
		lines = append(lines, line{accountHold, h.ID, p.lot, -p.amount})
	}
	p := posting{
		id: id, member: h.MemberID, kind: kindConfirm, reason: likewise("冻结积分兑换", h.Reason), at: now,
		ref: model.Ref{Type: refHold, ID: fmt.Sprintf("%d/%d", h.ID, h.Confirmed)},
	}
	return l.post(ctx, tx, p, lines)
}

// Void is VoidTx in a transaction of its own.
func (l *Ledger) Void(ctx context.Context, hold model.ID, extendDays int, request model.RequestID) error {
	return l.inTx(ctx, kindVoid, func(tx *sql.Tx) error { return l.VoidTx(ctx, tx, hold, extendDays, request) })
}

// VoidTx gives what is left of a hold back into the lots that it came from, with
// their old expiry. extendDays says what becomes of lots that expired meanwhile,
// as in ReverseTx.
//
// Errors: ErrNoHold, ErrHoldClosed, ErrExtend, ErrRequest, ErrRequestReused.
func (l *Ledger) VoidTx(ctx context.Context, tx *sql.Tx, hold model.ID, extendDays int, request model.RequestID) error {
	if extendDays < 0 || extendDays > maxExtendDays {
		return ErrExtend
	}
	id, now := l.ids.Next(), model.At(l.now())
	c := claim{int64(hold), request, body(kindVoid, extendDays)}
	h, row, repeated, err := l.lockHold(ctx, tx, c, hold, id, now)
	if err != nil || repeated {
		return err
	}
	if err := one(queries(tx).VoidHold(ctx, db.VoidHoldParams{ID: h.ID, Remaining: h.Remaining})); err != nil {
		return fmt.Errorf("void hold: %w", err)
	}
	pieces, err := l.heldPieces(ctx, tx, h.PostingID, h.Confirmed, h.Remaining)
	if err != nil {
		return err
	}
	var lines []line
	for _, p := range pieces {
		lines = append(lines, line{accountHold, h.ID, p.lot, -p.amount})
	}
	p := posting{
		id: id, member: h.MemberID, kind: kindVoid, amount: h.Remaining, reason: likewise("积分解冻", h.Reason), at: now,
		ref: model.Ref{Type: refHold, ID: fmt.Sprint(h.ID)},
	}
	return l.giveBack(ctx, tx, row, p, lines, pieces, h.Remaining, extendDays)
}

// lockHold claims the request and locks the hold's account; the hold is open when
// it is returned. A join in between moves the hold, so it is read again under the
// lock.
func (l *Ledger) lockHold(ctx context.Context, tx *sql.Tx, c claim, hold, id model.ID, now model.Millis) (h db.HoldRow, row account, repeated bool, err error) {
	q := queries(tx)
	h, err = q.Hold(ctx, int64(hold))
	if errors.Is(err, sql.ErrNoRows) {
		return h, row, false, ErrNoHold
	}
	if err != nil {
		return h, row, false, fmt.Errorf("read hold: %w", err)
	}
	if _, repeated, err = l.claim(ctx, tx, c, id, now); err != nil || repeated {
		return h, row, repeated, err
	}
	if row, err = l.lock(ctx, tx, h.MemberID, false, now); err != nil {
		return h, row, false, fmt.Errorf("lock the hold's account: %w", err)
	}
	if h, err = q.Hold(ctx, int64(hold)); err != nil {
		return h, row, false, fmt.Errorf("read hold: %w", err)
	}
	if h.State != holdOpen {
		return h, row, false, ErrHoldClosed
	}
	return h, row, false, nil
}

// heldPieces are amount points of a hold after the first skip ones, in the order
// in which they are confirmed: by (expires_at, id) of their lots.
func (l *Ledger) heldPieces(ctx context.Context, tx *sql.Tx, posting, skip, amount int64) ([]piece, error) {
	rows, err := queries(tx).EntriesOf(ctx, []int64{posting})
	if err != nil {
		return nil, fmt.Errorf("read the entries of hold %d: %w", posting, err)
	}
	var pieces []piece
	for _, r := range rows {
		if r.Account != accountHold || amount == 0 {
			continue
		}
		skipped := min(skip, r.Amount)
		skip -= skipped
		if part := min(r.Amount-skipped, amount); part > 0 {
			pieces = append(pieces, piece{lot: r.LotID, amount: part, expires: r.ExpiresAt})
			amount -= part
		}
	}
	if amount > 0 {
		return nil, fmt.Errorf("hold %d has %d points too few", posting, amount)
	}
	return pieces, nil
}
