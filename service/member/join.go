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

// ErrUnionID is returned for a unionid that cannot be one.
var ErrUnionID = fault.New(fault.Invalid, "member.unionid", "微信用户标识不正确")

// Join notes that the openid belongs to the person of the unionid. If that makes
// two members one, they become one, once, in one transaction:
//   - the older survives (the lower id); the other's row leads to him for ever;
//   - openids and unionids move to the survivor; he follows if either did;
//   - of two bound numbers the one that was proved last stays, the other is unbound;
//   - of two answers to one purpose the later stands;
//   - of two codes on their way the later is good;
//   - what other domains keep moves by their JoinTx;
//   - histories stay with the id that they happened to and are read with it.
//
// Errors: ErrOpenID, ErrUnionID, ErrBusy, what a JoinTx says.
func (m *Members) Join(ctx context.Context, app model.App, openID model.OpenID, unionID model.UnionID) (model.Member, error) {
	if !validOpenID(string(unionID)) {
		return model.Member{}, ErrUnionID
	}
	for range raceTries {
		who, err := m.Touch(ctx, app, openID)
		if err != nil || who.UnionID == unionID {
			return who, err
		}
		err = m.change(ctx, func(tx *sql.Tx, q *db.Queries, c *changed) error {
			return m.joinTx(ctx, tx, c, db.MemberOfParams{App: string(app), Openid: string(openID)}, string(unionID))
		})
		if err != nil && !errors.Is(err, errMoved) {
			return model.Member{}, fmt.Errorf("join members: %w", err)
		}
	}
	return model.Member{}, ErrBusy
}

// joinTx does one try. errMoved: others changed the same rows meanwhile.
func (m *Members) joinTx(ctx context.Context, tx *sql.Tx, c *changed, who db.MemberOfParams, unionID string) error {
	q := m.queries(tx)
	here, there, err := bothSides(ctx, q, who, unionID)
	if err != nil {
		return err
	}
	into, from := here, int64(0) // 0: nobody to merge
	if there != 0 && there != here {
		into, from = min(here, there), max(here, there)
	}
	for _, id := range []int64{into, from} { // the lower first, everywhere, so that two merges never dead-lock
		if id == 0 {
			continue
		}
		if err := hit(q.Lock(ctx, id)); err != nil {
			return err
		}
	}
	// What was read before the locks may be old; under them it stands still.
	here2, there2, err := bothSides(ctx, q, who, unionID)
	if err != nil {
		return err
	}
	if here2 != here || there2 != there {
		return errMoved
	}
	if err := entriesOf(ctx, q, model.MemberID(here), c); err != nil {
		return err
	}
	if err := hit(q.SetUnion(ctx, db.SetUnionParams{Unionid: unionID, App: who.App, Openid: who.Openid, MemberID: here})); err != nil {
		return err
	}
	if there == 0 {
		err := q.AddUnion(ctx, db.AddUnionParams{Unionid: unionID, MemberID: here, CreatedAt: int64(m.nowMillis())})
		if sqldb.Duplicate(err) {
			return errMoved
		}
		return err
	}
	if from == 0 {
		return nil
	}
	return m.mergeTx(ctx, tx, c, model.MemberID(from), model.MemberID(into))
}

// hit turns a guarded update that hit no row into errMoved.
func hit(n int64, err error) error {
	if err == nil && n == 0 {
		return errMoved
	}
	return err
}

// bothSides reads the member of the openid and of the unionid (0: nobody has it).
func bothSides(ctx context.Context, q *db.Queries, who db.MemberOfParams, unionID string) (here, there int64, err error) {
	row, err := q.MemberOf(ctx, who)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, errMoved // closed since; the next try makes a stranger
	}
	if err != nil {
		return 0, 0, err
	}
	there, err = q.UnionOf(ctx, unionID)
	if errors.Is(err, sql.ErrNoRows) {
		return row.MemberID, 0, nil
	}
	return row.MemberID, there, err
}

