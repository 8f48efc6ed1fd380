package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member/internal/db"
)

// Reason says why a number was bound or unbound; it is part of the history.
type Reason string

// The reasons: the first two bind, the others unbind. A merge does either.
const (
	ByCode    Reason = "code"     // proved by an SMS code
	ByWeChat  Reason = "wechat"   // verified by WeChat, one tap in the mini-program
	ByMember  Reason = "member"   // the member asked for it
	Rebound   Reason = "rebound"  // he bound another number
	TakenOver Reason = "taken"    // another member proved that he holds the number now
	Recycled  Reason = "recycled" // the carrier gave the number to somebody else
	Merged    Reason = "merged"   // two members became one
	Closed    Reason = "closed"   // he closed the account
)

// The actions of the history.
const (
	actionBound   = "bound"
	actionUnbound = "unbound"
)

// BindVerified binds a number that WeChat verified (getPhoneNumber). A member who
// has the number already keeps it; a repeat of the request changes nothing.
// Errors: ErrUnknown, ErrRequest, ErrPhone, ErrNotCustomer.
func (m *Members) BindVerified(ctx context.Context, id model.MemberID, phone model.Phone, request model.RequestID) error {
	switch {
	case !request.Valid():
		return ErrRequest
	case phone.IsZero():
		return ErrPhone
	}
	holder, err := m.holder(ctx, phone)
	if err != nil {
		return err
	}
	err = m.change(ctx, func(tx *sql.Tx, q *db.Queries, c *changed) error {
		id, err := lock(ctx, q, id)
		if err != nil {
			return err
		}
		done, err := recorded(ctx, q, id, request, actionBound)
		if err != nil || done {
			return err
		}
		return m.bindTx(ctx, tx, c, proof{id, phone, holder, ByWeChat, request})
	})
	if err != nil {
		return fmt.Errorf("bind verified number: %w", err)
	}
	return nil
}

