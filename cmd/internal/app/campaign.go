package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"kaimenhong/handler"
	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/service/account"
	"kaimenhong/service/audience"
	"kaimenhong/service/campaign"
	"kaimenhong/service/mall"
	"kaimenhong/service/material"
	"kaimenhong/service/member"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
)

// campaigns builds the plans and what lets them run.
func (d *domains) campaigns(g ground) (err error) {
	people := crowd{d.audience}
	d.campaign, err = campaign.New(campaign.Deps{
		DB: g.stores.db, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg, Audit: d.operators,
		Segments: people, Holds: d.audience, Frozen: people, People: d.audience, Library: shelf{d.material, d.mall}, Kits: d.material, Games: pots{d.redpacket},
		Pushes: d.planner, Counts: counts{d.planner}, Brakes: d.planner, Keeps: d.planner, Happened: newHappenings(d.audience, d.members, d.account), Cron: job.Times,
	}, campaign.Options{Caps: capsOf(g.cfg.Push)})
	if err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	return nil
}

// opsCampaign is the campaigns behind the operators' API.
func (d *domains) opsCampaign() handler.OpsCampaign {
	c := d.campaign
	return handler.OpsCampaign{Book: campaign.NewBoard(c), Plans: c, Advice: campaign.Advice{Campaigns: c}, Drafts: c, Copies: c, Reviews: c, Runs: c, Stops: c, Rehearsed: c}
}

// crowd is the audience as campaigns ask it.
type crowd struct{ audience *audience.Audience }

// Describe says a segment in words, and why it cannot be evaluated.
func (c crowd) Describe(ctx context.Context, id model.ID) (campaign.Segment, error) {
	s, err := c.audience.Segment(ctx, id)
	if err != nil {
		return campaign.Segment{}, err
	}
	out := campaign.Segment{Name: s.Name, Archived: s.ArchivedAt != 0}
	sentence, found, err := c.audience.Say(ctx, s)
	texts := make([]string, len(found))
	for i, p := range found {
		texts[i] = p.Text
	}
	out.Sentence, out.Trouble = sentence, strings.Join(texts, "；")
	return out, err
}

// Count is how many are in a segment now.
func (c crowd) Count(ctx context.Context, id model.ID) (int64, error) {
	s, err := c.audience.Segment(ctx, id)
	if err != nil {
		return 0, err
	}
	return c.audience.Count(ctx, s.Tree)
}

// Matching is who of the members is in the segment now.
func (c crowd) Matching(ctx context.Context, id model.ID, members []model.MemberID) ([]model.MemberID, error) {
	return c.audience.Matching(ctx, id, members)
}

// Freeze saves who is in the segment now.
func (c crowd) Freeze(ctx context.Context, segment model.ID, request model.RequestID) (model.ID, int64, error) {
	f, err := c.audience.Freeze(ctx, segment, request)
	return f.ID, f.Size, err
}

// Collect saves whom next answers.
func (c crowd) Collect(ctx context.Context, segment model.ID, request model.RequestID, next campaign.Source) (model.ID, int64, error) {
	f, err := c.audience.Collect(ctx, segment, request, next)
	return f.ID, f.Size, err
}

// Members is a page of a frozen audience.
func (c crowd) Members(ctx context.Context, frozen model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	return c.audience.FrozenMembers(ctx, frozen, after, limit)
}

// shelf is the material, and what it offers, as campaigns ask it.
type shelf struct {
	material *material.Materials
	gifts    *mall.Mall
}

// Kit is one version of a kit, and why it may not be used any more.
func (s shelf) Kit(ctx context.Context, id model.ID) (campaign.Kit, error) {
	k, err := s.material.Usable(ctx, id)
	out := campaign.Kit{Name: k.Name, Game: k.Game, Offer: campaign.Offer{Name: k.Offer.Name}}
	for _, p := range k.Parts {
		out.Materials = append(out.Materials, p.Version)
	}
	if err == nil && k.Offer.Kind == material.GiftOffer {
		out.Offer, err = s.offer(ctx, k.Offer)
	}
	var failed error
	if out.Offer.Gifts, out.Offer.Product, failed = s.taken(ctx, k.Offer); failed != nil {
		return out, failed
	}
	if err == nil || k.ID == 0 {
		return out, err
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Conflict, fault.NotFound:
		out.Trouble = fault.Of(err).Text
		return out, nil
	}
	return out, err
}

