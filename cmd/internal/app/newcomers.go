package app

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
	"kaimenhong/service/member"
)

// Newcomer is somebody who is made a member without a conversation, for the demo and
// for stories: he follows, has bound his number, and may have agreed to offers.
type Newcomer struct {
	OpenID model.OpenID
	// UnionID is his name in both apps; empty: WeChat is asked afterwards.
	UnionID model.UnionID
	Phone   model.Phone
	Agrees  bool
	// Template is one of the official account's subscribe notices, of which he
	// allowed so many; empty: none.
	Template string
	Notices  int // at least one
}

// welcomedAtOnce bounds the newcomers who are made members at the same time.
const welcomedAtOnce = 8

// Welcome makes them members, in their order. A repeat changes nothing.
func (a *App) Welcome(ctx context.Context, people []Newcomer) ([]model.MemberID, error) {
	members := make([]model.MemberID, len(people))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(welcomedAtOnce)
	for i, p := range people {
		group.Go(func() error {
			return model.Guarded(func() (err error) {
				members[i], err = a.welcome(ctx, p)
				return err
			})
		})
	}
	return members, group.Wait()
}

func (a *App) welcome(ctx context.Context, p Newcomer) (model.MemberID, error) {
	d := a.domains
	m, err := d.members.Follow(ctx, p.OpenID, "", model.At(a.now()))
	if err != nil {
		return 0, fmt.Errorf("follow: %w", err)
	}
	if p.UnionID != "" {
		if m, err = d.members.Join(ctx, model.OfficialAccount, p.OpenID, p.UnionID); err != nil {
			return 0, fmt.Errorf("join: %w", err)
		}
	}
	if !m.Bound() {
		request := model.RequestID(fmt.Sprintf("welcome/%s/bind", m.ID))
		if err := d.members.BindVerified(ctx, m.ID, p.Phone, request); err != nil {
			return 0, fmt.Errorf("bind: %w", err)
		}
	}
	if p.Agrees {
		request := model.RequestID(fmt.Sprintf("welcome/%s/agree", m.ID))
		if err := d.members.Decide(ctx, m.ID, []member.Decision{{Purpose: member.Marketing, Version: 1, Granted: true}}, request); err != nil {
			return 0, fmt.Errorf("agree: %w", err)
		}
	}
	for n := range max(p.Notices, 1) {
		if p.Template == "" {
			break
		}
		request := model.RequestID(fmt.Sprintf("welcome/%s/grant/%d", m.ID, n))
		if err := d.push.Grant(ctx, m.ID, string(model.OfficialChannel), p.Template, request); err != nil {
			return 0, fmt.Errorf("grant: %w", err)
		}
	}
	m, err = d.audience.Observe(ctx, asIs(d.members, m.ID))
	return m.ID, err
}
