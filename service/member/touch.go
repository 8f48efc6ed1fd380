package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member/internal/db"
)

// maxSource is the length, in bytes, of the source of a member.
const maxSource = 64

// raceTries bounds how often a change is decided anew because others changed the
// same rows meanwhile.
const raceTries = 8

// Touch finds the member behind an openid, or makes a stranger of it. A member who
// is known costs one GET of Redis, or one SELECT. Errors: ErrOpenID.
func (m *Members) Touch(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error) {
	if !validOpenID(string(openID)) || app != model.OfficialAccount && app != model.MiniProgram {
		return model.Member{}, ErrOpenID
	}
	key := cacheKey{app: app, openID: openID}
	readAt := m.Now()
	got, hit, epoch, keep := m.fresh(ctx, key)
	if hit {
		m.touches.WithLabelValues("cache").Inc()
		return got, nil
	}
	got, err := m.byOpenID(ctx, app, openID)
	found := "sql"
	if errors.Is(err, sql.ErrNoRows) {
		found = "new"
		got, err = m.create(ctx, app, openID)
	}
	if err != nil {
		return model.Member{}, fmt.Errorf("touch member: %w", err)
	}
	if keep {
		m.keep(key, got, epoch, readAt)
	}
	m.touches.WithLabelValues(found).Inc()
	return got, nil
}

// Recent is Touch for what is done after somebody was answered: it takes what this
// process read within the last CacheLifetime and asks nobody whether that changed
// since. Errors: ErrOpenID.
func (m *Members) Recent(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error) {
	e, found := m.cache.GetIfPresent(cacheKey{app: app, openID: openID})
	if age := m.Now().Sub(e.readAt); found && age >= 0 && age < m.opts.CacheLifetime {
		m.touches.WithLabelValues("recent").Inc()
		return e.member, nil
	}
	return m.Touch(ctx, app, openID)
}

// Known finds the member behind an openid as of this moment, and makes nobody of it.
// Errors: ErrOpenID, ErrUnknown.
func (m *Members) Known(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error) {
	if !validOpenID(string(openID)) {
		return model.Member{}, ErrOpenID
	}
	got, err := m.byOpenID(ctx, app, openID)
	if errors.Is(err, sql.ErrNoRows) {
		return model.Member{}, ErrUnknown
	}
	if err != nil {
		return model.Member{}, fmt.Errorf("find member: %w", err)
	}
	return got, nil
}

func (m *Members) byOpenID(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error) {
	row, err := m.q.ByOpenID(ctx, db.ByOpenIDParams{App: string(app), Openid: string(openID)})
	if err != nil {
		return model.Member{}, err
	}
	got := model.Member{
		ID: model.MemberID(row.ID), OpenID: openID, UnionID: model.UnionID(row.Unionid),
		Follows: row.Follows, Source: row.Source, JoinedAt: model.Millis(row.JoinedAt),
	}
	if row.PhoneSealed.Valid {
		got.BoundAt = model.Millis(row.BoundAt.Int64)
		got.Phone, err = m.openPhone(row.PhoneSealed.String, phonePlace(got.ID))
	}
	return got, err
}

// create makes a stranger; whoever lost the race gets the winner's.
func (m *Members) create(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error) {
	id, at := model.MemberID(m.IDs.Next()), m.nowMillis()
	for range raceTries {
		err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
			q := m.queries(tx)
			if err := q.AddMember(ctx, db.AddMemberParams{ID: int64(id), JoinedAt: int64(at)}); err != nil {
				return err
			}
			err := q.AddIdentity(ctx, db.AddIdentityParams{
				App: string(app), Openid: string(openID), MemberID: int64(id), CreatedAt: int64(at),
			})
			if err != nil || app != model.OfficialAccount {
				return err
			}
			return m.Outbox.AddTx(ctx, tx, TopicMet, model.RequestID("met-"+id.String()), Met{Member: id})
		})
		switch {
		case err == nil:
			return model.Member{ID: id, OpenID: openID, JoinedAt: at}, nil
		case sqldb.Duplicate(err): // the driver's error quotes the openid: it ends here
			got, err := m.byOpenID(ctx, app, openID)
			if !errors.Is(err, sql.ErrNoRows) {
				return got, err
			}
		case !errors.Is(err, sqldb.ErrCommitUnknown):
			return model.Member{}, err
		}
	}
	return model.Member{}, ErrBusy
}

// Get finds a member by his id, also by one that was merged away. OpenID is his
// newest in the app, or "" when he has none there. Errors: ErrUnknown, also for a
// closed one.
func (m *Members) Get(ctx context.Context, id model.MemberID, app model.App) (model.Member, error) {
	key := cacheKey{id: id, app: app}
	readAt := m.Now()
	got, hit, epoch, keep := m.fresh(ctx, key)
	if hit {
		m.touches.WithLabelValues("cache").Inc()
		return got, nil
	}
	got, merged, err := m.byID(ctx, m.q, id, app)
	if err != nil {
		return model.Member{}, fmt.Errorf("get member %d: %w", id, err)
	}
	if keep && !merged { // an entry of an old id would outlive a change of the survivor
		m.keep(key, got, epoch, readAt)
	}
	m.touches.WithLabelValues("sql").Inc()
	return got, nil
}

// Current is Get as of this moment, also between a change and its being told to the
// caches.
func (m *Members) Current(ctx context.Context, id model.MemberID, app model.App) (model.Member, error) {
	got, _, err := m.byID(ctx, m.q, id, app)
	if err != nil {
		return model.Member{}, fmt.Errorf("read member %d: %w", id, err)
	}
	return got, nil
}