// taken are the gifts by which an offer is taken, and the carrier's product that they hand
// over.
func (s shelf) taken(ctx context.Context, o material.Offer) (gifts []model.ID, product string, err error) {
	switch o.Kind {
	case material.GiftOffer:
		id, err := model.ParseID(o.ID)
		if err != nil {
			return nil, "", nil //nolint:nilerr // no gift has such an id
		}
		g, err := s.gifts.Gift(ctx, id)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return nil, "", err
		}
		return []model.ID{id}, g.Spec.Offering, nil
	case material.PackOffer:
		gifts, err = s.gifts.HandOver(ctx, o.ID)
		return gifts, o.ID, err
	}
	return nil, "", nil
}

// offer is when a gift can be had.
func (s shelf) offer(ctx context.Context, o material.Offer) (campaign.Offer, error) {
	id, err := model.ParseID(o.ID)
	if err != nil {
		return campaign.Offer{}, mall.ErrNoGift
	}
	g, err := s.gifts.Gift(ctx, id)
	return campaign.Offer{Name: g.Title, StartsAt: g.StartsAt, EndsAt: g.EndsAt, SoldOut: err == nil && g.Left <= 0}, err
}

// Check says why a material cannot go through a channel.
func (s shelf) Check(ctx context.Context, way model.Way) ([]string, error) {
	err := s.material.Fits(ctx, way.Material, way.Channel)
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Conflict, fault.NotFound:
		if err != nil {
			return []string{fault.Of(err).Text}, nil
		}
	}
	return nil, err
}

// Preview is a material as a member would get it.
func (s shelf) Preview(ctx context.Context, version model.ID, member model.MemberID) (model.Message, error) {
	p, err := s.material.Preview(ctx, version, member)
	return p.Message, err
}

// pots are the games as campaigns ask for them.
type pots struct{ engine *redpacket.Engine }

// Game is what a campaign wants to know of a game.
func (p pots) Game(ctx context.Context, id model.ID) (campaign.Game, error) {
	g, err := p.engine.Game(ctx, redpacket.GameID(id))
	if err != nil {
		return campaign.Game{}, err
	}
	out := campaign.Game{Name: g.Rules.Name, StartsAt: g.Rules.StartsAt, EndsAt: g.Rules.EndsAt, Budget: g.Rules.Budget, Stopped: g.StoppedAt != 0}
	for _, a := range g.Rules.Amounts {
		out.Prize = max(out.Prize, a.Target)
	}
	return out, nil
}

// counts are the planner's as campaigns see them.
type counts struct{ *push.Planner }

// Tally counts the deliveries of a campaign.
func (c counts) Tally(ctx context.Context, id model.ID) ([]campaign.Tally, error) {
	rows, err := c.Planner.Tally(ctx, id)
	return tallies(rows), err
}

// TallyOf counts those of one dispatch.
func (c counts) TallyOf(ctx context.Context, dispatch model.ID) ([]campaign.Tally, error) {
	rows, err := c.Planner.TallyOf(ctx, dispatch)
	return tallies(rows), err
}

func tallies(rows []model.Tally) []campaign.Tally {
	all := make([]campaign.Tally, len(rows))
	for i, r := range rows {
		all[i] = campaign.Tally{
			Dispatch: r.Dispatch, Step: r.Step, Variant: r.Variant, Channel: r.Channel, State: r.State, Why: r.Why, N: r.Count, Tapped: r.Tapped,
		}
	}
	return all
}

// happenings finds what steps wait for: in portraits, in what members did, and at the
// carrier.
type happenings struct {
	audience *audience.Audience
	members  *member.Members
	account  *account.Service
	asking   chan struct{} // a token for each question to the carrier under way
}

func newHappenings(a *audience.Audience, m *member.Members, s *account.Service) happenings {
	return happenings{a, m, s, make(chan struct{}, metersAtOnce)}
}

// paid are the deeds that are a payment.
var paid = []audience.Kind{audience.TopUp, audience.Pack, audience.Buy}

