package mall

import (
	"context"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/mall/internal/db"
)

// stuckAfter is how old a promise must be before somebody is told that nobody knows of
// its goods: the carrier is asked at least each hour until then.
const stuckAfter = 24 * time.Hour

// maxStuck bounds what is counted.
const maxStuck = 1000

// Stuck is a redemption that an operator has to look after. It names no person.
type Stuck struct {
	ID        model.ID
	Member    model.MemberID
	Gift      model.ID
	Kind      Kind
	Title     string
	State     State
	Attempts  int    // how often the carrier was asked
	Order     string // our number for the carrier; "" when there is none to ask about
	CarrierNo string // the carrier's own number, if it gave one
	NextAt    model.Millis
	CreatedAt model.Millis
	UpdatedAt model.Millis
	// RefundFrom is when what the last try sent can no longer arrive.
	RefundFrom model.Millis
}

func stuckOf(r db.StuckRow) Stuck {
	s := Stuck{
		ID: model.ID(r.ID), Member: model.MemberID(r.MemberID), Gift: model.ID(r.GiftID), Kind: Kind(r.Kind), Title: r.Title, State: State(r.State),
		Attempts: int(r.Attempts), CarrierNo: r.CarrierNo, NextAt: model.Millis(r.NextAt), CreatedAt: model.Millis(r.CreatedAt),
		UpdatedAt: model.Millis(r.UpdatedAt), RefundFrom: model.Millis(r.UpdatedAt),
	}
	if s.Kind == Carrier {
		s.Order = string(requestOf(r.ID, "deliver"))
	}
	if s.State == Unknown || s.State == Submitting {
		s.RefundFrom += model.Millis(stray.Milliseconds())
	}
	return s
}

// StuckNow lists the redemptions that were promised a day ago or earlier and whose
// goods nobody knows to be handed over, the oldest first; member is whose, 0 everybody's.
// cursor is "" or the one that came with the page before.
//
// Errors: page.ErrCursor.
func (m *Mall) StuckNow(ctx context.Context, member model.MemberID, cursor string, limit int) (list []Stuck, next string, err error) {
	now, size := m.Now(), page.Size(limit)
	find := db.StuckParams{
		Soon: int64(model.At(now.Add(2 * longGap))), Before: int64(model.At(now.Add(-stuckAfter))), MemberID: int64(member), Limit: size + 1,
	}
	if cursor != "" {
		if find.AfterCreated, find.AfterID, err = page.Pair(cursor); err != nil {
			return nil, "", err
		}
	}
	rows, err := db.New(m.DB).Stuck(ctx, find)
	if err != nil {
		return nil, "", fmt.Errorf("find stuck redemptions: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.StuckRow) string { return page.Cursor(r.CreatedAt, r.ID) })
	list = make([]Stuck, len(rows))
	for i, r := range rows {
		list[i] = stuckOf(r)
	}
	return list, next, nil
}

// Watch tells how many redemptions are stuck: by the metric mall_redemptions_stuck, and
// by a line of the log when there are any. It returns how many.
func (m *Mall) Watch(ctx context.Context) (int, error) {
	list, _, err := page.All(maxStuck, func(cursor string, limit int) ([]Stuck, string, error) { return m.StuckNow(ctx, 0, cursor, limit) })
	if err != nil {
		return 0, err
	}
	m.stuck.Set(float64(len(list)))
	if len(list) > 0 {
		m.Log.WarnContext(ctx, "redemptions are stuck", "count", len(list), "first", list[0].ID, "state", list[0].State, "since", list[0].CreatedAt)
	}
	return len(list), nil
}
