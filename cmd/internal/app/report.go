package app

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/audience"
	"kaimenhong/service/campaign"
	"kaimenhong/service/mall"
	"kaimenhong/service/member"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
)

// reports builds what campaigns earned.
func (d *domains) reports(g ground) (err error) {
	d.report, err = campaign.NewReports(campaign.ReportDeps{
		DB: g.stores.db, IDs: g.ids, Now: g.now, Metrics: g.reg, Kits: shelf{d.material, d.mall}, Sendings: sendings{d.planner, d.audience},
		Conduct: conduct{d.audience, d.redpacket, d.members, d.mall}, Spending: prizes{d.redpacket},
	}, campaign.ReportOptions{Reason: push.Reason})
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	return nil
}

// sendings are the recipients of campaigns as who they are now: what they did since is
// known of that one, and who was two and is one is one.
type sendings struct {
	planner  *push.Planner
	audience *audience.Audience
}

// Deliveries is a page of what became of recipients.
func (s sendings) Deliveries(ctx context.Context, campaignID, after model.ID, limit int) ([]model.Delivery, error) {
	page, err := s.planner.Deliveries(ctx, campaignID, after, limit)
	if err != nil {
		return nil, err
	}
	ids := make([]model.MemberID, len(page))
	for i, d := range page {
		ids[i] = d.Member
	}
	people, err := s.audience.Persons(ctx, nil, ids)
	if err != nil {
		return nil, err
	}
	for i, p := range people {
		page[i].Member = p.Now
	}
	return page, nil
}

// prizes are what a game has cost.
type prizes struct{ engine *redpacket.Engine }

// Cost is what was won, on its way or handed over; what came back is not in it.
func (p prizes) Cost(ctx context.Context, game model.ID) (model.Fen, error) {
	b, err := p.engine.Budget(ctx, redpacket.GameID(game))
	return b.Spent, err
}

// conduct reads what people did for the reports.
type conduct struct {
	audience *audience.Audience
	engine   *redpacket.Engine
	members  *member.Members
	mall     *mall.Mall
}

// conductRows are the rows of deeds that are read at once.
const conductRows = 20_000

// Conduct reads the portraits, what was taken and bought, the pots and the follows of
// some people, ascending, each by one question for all of them.
func (c conduct) Conduct(ctx context.Context, kits []campaign.Kit, people []model.MemberID, from, to model.Day) ([]campaign.Conduct, error) {
	out, at := make([]campaign.Conduct, len(people)), make(map[model.MemberID]int, len(people))
	for i, id := range people {
		at[id] = i
	}
	known, err := c.audience.Facts(ctx, people, []string{"city", "stage"})
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].City, out[i].Segment = known[i]["city"], known[i]["stage"]
	}
	if err := c.bought(ctx, people, from, to, func(d audience.Done) {
		if i, ours := at[d.Member]; ours {
			out[i].Bought += d.N
			out[i].Spent += d.Fen
		}
	}); err != nil {
		return nil, err
	}
	brought := map[model.MemberID]int{}
	for _, kit := range kits {
		if err := c.took(ctx, kit.Offer, people, from, to, func(id model.MemberID, n int64) { out[at[id]].Took = max(out[at[id]].Took, n) }); err != nil {
			return nil, err
		}
		if kit.Game == 0 {
			continue
		}
		played, err := c.engine.Played(ctx, redpacket.GameID(kit.Game), people, model.At(from.Start()), model.At((to + 1).Start()))
		if err != nil {
			return nil, err
		}
		for id, p := range played {
			out[at[id]].Played, out[at[id]].Opened = out[at[id]].Played+p.Pots, out[at[id]].Opened+p.Helps
			for _, friend := range p.Brought {
				if _, other := brought[friend]; !other { // by another game
					brought[friend] = at[id]
				}
			}
		}
	}
	return out, c.followed(ctx, people, brought, from, to, out)
}

// took tells who took the offer: in the mall, or of the carrier as its files of purchases
// say. The carrier's may name what the mall handed over too.
func (c conduct) took(ctx context.Context, offer campaign.Offer, people []model.MemberID, from, to model.Day, tell func(model.MemberID, int64)) error {
	inMall, err := c.mall.Took(ctx, offer.Gifts, people, model.At(from.Start()), model.At((to + 1).Start()))
	if err != nil {
		return err
	}
	for id, n := range inMall {
		tell(id, n)
	}
	if offer.Product == "" {
		return nil
	}
	bought, err := c.audience.Bought(ctx, offer.Product, people, from, to)
	for _, id := range bought {
		tell(id, 1)
	}
	return err
}

// bought tells each of what was bought by people whose ids lie among those given.
func (c conduct) bought(ctx context.Context, people []model.MemberID, from, to model.Day, tell func(audience.Done)) error {
	if len(people) == 0 {
		return nil
	}
	after, last := people[0]-1, people[len(people)-1]
	for after < last {
		rows, err := c.audience.Acts(ctx, after, last, paid, from, to, conductRows)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, d := range rows {
			tell(d)
		}
		after = rows[len(rows)-1].Member
	}
	return nil
}

// followParts is how many members are asked about at once.
const followParts = 1000

// followed notes who began to follow, and whose friends did.
func (c conduct) followed(ctx context.Context, people []model.MemberID, brought map[model.MemberID]int, from, to model.Day, out []campaign.Conduct) error {
	since, until := model.At(from.Start()), model.At((to + 1).Start())
	own, err := c.members.Followed(ctx, people, since, until)
	if err != nil {
		return err
	}
	for i, id := range people {
		out[i].FollowedAt, out[i].LeftAt = own[id].At, own[id].Left
	}
	friends := make([]model.MemberID, 0, len(brought))
	for id := range brought {
		friends = append(friends, id)
	}
	for len(friends) > 0 {
		part := friends[:min(followParts, len(friends))]
		friends = friends[len(part):]
		began, err := c.members.Followed(ctx, part, since, until)
		if err != nil {
			return err
		}
		for id := range began {
			out[brought[id]].Brought = append(out[brought[id]].Brought, id)
		}
	}
	return nil
}
