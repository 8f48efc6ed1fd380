package mall

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// maxRounds bounds how many slices of a member's rows one call works off.
const maxRounds = 100

// ErrOnItsWay is returned while the carrier still works on something of a member who
// leaves; what it needs to end is kept until then.
var ErrOnItsWay = fault.New(fault.Unavailable, "mall.on_its_way", "还有兑换正在办理，请稍后再试")

// JoinTx makes two members one: the redemptions of from are those of into, count
// against his limits and answer his requests, once. Both may have had what one may
// have once: both stand, and there is no more. It runs after the points were joined in
// the same transaction, whose lock on the accounts tells a redemption that is under
// way before it or after it.
//
// A request id that both used stays with into's redemption.
func (m *Mall) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	q := db.New(tx)
	err := q.InsertMerged(ctx, db.InsertMergedParams{FromID: int64(from), IntoID: int64(into), CreatedAt: m.millis()})
	if sqldb.Duplicate(err) {
		return nil // done before
	}
	if err != nil {
		return fmt.Errorf("insert the merge: %w", err)
	}
	if err := q.MergeEarlier(ctx, db.MergeEarlierParams{IntoID: int64(into), FromID: int64(from)}); err != nil {
		return fmt.Errorf("merge earlier ones: %w", err)
	}
	if err := tellApart(ctx, q, from, into); err != nil {
		return err
	}
	last, err := q.LastNth(ctx, int64(into))
	if err != nil {
		return fmt.Errorf("read the last nth: %w", err)
	}
	above := sql.NullInt32{Int32: int32(last), Valid: true}
	if err := q.OwnRedemptions(ctx, db.OwnRedemptionsParams{IntoID: int64(into), Above: above, FromID: int64(from)}); err != nil {
		return fmt.Errorf("own redemptions: %w", err)
	}
	return nil
}

// tellApart renames requests of from that into used too.
func tellApart(ctx context.Context, q *db.Queries, from, into model.MemberID) error {
	for range maxRounds {
		ids, err := q.SharedRequests(ctx, db.SharedRequestsParams{IntoID: int64(into), FromID: int64(from), Limit: slice})
		if err != nil {
			return fmt.Errorf("find shared requests: %w", err)
		}
		for _, id := range ids {
			if err := q.RenameRequest(ctx, db.RenameRequestParams{RequestID: string(requestOf(id, "merged")), ID: id}); err != nil {
				return fmt.Errorf("rename a request: %w", err)
			}
		}
		if len(ids) < slice {
			return nil
		}
	}
	return fmt.Errorf("members %s and %s share more than %d requests", from, into, maxRounds*slice)
}

// LeaveTx takes back what a member who leaves has under way and was not sent, and
// forgets addresses, numbers and codes of all that ended, within the transaction that
// closes his account and before the ledger's part in it. What the carrier works on
// goes on; Close ends it.
func (m *Mall) LeaveTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error {
	_, err := m.leaveTx(ctx, tx, member)
	return err
}

// Close is LeaveTx for what came or ended since. It is repeated until it answers nil,
// and may be repeated then too. The rows stay for the ledger, under an id that names
// nobody.
//
// Errors: ErrOnItsWay; those of the points and the database.
func (m *Mall) Close(ctx context.Context, member model.MemberID) error {
	waiting := false
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) (err error) {
		waiting, err = m.leaveTx(ctx, tx, member)
		return err
	})
	if err == nil && waiting {
		return ErrOnItsWay
	}
	return err
}

// leaveTx tells whether something is still on its way.
func (m *Mall) leaveTx(ctx context.Context, tx *sql.Tx, member model.MemberID) (waiting bool, err error) {
	q, after := db.New(tx), int64(0)
	for range maxRounds {
		rows, err := q.OpenRedemptions(ctx, db.OpenRedemptionsParams{MemberID: int64(member), After: after, Limit: slice})
		if err != nil {
			return false, fmt.Errorf("find open redemptions: %w", err)
		}
		for _, r := range rows {
			after = r.ID
			switch State(r.State) {
			case Paying, Accepted:
				err := m.takeBackTx(ctx, tx, r, Cancelled, "账户注销")
				waiting = waiting || errors.Is(err, ErrState) // it is being sent at this very moment
				if err != nil && !errors.Is(err, ErrState) {
					return false, err
				}
			case Shipped: // the parcel finds its way
			default:
				waiting = true
			}
		}
		if len(rows) < slice {
			break
		}
	}
	if err := q.ShredRedemptions(ctx, int64(member)); err != nil {
		return false, fmt.Errorf("shred redemptions: %w", err)
	}
	return waiting, nil
}

// maxExport bounds an export, newest first.
const maxExport = 10_000

// Exported is a redemption with all that is kept of it, for its member alone.
type Exported struct {
	ID      model.ID     `json:"id"`
	Gift    model.ID     `json:"gift"`
	Kind    Kind         `json:"kind"`
	Title   string       `json:"title"`
	Points  model.Points `json:"points"`
	Fen     model.Fen    `json:"fen,omitempty"`
	State   State        `json:"state"`
	Reason  string       `json:"reason,omitempty"`
	Code    string       `json:"code,omitempty"`
	Phone   string       `json:"phone,omitempty"` // in the clear
	Address Address      `json:"address,omitzero"`
	Parcel  string       `json:"parcel,omitempty"`
	At      model.Millis `json:"at"`
}

// Export is all that the mall keeps of a member.
func (m *Mall) Export(ctx context.Context, member model.MemberID) ([]Exported, error) {
	out := []Exported{}
	for before := int64(math.MaxInt64); len(out) < maxExport; {
		rows, err := db.New(m.DB).Redemptions(ctx, db.RedemptionsParams{MemberID: int64(member), Before: before, Limit: page.Max})
		if err != nil {
			return nil, fmt.Errorf("export the redemptions of member %s: %w", member, err)
		}
		for _, row := range rows {
			r, err := m.redemption(row)
			if err != nil {
				return nil, err
			}
			d, err := m.opened(row)
			if err != nil {
				return nil, err
			}
			out = append(out, Exported{
				r.ID, r.Gift, r.Kind, r.Title, r.Points, r.Fen, r.State, r.Reason, r.Code, d.Phone, d.Address, r.Parcel, r.CreatedAt,
			})
			before = row.ID
		}
		if len(rows) < page.Max {
			break
		}
	}
	return out, nil
}
