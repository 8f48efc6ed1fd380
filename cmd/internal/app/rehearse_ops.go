package app

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/campaign"
)

// rehearsals lets a replica rehearse what operators ask for. In a scratch copy nothing
// is started, so that it rehearses nothing itself.
func (d *domains) rehearsals(g ground) error {
	play := func(ctx context.Context, id model.ID, version int, b campaign.Behaviour, told func(model.Millis, int)) (campaign.Rehearsed, error) {
		r, err := rehearse(ctx, g.cfg, g.stores.db, g.now, wish{id, version, shares(b), told})
		if err != nil {
			return campaign.Rehearsed{}, err
		}
		return r.told(), nil
	}
	d.background = append(d.background, func(ctx context.Context) { d.campaign.RunRehearsals(ctx, play) })
	return nil
}

// told is the rehearsal as the operators' API tells it.
func (r Rehearsal) told() campaign.Rehearsed {
	p := r.Progress
	out := campaign.Rehearsed{
		People: r.People, Holdout: r.Plan.Holdout, State: p.Campaign.State, Why: p.Campaign.Why,
		Tapped: r.Tapped, Opened: r.Opened, Filled: r.Filled, TookMS: r.Took.Milliseconds(),
		Steps: []campaign.RehearsedStep{}, Outcomes: []campaign.RehearsedTally{}, Hours: []campaign.RehearsedHour{},
		Quotas: []campaign.RehearsedQuota{}, Refused: []campaign.RehearsedReason{}, Budget: []campaign.RehearsedPurse{},
	}
	names := map[model.ID]string{}
	for _, o := range slices.Backward(p.Occurrences) {
		names[o.Step] = o.Name
		out.Steps = append(out.Steps, campaign.RehearsedStep{Name: o.Name, ScheduledFor: o.ScheduledFor, State: o.State, People: o.Total, Why: o.Why})
	}
	for _, t := range p.Tally {
		out.Outcomes = append(out.Outcomes, campaign.RehearsedTally{
			Step: names[t.Step], Variant: t.Variant, Channel: t.Channel, State: t.State, Why: t.Why, Words: becameWords(t), People: t.N,
		})
	}
	for _, at := range slices.Sorted(maps.Keys(r.Hours)) {
		out.Hours = append(out.Hours, campaign.RehearsedHour{At: at, Messages: r.Hours[at]})
	}
	for _, day := range slices.Sorted(maps.Keys(r.Days)) {
		for _, limit := range r.limits {
			if n := r.Days[day][limit.channel]; n > 0 {
				out.Quotas = append(out.Quotas, campaign.RehearsedQuota{Day: day.String(), Channel: limit.channel, Used: n, Limit: limit.day})
			}
		}
	}
	for _, why := range slices.Sorted(maps.Keys(r.Refused)) {
		out.Refused = append(out.Refused, campaign.RehearsedReason{Why: why, Times: r.Refused[why]})
	}
	for _, b := range r.Purse {
		out.Budget = append(out.Budget, campaign.RehearsedPurse{At: b.At, Amount: b.Budget.Amount, Reserved: b.Budget.Reserved, Spent: b.Budget.Spent})
	}
	return out
}

// compare orders channels, those with the smallest quota first.
func (q standInQuota) compare(other standInQuota) int {
	return cmp.Or(cmp.Compare(q.day, other.day), cmp.Compare(q.channel, other.channel))
}
