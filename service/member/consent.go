package member

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member/internal/db"
)

// Purpose is what personal data may be used for.
type Purpose string

// The purposes: what is done only with consent. What a member asks for himself, such as
// the account of the number that he bound, needs none and ends with the binding. Nothing
// is agreed to until the member says so.
const (
	Marketing     Purpose = "marketing"       // offers and campaigns
	ShowToFriends Purpose = "show_to_friends" // his name among a pot's helpers
)

// Purposes are all of them, in the order that a page shows.
var Purposes = []Purpose{Marketing, ShowToFriends}

// ErrConsent is returned for an unknown purpose or a version that never was.
var ErrConsent = fault.New(fault.Invalid, "member.consent", "授权内容不正确，请刷新后再试")

// Consent is what a member said of one purpose.
type Consent struct {
	Purpose   Purpose
	Granted   bool
	Version   int // of the text that he answered; 0: he never did
	Current   int // of the text that is in force
	ChangedAt model.Millis
}

// Agrees tells whether the purpose is covered: an answer to an older text covers
// nothing.
func (c Consent) Agrees() bool { return c.Granted && c.Version >= c.Current }

// Decision is a member's answer to the text of a purpose.
type Decision struct {
	Purpose Purpose
	Version int // of the text that he saw, 1 to the current one
	Granted bool
}

// version is the current version of a purpose's text; 0 for no purpose at all.
func (m *Members) version(p Purpose) int {
	for _, known := range Purposes {
		if p == known {
			return cmp.Or(m.opts.ConsentVersions[p], 1)
		}
	}
	return 0
}

// Consents returns all purposes with the member's answers. Errors: ErrUnknown.
func (m *Members) Consents(ctx context.Context, id model.MemberID) ([]Consent, error) {
	id, err := m.Resolve(ctx, id)
	if err != nil {
		return nil, err
	}
	rows, err := m.q.Consents(ctx, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read consents: %w", err)
	}
	out := make([]Consent, 0, len(Purposes))
	for _, p := range Purposes {
		c := Consent{Purpose: p, Current: m.version(p)}
		for _, row := range rows {
			if row.Purpose == string(p) {
				c.Granted, c.Version, c.ChangedAt = row.Granted, int(row.Version), model.Millis(row.ChangedAt)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// Agrees tells whether the member's data may be used for the purpose now; a member
// who is unknown or closed agrees to nothing.
func (m *Members) Agrees(ctx context.Context, id model.MemberID, p Purpose) (bool, error) {
	id, err := m.Resolve(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	row, err := m.q.ConsentTo(ctx, db.ConsentToParams{MemberID: int64(id), Purpose: string(p)})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read consent: %w", err)
	}
	return Consent{Granted: row.Granted, Version: int(row.Version), Current: m.version(p)}.Agrees(), nil
}

// maxRefused bounds one question.
const maxRefused = 100

// Refused tells which of at most 100 members said no to the purpose last, and when;
// who never answered is not among them. More are an error: nobody is shown unasked.
func (m *Members) Refused(ctx context.Context, members []model.MemberID, p Purpose) (map[model.MemberID]model.Millis, error) {
	if len(members) == 0 {
		return nil, nil
	}
	if len(members) > maxRefused {
		return nil, fmt.Errorf("%d members in one question about consents, at most %d", len(members), maxRefused)
	}
	ids := make([]int64, len(members))
	for i, id := range members {
		ids[i] = int64(id)
	}
	rows, err := m.q.RefusedBy(ctx, db.RefusedByParams{Members: ids, Purpose: string(p)})
	if err != nil {
		return nil, fmt.Errorf("read who refused: %w", err)
	}
	refused := make(map[model.MemberID]model.Millis, len(rows))
	for _, r := range rows {
		refused[model.MemberID(r.MemberID)] = model.Millis(r.ChangedAt)
	}
	return refused, nil
}

// Decide notes the member's answers, all or none; every one stays in the history.
// A repeat of the request changes nothing. Errors: ErrConsent, ErrUnknown,
// ErrRequest.
func (m *Members) Decide(ctx context.Context, id model.MemberID, decisions []Decision, request model.RequestID) error {
	if !request.Valid() {
		return ErrRequest
	}
	if len(decisions) == 0 || len(decisions) > len(Purposes) {
		return ErrConsent
	}
	for i, d := range decisions {
		twice := slices.ContainsFunc(decisions[:i], func(o Decision) bool { return o.Purpose == d.Purpose })
		if twice || d.Version < 1 || d.Version > m.version(d.Purpose) {
			return ErrConsent // yes and no at once is neither
		}
	}
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.queries(tx)
		id, err := lock(ctx, q, id)
		if err != nil {
			return err
		}
		for _, d := range decisions {
			err := m.decide(ctx, q, id, d, request)
			if sqldb.Duplicate(err) {
				return nil // of the same request: all of it stands already
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note consent: %w", err)
	}
	return nil
}

// Decline notes a no to the text of the purpose that is in force, as Decide does.
// Errors: ErrConsent, ErrUnknown, ErrRequest.
func (m *Members) Decline(ctx context.Context, id model.MemberID, p Purpose, request model.RequestID) error {
	return m.Decide(ctx, id, []Decision{{Purpose: p, Version: m.version(p)}}, request)
}

func (m *Members) decide(ctx context.Context, q *db.Queries, id model.MemberID, d Decision, request model.RequestID) error {
	at := int64(m.nowMillis())
	err := q.AddConsentChange(ctx, db.AddConsentChangeParams{
		ID: int64(m.IDs.Next()), MemberID: int64(id), RequestID: string(request), Purpose: string(d.Purpose),
		Version: int32(d.Version), Granted: d.Granted, HappenedAt: at,
	})
	if err != nil {
		return err
	}
	return setConsent(ctx, q, id, db.AddConsentParams{
		Purpose: string(d.Purpose), Version: int32(d.Version), Granted: d.Granted, ChangedAt: at,
	})
}

// setConsent writes the present state of a member who is locked.
func setConsent(ctx context.Context, q *db.Queries, id model.MemberID, c db.AddConsentParams) error {
	c.MemberID = int64(id)
	n, err := q.SetConsent(ctx, db.SetConsentParams{
		Version: c.Version, Granted: c.Granted, ChangedAt: c.ChangedAt, MemberID: c.MemberID, Purpose: c.Purpose,
	})
	if err != nil || n > 0 {
		return err
	}
	return q.AddConsent(ctx, c)
}
