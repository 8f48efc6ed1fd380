package push

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// The states of a campaign's pushes.
const (
	running = "running"
	paused  = "paused"
	killed  = "killed"
)

// maxWhy is the length, in bytes, that the table leaves for a person's reason.
const maxWhy = 255

// Pause stops a campaign's pushes on all replicas within two looks; calls that are
// under way end. Errors: ErrKilled.
func (p *Planner) Pause(ctx context.Context, campaign model.ID, why string) error {
	return p.set(ctx, campaign, paused, why)
}

// Resume goes on, also with what stopped by itself. Errors: ErrKilled.
func (p *Planner) Resume(ctx context.Context, campaign model.ID) error {
	if err := p.set(ctx, campaign, running, ""); err != nil {
		return err
	}
	if err := p.q.ReopenDispatches(ctx, int64(campaign)); err != nil {
		return fmt.Errorf("reopen the dispatches of campaign %s: %w", campaign, err)
	}
	p.wake()
	return nil
}

// Kill stops a campaign's pushes for ever, as fast as Pause; whoever was not reached
// is skipped (push.killed). A repeat changes nothing.
func (p *Planner) Kill(ctx context.Context, campaign model.ID) error {
	err := p.set(ctx, campaign, killed, "")
	if errors.Is(err, ErrKilled) {
		return nil
	}
	return err
}

// Release lets those go who wait for the canary, in all dispatches of the campaign
// that are there. A later dispatch has a canary of its own.
func (p *Planner) Release(ctx context.Context, campaign model.ID) error {
	if err := p.q.ReleaseDispatches(ctx, int64(campaign)); err != nil {
		return fmt.Errorf("release campaign %s: %w", campaign, err)
	}
	p.wake()
	return nil
}

// KeepTx keeps of a campaign's dispatches those of some steps, which are all that its plan
// has now. They go on until the campaign's end at most, and no shorter than so long as their
// step lasts: who waits has the time that a later end gives. Of the others nothing more is
// sent, as soon as after Kill; whoever was not reached is skipped (push.dropped). A repeat
// changes nothing.
func (p *Planner) KeepTx(ctx context.Context, tx *sql.Tx, campaign model.ID, end model.Millis, lasts map[model.ID]time.Duration) error {
	q, steps := db.New(tx), make([]int64, 0, len(lasts))
	for _, step := range slices.Sorted(maps.Keys(lasts)) {
		steps = append(steps, int64(step))
		err := q.EndDispatches(ctx, db.EndDispatchesParams{
			EndsAt: int64(end), Lasts: lasts[step].Milliseconds(), CampaignID: int64(campaign), StepID: int64(step),
		})
		if err != nil {
			return fmt.Errorf("end step %s of campaign %s: %w", step, campaign, err)
		}
	}
	if err := q.DropDispatches(ctx, db.DropDispatchesParams{Why: whyDropped, CampaignID: int64(campaign), Steps: steps}); err != nil {
		return fmt.Errorf("drop steps of campaign %s: %w", campaign, err)
	}
	return nil
}

// set writes what a person said, also before anything was staged.
func (p *Planner) set(ctx context.Context, campaign model.ID, state, why string) error {
	why = model.CutBytes(why, maxWhy)
	for range 2 { // the second time the row is there
		n, err := p.q.SetCampaign(ctx, db.SetCampaignParams{State: state, Why: why, ChangedAt: int64(p.now()), CampaignID: int64(campaign)})
		if err != nil {
			return fmt.Errorf("set campaign %s %s: %w", campaign, state, err)
		}
		if n > 0 {
			p.wake()
			return nil
		}
		err = p.q.AddCampaign(ctx, db.AddCampaignParams{CampaignID: int64(campaign), State: state, Why: why, ChangedAt: int64(p.now())})
		if err == nil {
			p.wake()
			return nil
		}
		if !sqldb.Duplicate(err) {
			return fmt.Errorf("set campaign %s %s: %w", campaign, state, err)
		}
	}
	row, err := p.q.Campaign(ctx, int64(campaign))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read campaign %s: %w", campaign, err)
	}
	if row.State == killed {
		return ErrKilled
	}
	return ErrLater
}
