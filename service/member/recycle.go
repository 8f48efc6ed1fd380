package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/member/internal/db"
)

// ErrSuspicious says that the carrier named other holders for so many numbers at
// once that it is likelier wrong than right: nobody was unbound.
var ErrSuspicious = fault.New(fault.Internal, "member.holders_suspicious", "运营商返回的机主信息异常，已停止解绑")

// A slice of CheckHolders is suspicious when more than recycledFloor numbers and
// more than Options.RecycledPercent of them changed hands.
const recycledFloor = 10

// MaxSlice bounds what one call of a job's method takes on.
const MaxSlice = 1000

// Recycle compares the holder that the carrier names for a number now with the one
// who bound it, and unbinds when it is somebody else: the number was given away. It
// is for whoever has just read the carrier's record of a customer. true: unbound.
func (m *Members) Recycle(ctx context.Context, phone model.Phone, holder string) (bool, error) {
	if phone.IsZero() || holder == "" {
		return false, nil // the carrier said nothing
	}
	if err := checkHolderID(holder); err != nil {
		return false, err
	}
	index, unbound := m.phoneIndex(phone), false
	err := m.change(ctx, func(tx *sql.Tx, q *db.Queries, c *changed) error {
		unbound = false
		row, err := q.HolderOf(ctx, index)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if row.HolderID == holder || row.HolderID == "" {
			_, err := q.SetHolder(ctx, db.SetHolderParams{HolderID: holder, CheckedAt: int64(m.nowMillis()), PhoneIndex: index, MemberID: row.MemberID})
			return err
		}
		id := model.MemberID(row.MemberID)
		if n, err := q.Lock(ctx, row.MemberID); err != nil || n == 0 {
			return err // merged or closed a moment ago: the next look finds it
		}
		// Under the lock: he may have proved the number again meanwhile.
		again, err := q.HolderOf(ctx, index)
		if err != nil || again.MemberID != row.MemberID || again.HolderID != row.HolderID {
			if errors.Is(err, sql.ErrNoRows) {
				err = nil
			}
			return err
		}
		err = m.unbindTx(ctx, tx, c, binding{id, index, row.PhoneSealed}, Recycled, model.RequestID("recycled-"+m.IDs.Next().String()))
		unbound = err == nil
		if errors.Is(err, errMoved) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("recycle number: %w", err)
	}
	if unbound && m.opts.Released != nil {
		m.opts.Released(ctx, phone)
	}
	return unbound, nil
}

// CheckHolders asks the carrier who holds the numbers that were not checked for
// the time given, the oldest first, at most limit (≤ MaxSlice) of them, and unbinds
// those that were given away. It stops when the carrier does not answer; the rest
// is taken up by the next call. Several replicas may run it at once.
// Errors: ErrSuspicious, the carrier's.
func (m *Members) CheckHolders(ctx context.Context, unchecked time.Duration, limit int) (checked, unbound int, err error) {
	rows, err := m.q.DueForCheck(ctx, db.DueForCheckParams{CheckedAt: int64(model.At(m.Now().Add(-unchecked))), Limit: int32(min(limit, MaxSlice))})
	if err != nil {
		return 0, 0, fmt.Errorf("read numbers to check: %w", err)
	}
	type word struct {
		phone  model.Phone
		holder string
	}
	words, other := make([]word, 0, len(rows)), 0
	var stopped error
	for _, row := range rows {
		phone, err := m.openPhone(row.PhoneSealed, phonePlace(model.MemberID(row.MemberID)))
		if err != nil {
			stopped = errors.Join(stopped, fmt.Errorf("number of member %d: %w", row.MemberID, err))
			continue
		}
		holder, err := m.holder(ctx, phone)
		if holder == "" && err == nil {
			stopped = errors.Join(stopped, errCarrier)
			break
		}
		if err != nil {
			// Not the carrier's any more: no word on who holds it, so nobody is unbound.
			if err := m.q.SetChecked(ctx, db.SetCheckedParams{CheckedAt: int64(m.nowMillis()), PhoneIndex: row.PhoneIndex, MemberID: row.MemberID}); err != nil {
				return 0, 0, fmt.Errorf("note check: %w", err)
			}
			continue
		}
		words = append(words, word{phone, holder})
		if row.HolderID != "" && row.HolderID != holder {
			other++
		}
	}
	if other > recycledFloor && other*100 > len(words)*m.opts.RecycledPercent {
		return 0, 0, ErrSuspicious.With(fmt.Errorf("%d of %d numbers", other, len(words)))
	}
	for _, w := range words {
		gone, err := m.Recycle(ctx, w.phone, w.holder)
		if err != nil {
			return checked, unbound, errors.Join(stopped, err)
		}
		checked++
		if gone {
			unbound++
		}
	}
	return checked, unbound, stopped
}

// errCarrier ends a slice early.
var errCarrier = fault.New(fault.Unavailable, "member.carrier", "运营商系统暂时没有响应")
