package push

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// way is one message by one channel.
type way struct {
	channel  Channel
	member   model.MemberID // who holds the right
	to       model.OpenID
	content  model.Content
	notice   model.Notice
	request  model.RequestID
	template string // what the right is for
}

// ways lists the channels by which the member could be reached, in their order; nil
// when there is no such member. Entitlement is not looked at yet.
func (p *Pusher) ways(ctx context.Context, id model.MemberID, n Notice) ([]way, error) {
	inAccount, err := p.People.Get(ctx, id, model.OfficialAccount)
	if notFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the member: %w", err)
	}
	inMini, err := p.People.Get(ctx, id, model.MiniProgram)
	if err != nil {
		return nil, fmt.Errorf("find the member: %w", err)
	}
	follows := inAccount.Follows && inAccount.OpenID != ""
	all := []struct {
		way
		open bool
	}{
		{way{channel: Custom, to: inAccount.OpenID, content: n.Custom}, follows && n.Custom.Kind != model.NoContent},
		{way{channel: Mini, to: inMini.OpenID, notice: n.Mini}, inMini.OpenID != "" && n.Mini.Template != ""},
		{way{channel: Official, to: inAccount.OpenID, notice: n.Official}, follows && n.Official.Template != ""},
		{way{channel: Template, to: inAccount.OpenID, notice: n.Template}, follows && n.Template.Template != "" && n.Purpose == Transactional},
	}
	open := make([]way, 0, len(all))
	for _, w := range all {
		if w.open {
			w.member, w.template, w.request = inAccount.ID, w.notice.Template, n.Request
			open = append(open, w.way)
		}
	}
	return open, nil
}

// claim takes the right and says "sending", or neither. ours is false when there is
// no right; when the message is not pending any more it is ErrLater.
func (p *Pusher) claim(ctx context.Context, id int64, w way) (entitlement int64, ours bool, err error) {
	err = sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		q := db.New(tx)
		now := p.Now()
		entitlement, ours, err = take(ctx, q, w, model.At(now))
		if err != nil || !ours {
			return err
		}
		n, err := q.ClaimMessage(ctx, db.ClaimMessageParams{
			Channel: string(w.channel), EntitlementID: entitlement, LeaseUntil: int64(model.At(now.Add(2 * p.opts.Timeout))),
			UpdatedAt: int64(model.At(now)), ID: id,
		})
		if err == nil && n == 0 {
			return ErrLater.With(ErrSending)
		}
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("claim a message: %w", err)
	}
	if ours && w.channel == Custom {
		p.forgetWindows(ctx, w.member)
	}
	return entitlement, ours, nil
}

// races bounds how often another consent is looked for when the first was taken by
// somebody quicker.
const races = 3

// take takes a right by guarded updates.
func take(ctx context.Context, q *db.Queries, w way, now model.Millis) (entitlement int64, ours bool, err error) {
	switch w.channel {
	case Template:
		return 0, true, nil // service notices need no consent
	case Custom:
		n, err := q.TakeWindows(ctx, db.TakeWindowsParams{MemberID: int64(w.member), Now: int64(now)})
		return 0, n > 0, err
	}
	for range races {
		id, err := q.Consent(ctx, db.ConsentParams{MemberID: int64(w.member), Channel: string(w.channel), Template: w.template, Now: int64(now)})
		if errors.Is(err, sql.ErrNoRows) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		if n, err := q.TakeConsent(ctx, id); err != nil || n > 0 {
			return id, n > 0, err
		}
	}
	return 0, false, ErrLater.With(errors.New("others take consents of this member"))
}

// notFound tells that there is no such member.
func notFound(err error) bool { return err != nil && fault.KindOf(err) == fault.NotFound }

// send makes the call. What WeChat calls the message is of no use: notices wait for
// no report.
func (p *Pusher) send(ctx context.Context, w way) (err error) {
	// The call ends before its lease does, so that nobody calls it lost too early.
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	switch w.channel {
	case Custom:
		return p.Sender.SendCustom(ctx, w.to, w.content)
	case Mini:
		_, err = p.Sender.SendSubscribe(ctx, w.to, w.notice)
	case Official:
		_, err = p.Sender.SendNotice(ctx, w.to, w.notice)
	default:
		_, err = p.Templates.SendTemplate(ctx, w.to, w.notice, w.request)
	}
	return err
}

// undo makes the message pending again after a definite refusal. The consent is
// given back, unless WeChat says that there is none: then all that we thought we
// had are gone. A window's count is not given back: it may have begun anew.
func (p *Pusher) undo(ctx context.Context, id int64, w way, entitlement int64, cause error) error {
	now := int64(model.At(p.Now()))
	err := sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		q := db.New(tx)
		n, err := q.SettleMessage(ctx, db.SettleMessageParams{State: string(Pending), UpdatedAt: now, ID: id, FromState: string(Sending)})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLater.With(errors.New("it was settled by somebody else"))
		}
		switch {
		case errors.Is(cause, errWindowShut), errors.Is(cause, errWindowUsed):
			return q.ShutWindows(ctx, db.ShutWindowsParams{MemberID: int64(w.member), GrantedBefore: now})
		case errors.Is(cause, errNoConsent):
			return q.DropConsents(ctx, db.DropConsentsParams{MemberID: int64(w.member), Channel: string(w.channel), Template: w.template, GrantedBefore: now})
		case entitlement != 0:
			return q.GiveBackConsent(ctx, entitlement)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("undo a message: %w", err)
	}
	return nil
}

// Lose calls lost what died while it was being sent, and returns how much. A job
// runs it every minute.
func (p *Pusher) Lose(ctx context.Context) (int, error) {
	now := model.At(p.Now())
	n, err := p.q.LoseMessages(ctx, db.LoseMessagesParams{Now: int64(now), LeaseBefore: int64(now)})
	if err != nil {
		return 0, fmt.Errorf("find lost messages: %w", err)
	}
	if n > 0 {
		p.outcomes.WithLabelValues("", "", string(Unknown)).Add(float64(n))
	}
	return int(n), nil
}

// maxMoved bounds the consents that move when two members become one.
const maxMoved = 1000

// CloseTx forgets what a member who closes his account may be sent, and whose messages
// he may have tapped; what he was sent stays as it was counted, and names nobody.
func (p *Pusher) CloseTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error {
	q := p.q.WithTx(tx)
	if err := q.DropEntitlements(ctx, int64(member)); err != nil {
		return fmt.Errorf("forget what member %s may be sent: %w", member, err)
	}
	if err := q.DropTaps(ctx, int64(member)); err != nil {
		return fmt.Errorf("forget the taps of member %s: %w", member, err)
	}
	return nil
}