// mergeTx makes one of two living, locked members.
func (m *Members) mergeTx(ctx context.Context, tx *sql.Tx, c *changed, from, into model.MemberID) error {
	q, at := m.queries(tx), m.nowMillis()
	for _, id := range []model.MemberID{from, into} {
		if err := entriesOf(ctx, q, id, c); err != nil {
			return err
		}
	}
	if err := m.mergePhones(ctx, tx, c, from, into); err != nil {
		return err
	}
	if err := mergeConsents(ctx, q, from, into); err != nil {
		return err
	}
	if err := mergeStates(ctx, q, from, into); err != nil {
		return err
	}
	if err := q.MoveIdentities(ctx, db.MoveIdentitiesParams{IntoID: int64(into), FromID: int64(from)}); err != nil {
		return err
	}
	if err := q.MoveUnions(ctx, db.MoveUnionsParams{IntoID: int64(into), FromID: int64(from)}); err != nil {
		return err
	}
	if err := mergeCodes(ctx, q, from, into); err != nil {
		return err
	}
	for _, j := range m.joiners {
		if err := j.JoinTx(ctx, tx, from, into); err != nil {
			return err
		}
	}
	if err := hit(q.MergeInto(ctx, db.MergeIntoParams{MergedInto: int64(into), MergedAt: int64(at), ID: int64(from)})); err != nil {
		return err
	}
	if err := q.ShortenMerges(ctx, db.ShortenMergesParams{IntoID: int64(into), FromID: int64(from)}); err != nil {
		return err
	}
	return m.Outbox.AddTx(ctx, tx, TopicMerged, mergeRequest(from), Merge{From: from, Into: into, At: at})
}

// mergeRequest names the merge of a member, which happens once.
func mergeRequest(from model.MemberID) model.RequestID {
	return model.RequestID("merge-" + from.String())
}

func (m *Members) mergePhones(ctx context.Context, tx *sql.Tx, c *changed, from, into model.MemberID) error {
	q := m.queries(tx)
	moving, err := q.PhoneOf(ctx, int64(from))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	staying, err := q.PhoneOf(ctx, int64(into))
	switch {
	case err == nil && staying.BoundAt > moving.BoundAt:
		return m.unbindTx(ctx, tx, c, binding{from, moving.PhoneIndex, moving.PhoneSealed}, Merged, mergeRequest(from))
	case err == nil:
		if err := m.unbindTx(ctx, tx, c, binding{into, staying.PhoneIndex, staying.PhoneSealed}, Merged, mergeRequest(from)); err != nil {
			return err
		}
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	phone, err := m.openPhone(moving.PhoneSealed, phonePlace(from))
	if err != nil {
		return err
	}
	err = hit(q.MovePhone(ctx, db.MovePhoneParams{
		IntoID: int64(into), PhoneSealed: m.Sealer.SealText([]byte(phone.Digits()), phonePlace(into)),
		KeyVersion: int32(m.Sealer.Newest()), PhoneIndex: moving.PhoneIndex, FromID: int64(from),
	}))
	if err != nil {
		return err
	}
	// The history alone: nobody is told that he lost a number which he keeps.
	if err := m.history(ctx, q, c, entry{from, actionUnbound, Merged, moving.PhoneIndex, phone.Masked(), mergeRequest(from)}); err != nil {
		return err
	}
	return m.history(ctx, q, c, entry{into, actionBound, Merged, moving.PhoneIndex, phone.Masked(), mergeRequest(from)})
}

// mergeCodes lets a code that is on its way be good for whom its member has become: a code
// is sealed to its own row.
func mergeCodes(ctx context.Context, q *db.Queries, from, into model.MemberID) error {
	newest, err := q.NewestCode(ctx, int64(from))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	err = q.MoveCode(ctx, db.MoveCodeParams{IntoID: int64(into), ID: newest.ID, FromID: int64(from)})
	if err != nil && !sqldb.Duplicate(err) { // two of one request are one
		return err
	}
	return q.DropCodes(ctx, int64(from))
}

// mergeConsents lets the later answer to each purpose stand.
func mergeConsents(ctx context.Context, q *db.Queries, from, into model.MemberID) error {
	rows, err := q.Consents(ctx, int64(from))
	if err != nil {
		return err
	}
	for _, row := range rows {
		standing, err := q.ConsentTo(ctx, db.ConsentToParams{MemberID: int64(into), Purpose: row.Purpose})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && standing.ChangedAt > row.ChangedAt {
			continue
		}
		if err == nil && standing.ChangedAt == row.ChangedAt {
			row.Granted = row.Granted && standing.Granted // when in doubt, no
		}
		err = setConsent(ctx, q, into, db.AddConsentParams{Purpose: row.Purpose, Version: row.Version, Granted: row.Granted, ChangedAt: row.ChangedAt})
		if err != nil {
			return err
		}
	}
	return q.DropConsents(ctx, int64(from))
}

func mergeStates(ctx context.Context, q *db.Queries, from, into model.MemberID) error {
	a, err := q.State(ctx, int64(into))
	if err != nil {
		return err
	}
	b, err := q.State(ctx, int64(from))
	if err != nil {
		return err
	}
	source := a.Source
	if source == "" {
		source = b.Source
	}
	return q.SetSurvivor(ctx, db.SetSurvivorParams{
		Follows: a.Follows || b.Follows, FollowChangedAt: max(a.FollowChangedAt, b.FollowChangedAt), Source: source,
		JoinedAt: min(a.JoinedAt, b.JoinedAt), ID: int64(into),
	})
}
