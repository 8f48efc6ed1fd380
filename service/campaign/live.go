package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// Schedule lets an approved version go live: the first one makes the campaign wait
// for its first time; a later one replaces the one before it, which goes on until
// then. What is under way of a step that it has no more ends with it; what is of the
// others ends no later than it, and goes on when its end is a later one.
//
// Errors: ErrUnknown, ErrVersion, ErrPlan when the times have passed meanwhile,
// ErrState.
func (c *Campaigns) Schedule(ctx context.Context, by, id model.ID, version int) (Campaign, error) {
	found, err := c.Get(ctx, id)
	if err != nil {
		return found, err
	}
	v, err := c.Version(ctx, id, version)
	if err != nil {
		return found, err
	}
	was, state := found.State, found.State
	switch {
	case v.State != Approved:
		return found, ErrState.Saying("版本%d还没有批准，不能排期", version)
	case found.LiveVersion == 0:
		was, state = Draft, Scheduled // what the row says before the first is live
	case found.State == Stopped || found.State == Finished:
		return found, ErrState.Saying("活动已结束，请复制成一个新活动")
	}
	fired, err := c.fired(ctx, c.q, id)
	if err == nil {
		err = c.sound(ctx, v)
	}
	if err != nil {
		return found, err
	}
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		q := c.q.WithTx(tx)
		n, err := q.LiveVersion(ctx, db.LiveVersionParams{CampaignID: int64(id), Version: int32(version), Now: c.millis()})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrState.Saying("版本%d还没有批准，不能排期", version)
		}
		n, err = q.GoLive(ctx, db.GoLiveParams{
			ID: int64(id), Version: int32(version), State: string(state), Was: string(was), Name: v.Plan.Name, Goal: string(v.Plan.Goal),
			EndsAt: int64(v.Plan.EndsAt), Now: c.millis(),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrOld
		}
		if now, err := c.fired(ctx, q, id); err != nil || len(now) != len(fired) { // of the others it was not asked whether they were
			return cmp.Or(err, error(ErrState.Saying("有步骤刚刚开始推送，请核对方案后再排期")))
		}
		if v.Plan.Kit != 0 {
			if err := c.Kits.UseKitTx(ctx, tx, v.Plan.Kit); err != nil {
				return err
			}
		}
		if err := q.RetireVersions(ctx, db.RetireVersionsParams{CampaignID: int64(id), Version: int32(version)}); err != nil {
			return err
		}
		if err := c.keepTx(ctx, tx, id, &v.Plan); err != nil {
			return err
		}
		return c.record(ctx, tx, by, "schedule", id, inVersion{Version: version, People: v.FrozenSize})
	})
	if err != nil {
		return found, fmt.Errorf("schedule a campaign: %w", err)
	}
	c.moved.WithLabelValues(string(state)).Inc()
	c.tellNow(ctx, id)
	return c.Get(ctx, id)
}

// keepTx keeps what is under way to the plan that holds from now on.
func (c *Campaigns) keepTx(ctx context.Context, tx *sql.Tx, id model.ID, p *Plan) error {
	q, lasts := c.q.WithTx(tx), p.lasts()
	for _, s := range p.Steps {
		err := q.EndOccurrences(ctx, db.EndOccurrencesParams{
			CampaignID: int64(id), StepID: int64(s.ID), EndsAt: int64(p.EndsAt), Lasts: lasts[s.ID].Milliseconds(),
		})
		if err != nil {
			return err
		}
	}
	return c.Keeps.KeepTx(ctx, tx, id, p.EndsAt, lasts)
}

// Pause holds everything until Resume, within seconds.
//
// Errors: ErrUnknown, ErrWhy, ErrState.
func (c *Campaigns) Pause(ctx context.Context, by, id model.ID, why string) (Campaign, error) {
	why, err := checkWhy(why)
	if err != nil {
		return Campaign{}, err
	}
	return c.move(ctx, by, id, "pause", why, map[State]State{Scheduled: Paused, Canary: Paused, Running: Paused})
}

// Resume goes on where Pause stopped. Times that were missed meanwhile are late: the
// step says what becomes of them.
//
// Errors: ErrUnknown, ErrState.
func (c *Campaigns) Resume(ctx context.Context, by, id model.ID) (Campaign, error) {
	r, err := c.q.Campaign(ctx, int64(id))
	if missing, err := none(err); missing || err != nil {
		return Campaign{}, orUnknown(missing, err)
	}
	return c.move(ctx, by, id, "resume", "", map[State]State{Paused: State(r.PausedFrom)})
}

// Kill stops a campaign for ever, within seconds.
//
// Errors: ErrUnknown, ErrWhy, ErrState.
func (c *Campaigns) Kill(ctx context.Context, by, id model.ID, why string) (Campaign, error) {
	why, err := checkWhy(why)
	if err != nil {
		return Campaign{}, err
	}
	return c.move(ctx, by, id, "kill", why, map[State]State{Scheduled: Stopped, Canary: Stopped, Running: Stopped, Paused: Stopped})
}

