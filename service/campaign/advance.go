package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// The states of an occurrence.
const (
	due     = "due"
	staged  = "staged"
	skipped = "skipped"
	empty   = "empty" // nobody was left
)

// The bounds of one round.
const (
	maxRounds = 1_000  // pages of campaigns
	maxMissed = 10_000 // times of one step that are walked over; a year has fewer
	maxTests  = 1_000  // undecided at once: an hourly step that waits three days for numbers has 150
	// batch is the grid on which members to whom something happened are gathered.
	batch = 5 * time.Minute
)

// Advance moves every campaign that the clock moves: it records the times that have
// come, judges canaries, chooses winners, ends what has ended, and tells the pushes
// what they were not told. Any number of replicas may call it at once. It returns
// how many campaigns it looked at; what fails for one is told and leaves the others.
func (c *Campaigns) Advance(ctx context.Context) (int, error) {
	untold, err := c.q.Untold(ctx, int32(c.opts.Batch))
	if err != nil {
		return 0, fmt.Errorf("list campaigns to tell of: %w", err)
	}
	var failed []error
	for _, r := range untold {
		failed = append(failed, c.tell(ctx, r))
	}
	failed = append(failed, c.outlasted(ctx))
	seen, after := 0, int64(0)
	for range maxRounds {
		page, err := c.q.Moving(ctx, db.MovingParams{After: after, Limit: int32(c.opts.Batch)})
		if err != nil {
			return seen, fmt.Errorf("list campaigns that move: %w", err)
		}
		for _, r := range page {
			after = r.ID
			seen++
			if err := c.advance(ctx, r); err != nil {
				failed = append(failed, fmt.Errorf("advance campaign %d: %w", r.ID, err))
			}
		}
		if len(page) < c.opts.Batch {
			break
		}
	}
	return seen, errors.Join(failed...)
}

// advance moves one campaign.
func (c *Campaigns) advance(ctx context.Context, r db.Campaign) error {
	v, err := c.Version(ctx, model.ID(r.ID), int(r.LiveVersion))
	if err != nil {
		return err
	}
	last, err := c.q.LastOccurrences(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("read the last times: %w", err)
	}
	lastOf := map[model.ID]db.LastOccurrencesRow{}
	for _, l := range last {
		lastOf[model.ID(l.StepID)] = l
	}
	more := false      // some step has a time to come
	var failed []error // what fails for one step keeps neither the others nor the end
	for _, s := range v.Plan.Steps {
		comes, err := c.times(ctx, &v, s, lastOf[s.ID])
		if err != nil {
			failed = append(failed, fmt.Errorf("step %s: %w", s.ID, err))
		}
		more = more || comes || err != nil
	}
	if !c.mayLook(r.ID) {
		return errors.Join(failed...)
	}
	failed = append(failed, c.choose(ctx, &v))
	switch State(r.State) {
	case Scheduled:
		failed = append(failed, c.begun(ctx, r))
	case Canary:
		failed = append(failed, c.judge(ctx, r))
	}
	return errors.Join(append(failed, c.finish(ctx, r, &v, more))...)
}

// lookEvery is how often the deliveries of a campaign are counted by one replica.
const lookEvery = 15 * time.Second

// maxLooked bounds the memory of when a campaign was looked at.
const maxLooked = 10_000

// mayLook tells that the deliveries of a campaign were not counted a moment ago.
func (c *Campaigns) mayLook(id int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	if age := now.Sub(c.looked[id]); age >= 0 && age < lookEvery {
		return false
	}
	if len(c.looked) >= maxLooked {
		clear(c.looked)
	}
	c.looked[id] = now
	return true
}

// times records what has come of one step and tells whether more is to come.
func (c *Campaigns) times(ctx context.Context, v *Version, s Step, last db.LastOccurrencesRow) (more bool, err error) {
	now := model.At(c.Now())
	switch s.When.Kind {
	case AtInstant:
		if last.ScheduledFor != 0 {
			return false, nil
		}
		if s.When.At > now {
			return true, nil
		}
		return false, c.note(ctx, v, s, s.When.At, 0)
	case ByCron:
		from, err := c.since(ctx, v, s, last)
		if err != nil {
			return false, err
		}
		return c.repeat(ctx, v, s, from, now)
	case OnEvent:
		return now < v.Plan.EndsAt, c.gather(ctx, v, s, now)
	}
	return false, nil
}