// Unbind takes the number off the member; a repeat of the request changes nothing.
// Errors: ErrUnknown, ErrRequest, ErrNotBound.
func (m *Members) Unbind(ctx context.Context, id model.MemberID, request model.RequestID) error {
	if !request.Valid() {
		return ErrRequest
	}
	err := m.change(ctx, func(tx *sql.Tx, q *db.Queries, c *changed) error {
		id, err := lock(ctx, q, id)
		if err != nil {
			return err
		}
		done, err := recorded(ctx, q, id, request, actionUnbound)
		if err != nil || done {
			return err
		}
		row, err := q.PhoneOf(ctx, int64(id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotBound
		}
		if err != nil {
			return err
		}
		err = m.unbindTx(ctx, tx, c, binding{id, row.PhoneIndex, row.PhoneSealed}, ByMember, request)
		if errors.Is(err, errMoved) {
			return ErrNotBound // somebody took it over a moment ago
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	return nil
}

// recorded tells whether the request did this already, for the member or for whom he was.
func recorded(ctx context.Context, q *db.Queries, id model.MemberID, request model.RequestID, action string) (bool, error) {
	all, err := everyID(ctx, q, id)
	if err != nil {
		return false, err
	}
	_, err = q.BindingOf(ctx, db.BindingOfParams{Members: all, RequestID: string(request), Action: action})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// holder asks the carrier who holds a number that is to be bound. "" means that the
// carrier does not answer now: the binding goes on, and CheckHolders notes the holder later.
func (m *Members) holder(ctx context.Context, phone model.Phone) (string, error) {
	holder, err := m.holderNow(ctx, phone)
	if errors.Is(err, ErrNotCustomer) || errors.Is(err, errHolderID) {
		return "", err
	}
	if err != nil {
		m.Log.WarnContext(ctx, "member bound without the carrier's word", "phone", phone, "kind", fault.KindOf(err).String())
		return "", nil
	}
	return holder, nil
}

// holderNow is the carrier's word on who holds a number; "" where its record names nobody.
// Errors: ErrNotCustomer, errHolderID, the carrier's.
func (m *Members) holderNow(ctx context.Context, phone model.Phone) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, m.opts.OutsideWait)
	defer cancel()
	customer, err := m.Carrier.Customer(ctx, phone)
	if fault.KindOf(err) == fault.NotFound {
		return "", ErrNotCustomer
	}
	if err != nil {
		return "", err
	}
	return customer.HolderID, checkHolderID(customer.HolderID)
}

// maxHolderID is the length, in bytes, that the table leaves for a holder.
const maxHolderID = 64

var errHolderID = errors.New("the carrier's holder id is too long")

func checkHolderID(holder string) error {
	if len(holder) > maxHolderID {
		return fmt.Errorf("%w: %d bytes, at most %d", errHolderID, len(holder), maxHolderID)
	}
	return nil
}

// proof is that a member holds a number.
type proof struct {
	member  model.MemberID
	phone   model.Phone
	holder  string
	reason  Reason
	request model.RequestID
}

// binding is one row of member_phone.
type binding struct {
	member model.MemberID
	index  string
	sealed string
}

// bindTx binds the number to the member, who is locked. The newer proof wins:
// whoever had the number is unbound and told.
func (m *Members) bindTx(ctx context.Context, tx *sql.Tx, c *changed, p proof) error {
	q, index := m.queries(tx), m.phoneIndex(p.phone)
	old, err := q.PhoneOf(ctx, int64(p.member))
	switch {
	case err == nil && old.PhoneIndex == index:
		return m.noteHolder(ctx, q, index, p)
	case err == nil:
		err := m.unbindTx(ctx, tx, c, binding{p.member, old.PhoneIndex, old.PhoneSealed}, Rebound, p.request)
		if err != nil && !errors.Is(err, errMoved) {
			return err
		}
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	for range raceTries {
		if err := m.takeOver(ctx, tx, c, index, p); err != nil {
			return err
		}
		at := int64(m.nowMillis())
		err := q.AddPhone(ctx, db.AddPhoneParams{
			PhoneIndex: index, MemberID: int64(p.member),
			PhoneSealed: m.Sealer.SealText([]byte(p.phone.Digits()), phonePlace(p.member)), KeyVersion: int32(m.Sealer.Newest()),
			HolderID: p.holder, BoundAt: at, CheckedAt: checkedAt(p.holder, at),
		})
		if sqldb.Duplicate(err) {
			continue // somebody bound it between the look and the insert: take it over too
		}
		if err != nil {
			return err
		}
		if err := entriesOf(ctx, q, p.member, c); err != nil {
			return err
		}
		return m.record(ctx, tx, c, entry{p.member, actionBound, p.reason, index, p.phone.Masked(), p.request})
	}
	return ErrBusy
}

// checkedAt makes a binding without a holder the first that CheckHolders looks at.
func checkedAt(holder string, at int64) int64 {
	if holder == "" {
		return 0
	}
	return at
}

func (m *Members) noteHolder(ctx context.Context, q *db.Queries, index string, p proof) error {
	if p.holder == "" {
		return nil
	}
	_, err := q.SetHolder(ctx, db.SetHolderParams{
		HolderID: p.holder, CheckedAt: int64(m.nowMillis()), PhoneIndex: index, MemberID: int64(p.member),
	})
	return err
}

// takeOver unbinds whoever else has the number.
func (m *Members) takeOver(ctx context.Context, tx *sql.Tx, c *changed, index string, p proof) error {
	row, err := m.queries(tx).HolderOf(ctx, index)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	other := binding{model.MemberID(row.MemberID), index, row.PhoneSealed}
	request := model.RequestID("taken-" + m.IDs.Next().String()) // p.request may be one of other's own
	err = m.unbindTx(ctx, tx, c, other, TakenOver, request)
	if errors.Is(err, errMoved) {
		return nil // the insert decides
	}
	return err
}

// errMoved says that the row is not this member's any more.
var errMoved = errors.New("the binding changed meanwhile")

// unbindTx takes a number off a member and tells it. Errors: errMoved.
func (m *Members) unbindTx(ctx context.Context, tx *sql.Tx, c *changed, b binding, reason Reason, request model.RequestID) error {
	q := m.queries(tx)
	n, err := q.DropPhone(ctx, db.DropPhoneParams{PhoneIndex: b.index, MemberID: int64(b.member)})
	if err != nil {
		return err
	}
	if n == 0 {
		return errMoved
	}
	if err := entriesOf(ctx, q, b.member, c); err != nil {
		return err
	}
	phone, err := m.openPhone(b.sealed, phonePlace(b.member))
	if err != nil {
		return err
	}
	return m.record(ctx, tx, c, entry{b.member, actionUnbound, reason, b.index, phone.Masked(), request})
}

// entry is one line of the history.
type entry struct {
	member  model.MemberID
	action  string
	reason  Reason
	index   string
	masked  string
	request model.RequestID
}

// record writes the history and promises to tell others of it.
func (m *Members) record(ctx context.Context, tx *sql.Tx, c *changed, e entry) error {
	q := m.queries(tx)
	event, topic := Event{Member: e.member, Reason: e.reason, Phone: e.masked, At: m.nowMillis()}, TopicUnbound
	if e.action == actionBound {
		topic = TopicBound
		first, err := firstBinding(ctx, q, e.member, e.index)
		if err != nil {
			return err
		}
		event.First = first
	}
	if err := m.history(ctx, q, c, e); err != nil {
		return err
	}
	return m.Outbox.AddTx(ctx, tx, topic, model.RequestID("binding-"+m.IDs.Next().String()), event)
}

// history writes one line.
func (m *Members) history(ctx context.Context, q *db.Queries, c *changed, e entry) error {
	err := q.AddBinding(ctx, db.AddBindingParams{
		ID: int64(m.IDs.Next()), MemberID: int64(e.member), RequestID: string(e.request), Action: e.action, Reason: string(e.reason),
		PhoneIndex: e.index, PhoneMasked: e.masked, HappenedAt: int64(m.nowMillis()),
	})
	if sqldb.Duplicate(err) {
		return ErrRequest.Saying("这个请求编号已经用过了")
	}
	if err != nil {
		return err
	}
	c.counts = append(c.counts, [2]string{e.action, string(e.reason)})
	return nil
}

// firstBinding tells that neither the member, with all who became one with him,
// nor the number was ever bound.
func firstBinding(ctx context.Context, q *db.Queries, id model.MemberID, index string) (bool, error) {
	n, err := q.PhoneEverBound(ctx, index)
	if err != nil || n > 0 {
		return false, err
	}
	all, err := everyID(ctx, q, id)
	if err != nil {
		return false, err
	}
	n, err = q.MemberEverBound(ctx, all)
	return n == 0, err
}

// everyID is the member's id and those of all who were merged into him.
func everyID(ctx context.Context, q *db.Queries, id model.MemberID) ([]int64, error) {
	merged, err := q.MergedFrom(ctx, int64(id))
	return append(merged, int64(id)), err
}

// AllIDs are whom a member was: his own id, to which a former one leads, and those of all
// who were joined with him, at most 101. Errors: ErrUnknown.
func (m *Members) AllIDs(ctx context.Context, id model.MemberID) ([]model.MemberID, error) {
	id, err := m.Resolve(ctx, id)
	if err != nil {
		return nil, err
	}
	all, err := everyID(ctx, m.q, id)
	if err != nil {
		return nil, fmt.Errorf("list the ids of a member: %w", err)
	}
	return memberIDs(all), nil
}

// Were are whom somebody was who may have closed his account: the id by which he closed
// it, and those of all who were joined with him.
func (m *Members) Were(ctx context.Context, id model.MemberID) ([]model.MemberID, error) {
	all, err := everyID(ctx, m.q, id)
	if err != nil {
		return nil, fmt.Errorf("list the ids of a member: %w", err)
	}
	return memberIDs(all), nil
}

func memberIDs(all []int64) []model.MemberID {
	ids := make([]model.MemberID, len(all))
	for i, one := range all {
		ids[i] = model.MemberID(one)
	}
	return ids
}

// BoundBy tells whether the request bound a number to the member, or had that done
// by another copy of itself. Errors: ErrUnknown.
func (m *Members) BoundBy(ctx context.Context, id model.MemberID, request model.RequestID) (bool, error) {
	id, err := m.Resolve(ctx, id)
	if err != nil {
		return false, err
	}
	done, err := recorded(ctx, m.q, id, request, actionBound)
	if err != nil {
		return false, fmt.Errorf("read binding: %w", err)
	}
	return done, nil
}
