package mall

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// Refused is the state of a row that is only its request's answer: nobody's
// redemption, never listed.
const refused State = "refused"

// keepRefused is how long a request gets its refusal again.
const keepRefused = 7 * 24 * time.Hour

// unkept are conflicts that a repeat of the request may end: the member binds a
// number, or the request id is somebody's mistake.
var unkept = []error{ErrPhone, sqldb.ErrBusy}

// decided tells whether an error is a refusal that stands: a conflict between what
// was asked and what is.
func decided(err error) bool {
	for _, e := range unkept {
		if errors.Is(err, e) {
			return false
		}
	}
	return fault.KindOf(err) == fault.Conflict
}

// refuse keeps the refusal as the request's answer and returns the answer, which is
// another one when the request was decided before or beside us.
func (m *Mall) refuse(ctx context.Context, o Order, because error) (Redemption, error) {
	f, now := fault.Of(because), m.millis()
	err := db.New(sqldb.Alone{DB: m.DB}).InsertRedemption(ctx, db.InsertRedemptionParams{
		ID: int64(m.IDs.Next()), MemberID: int64(o.Member), GiftID: int64(o.Gift), RequestID: string(o.Request), BodyHash: o.hash(),
		Spec: "{}", State: string(refused), Reason: clip(f.Text, 255), Refusal: sql.NullString{String: clip(f.Code, 64), Valid: true},
		NextAt: now + keepRefused.Milliseconds(), CreatedAt: now,
	})
	if err == nil {
		m.done.WithLabelValues("", string(refused)).Inc()
		return Redemption{}, because
	}
	if !sqldb.Duplicate(err) {
		return Redemption{}, fmt.Errorf("keep the refusal of request %s: %w", o.Request, err)
	}
	return m.first(ctx, o, because)
}

// first is the answer that the request got before, or otherwise.
func (m *Mall) first(ctx context.Context, o Order, otherwise error) (Redemption, error) {
	row, err := db.New(m.DB).RedemptionByRequest(ctx, db.RedemptionByRequestParams{MemberID: int64(o.Member), RequestID: string(o.Request)})
	if errors.Is(err, sql.ErrNoRows) {
		return Redemption{}, otherwise
	}
	if err != nil {
		return Redemption{}, fmt.Errorf("read the redemption of request %s: %w", o.Request, err)
	}
	if row.BodyHash != o.hash() {
		return Redemption{}, ErrRequestReused
	}
	if row.Refusal.Valid {
		return Redemption{}, fault.New(fault.Conflict, row.Refusal.String, row.Reason)
	}
	return m.redemption(row)
}

// successor is whom the member became.
func (m *Mall) successor(ctx context.Context, member model.MemberID) (model.MemberID, error) {
	into, err := db.New(m.DB).MergedInto(ctx, int64(member))
	if errors.Is(err, sql.ErrNoRows) {
		return member, nil
	}
	if err != nil {
		return member, fmt.Errorf("find whom member %s became: %w", member, err)
	}
	return model.MemberID(into), nil
}
