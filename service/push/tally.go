package push

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/service/push/internal/db"
)

// MaxDeliveries is how many one call of Deliveries answers.
const MaxDeliveries = 10_000

// maxDispatches bounds the dispatches of one campaign that are looked at.
const maxDispatches = 10_000

// Tally counts the recipients of a campaign by step, variant, channel, state and why. It
// counts so many with one statement, for a statement that takes ten seconds is given up
// and a campaign may have twenty million: each is counted once, and those who are staged
// meanwhile perhaps not yet.
func (p *Planner) Tally(ctx context.Context, campaign model.ID) ([]model.Tally, error) {
	steps, err := p.stepsOf(ctx, campaign)
	if err != nil {
		return nil, err
	}
	var rows []db.TallyRow
	for after, last := int64(0), false; !last; {
		end, err := p.q.TallyEnd(ctx, db.TallyEndParams{CampaignID: int64(campaign), After: after, Offset: int32(p.opts.Counted - 1)})
		if errors.Is(err, sql.ErrNoRows) {
			end, last, err = math.MaxInt64, true, nil
		}
		if err != nil {
			return nil, fmt.Errorf("divide the deliveries of campaign %s: %w", campaign, err)
		}
		page, err := p.q.Tally(ctx, db.TallyParams{CampaignID: int64(campaign), After: after, LastID: end})
		if err != nil {
			return nil, fmt.Errorf("count the deliveries of campaign %s: %w", campaign, err)
		}
		rows, after = append(rows, page...), end
	}
	return steps.tally(together(rows)), nil
}

// TallyOf counts the recipients of one dispatch as Tally does those of a campaign, but
// for its holdout.
func (p *Planner) TallyOf(ctx context.Context, dispatch model.ID) ([]model.Tally, error) {
	found, err := p.q.DispatchesByID(ctx, []int64{int64(dispatch)})
	if err != nil {
		return nil, fmt.Errorf("read dispatch %s: %w", dispatch, err)
	}
	steps, err := stepsIn(found)
	if err != nil {
		return nil, err
	}
	var rows []db.TallyRow
	at := max(1, p.opts.Counted/p.shardSize(steps[int64(dispatch)])) // shards
	for after := int32(-1); ; {
		shards, err := p.q.ShardsAfter(ctx, db.ShardsAfterParams{DispatchID: int64(dispatch), After: after, Limit: int32(at)})
		if err != nil {
			return nil, fmt.Errorf("list the shards of dispatch %s: %w", dispatch, err)
		}
		if len(shards) == 0 {
			return steps.tally(together(rows)), nil
		}
		part := db.TallyOfParams{DispatchID: int64(dispatch), FromID: shards[0].FromID, FirstShard: shards[0].N, LastShard: shards[len(shards)-1].N}
		for _, s := range shards { // ids of several replicas do not always grow
			part.FromID, part.ToID = min(part.FromID, s.FromID), max(part.ToID, s.ToID)
		}
		counted, err := p.q.TallyOf(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("count the deliveries of dispatch %s: %w", dispatch, err)
		}
		for _, r := range counted {
			rows = append(rows, db.TallyRow(r))
		}
		after = part.LastShard
	}
}

// together adds up what was counted in parts, in the order of what it is of.
func together(rows []db.TallyRow) []db.TallyRow {
	at := map[db.TallyRow]int{} // by all but the numbers
	out := make([]db.TallyRow, 0, len(rows))
	for _, r := range rows {
		key := r
		key.N, key.Delivered, key.Tapped = 0, 0, 0
		i, there := at[key]
		if !there {
			i = len(out)
			at[key], out = i, append(out, key)
		}
		out[i].N, out[i].Delivered, out[i].Tapped = out[i].N+r.N, out[i].Delivered+r.Delivered, out[i].Tapped+r.Tapped
	}
	slices.SortFunc(out, func(a, b db.TallyRow) int {
		return cmp.Or(cmp.Compare(a.DispatchID, b.DispatchID), cmp.Compare(a.Variant, b.Variant),
			strings.Compare(a.Channel, b.Channel), strings.Compare(a.State, b.State), strings.Compare(a.Why, b.Why))
	})
	return out
}

// tally names the rows of a count and adds up those who wait.
func (s steps) tally(rows []db.TallyRow) []model.Tally {
	out := make([]model.Tally, 0, len(rows))
	waiting := map[model.Tally]int{} // where those stand who wait for any channel
	for _, r := range rows {
		step, variant := s.name(r.DispatchID, r.Variant)
		one := model.Tally{
			Dispatch: model.ID(r.DispatchID), Step: step, Variant: variant, Channel: channelOf(r.State, r.Channel),
			State: model.DeliveryState(r.State), Why: r.Why, Count: r.N, Delivered: r.Delivered, Tapped: r.Tapped,
		}
		if one.State == model.DeliveryPending {
			key := one
			key.Count = 0
			if at, there := waiting[key]; there {
				out[at].Count += one.Count
				continue
			}
			waiting[key] = len(out)
		}
		out = append(out, one)
	}
	return out
}

