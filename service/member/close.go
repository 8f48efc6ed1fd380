package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/member/internal/db"
)

// maxExport bounds each list of an export, newest first.
const maxExport = 10_000

// Export is all that this domain keeps of a member, for himself alone: the number
// and the openids are in the clear.
type Export struct {
	Member     model.MemberID     `json:"member"`
	Merged     []model.MemberID   `json:"merged,omitempty"` // ids that he had besides
	JoinedAt   model.Millis       `json:"joinedAt"`
	Source     string             `json:"source"`
	Follows    bool               `json:"follows"`
	Phone      string             `json:"phone,omitempty"`
	BoundAt    model.Millis       `json:"boundAt,omitempty"`
	Identities []ExportedIdentity `json:"identities"`
	Bindings   []ExportedBinding  `json:"bindings"`
	Followed   []ExportedFollow   `json:"followed"`
	Consents   []ExportedConsent  `json:"consents"`
}

// ExportedIdentity is who he is towards one app.
type ExportedIdentity struct {
	App     model.App    `json:"app"`
	OpenID  string       `json:"openId"`
	UnionID string       `json:"unionId,omitempty"`
	Since   model.Millis `json:"since"`
}

// ExportedBinding is one entry of the history of his numbers, which are kept masked.
type ExportedBinding struct {
	Action string       `json:"action"` // bound, unbound
	Reason Reason       `json:"reason"`
	Phone  string       `json:"phone"`
	At     model.Millis `json:"at"`
}

// ExportedFollow is one time that he followed or left.
type ExportedFollow struct {
	Action string       `json:"action"` // follow, unfollow
	Source string       `json:"source,omitempty"`
	At     model.Millis `json:"at"`
}

// ExportedConsent is one of his decisions.
type ExportedConsent struct {
	Purpose Purpose      `json:"purpose"`
	Version int          `json:"version"`
	Granted bool         `json:"granted"`
	At      model.Millis `json:"at"`
}

// Export collects what is kept of a member. Errors: ErrUnknown.
func (m *Members) Export(ctx context.Context, id model.MemberID) (Export, error) {
	who, _, err := m.byID(ctx, m.q, id, model.OfficialAccount)
	if err != nil {
		return Export{}, fmt.Errorf("export member: %w", err)
	}
	out := Export{
		Member: who.ID, JoinedAt: who.JoinedAt, Source: who.Source, Follows: who.Follows,
		Phone: who.Phone.Digits(), BoundAt: who.BoundAt,
	}
	if err := m.exportLists(ctx, &out); err != nil {
		return Export{}, fmt.Errorf("export member: %w", err)
	}
	return out, nil
}

func (m *Members) exportLists(ctx context.Context, out *Export) error {
	ids, err := everyID(ctx, m.q, out.Member)
	if err != nil {
		return err
	}
	for _, id := range ids[:len(ids)-1] {
		out.Merged = append(out.Merged, model.MemberID(id))
	}
	identities, err := m.q.Identities(ctx, int64(out.Member))
	if err != nil {
		return err
	}
	for _, i := range identities {
		out.Identities = append(out.Identities, ExportedIdentity{model.App(i.App), i.Openid, i.Unionid, model.Millis(i.CreatedAt)})
	}
	bindings, err := m.q.Bindings(ctx, db.BindingsParams{Members: ids, Limit: maxExport})
	if err != nil {
		return err
	}
	for _, b := range bindings {
		out.Bindings = append(out.Bindings, ExportedBinding{b.Action, Reason(b.Reason), b.PhoneMasked, model.Millis(b.HappenedAt)})
	}
	follows, err := m.q.Follows(ctx, db.FollowsParams{Members: ids, Limit: maxExport})
	if err != nil {
		return err
	}
	for _, f := range follows {
		out.Followed = append(out.Followed, ExportedFollow{f.Action, f.Source, model.Millis(f.HappenedAt)})
	}
	consents, err := m.q.ConsentChanges(ctx, db.ConsentChangesParams{Members: ids, Limit: maxExport})
	if err != nil {
		return err
	}
	for _, c := range consents {
		out.Consents = append(out.Consents, ExportedConsent{Purpose(c.Purpose), int(c.Version), c.Granted, model.Millis(c.HappenedAt)})
	}
	return nil
}

// Close closes the account: number, openids, unionid, codes, sources and present
// consents are deleted, histories lose what names a person; the row stays as a
// pseudonym for the ledgers. Of numbers the keyed index stays in the history, so
// that a reward for a first binding is not earned twice. He who writes again is a
// stranger. What other domains keep of him ends by their CloseTx, in the same
// transaction. A repeat changes nothing. Errors: ErrRequest, ErrUnknown for an id
// that never was, what a CloseTx says.
func (m *Members) Close(ctx context.Context, id model.MemberID, request model.RequestID) error {
	if !request.Valid() {
		return ErrRequest
	}
	err := m.change(ctx, func(tx *sql.Tx, q *db.Queries, c *changed) error {
		living, err := lock(ctx, q, id)
		if errors.Is(err, ErrUnknown) {
			if _, err := q.State(ctx, int64(id)); errors.Is(err, sql.ErrNoRows) {
				return ErrUnknown
			} else if err != nil {
				return err
			}
			return nil // closed already, by this id or by the one that it leads to
		}
		if err != nil {
			return err
		}
		id := living
		if err := entriesOf(ctx, q, id, c); err != nil {
			return err
		}
		phone, err := q.PhoneOf(ctx, int64(id))
		if err == nil {
			err = m.unbindTx(ctx, tx, c, binding{id, phone.PhoneIndex, phone.PhoneSealed}, Closed, request)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, errMoved) {
			return err
		}
		if err := m.shred(ctx, q, id); err != nil {
			return err
		}
		for _, j := range m.joiners {
			if c, ok := j.(closer); ok {
				if err := c.CloseTx(ctx, tx, id); err != nil {
					return err
				}
			}
		}
		return m.Outbox.AddTx(ctx, tx, TopicClosed, model.RequestID("close-"+id.String()), Event{Member: id, Reason: Closed, At: m.nowMillis()})
	})
	if err != nil {
		return fmt.Errorf("close member: %w", err)
	}
	return nil
}

func (m *Members) shred(ctx context.Context, q *db.Queries, id model.MemberID) error {
	all, err := everyID(ctx, q, id)
	if err != nil {
		return err
	}
	for _, each := range all {
		for _, del := range []func(context.Context, int64) error{
			q.DropIdentities, q.DropUnions, q.DropCodes, q.DropConsents, q.MaskBindings, q.MaskFollows, q.DropSource,
		} {
			if err := del(ctx, each); err != nil {
				return err
			}
		}
	}
	_, err = q.CloseMember(ctx, db.CloseMemberParams{ClosedAt: int64(m.nowMillis()), ID: int64(id)})
	return err
}
