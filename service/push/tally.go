package push

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/push/internal/db"
)

// MaxDeliveries is how many one call of Deliveries answers.
const MaxDeliveries = 10_000

// maxDispatches bounds the dispatches of one campaign that are looked at.
const maxDispatches = 10_000

// Tally counts the recipients of a campaign by step, variant, channel, state and why.
func (p *Planner) Tally(ctx context.Context, campaign model.ID) ([]model.Tally, error) {
	steps, err := p.stepsOf(ctx, campaign)
	if err != nil {
		return nil, err
	}
	rows, err := p.q.Tally(ctx, int64(campaign))
	if err != nil {
		return nil, fmt.Errorf("count the deliveries of campaign %s: %w", campaign, err)
	}
	out := make([]model.Tally, 0, len(rows))
	waiting := map[model.Tally]int{} // where those stand who wait for any channel
	for _, r := range rows {
		step, variant := steps.name(r.DispatchID, r.Variant)
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
	return out, nil
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