// since is after which instant the times of a cron step count: the last one that was
// recorded. What had passed already when the step went live, or was given other times by
// another version, was never to come.
func (c *Campaigns) since(ctx context.Context, v *Version, s Step, last db.LastOccurrencesRow) (model.Millis, error) {
	live := cmp.Or(v.LiveAt, v.DecidedAt)
	switch {
	case last.ScheduledFor == 0:
		return max(v.Plan.StartsAt.Add(-time.Millisecond), live), nil
	case last.Version == int64(v.Version):
		return model.Millis(last.ScheduledFor), nil
	}
	before, err := c.Version(ctx, v.Campaign, int(last.Version))
	if err != nil {
		return 0, err
	}
	if was, ok := before.Plan.step(s.ID); ok && was.When == s.When {
		return model.Millis(last.ScheduledFor), nil
	}
	return max(model.Millis(last.ScheduledFor), live), nil
}

// repeat walks from the last recorded time of a cron step over all that have come. It
// records the last of them, which stands for those that were missed.
func (c *Campaigns) repeat(ctx context.Context, v *Version, s Step, last, now model.Millis) (more bool, err error) {
	next, err := c.Cron(s.When.Cron)
	if err != nil {
		return false, fmt.Errorf("read the times: %w", err)
	}
	var come model.Millis
	passed := int64(0)
	at := last.Time()
	for range maxMissed {
		if at = next(at); at.IsZero() || model.At(at) >= v.Plan.EndsAt { // at the end nobody gets it any more
			more = false
			break
		}
		if more = true; model.At(at) > now {
			break
		}
		come, passed = model.At(at), passed+1
	}
	if come == 0 {
		return more, nil
	}
	return more, c.note(ctx, v, s, come, passed-1)
}

// note records one occurrence; one that is recorded already stands.
func (c *Campaigns) note(ctx context.Context, v *Version, s Step, at model.Millis, missed int64) error {
	err := c.come(ctx, v, c.occurrence(v, s, at, missed), func(*db.Queries) error { return nil })
	if err != nil {
		return fmt.Errorf("record a time: %w", err)
	}
	return nil
}

// come records an occurrence with what belongs to it. The campaign may have been paused,
// stopped or changed since it was looked at: nothing is recorded by a plan that holds no
// more, and the next round looks again. One that is recorded already stands.
func (c *Campaigns) come(ctx context.Context, v *Version, o db.InsertOccurrenceParams, with func(q *db.Queries) error) error {
	held := int64(0)
	err := sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) (err error) {
		q := c.q.WithTx(tx)
		if held, err = q.HoldVersion(ctx, db.HoldVersionParams{ID: o.CampaignID, LiveVersion: int32(v.Version)}); err != nil || held == 0 {
			return err
		}
		if err := q.InsertOccurrence(ctx, o); err != nil {
			return err
		}
		return with(q)
	})
	if sqldb.Duplicate(err) {
		return nil
	}
	if err == nil && held > 0 {
		c.occurrences.WithLabelValues("recorded").Inc()
	}
	return err
}

func (c *Campaigns) occurrence(v *Version, s Step, at model.Millis, missed int64) db.InsertOccurrenceParams {
	return db.InsertOccurrenceParams{
		StepID: int64(s.ID), ScheduledFor: int64(at), CampaignID: int64(v.Campaign), Version: int32(v.Version), State: due, DueAt: int64(at),
		Missed: missed, DispatchID: int64(c.IDs.Next()), EndsAt: int64(ends(v, s, at)), Now: c.millis(),
	}
}

// ends is until when those whom a push is for are tried.
func ends(v *Version, s Step, at model.Millis) model.Millis {
	return min(at.Add(time.Duration(s.Hours)*time.Hour), v.Plan.EndsAt)
}

