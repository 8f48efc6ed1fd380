package app

import (
	"context"
	"encoding/base64"
	"fmt"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/service/home"
	"kaimenhong/service/idempotency"
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
		Platform: platform, People: members, Binder: members,
	}, session.Options{})
}

// pages builds what the mini-program's API shows of several domains.
func (d *domains) pages(g ground) (err error) {
	if d.request, err = idempotency.New(g.stores.db, g.sealer, g.now, g.log, g.reg, idempotency.Options{}); err != nil {
		return fmt.Errorf("idempotency: %w", err)
	}
	d.home, err = home.New(home.Deps{
		People: d.members, Account: d.account, Records: d.account, Points: d.points, Notices: noNotices{}, Members: d.members,
		Log: g.log, Metrics: g.reg,
	}, home.Options{})
	if err != nil {
		return fmt.Errorf("home: %w", err)
	}
	return nil
}

// noNotices: nothing writes to a member's list of notices yet.
type noNotices struct{}

func (noNotices) Unread(context.Context, model.MemberID) (int, error) { return 0, nil }

// api is the domains behind the mini-program's API.
func (d *domains) api(g ground, h *handler.Handlers) {
	h.Gate = handler.Gate{Sessions: d.session, Requests: d.request, Log: g.log}
	h.Session = handler.Session{Sessions: d.session, Phones: d.session}
	h.Me = handler.Me{Screens: d.home}
}