// Release ends a canary before its time: a person has seen enough.
//
// Errors: ErrUnknown, ErrState.
func (c *Campaigns) Release(ctx context.Context, by, id model.ID) (Campaign, error) {
	found, err := c.Get(ctx, id)
	if err != nil {
		return found, err
	}
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		n, err := c.q.WithTx(tx).PassCanary(ctx, db.PassCanaryParams{ID: int64(id), Now: c.millis()})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrState.Saying("活动不在试发阶段，不需要放行")
		}
		return c.record(ctx, tx, by, "release", id, inVersion{Version: found.LiveVersion})
	})
	if err != nil {
		return found, fmt.Errorf("release a campaign: %w", err)
	}
	c.moved.WithLabelValues(string(Running)).Inc()
	c.tellNow(ctx, id)
	return c.Get(ctx, id)
}

func orUnknown(missing bool, err error) error {
	if missing {
		return ErrUnknown
	}
	return fmt.Errorf("read a campaign: %w", err)
}

// move changes the state as an operator asked, and tells the pushes at once.
func (c *Campaigns) move(ctx context.Context, by, id model.ID, verb, why string, to map[State]State) (Campaign, error) {
	var state State
	err := sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		q := c.q.WithTx(tx)
		r, err := q.Campaign(ctx, int64(id))
		if missing, err := none(err); missing || err != nil {
			return orUnknown(missing, err)
		}
		var ok bool
		if state, ok = to[State(r.State)]; !ok {
			return ErrState.Saying("活动%s，不能这样操作", brief[State(r.State)])
		}
		from, since := "", int64(0)
		if state == Paused {
			from, since = r.State, c.millis()
		}
		n, err := q.MoveCampaign(ctx, db.MoveCampaignParams{
			ID: int64(id), Was: r.State, State: string(state), Why: why, PausedFrom: from, PausedAt: since, Now: c.millis(),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrOld
		}
		if r.PausedAt > 0 {
			if err := q.HeldOccurrences(ctx, db.HeldOccurrencesParams{CampaignID: int64(id), Held: max(0, c.millis()-r.PausedAt)}); err != nil {
				return err
			}
		}
		if state == Stopped {
			if err := q.SkipOccurrences(ctx, db.SkipOccurrencesParams{CampaignID: int64(id), Why: "活动已终止", Now: c.millis()}); err != nil {
				return err
			}
		}
		if err := q.RestartCanary(ctx, db.RestartCanaryParams{ID: int64(id), Now: c.millis()}); err != nil {
			return err
		}
		return c.record(ctx, tx, by, verb, id, inVersion{Version: int(r.LiveVersion), Why: why})
	})
	if err != nil {
		return Campaign{}, fmt.Errorf("%s a campaign: %w", verb, err)
	}
	c.moved.WithLabelValues(string(state)).Inc()
	c.tellNow(ctx, id)
	return c.Get(ctx, id)
}

// tellNow tells the pushes without waiting for the next round; what fails is told
// then.
func (c *Campaigns) tellNow(ctx context.Context, id model.ID) {
	r, err := c.q.Campaign(ctx, int64(id))
	if err == nil {
		err = c.tell(ctx, r)
	}
	if err != nil {
		c.Log.WarnContext(ctx, "pushes not told of a campaign's state at once", "campaign", id, "error", err)
	}
}

// untold is the told of a campaign that was moved: what the pushes heard last is not
// certain.
const untold = "moved"

// maxTells bounds how often a campaign is told of that others move meanwhile; the next
// round goes on.
const maxTells = 5

// tell makes the pushes stand where the campaign stands. Each call may be repeated. When
// somebody moves the campaign meanwhile, his word may have come before this one: it is
// told again where the campaign stands then.
func (c *Campaigns) tell(ctx context.Context, r db.Campaign) error {
	for range maxTells {
		if err := c.say(ctx, r); err != nil {
			return err
		}
		n, err := c.q.Tell(ctx, db.TellParams{ID: r.ID, Told: r.State})
		if err != nil || n > 0 {
			return err
		}
		if r, err = c.q.Campaign(ctx, r.ID); err != nil {
			return fmt.Errorf("read a campaign: %w", err)
		}
		if State(r.State) == Finished {
			return nil
		}
		r.Told = untold
	}
	return nil
}

// say says to the pushes where a campaign stands.
func (c *Campaigns) say(ctx context.Context, r db.Campaign) error {
	id := model.ID(r.ID)
	var err error
	switch State(r.State) {
	case Paused:
		err = c.Brakes.Pause(ctx, id, r.Why)
	case Stopped:
		err = c.Brakes.Kill(ctx, id)
	case Scheduled, Canary, Running:
		if r.Told == string(Paused) || r.Told == untold {
			err = c.Brakes.Resume(ctx, id)
		}
		if err == nil && State(r.State) == Running {
			err = c.Pushes.Release(ctx, id)
		}
	}
	if err != nil {
		return fmt.Errorf("tell the pushes that campaign %s is %s: %w", id, r.State, err)
	}
	return nil
}