// maxFirst bounds the shards that one count of a canary reads: those of the first
// twenty million of an audience, some 200,000 people, say enough.
const maxFirst = 2000

// Canary counts by state those of a campaign who are sent to before Release. It reads
// their rows alone, for the canary of a million is looked at every few seconds.
func (p *Planner) Canary(ctx context.Context, campaign model.ID) (map[model.DeliveryState]int64, error) {
	shards, err := p.q.FirstShards(ctx, db.FirstShardsParams{CampaignID: int64(campaign), DroppedFor: whyDropped, Limit: maxFirst})
	if err != nil {
		return nil, fmt.Errorf("list the first shards of campaign %s: %w", campaign, err)
	}
	out := map[model.DeliveryState]int64{}
	for _, s := range shards {
		rows, err := p.q.StatesIn(ctx, db.StatesInParams{DispatchID: s.DispatchID, Shard: s.N, FromID: s.FromID, ToID: s.ToID})
		if err != nil {
			return nil, fmt.Errorf("count the first recipients of campaign %s: %w", campaign, err)
		}
		for _, r := range rows {
			out[model.DeliveryState(r.State)] += r.N
		}
	}
	return out, nil
}

// Open tells that some of a campaign's messages are still to be sent or under way. It
// looks at the shards, which are done no sooner than their last row.
func (p *Planner) Open(ctx context.Context, campaign model.ID) (bool, error) {
	n, err := p.q.OpenShardsOf(ctx, int64(campaign))
	if err != nil {
		return false, fmt.Errorf("look for open shards of campaign %s: %w", campaign, err)
	}
	return n > 0, nil
}

// channelOf is the channel of a row. Who waits has none yet: the row holds the one
// that is likely, so that it does not grow when it is called.
func channelOf(state, channel string) model.Channel {
	if state == string(model.DeliveryPending) {
		return ""
	}
	return model.Channel(channel)
}

// Deliveries lists the recipients of a campaign after one (0: from the first), in
// the order of their ids, at most limit and MaxDeliveries.
func (p *Planner) Deliveries(ctx context.Context, campaign, after model.ID, limit int) ([]model.Delivery, error) {
	steps, err := p.stepsOf(ctx, campaign)
	if err != nil {
		return nil, err
	}
	rows, err := p.q.Deliveries(ctx, db.DeliveriesParams{CampaignID: int64(campaign), After: int64(after), Limit: int32(min(max(limit, 1), MaxDeliveries))})
	if err != nil {
		return nil, fmt.Errorf("list the deliveries of campaign %s: %w", campaign, err)
	}
	return steps.deliveries(rows), nil
}

// steps name the steps and variants of dispatches.
type steps map[int64]model.Dispatch

func (p *Planner) stepsOf(ctx context.Context, campaign model.ID) (steps, error) {
	rows, err := p.q.DispatchesOf(ctx, db.DispatchesOfParams{CampaignID: int64(campaign), Limit: maxDispatches})
	if err != nil {
		return nil, fmt.Errorf("list the dispatches of campaign %s: %w", campaign, err)
	}
	return stepsIn(rows)
}

func stepsIn(rows []db.PushDispatch) (steps, error) {
	out := make(steps, len(rows))
	for _, row := range rows {
		d, err := dispatchOf(row)
		if err != nil {
			return nil, err
		}
		out[row.ID] = d
	}
	return out, nil
}

func (s steps) name(dispatch int64, variant int32) (model.ID, string) {
	d := s[dispatch]
	if variant < 0 || int(variant) >= len(d.Variants) {
		return d.Step, ""
	}
	return d.Step, d.Variants[variant].Name
}

func (s steps) deliveries(rows []db.PushDelivery) []model.Delivery {
	out := make([]model.Delivery, len(rows))
	for i, r := range rows {
		out[i] = s.delivery(r)
	}
	return out
}

func (s steps) delivery(r db.PushDelivery) model.Delivery {
	step, variant := s.name(r.DispatchID, r.Variant)
	return model.Delivery{
		ID: model.ID(r.ID), Dispatch: model.ID(r.DispatchID), Step: step, Member: model.MemberID(r.MemberID), Variant: variant,
		Channel: channelOf(r.State, r.Channel), State: model.DeliveryState(r.State), Why: r.Why, At: model.Millis(r.ChangedAt),
		DeliveredAt: model.Millis(r.DeliveredAt), TappedAt: model.Millis(r.TappedAt),
	}
}
