package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/points/internal/db"
)

// ErrExtend is returned for a number of days out of range.
var ErrExtend = fault.New(fault.Invalid, "points.extend", "延长天数不正确")

// maxExtendDays bounds what a gift may promise for points that come back late.
const maxExtendDays = 366

// Reverse is ReverseTx in a transaction of its own.
func (l *Ledger) Reverse(ctx context.Context, ref model.Ref, extendDays int, request model.RequestID) (model.Points, error) {
	var given model.Points
	err := l.inTx(ctx, kindReverse, func(tx *sql.Tx) error {
		var err error
		given, err = l.ReverseTx(ctx, tx, ref, extendDays, request)
		return err
	})
	return given, err
}

// ReverseTx gives back all that was spent for ref, or confirmed of the hold for
// ref, into the lots that it came from, with their old expiry, once; it returns
// the amount. Of lots that expired meanwhile extendDays says what becomes: 0
// restores the points and expires them at once, N makes them good until the end
// of the Nth day from today, in a lot of its own.
//
// Errors: ErrNoSpend, ErrReversed, ErrHoldOpen, ErrExtend, ErrRef, ErrRequest,
// ErrRequestReused.
func (l *Ledger) ReverseTx(ctx context.Context, tx *sql.Tx, ref model.Ref, extendDays int, request model.RequestID) (model.Points, error) {
	switch {
	case !ref.Valid():
		return 0, ErrRef
	case extendDays < 0 || extendDays > maxExtendDays:
		return 0, ErrExtend
	}
	spent, err := l.spending(ctx, tx, ref)
	if err != nil {
		return 0, err
	}
	id, now := l.ids.Next(), model.At(l.now())
	c := claim{spent.ID, request, body(kindReverse, ref, extendDays)}
	first, repeated, err := l.claim(ctx, tx, c, id, now)
	if err != nil || repeated {
		return first.amount, err
	}
	row, err := l.lock(ctx, tx, spent.MemberID, false, now)
	if err != nil {
		return 0, fmt.Errorf("lock the account that spent: %w", err)
	}
	pieces, err := l.spentPieces(ctx, tx, spent)
	if err != nil {
		return 0, err
	}
	sum := total(pieces)
	if sum == 0 {
		return 0, ErrNoSpend
	}
	p := posting{id: id, member: row.MemberID, kind: kindReverse, amount: sum, ref: ref, reason: likewise("积分退回", spent.Reason), at: now}
	err = l.giveBack(ctx, tx, row, p, []line{{accountRedeemed, 0, 0, -sum}}, pieces, 0, extendDays)
	if errors.Is(err, ErrRefUsed) {
		return 0, ErrReversed
	}
	return model.Points(sum), err
}

// LostTx is how many of the points that ReverseTx gave back for ref expired at once,
// for their lots were over: 0 when nothing was given back.
func (l *Ledger) LostTx(ctx context.Context, tx *sql.Tx, ref model.Ref) (model.Points, error) {
	q, now := queries(tx), int64(model.At(l.now()))
	back, err := q.PostingOf(ctx, db.PostingOfParams{RefType: text(ref.Type), RefID: text(ref.ID), Kind: kindReverse})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find what came back for %s: %w", ref, err)
	}
	rows, err := q.EntriesOf(ctx, []int64{back.ID})
	if err != nil {
		return 0, fmt.Errorf("read the entries of %d: %w", back.ID, err)
	}
	var lost int64
	for _, r := range rows {
		if r.ExpiresAt <= now {
			lost += r.Amount
		}
	}
	return model.Points(lost), nil
}

func (l *Ledger) spending(ctx context.Context, tx *sql.Tx, ref model.Ref) (db.PostingOfRow, error) {
	for _, kind := range []string{kindSpend, kindHold} {
		row, err := queries(tx).PostingOf(ctx, db.PostingOfParams{RefType: text(ref.Type), RefID: text(ref.ID), Kind: kind})
		if err == nil {
			return row, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return row, fmt.Errorf("find the spending of %s: %w", ref, err)
		}
	}
	return db.PostingOfRow{}, ErrNoSpend
}

// spentPieces are what a spending took, or what was confirmed of a hold.
func (l *Ledger) spentPieces(ctx context.Context, tx *sql.Tx, spent db.PostingOfRow) ([]piece, error) {
	q := queries(tx)
	if spent.Kind == kindHold {
		h, err := q.Hold(ctx, spent.ID)
		if err != nil {
			return nil, fmt.Errorf("read hold: %w", err)
		}
		if h.State == holdOpen {
			return nil, ErrHoldOpen
		}
		return l.heldPieces(ctx, tx, h.PostingID, 0, h.Confirmed)
	}
	rows, err := q.EntriesOf(ctx, []int64{spent.ID})
	if err != nil {
		return nil, fmt.Errorf("read the entries of %d: %w", spent.ID, err)
	}
	var pieces []piece
	for _, r := range rows {
		pieces = append(pieces, piece{lot: r.LotID, amount: -r.Amount, expires: r.ExpiresAt})
	}
	return pieces, nil
}

// giveBack puts the pieces back into the account's lots and posts it; lines are
// the other side, held is what leaves the account's holds. The lock is held.
func (l *Ledger) giveBack(ctx context.Context, tx *sql.Tx, row account, p posting, lines []line, pieces []piece, held int64, extendDays int) error {
	p.member = row.MemberID
	// What expired is moved first, so that an expired lot holds nothing but what
	// comes back now.
	row, err := l.settle(ctx, tx, row, p.at)
	if err != nil {
		return err
	}
	q := queries(tx)
	due := int64(never)
	var back []piece
	for _, piece := range pieces {
		if piece.expires > int64(p.at) || extendDays == 0 {
			back = append(back, piece)
		} else if piece, err = l.extend(ctx, q, p, piece, extendDays); err != nil {
			return err
		}
		due = min(due, piece.expires)
		lines = append(lines, line{accountMember, p.member, piece.lot, piece.amount})
	}
	if err := givePieces(ctx, tx, back); err != nil {
		return err
	}
	if err := move(ctx, q, db.MoveAccountParams{MemberID: p.member, Balance: total(pieces), Held: -held, DueAt: due}); err != nil {
		return err
	}
	if err := l.post(ctx, tx, p, lines); err != nil {
		return err
	}
	if row.ClosedAt != 0 {
		return l.forfeitAll(ctx, tx, p.member, p.at)
	}
	if due <= int64(p.at) {
		row.DueAt = due
		_, err = l.settle(ctx, tx, row, p.at)
	}
	return err
}

// extend makes a lot of its own for points whose lot expired meanwhile.
func (l *Ledger) extend(ctx context.Context, q *db.Queries, p posting, old piece, days int) (piece, error) {
	good := endOfDay(p.at.Time().AddDate(0, 0, days))
	lot := db.InsertLotParams{
		ID: int64(l.ids.Next()), MemberID: p.member, OpenMember: some(p.member), Issued: old.amount, Remaining: old.amount,
		Source: "extended", ActiveAt: int64(p.at), ExpiresAt: int64(good), PostingID: int64(p.id), OriginID: old.lot, CreatedAt: int64(p.at),
	}
	if err := q.InsertLot(ctx, lot); err != nil {
		return piece{}, fmt.Errorf("insert extended lot: %w", err)
	}
	return piece{lot: lot.ID, amount: old.amount, expires: lot.ExpiresAt}, nil
}
