package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/service/home"
	"kaimenhong/service/idempotency"
	"kaimenhong/service/mall"
	"kaimenhong/service/member"
	"kaimenhong/service/session"
	"kaimenhong/service/wechat"
)

// newSessions builds who is signed in to the mini-program.
func newSessions(g ground, platform *wechat.Client, members *memberBook) (*session.Sessions, error) {
	secret, err := base64.StdEncoding.DecodeString(g.cfg.Security.SessionKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("security.session_key: %w", err)
	}
	return session.New(session.Deps{
		DB: g.stores.db, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg, Keys: []session.Key{session.NewKey(secret)},
		Platform: platform, People: members, Living: members, Binder: members,
	}, session.Options{})
}

// pages builds what the mini-program's API shows of several domains.
func (d *domains) pages(g ground) (err error) {
	if d.request, err = idempotency.New(g.stores.db, g.sealer, g.now, g.log, g.reg, idempotency.Options{}); err != nil {
		return fmt.Errorf("idempotency: %w", err)
	}
	d.home, err = home.New(home.Deps{
		People: d.members, Account: d.held, Memory: d.held, Records: d.held, Points: d.points, Notices: d.notice, Members: d.members,
		Export: d.sections(), Log: g.log, Metrics: g.reg,
	}, home.Options{})
	if err != nil {
		return fmt.Errorf("home: %w", err)
	}
	return nil
}

// api is the domains behind the mini-program's API.
func (d *domains) api(g ground, h *handler.Handlers) {
	h.Gate = handler.Gate{Sessions: d.session, Requests: d.request, Log: g.log}
	h.Session = handler.Session{Sessions: d.session, Phones: d.session}
	h.Me = handler.Me{Screens: d.home}
	h.Account = handler.Account{Book: d.home}
	h.Points = handler.Points{Ledger: d.points, Signer: visitors{d.points, d.deeds}}
	h.Mall = handler.Mall{Shelf: d.mall, Redemptions: d.mall, Counter: counter{d.members, shoppers{d.mall, d.deeds}}}
	h.Rights = handler.Rights{Consents: d.members, Granter: d.push, Self: d.home, Notices: d.notice}
}

// counter redeems for the mini-program: the gift goes to the member's own number.
type counter struct {
	members *member.Members
	mall    shoppers
}

func (c counter) Redeem(ctx context.Context, o mall.Order) (mall.Redemption, error) {
	who, err := c.members.Get(ctx, o.Member, model.MiniProgram)
	if err != nil {
		return mall.Redemption{}, err
	}
	o.Member, o.Phone = who.ID, who.Phone
	return c.mall.Redeem(ctx, o)
}

// closed forgets what a member was answered once his account is closed, the numbers of his
// prizes' bills, and what the carrier still had to do for him once it is done: until then
// it is tried again.
func (d *domains) closed(ctx context.Context, e member.Event) error {
	ids, err := d.members.Were(ctx, e.Member)
	if err == nil {
		err = d.payer.Close(ctx, ids)
	}
	return errors.Join(d.request.Forget(ctx, e.Member), d.mall.Close(ctx, e.Member), d.audience.Forget(ctx, e.Member), err)
}
