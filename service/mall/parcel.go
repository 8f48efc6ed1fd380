package mall

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// Parcel is a physical gift on its way to the member, as operators see it: whom it goes
// to is masked. Recipient has it in clear.
type Parcel struct {
	ID        model.ID // the redemption's
	Member    model.MemberID
	Gift      model.ID
	Title     string
	State     State  // Accepted, Shipped, …
	Name      string // 张*
	Phone     string // 138****1234
	Number    string // who carries it and under which number
	CreatedAt model.Millis
	UpdatedAt model.Millis
}

// Parcels are those that wait to be shipped (Accepted), or to be received (Shipped),
// the oldest first; cursor is "" or the one that came with the page before.
//
// Errors: page.ErrCursor, ErrState for another state.
func (m *Mall) Parcels(ctx context.Context, state State, cursor string, limit int) (list []Parcel, next string, err error) {
	queue, ok := map[State]int64{Accepted: toShip, Shipped: onTheWay}[state]
	if !ok {
		return nil, "", ErrState
	}
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := db.New(m.DB).Parcels(ctx, db.ParcelsParams{NextAt: queue, AfterID: after, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read the parcels: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.MallRedemption) string { return page.Cursor(r.ID) })
	list = make([]Parcel, len(rows))
	for i, row := range rows {
		if list[i], err = m.parcel(row); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}

// Parcel is one of them, in whatever state.
//
// Errors: ErrNoRedemption, also for a gift that is no parcel.
func (m *Mall) Parcel(ctx context.Context, id model.ID) (Parcel, error) {
	row, err := parcelRow(ctx, db.New(m.DB), id)
	if err != nil {
		return Parcel{}, err
	}
	return m.parcel(row)
}

// Recipient is where a parcel goes, in clear; empty once the member closed his account.
// Whoever asks has written down why.
//
// Errors: ErrNoRedemption.
func (m *Mall) Recipient(ctx context.Context, id model.ID) (Address, error) {
	row, err := parcelRow(ctx, db.New(m.DB), id)
	if err != nil {
		return Address{}, err
	}
	d, err := m.opened(row)
	return d.Address, err
}

func parcelRow(ctx context.Context, q *db.Queries, id model.ID) (db.MallRedemption, error) {
	row, err := q.Redemption(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && Kind(row.Kind) != Physical {
		return row, ErrNoRedemption
	}
	if err != nil {
		return row, fmt.Errorf("read redemption %s: %w", id, err)
	}
	return row, nil
}

func (m *Mall) parcel(row db.MallRedemption) (Parcel, error) {
	d, err := m.opened(row)
	return Parcel{
		ID: model.ID(row.ID), Member: model.MemberID(row.MemberID), Gift: model.ID(row.GiftID), Title: row.Title, State: State(row.State),
		Name: maskName(d.Address.Name), Phone: maskPhone(d.Address.Phone), Number: row.Parcel, CreatedAt: model.Millis(row.CreatedAt), UpdatedAt: model.Millis(row.UpdatedAt),
	}, err
}

func maskName(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return ""
	}
	return string(r[0]) + "*"
}

// maskPhone masks whatever the member wrote as a number, which may be a landline.
func maskPhone(s string) string {
	if phone, err := model.ParsePhone(s); err == nil {
		return phone.Masked()
	}
	if s == "" {
		return ""
	}
	return "****"
}

// Ship says that a parcel is on its way: who carries it and under which number, at
// most 128 characters. Repeating it corrects the number. by is the operator.
//
// Errors: ErrNoRedemption, ErrParcel, ErrState.
func (m *Mall) Ship(ctx context.Context, by, id model.ID, number string) (Parcel, error) {
	number = strings.TrimSpace(number)
	if !fits(number, 128) {
		return Parcel{}, ErrParcel
	}
	return m.advance(ctx, id, step{to: Shipped, from: []State{Accepted, Shipped}, queue: onTheWay, number: number, by: by, action: "mall.ship"})
}

// Received ends a parcel's way. Saying it again changes nothing. by is the operator.
//
// Errors: ErrNoRedemption, ErrState.
func (m *Mall) Received(ctx context.Context, by, id model.ID) (Parcel, error) {
	return m.advance(ctx, id, step{to: Fulfilled, from: []State{Shipped, Fulfilled}, queue: never, by: by, action: "mall.received"})
}

// step is one step of a parcel's way.
type step struct {
	to     State
	from   []State
	queue  int64
	number string // "": as it was
	by     model.ID
	action string
}

func (m *Mall) advance(ctx context.Context, id model.ID, s step) (Parcel, error) {
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := db.New(tx)
		row, err := parcelRow(ctx, q, id)
		if err != nil {
			return err
		}
		number := s.number
		if number == "" {
			number = row.Parcel
		}
		for _, was := range s.from {
			if State(row.State) != was {
				continue
			}
			n, err := q.Advance(ctx, db.AdvanceParams{State: string(s.to), Was: string(was), NextAt: s.queue, Parcel: number, Now: m.millis(), ID: row.ID})
			if err != nil {
				return fmt.Errorf("advance redemption %s: %w", id, err)
			}
			if n == 1 {
				return m.recordTx(ctx, tx, s.by, s.action, refOf(row.ID), map[string]string{"parcel": number})
			}
		}
		return ErrState
	})
	if err != nil {
		return Parcel{}, err
	}
	return m.Parcel(ctx, id)
}
