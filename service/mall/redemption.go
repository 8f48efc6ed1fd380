package mall

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/seal"
	"kaimenhong/service/mall/internal/db"
)

// Redemption is a redemption as its member sees it.
type Redemption struct {
	ID          model.ID
	Gift        model.ID
	Kind        Kind
	Title       string
	Points      model.Points
	Fen         model.Fen
	State       State
	Reason      string  // why it failed or was cancelled
	Code        string  // of a coupon, once handed over
	Spec        Spec    // of a card: where it opens
	Address     Address // of a parcel
	Parcel      string  // who carries it and under which number
	Cancellable bool    // now
	CreatedAt   model.Millis
	UpdatedAt   model.Millis
}

// Redemption is one of the member's redemptions.
//
// Errors: ErrNoRedemption, also for somebody else's.
func (m *Mall) Redemption(ctx context.Context, member model.MemberID, id model.ID) (Redemption, error) {
	row, err := m.own(ctx, member, id)
	if err != nil {
		return Redemption{}, err
	}
	return m.redemption(row)
}

func (m *Mall) own(ctx context.Context, member model.MemberID, id model.ID) (db.MallRedemption, error) {
	row, err := db.New(m.DB).Redemption(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && (row.MemberID != int64(member) || row.Refusal.Valid) {
		return row, ErrNoRedemption
	}
	if err != nil {
		return row, fmt.Errorf("read redemption %s: %w", id, err)
	}
	return row, nil
}

// Redemptions are the member's redemptions, newest first; cursor is "" or the one
// that came with the page before.
//
// Errors: page.ErrCursor.
func (m *Mall) Redemptions(ctx context.Context, member model.MemberID, cursor string, limit int) (list []Redemption, next string, err error) {
	size := page.Size(limit)
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := db.New(m.DB).Redemptions(ctx, db.RedemptionsParams{MemberID: int64(member), Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read the redemptions of member %s: %w", member, err)
	}
	rows, next = page.Cut(rows, size, func(r db.MallRedemption) string { return page.Cursor(r.ID) })
	for _, row := range rows {
		r, err := m.redemption(row)
		if err != nil {
			return nil, "", err
		}
		list = append(list, r)
	}
	return list, next, nil
}

func (m *Mall) redemption(row db.MallRedemption) (Redemption, error) {
	r := Redemption{
		ID: model.ID(row.ID), Gift: model.ID(row.GiftID), Kind: Kind(row.Kind), Title: row.Title, Points: model.Points(row.Points), Fen: model.Fen(row.Fen),
		State: State(row.State), Reason: row.Reason, Parcel: row.Parcel, Cancellable: cancellable(row),
		CreatedAt: model.Millis(row.CreatedAt), UpdatedAt: model.Millis(row.UpdatedAt),
	}
	d, err := m.opened(row)
	if err != nil {
		return r, err
	}
	r.Address = d.Address
	if err := json.Unmarshal([]byte(row.Spec), &r.Spec); err != nil {
		return r, fmt.Errorf("read the spec of redemption %d: %w", row.ID, err)
	}
	if row.Code != "" {
		code, err := m.Sealer.OpenText(row.Code, seal.Bind(codeColumn, row.ID))
		if err != nil {
			return r, fmt.Errorf("open the code of redemption %d: %w", row.ID, err)
		}
		r.Code = string(code)
	}
	return r, nil
}

// cancellable tells whether the member may cancel now: only what was surely not sent
// or handed over.
func cancellable(row db.MallRedemption) bool {
	return State(row.State) == Paying || row.Cancellable && State(row.State) == Accepted
}

// Cancel takes a redemption back at its member's wish, where the gift allows it and
// nothing was sent yet; one that waits for money always. Cancelling again answers the
// same.
//
// Errors: ErrNoRedemption, ErrNotCancellable, ErrState when it was sent at this very
// moment.
func (m *Mall) Cancel(ctx context.Context, member model.MemberID, id model.ID) (Redemption, error) {
	row, err := m.own(ctx, member, id)
	if err != nil {
		return Redemption{}, err
	}
	if State(row.State) != Cancelled {
		if !cancellable(row) {
			return Redemption{}, ErrNotCancellable
		}
		if err := m.takeBack(ctx, row, Cancelled, "用户取消"); err != nil {
			return Redemption{}, err
		}
	}
	return m.Redemption(ctx, member, id)
}

// PaidTx confirms the points of a redemption whose money came in, within the
// transaction that says so. From then on it is handed over like any other. Saying it
// again changes nothing.
//
// Errors: ErrNoRedemption; ErrState when it was cancelled before: the money must be
// given back.
func (m *Mall) PaidTx(ctx context.Context, tx *sql.Tx, id model.ID) error {
	q := db.New(tx)
	row, err := q.Redemption(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoRedemption
	}
	if err != nil {
		return fmt.Errorf("read redemption %s: %w", id, err)
	}
	state, next, err := begin(db.MallGift{Kind: row.Kind, Spec: row.Spec}, m.millis()) // the money is there
	if err != nil {
		return err
	}
	n, err := q.Advance(ctx, db.AdvanceParams{State: state, Was: string(Paying), NextAt: next, Now: m.millis(), ID: row.ID})
	if err != nil {
		return fmt.Errorf("advance redemption %s: %w", id, err)
	}
	if n == 1 {
		return m.Holder.ConfirmTx(ctx, tx, model.ID(row.HoldID), model.Points(row.Points), requestOf(row.ID, "paid"))
	}
	// Somebody was faster: was it another copy of this news, or a cancellation?
	row, err = q.Redemption(ctx, int64(id))
	if err != nil {
		return fmt.Errorf("read redemption %s: %w", id, err)
	}
	if State(row.State) == Cancelled || State(row.State) == Failed {
		return ErrState
	}
	return nil
}
