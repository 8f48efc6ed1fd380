package campaign

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/campaign/internal/db"
)

// Progress is how far a campaign is.
type Progress struct {
	Campaign    Campaign
	Version     Version // the live one; the last one while none is
	Occurrences []Occurrence
	Tally       []Tally
	CountedAt   model.Millis // when the tally was counted
	Next        []StepWords  // what is to come, by step
}

// Occurrence is one push of a step.
type Occurrence struct {
	Step         model.ID
	Name         string
	ScheduledFor model.Millis
	Part         int    // 1: to those beyond the test
	State        string // due, staged, skipped, empty
	Missed       int64  // times before it that it stands for
	Dispatch     model.ID
	Frozen       model.ID
	Total        int64 // recipients, those of the holdout among them
	Winner       string
	Why          string
	EndsAt       model.Millis
	StagedAt     model.Millis
}

// maxOccurrences is how many of the last occurrences Progress tells.
const maxOccurrences = 500

// Progress reads how far a campaign is. Errors: ErrUnknown.
func (c *Campaigns) Progress(ctx context.Context, id model.ID) (Progress, error) {
	return c.progress(ctx, id, c.count)
}

// count counts the deliveries of a campaign now.
func (c *Campaigns) count(ctx context.Context, id model.ID) ([]Tally, model.Millis, error) {
	at := c.millis()
	tally, err := c.Counts.Tally(ctx, id)
	return tally, model.Millis(at), err
}

func (c *Campaigns) progress(ctx context.Context, id model.ID, count func(context.Context, model.ID) ([]Tally, model.Millis, error)) (Progress, error) {
	var p Progress
	var err error
	if p.Campaign, err = c.Get(ctx, id); err != nil {
		return p, err
	}
	if p.Version, err = c.Version(ctx, id, p.Campaign.LiveVersion); err != nil {
		return p, err
	}
	if p.Occurrences, err = c.Occurrences(ctx, id); err != nil {
		return p, err
	}
	if p.Tally, p.CountedAt, err = count(ctx, id); err != nil {
		return p, fmt.Errorf("count deliveries: %w", err)
	}
	now := model.At(c.Now())
	watches, err := c.sayWatches(ctx, &p.Version.Plan, now)
	if err != nil {
		return p, err
	}
	for i, s := range p.Version.Plan.Steps {
		words, err := c.sayStep(ctx, &p.Version.Plan, i)
		if err != nil {
			return p, err
		}
		var next []model.Millis
		if p.Campaign.State != Stopped && p.Campaign.State != Finished {
			next = c.nextOf(&p.Version.Plan, s)
		}
		words += sayNight(s, next, now) + sayAsleep(s, p.Tally, now) + watches[s.ID]
		p.Next = append(p.Next, StepWords{Step: s.ID, Name: s.Name, Words: words, Next: next})
	}
	return p, nil
}

// Occurrences are the last pushes of a campaign, the newest first.
func (c *Campaigns) Occurrences(ctx context.Context, id model.ID) ([]Occurrence, error) {
	rows, err := c.q.Occurrences(ctx, db.OccurrencesParams{CampaignID: int64(id), Limit: maxOccurrences})
	if err != nil {
		return nil, fmt.Errorf("list pushes: %w", err)
	}
	named := map[int32]Plan{}
	list := make([]Occurrence, len(rows))
	for i, r := range rows {
		plan, ok := named[r.Version]
		if !ok {
			v, err := c.Version(ctx, id, int(r.Version))
			if err != nil {
				return nil, err
			}
			plan = v.Plan
			named[r.Version] = plan
		}
		s, _ := plan.step(model.ID(r.StepID))
		list[i] = Occurrence{
			Step: model.ID(r.StepID), Name: s.Name, ScheduledFor: model.Millis(r.ScheduledFor), Part: int(r.Part), State: r.State, Missed: r.Missed,
			Dispatch: model.ID(r.DispatchID), Frozen: model.ID(r.FrozenID), Total: r.Total, Winner: r.Winner, Why: r.Why,
			EndsAt: model.Millis(r.EndsAt), StagedAt: model.Millis(r.StagedAt),
		}
	}
	return list, nil
}
