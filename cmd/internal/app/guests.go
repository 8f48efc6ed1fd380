package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/service/account"
	"kaimenhong/service/member"
	"kaimenhong/service/redpacket"
)

// guests says who visits a pot, and what members are called there.
type guests struct {
	members *member.Members
	account *account.Service
	engine  *redpacket.Engine
	now     model.Clock
	log     *slog.Logger

	mu     sync.Mutex
	asked  time.Time
	matter bool // a running game asks for plans
}

// plansFresh is how long it is remembered whether a running game asks for plans.
const plansFresh = 10 * time.Second

// plansMatter tells whether the carrier has to be asked for a visitor's plan.
func (g *guests) plansMatter(ctx context.Context) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.asked.IsZero() && g.now().Sub(g.asked) < plansFresh {
		return g.matter, nil
	}
	running, err := g.engine.Running(ctx)
	if err != nil {
		return false, err
	}
	g.asked, g.matter = g.now(), false
	for _, game := range running {
		g.matter = g.matter || len(game.Rules.Open.Plans)+len(game.Rules.Help.Plans) > 0
	}
	return g.matter, nil
}

// Visitor is the member as the game looks at him. His plan is unknown when the carrier
// does not say it, or when no game that was known to run asked for plans: he is then
// told to come again, never that his plan is not among those.
func (g *guests) Visitor(ctx context.Context, id model.MemberID, address, device string) (redpacket.Visitor, error) {
	m, err := g.members.Get(ctx, id, model.MiniProgram)
	if err != nil {
		return redpacket.Visitor{}, err
	}
	who := redpacket.Visitor{Member: m, PlanUnknown: true, Address: address, Device: device}
	if !m.Bound() {
		return who, nil
	}
	matter, err := g.plansMatter(ctx)
	if err != nil || !matter {
		return who, err
	}
	plan, err := g.account.Plan(ctx, m.Phone)
	if err != nil {
		g.log.WarnContext(ctx, "plan of a visitor not known", "member", id, "error", err)
		return who, nil
	}
	who.Plan, who.PlanUnknown = plan.Main.ID, false
	return who, nil
}

// nobody is what is shown for who did not agree to be shown.
const nobody = "热心用户"

// called is how a member is shown: by the end of his number, never by nickname or
// avatar.
func called(m model.Member) string {
	if digits := m.Phone.Digits(); len(digits) > 4 {
		return "尾号" + digits[len(digits)-4:]
	}
	return nobody
}

// Shown names helpers, who agreed with their help; who said later that he is not to be
// shown is left out.
func (g *guests) Shown(ctx context.Context, helpers []redpacket.Helper) (map[model.MemberID]string, error) {
	names := make(map[model.MemberID]string, len(helpers))
	is := make(map[model.MemberID]model.MemberID, len(helpers)) // who each is now
	for _, h := range helpers {
		m, err := g.members.Get(ctx, h.Member, model.MiniProgram)
		if err != nil && !errors.Is(err, member.ErrUnknown) {
			return nil, err
		}
		names[h.Member], is[h.Member] = called(m), m.ID
	}
	refused, err := g.members.Refused(ctx, slices.Collect(maps.Values(is)), member.ShowToFriends)
	if err != nil {
		return nil, err
	}
	for _, h := range helpers {
		if at, no := refused[is[h.Member]]; no && at >= h.At {
			delete(names, h.Member)
		}
	}
	return names, nil
}

// Agreed names those owners who agreed to be shown to friends.
func (g *guests) Agreed(ctx context.Context, owners []model.MemberID) (map[model.MemberID]string, error) {
	names := make(map[model.MemberID]string, len(owners))
	for _, id := range owners {
		names[id] = nobody
		agrees, err := g.members.Agrees(ctx, id, member.ShowToFriends)
		if err != nil {
			return nil, err
		}
		if !agrees {
			continue
		}
		m, err := g.members.Get(ctx, id, model.MiniProgram)
		if err != nil && !errors.Is(err, member.ErrUnknown) {
			return nil, err
		}
		names[id] = called(m)
	}
	return names, nil
}

// redpackets are the envelopes behind the mini-program's API.
func (d *domains) redpackets(g ground) handler.Redpacket {
	return handler.Redpacket{
		Games: d.redpacket, Pots: players{d.redpacket, d.deeds}, Helper: helpers{d.moments, d.deeds}, Lists: d.redpacket, Prizes: d.payer,
		Guests: &guests{members: d.members, account: d.account, engine: d.redpacket, now: g.now, log: g.log},
	}
}
