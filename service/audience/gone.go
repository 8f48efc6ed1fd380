package audience

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// What a member did reaches the audience after the fact, so it may come when he is no
// more: he became another, or closed his account. A row in audience_gone is written in
// the transaction that makes him so, and leads to whom he is now, in one step. So does
// one of a customer whose number a member has bound.

// goneTx notes that a member is another from now on, or nobody (into 0).
func (a *Audience) goneTx(ctx context.Context, tx *sql.Tx, member, into int64) error {
	q := a.q.WithTx(tx)
	n, err := q.IsGone(ctx, member)
	if err != nil || n > 0 {
		return err
	}
	if err := q.LeadGone(ctx, db.LeadGoneParams{IntoID: into, FromID: member}); err != nil {
		return err
	}
	return q.InsertGone(ctx, db.InsertGoneParams{MemberID: member, IntoID: into, At: int64(a.nowMillis())})
}

// presentTx gives what was done by members who became another to that one, and leaves
// out what was done by those who closed their account.
func (a *Audience) presentTx(ctx context.Context, tx *sql.Tx, acts []Act) ([]Act, error) {
	ids := map[int64]bool{}
	for _, act := range acts {
		ids[int64(act.Member)] = true
	}
	into, err := gone(ctx, a.q.WithTx(tx), ids)
	if err != nil || len(into) == 0 {
		return acts, err
	}
	var present []Act
	for _, act := range acts {
		now, is := into[int64(act.Member)]
		if is && now == 0 {
			continue
		}
		act.Member = model.MemberID(cmp.Or(now, int64(act.Member)))
		present = append(present, act)
	}
	return present, nil
}

// stayTx keeps those who did something as they are until the transaction ends: whoever
// makes them others, or nobody, waits for their rows, and moves or drops what was done with
// the rest. Errors: errMoved when somebody became another since he was looked at.
func (a *Audience) stayTx(ctx context.Context, tx *sql.Tx, acts []Act) error {
	ids := map[int64]bool{}
	for _, act := range acts {
		ids[int64(act.Member)] = true
	}
	if len(ids) == 0 {
		return nil
	}
	q := a.q.WithTx(tx)
	if err := q.LockPortraits(ctx, sorted(ids)); err != nil {
		return err
	}
	into, err := gone(ctx, q, ids)
	if err == nil && len(into) > 0 {
		err = errMoved
	}
	return err
}

// gone leads those of the ids who are no more to whom they are now, or to nobody (0).
func gone(ctx context.Context, q *db.Queries, ids map[int64]bool) (map[int64]int64, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := q.Gone(ctx, sorted(ids))
	if err != nil {
		return nil, err
	}
	into := make(map[int64]int64, len(rows))
	for _, r := range rows {
		into[r.MemberID] = r.IntoID
	}
	return into, nil
}

// CloseTx is Forget within the transaction that closes the account.
func (a *Audience) CloseTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error {
	if err := a.goneTx(ctx, tx, int64(member), 0); err != nil {
		return err
	}
	if _, err := a.lockTx(ctx, tx, int64(member)); err != nil { // who is adding what he did is waited for
		return err
	}
	return a.dropTx(ctx, tx, int64(member))
}

// Forget drops all that is known of a member, when he closed his account, and whatever
// comes of him later. In frozen audiences his id stays, which tells nothing.
func (a *Audience) Forget(ctx context.Context, member model.MemberID) error {
	err := a.inTx(ctx, func(tx *sql.Tx) error { return a.CloseTx(ctx, tx, member) })
	if err != nil {
		return fmt.Errorf("forget member %s: %w", member, err)
	}
	return nil
}
