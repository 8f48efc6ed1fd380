package audience

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// Reading tells what the members' domain knows of a member now, and keeps him so until
// the transaction ends.
type Reading func(ctx context.Context, tx *sql.Tx) (model.Member, error)

// Observe takes over what is read of a member: that he is one, whether he follows, which
// number he bound. It is called after each of these changes; calling it again changes
// nothing. What the carrier said of the number becomes the member's when he binds it, and
// leaves him when he unbinds it or binds another; the next import then makes a customer of
// that number anew. Of one who is no more nothing is taken over.
//
// He is read in the transaction that writes: were he read before, one who looked before he
// bound his number might write last, and what the carrier said would be lost.
//
// Errors: those of the reading, ErrUnknown for nobody, ErrBusy.
func (a *Audience) Observe(ctx context.Context, read Reading) (m model.Member, err error) {
	err = a.inTx(ctx, func(tx *sql.Tx) (err error) {
		if m, err = read(ctx, tx); err != nil {
			return err
		}
		if m.ID <= 0 {
			return ErrUnknown
		}
		return a.observeTx(ctx, tx, m)
	})
	if err != nil {
		return model.Member{}, fmt.Errorf("observe a member: %w", err)
	}
	return m, nil
}

func (a *Audience) observeTx(ctx context.Context, tx *sql.Tx, m model.Member) error {
	q, id, now := a.q.WithTx(tx), int64(m.ID), int64(a.nowMillis())
	if gone, err := q.IsGone(ctx, id); err != nil || gone > 0 {
		return err
	}
	r, err := a.lockTx(ctx, tx, id)
	if err != nil {
		return err
	}
	own, err := q.Customer(ctx, id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	index := ""
	if m.Bound() {
		index = a.phoneIndex(m.Phone)
	}
	if own.PhoneIndex != "" && own.PhoneIndex != index {
		if err := q.DeleteCustomer(ctx, id); err != nil {
			return err
		}
		r = personal(r)
	}
	if index != "" && own.PhoneIndex != index {
		if r, err = a.takeCustomerTx(ctx, tx, r, m.Phone, index); err != nil {
			return err
		}
	}
	r.JoinedAt = cmp.Or(int64(m.JoinedAt), r.JoinedAt, now)
	if r.Follows != m.Follows {
		r.Follows, r.FollowedAt = m.Follows, now
	}
	r.BoundAt = 0
	if m.Bound() {
		r.BoundAt = cmp.Or(int64(m.BoundAt), now)
	}
	if err := a.replaceTx(ctx, tx, r); err != nil {
		return err
	}
	_, err = a.restageTx(ctx, tx, []int64{id})
	return err
}

// lockTx locks and reads the row of a member, blank when there is none.
func (a *Audience) lockTx(ctx context.Context, tx *sql.Tx, id int64) (row, error) {
	q := a.q.WithTx(tx)
	n, err := q.LockPortrait(ctx, id)
	if err != nil {
		return row{}, err
	}
	if n == 0 {
		return blank(id), nil
	}
	return q.Portrait(ctx, id)
}

func (a *Audience) replaceTx(ctx context.Context, tx *sql.Tx, r row) error {
	if err := a.q.WithTx(tx).DeletePortrait(ctx, r.MemberID); err != nil {
		return err
	}
	return insertPortraits(ctx, tx, []row{r})
}

// personal is the row without what the carrier said.
func personal(r row) row {
	kept := blank(r.MemberID)
	kept.JoinedAt, kept.Follows, kept.FollowedAt, kept.BoundAt = r.JoinedAt, r.Follows, r.FollowedAt, r.BoundAt
	kept.Stage, kept.StagedAt = r.Stage, r.StagedAt
	return kept
}

// carried is the member's row with what the carrier said of the customer.
func carried(member, customer row) row {
	r := customer
	r.MemberID, r.Bucket, r.Sample = member.MemberID, member.Bucket, member.Sample
	r.JoinedAt, r.Follows, r.FollowedAt, r.BoundAt = member.JoinedAt, member.Follows, member.FollowedAt, member.BoundAt
	r.Stage, r.StagedAt = member.Stage, member.StagedAt
	return r
}

// takeCustomerTx makes the number the member's, with all that is known of it.
func (a *Audience) takeCustomerTx(ctx context.Context, tx *sql.Tx, r row, phone model.Phone, index string) (row, error) {
	q := a.q.WithTx(tx)
	name := ""
	c, err := q.CustomerByPhone(ctx, index)
	switch {
	case err == nil:
		other, err := a.lockTx(ctx, tx, c.MemberID)
		if err != nil {
			return r, err
		}
		// Under the lock: a file may have given him another name, or he another number.
		if c, err = q.Customer(ctx, c.MemberID); err == nil && c.PhoneIndex != index || errors.Is(err, sql.ErrNoRows) {
			return r, errMoved
		}
		if err != nil {
			return r, err
		}
		name = c.Name
		r = carried(r, other)
		if err := q.DeleteCustomer(ctx, c.MemberID); err != nil {
			return r, err
		}
		if other.JoinedAt == 0 {
			if err := a.goneTx(ctx, tx, c.MemberID, r.MemberID); err != nil {
				return r, err
			}
			err = a.moveTx(ctx, tx, c.MemberID, r.MemberID)
		} else {
			// The number was another member's, who has lost it.
			other.BoundAt = 0
			err = a.replaceTx(ctx, tx, personal(other))
		}
		if err != nil {
			return r, err
		}
	case !errors.Is(err, sql.ErrNoRows):
		return r, err
	}
	return r, q.InsertCustomer(ctx, db.InsertCustomerParams{
		MemberID: r.MemberID, PhoneIndex: index, PhoneSealed: a.sealPhone(phone, r.MemberID), Name: name,
	})
}

// moveTx gives what one row did, is tagged with and is listed in to another, and
// drops the row.
func (a *Audience) moveTx(ctx context.Context, tx *sql.Tx, from, into int64) error {
	q := a.q.WithTx(tx)
	deeds, err := q.DeedsOf(ctx, db.DeedsOfParams{Ids: []int64{from}, Day: 0})
	if err != nil {
		return err
	}
	sums := make(map[deedKey]sum, len(deeds))
	for _, d := range deeds {
		sums[deedKey{into, d.Kind, d.Day}] = sum{d.N, d.Fen.Int64}
	}
	if len(sums) > 0 {
		if err := a.addDeedsTx(ctx, tx, sums); err != nil {
			return err
		}
	}
	if err := q.CopyBought(ctx, db.CopyBoughtParams{FromID: from, IntoID: into}); err != nil {
		return err
	}
	if err := q.CopyTags(ctx, db.CopyTagsParams{FromID: from, IntoID: into}); err != nil {
		return err
	}
	if err := q.CopyLists(ctx, db.CopyListsParams{FromID: from, IntoID: into}); err != nil {
		return err
	}
	return a.dropTx(ctx, tx, from)
}

func (a *Audience) dropTx(ctx context.Context, tx *sql.Tx, id int64) error {
	q := a.q.WithTx(tx)
	for _, drop := range []func(context.Context, int64) error{
		q.DeleteDeeds, q.DeleteBought, q.DeleteTags, q.DeleteFromLists, q.DeleteCustomer, q.DeletePortrait,
	} {
		if err := drop(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// JoinTx moves what is known of one member to another, within the transaction that
// makes them one. Of two numbers the one that was bound last stays, as the member's does,
// with what the carrier said of it; of all else what stands of the survivor wins. Frozen
// audiences stay as they are.
func (a *Audience) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	q := a.q.WithTx(tx)
	if err := a.goneTx(ctx, tx, int64(from), int64(into)); err != nil {
		return err
	}
	lost, err := a.lockTx(ctx, tx, int64(from))
	if err != nil {
		return err
	}
	kept, err := a.lockTx(ctx, tx, int64(into))
	if err != nil {
		return err
	}
	theirs, err := q.Customer(ctx, int64(from))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	own, err := q.Customer(ctx, int64(into))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	takes := theirs.PhoneIndex != "" && (own.PhoneIndex == "" || lost.BoundAt >= kept.BoundAt)
	if takes {
		if err := q.DeleteCustomer(ctx, int64(into)); err != nil {
			return err
		}
		kept = carried(kept, lost)
		kept.BoundAt = lost.BoundAt
	}
	kept.JoinedAt = earlier(kept.JoinedAt, lost.JoinedAt)
	kept.Follows, kept.FollowedAt = kept.Follows || lost.Follows, max(kept.FollowedAt, lost.FollowedAt)
	if err := a.moveTx(ctx, tx, int64(from), int64(into)); err != nil {
		return err
	}
	if takes {
		phone, err := a.openPhone(theirs.PhoneSealed, int64(from))
		if err != nil {
			return fmt.Errorf("open a customer's number: %w", err)
		}
		theirs.MemberID, theirs.PhoneSealed = int64(into), a.sealPhone(phone, int64(into))
		if err := q.InsertCustomer(ctx, db.InsertCustomerParams(theirs)); err != nil {
			return err
		}
	}
	return a.replaceTx(ctx, tx, kept)
}

// earlier is the smaller of two instants, of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