// gather makes one occurrence of all to whom something happened and whose delay is
// over.
func (c *Campaigns) gather(ctx context.Context, v *Version, s Step, now model.Millis) error {
	n, err := c.q.SignalsDue(ctx, db.SignalsDueParams{StepID: int64(s.ID), Now: int64(now)})
	if err != nil || n == 0 {
		return err
	}
	at := model.At(now.Time().Truncate(batch))
	err = c.come(ctx, v, c.occurrence(v, s, at, 0), func(q *db.Queries) error { // when this batch is on its way, the next one takes them
		_, err := q.TakeSignals(ctx, db.TakeSignalsParams{StepID: int64(s.ID), Now: int64(now), TakenFor: int64(at)})
		return err
	})
	if err != nil {
		return fmt.Errorf("gather members: %w", err)
	}
	return nil
}

// grace is how long after its end a campaign is ended even though deliveries are open.
const grace = 24 * time.Hour

// finish ends a campaign of which nothing is to come and nothing is on its way, by the plan
// that was looked at: one that made it longer meanwhile goes on.
func (c *Campaigns) finish(ctx context.Context, r db.Campaign, v *Version, more bool) error {
	now := model.At(c.Now())
	over := now >= v.Plan.EndsAt
	if more && !over {
		return nil
	}
	open, err := c.q.OpenOccurrences(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("count open times: %w", err)
	}
	waiting, err := c.untried(ctx, v)
	if err != nil {
		return err
	}
	sending, err := c.Pushes.Open(ctx, model.ID(r.ID))
	if err != nil {
		return fmt.Errorf("look for what is open: %w", err)
	}
	if (sending || open > 0 || waiting > 0 && !over) && now < v.Plan.EndsAt.Add(grace) {
		return nil
	}
	n, err := c.q.FinishCampaign(ctx, db.FinishCampaignParams{ID: r.ID, Was: r.State, LiveVersion: r.LiveVersion, Now: int64(now)})
	if err != nil {
		return fmt.Errorf("finish a campaign: %w", err)
	}
	if n > 0 {
		c.moved.WithLabelValues(string(Finished)).Inc()
		c.Log.InfoContext(ctx, "campaign finished", "campaign", r.ID)
	}
	return nil
}

// outlasted ends campaigns that are still paused a day after their end: there is nothing
// that they could go on with, and until then somebody may make them longer.
func (c *Campaigns) outlasted(ctx context.Context) error {
	now := model.At(c.Now())
	rows, err := c.q.PausedOver(ctx, db.PausedOverParams{EndedBy: int64(now.Add(-grace)), Limit: int32(c.opts.Batch)})
	if err != nil {
		return fmt.Errorf("list campaigns that a pause has outlasted: %w", err)
	}
	var failed []error
	for _, r := range rows {
		ended := false
		err := sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
			q, why := c.q.WithTx(tx), "到了结束时间仍在暂停，已自动结束"
			n, err := q.FinishCampaign(ctx, db.FinishCampaignParams{ID: r.ID, Was: r.State, LiveVersion: r.LiveVersion, Why: why, Now: int64(now)})
			if ended = n > 0; err != nil || n == 0 {
				return err
			}
			if err := q.SkipOccurrences(ctx, db.SkipOccurrencesParams{CampaignID: r.ID, Why: "活动结束时还在暂停", Now: int64(now)}); err != nil {
				return err
			}
			return c.record(ctx, tx, 0, "finish", model.ID(r.ID), inVersion{Version: int(r.LiveVersion), Why: why})
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("finish paused campaign %d: %w", r.ID, err))
			continue
		}
		if !ended { // it goes on, or another replica was first
			continue
		}
		c.moved.WithLabelValues(string(Finished)).Inc()
		c.Log.InfoContext(ctx, "campaign finished", "campaign", r.ID)
	}
	return errors.Join(failed...)
}

// untried counts tests whose winner is not known yet.
func (c *Campaigns) untried(ctx context.Context, v *Version) (int, error) {
	tests, err := c.tests(ctx, v)
	return len(tests), err
}
