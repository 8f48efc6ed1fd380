package campaign

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// tried is how a variant did.
type tried struct {
	name         string
	sent, tapped int64
}

func (t tried) rate() float64 {
	if t.sent == 0 {
		return 0
	}
	return float64(t.tapped) / float64(t.sent)
}

// limits are how many standard errors two rates must lie apart, by how many variants
// are compared with A: 5 % two-sided, shared between the comparisons (Bonferroni).
var limits = []float64{1.960, 1.960, 2.241, 2.394, 2.498}

// win is the variant that everybody else gets, and why. The best one wins when it is
// better than A beyond chance (two-proportion z-test); A wins otherwise.
func win(all []tried) (name, why string) {
	a, best := all[0], all[0]
	for _, t := range all[1:] {
		if t.rate() > best.rate() {
			best = t
		}
	}
	if best.name == a.name {
		return a.name, fmt.Sprintf("%s的点击率%.1f%%最高", a.name, 100*a.rate())
	}
	apart := fmt.Sprintf("%s的点击率%.1f%%，%s的点击率%.1f%%", best.name, 100*best.rate(), a.name, 100*a.rate())
	if z(best, a) < limits[min(len(all)-1, len(limits)-1)] {
		return a.name, apart + "，差异不显著，按" + a.name + "发送"
	}
	return best.name, apart + "，差异显著"
}

// z is by how many standard errors the rates lie apart.
func z(x, y tried) float64 {
	if x.sent == 0 || y.sent == 0 {
		return 0
	}
	pooled := float64(x.tapped+y.tapped) / float64(x.sent+y.sent)
	spread := math.Sqrt(pooled * (1 - pooled) * (1/float64(x.sent) + 1/float64(y.sent)))
	if spread == 0 {
		return 0
	}
	return (x.rate() - y.rate()) / spread
}

// choose decides the tests whose time is over.
func (c *Campaigns) choose(ctx context.Context, v *Version) error {
	tests, err := c.tests(ctx, v)
	if err != nil {
		return err
	}
	var failed []error
	for _, t := range tests {
		s, _ := v.Plan.step(model.ID(t.StepID))
		rule, err := c.ruleOf(ctx, v, s, int(t.Version))
		if err == nil && rule != nil { // nil: pushed to everybody, before the step had one
			err = c.chooseOne(ctx, v, s, t)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("compare the variants of step %s: %w", s.ID, err))
		}
	}
	return errors.Join(failed...)
}

// tests are those that wait for their winner.
func (c *Campaigns) tests(ctx context.Context, v *Version) ([]db.CampaignOccurrence, error) {
	var steps []int64
	for _, s := range v.Plan.Steps {
		if s.Winner != nil {
			steps = append(steps, int64(s.ID))
		}
	}
	if len(steps) == 0 {
		return nil, nil
	}
	tests, err := c.q.Tests(ctx, db.TestsParams{CampaignID: int64(v.Campaign), Steps: steps, Limit: maxTests})
	if err != nil {
		return nil, fmt.Errorf("list tests: %w", err)
	}
	return tests, nil
}

// splitOf is the rule by which the audience of an occurrence was divided: the test's own,
// also when a version since divides otherwise. Who tried a variant is not of the rest.
func (c *Campaigns) splitOf(ctx context.Context, v *Version, s Step, o db.CampaignOccurrence) (*Winner, error) {
	if o.Part == 0 {
		return s.Winner, nil
	}
	version, err := c.q.TestedBy(ctx, db.TestedByParams{StepID: o.StepID, ScheduledFor: o.ScheduledFor})
	if err != nil {
		return nil, fmt.Errorf("find the version of a test: %w", err)
	}
	return c.ruleOf(ctx, v, s, int(version))
}

// ruleOf is the rule that a step of v had in a version.
func (c *Campaigns) ruleOf(ctx context.Context, v *Version, s Step, version int) (*Winner, error) {
	if version == v.Version {
		return s.Winner, nil
	}
	other, err := c.Version(ctx, v.Campaign, version)
	if err != nil {
		return nil, err
	}
	was, _ := other.Plan.step(s.ID)
	return was.Winner, nil
}

// chooseOne decides one. Its hours begin when it may be sent, in the morning for one that
// came at night, stand still while the campaign is paused, and what is too few is waited for twice as long, nights left out. When
// the campaign leaves an hour to send to the rest it is decided by what there is.
func (c *Campaigns) chooseOne(ctx context.Context, v *Version, s Step, t db.CampaignOccurrence) error {
	wait, now, began := time.Duration(s.Winner.Hours)*time.Hour, model.At(c.Now()), model.Millis(t.StagedAt+t.HeldMs)
	if morning, waits := s.night(began); waits {
		began = morning
	}
	last := s.awake(now, v.Plan.EndsAt) <= time.Hour
	if now < began.Add(wait) && !last {
		return nil
	}
	tally, err := c.Counts.TallyOf(ctx, model.ID(t.DispatchID))
	if err != nil {
		return fmt.Errorf("count a test: %w", err)
	}
	all, enough := results(s, tally)
	if !enough && s.awake(began, now) < 2*wait && !last {
		return nil
	}
	name, why := win(all)
	if !enough {
		name, why = s.Variants[0].Name, fmt.Sprintf("等到%s仍不足每版%d条，按%s发送", shortTime(now, now), s.Winner.MinSent, s.Variants[0].Name)
	}
	o := c.occurrence(v, s, now, 0)
	o.ScheduledFor, o.Part, o.Winner, o.Why = t.ScheduledFor, 1, name, why
	if err := c.q.InsertOccurrence(ctx, o); err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("record a winner: %w", err)
	}
	c.Log.InfoContext(ctx, "winner chosen", "campaign", v.Campaign, "step", s.ID, "variant", name)
	return nil
}

// results are the numbers of a test by variant, and whether each was sent often enough.
func results(s Step, tally []Tally) (all []tried, enough bool) {
	enough = true
	for _, variant := range s.Variants {
		t := tried{name: variant.Name}
		for _, row := range tally {
			if row.Variant == variant.Name && row.State == model.DeliverySent {
				t.sent += row.N
				t.tapped += row.Tapped
			}
		}
		enough = enough && t.sent >= int64(s.Winner.MinSent)
		all = append(all, t)
	}
	return all, enough
}