// Look asks to whom of the members it happened.
func (h happenings) Look(ctx context.Context, w campaign.When, members []model.MemberID, at model.Millis) (found []campaign.Happening, unheard []model.MemberID, err error) {
	day := model.DayOf(at.Time())
	switch w.Event {
	case campaign.Birthday:
		born, err := h.audience.BornOn(ctx, day, members)
		return each(born, at, at.Time().Format("2006")), nil, err
	case campaign.Payment:
		spent, err := h.audience.DidOn(ctx, day, paid, members)
		return each(spent, at, day.String()), nil, err
	case campaign.DataLow, campaign.PackExpiry:
		return h.metered(ctx, w, members, at)
	}
	return nil, nil, nil
}

// each is one happening for each of the members.
func each(members []model.MemberID, at model.Millis, ref string) []campaign.Happening {
	all := make([]campaign.Happening, len(members))
	for i, m := range members {
		all[i] = campaign.Happening{Member: m, At: at, Ref: ref}
	}
	return all
}

// metersAtOnce bounds the questions to the carrier of a replica, whichever steps look at
// once: who asks in the chat is not to wait behind them.
const metersAtOnce = 8

// metered asks what the carrier says of each member's number. Whoever has none, or one
// that cannot be opened, or of whom the carrier does not answer now, is looked at in the
// next round; the last two are counted.
func (h happenings) metered(ctx context.Context, w campaign.When, members []model.MemberID, at model.Millis) (all []campaign.Happening, unheard []model.MemberID, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(metersAtOnce)
	for _, id := range members {
		group.Go(func() error {
			select {
			case h.asking <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			defer func() { <-h.asking }()
			return model.Guarded(func() error {
				ref, err := h.meter(ctx, w, id, at)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, errUnheard):
					unheard = append(unheard, id)
					return nil
				case err != nil || ref == "":
					return err
				}
				all = append(all, campaign.Happening{Member: id, At: at, Ref: ref})
				return nil
			})
		})
	}
	err = group.Wait()
	slices.Sort(unheard)
	slices.SortFunc(all, func(a, b campaign.Happening) int { return int(a.Member - b.Member) })
	return all, unheard, err
}

// errUnheard says that nobody tells now how a member's data stands.
var errUnheard = errors.New("the carrier tells nothing of the member")

// meter says what happened to a member's data; empty: nothing. Errors: errUnheard.
func (h happenings) meter(ctx context.Context, w campaign.When, id model.MemberID, at model.Millis) (ref string, err error) {
	m, err := h.members.Get(ctx, id, model.OfficialAccount)
	if errors.Is(err, member.ErrUnknown) || err == nil && !m.Bound() {
		return "", nil
	}
	if errors.Is(err, seal.ErrRefused) || errors.Is(err, seal.ErrNoKey) {
		return "", errUnheard // he must not keep all after him; the nightly look at the holders tells of his number
	}
	if err != nil {
		return "", err
	}
	u, err := h.account.Usage(ctx, m.Phone)
	if err != nil || u.Stale {
		return "", errUnheard // the next round asks again
	}
	if w.Event == campaign.DataLow {
		if low(u) {
			return at.Time().Format("2006-01"), nil
		}
		return "", nil
	}
	day := model.DayOf(at.Time()) + model.Day(w.Days)
	for _, a := range u.Allowances {
		if a.Kind == model.Data && a.ValidUntil != 0 && a.Left > 0 && model.DayOf(a.ValidUntil.Time()) == day {
			return day.String(), nil
		}
	}
	return "", nil
}

// low tells that less than a tenth of the data is left.
func low(u model.Usage) bool {
	var total, left int64
	for _, a := range u.Allowances {
		if a.Kind != model.Data {
			continue
		}
		if a.Total == 0 {
			return false // unlimited
		}
		total, left = total+a.Total, left+a.Left
	}
	return total > 0 && left < total/10
}

// Joined is a page of those in the segment now.
func (h happenings) Joined(ctx context.Context, segment model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	return h.audience.MatchingAfter(ctx, segment, after, limit)
}

// Among is who of the members is in a frozen audience.
func (h happenings) Among(ctx context.Context, frozen model.ID, members []model.MemberID) ([]model.MemberID, error) {
	return h.audience.FrozenAmong(ctx, frozen, members)
}