// CurrentTx is Current within a transaction, until whose end nothing of it changes: for
// whoever writes down what a member is, so that an older word never comes after a newer
// one. Errors: ErrUnknown, ErrBusy.
func (m *Members) CurrentTx(ctx context.Context, tx *sql.Tx, id model.MemberID, app model.App) (model.Member, error) {
	q := m.queries(tx)
	id, err := hold(ctx, q, id)
	if err != nil {
		return model.Member{}, fmt.Errorf("hold member %d: %w", id, err)
	}
	got, _, err := m.byID(ctx, q, id, app)
	if err != nil {
		return model.Member{}, fmt.Errorf("read member %d: %w", id, err)
	}
	return got, nil
}

// hold is lock, which holds his number too: somebody else may take it over without a look
// at him.
func hold(ctx context.Context, q *db.Queries, id model.MemberID) (model.MemberID, error) {
	id, err := lock(ctx, q, id)
	if err != nil {
		return id, err
	}
	for range raceTries {
		row, err := q.PhoneOf(ctx, int64(id))
		if errors.Is(err, sql.ErrNoRows) {
			return id, nil
		}
		if err != nil {
			return id, err
		}
		n, err := q.HoldPhone(ctx, db.HoldPhoneParams{PhoneIndex: row.PhoneIndex, MemberID: int64(id)})
		if err != nil || n == 1 {
			return id, err
		}
	}
	return id, ErrBusy
}

func (m *Members) byID(ctx context.Context, q *db.Queries, id model.MemberID, app model.App) (got model.Member, merged bool, err error) {
	for range raceTries {
		row, err := q.ByID(ctx, db.ByIDParams{App: string(app), ID: int64(id)})
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && row.ClosedAt != 0:
			return got, merged, ErrUnknown
		case err != nil:
			return got, merged, err
		case row.MergedInto != 0:
			id, merged = model.MemberID(row.MergedInto), true
			continue
		}
		got = model.Member{ID: id, Follows: row.Follows, Source: row.Source, JoinedAt: model.Millis(row.JoinedAt)}
		if row.PhoneSealed.Valid {
			got.BoundAt = model.Millis(row.BoundAt.Int64)
			if got.Phone, err = m.openPhone(row.PhoneSealed.String, phonePlace(id)); err != nil {
				return got, merged, err
			}
		}
		got.OpenID, got.UnionID = model.OpenID(row.Openid.String), model.UnionID(row.Unionid.String)
		return got, merged, nil
	}
	return got, merged, ErrBusy
}

// Resolve returns the id of the living member behind an id, which may have been
// merged away. Errors: ErrUnknown, also for a closed one.
func (m *Members) Resolve(ctx context.Context, id model.MemberID) (model.MemberID, error) {
	return resolve(ctx, m.q, id)
}

func resolve(ctx context.Context, q *db.Queries, id model.MemberID) (model.MemberID, error) {
	for range raceTries {
		row, err := q.State(ctx, int64(id))
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && row.ClosedAt != 0:
			return 0, ErrUnknown
		case err != nil:
			return 0, fmt.Errorf("resolve member %d: %w", id, err)
		case row.MergedInto == 0:
			return id, nil
		}
		id = model.MemberID(row.MergedInto)
	}
	return 0, ErrBusy
}

// lock resolves the id and holds the living member's row until the transaction
// ends, so that changes of one member never cross.
func lock(ctx context.Context, q *db.Queries, id model.MemberID) (model.MemberID, error) {
	for range raceTries {
		n, err := q.Lock(ctx, int64(id))
		if err != nil {
			return 0, err
		}
		if n == 1 {
			return id, nil
		}
		if id, err = resolve(ctx, q, id); err != nil {
			return 0, err
		}
	}
	return 0, ErrBusy
}

// entriesOf names every entry under which a member may be cached.
func entriesOf(ctx context.Context, q *db.Queries, id model.MemberID, c *changed) error {
	rows, err := q.Identities(ctx, int64(id))
	if err != nil {
		return err
	}
	c.add(cacheKey{id: id})
	for _, row := range rows {
		c.add(cacheKey{app: model.App(row.App), openID: model.OpenID(row.Openid)})
	}
	return nil
}

// change runs fn in a transaction and publishes the entries that it made old.
func (m *Members) change(ctx context.Context, fn func(tx *sql.Tx, q *db.Queries, c *changed) error) error {
	var c changed
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		c = changed{} // a transaction that lost a deadlock starts anew
		return fn(tx, m.queries(tx), &c)
	})
	if err != nil && !errors.Is(err, sqldb.ErrCommitUnknown) {
		return err
	}
	for _, n := range c.counts {
		m.bindings.WithLabelValues(n[:]...).Inc()
	}
	return errors.Join(err, m.publish(ctx, &c)) // what may have been committed is published too
}

func (m *Members) openPhone(sealed string, place []byte) (model.Phone, error) {
	digits, err := m.Sealer.OpenText(sealed, place)
	if err != nil {
		return model.Phone{}, err
	}
	return model.ParsePhone(string(digits))
}

// phonePlace binds a sealed number to its member.
func phonePlace(id model.MemberID) []byte { return seal.Bind(phoneColumn, int64(id)) }

// phoneDomain separates the index of numbers from others.
const phoneDomain = "member.phone"

// phoneIndex is where a number is found.
func (m *Members) phoneIndex(phone model.Phone) string {
	return m.Sealer.IndexText(phone.Digits(), phoneDomain)
}

// validOpenID tells whether it can be stored and compared alike on every engine:
// 1 to 64 letters, digits, "_" or "-", as WeChat makes them.
func validOpenID(s string) bool {
	if s == "" || len(s) > model.MaxOpenID {
		return false
	}
	for _, r := range []byte(s) {
		if r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			continue
		}
		return false
	}
	return true
}
