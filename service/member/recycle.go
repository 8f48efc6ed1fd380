package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

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

// maxSlices bounds one call of CheckHolders; askAtOnce is how many numbers the carrier is
// asked about at a time, so that a night is long enough for hundreds of thousands.
const (
	maxSlices = 10_000
	askAtOnce = 8
)

// CheckHolders asks the carrier who holds the numbers that were not checked for the time
// given, the oldest first, and unbinds those that were given away. At most limit
// (≤ MaxSlice) of them are a slice, which is judged as one. A number that cannot be opened
// or that the carrier does not answer for keeps no other: the next call takes it up. It
// ends when the carrier does not answer for half of a slice. Several replicas may run it
// at once.
// Errors: ErrSuspicious, errCarrier when it was silent about some, those of the sealer.
func (m *Members) CheckHolders(ctx context.Context, unchecked time.Duration, limit int) (checked, unbound int, err error) {
	before, from := int64(model.At(m.Now().Add(-unchecked))), db.DueForCheckRow{CheckedAt: -1}
	silent := 0
	var shut fault.Several // numbers that cannot be opened
	for range maxSlices {
		rows, err := m.q.DueForCheck(ctx, db.DueForCheckParams{
			Before: before, AfterAt: from.CheckedAt, AfterMember: from.MemberID, Limit: int32(min(limit, MaxSlice)),
		})
		if err != nil {
			return checked, unbound, fmt.Errorf("read numbers to check: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		from = rows[len(rows)-1]
		slice, err := m.ask(ctx, rows, &shut)
		if err != nil {
			return checked, unbound, err
		}
		gone, err := m.recycle(ctx, slice.words)
		if checked, unbound = checked+len(slice.words), unbound+gone; err != nil {
			return checked, unbound, err
		}
		if silent += slice.silent; slice.silent*2 > len(rows) {
			break
		}
	}
	if silent > 0 {
		err = errCarrier.With(fmt.Errorf("no word on %d numbers", silent))
	}
	return checked, unbound, errors.Join(err, shut.Err())
}

// word is what the carrier says of a number.
type word struct {
	phone  model.Phone
	had    string // who held it at the last look
	holder string
}

// asked is a slice of numbers after the carrier was asked.
type asked struct {
	words  []word
	silent int // without a word that means something
}

// ask asks the carrier about a slice.
func (m *Members) ask(ctx context.Context, rows []db.DueForCheckRow, shut *fault.Several) (asked, error) {
	words, answers := make([]word, len(rows)), make([]error, len(rows))
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for i, row := range rows {
		phone, err := m.openPhone(row.PhoneSealed, phonePlace(model.MemberID(row.MemberID)))
		if err != nil {
			shut.Add(fmt.Errorf("open number of member %d: %w", row.MemberID, err))
			continue
		}
		words[i] = word{phone: phone, had: row.HolderID}
		group.Go(func() error {
			return model.Guarded(func() error {
				words[i].holder, answers[i] = m.holderNow(ctx, phone)
				return nil
			})
		})
	}
	if err := group.Wait(); err != nil {
		return asked{}, err
	}
	out := asked{}
	for i, w := range words {
		switch {
		case w.phone.IsZero():
		case errors.Is(answers[i], ErrNotCustomer):
			// Not the carrier's any more: no word on who holds it, so nobody is unbound.
			err := m.q.SetChecked(ctx, db.SetCheckedParams{CheckedAt: int64(m.nowMillis()), PhoneIndex: rows[i].PhoneIndex, MemberID: rows[i].MemberID})
			if err != nil {
				return asked{}, fmt.Errorf("note check: %w", err)
			}
		case answers[i] != nil || w.holder == "":
			out.silent++
		default:
			out.words = append(out.words, w)
		}
	}
	return out, nil
}

// recycle unbinds the numbers of a slice that were given away, unless there are so many
// that the carrier is likelier wrong than right.
func (m *Members) recycle(ctx context.Context, words []word) (unbound int, err error) {
	other := 0
	for _, w := range words {
		if w.had != "" && w.had != w.holder {
			other++
		}
	}
	if other > recycledFloor && other*100 > len(words)*m.opts.RecycledPercent {
		return 0, ErrSuspicious.With(fmt.Errorf("%d of %d numbers", other, len(words)))
	}
	for _, w := range words {
		gone, err := m.Recycle(ctx, w.phone, w.holder)
		if err != nil {
			return unbound, err
		}
		if gone {
			unbound++
		}
	}
	return unbound, nil
}

// errCarrier says that numbers wait for the next night.
var errCarrier = fault.New(fault.Unavailable, "member.carrier", "运营商系统暂时没有响应")
