package job

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"kaimenhong/model"
)

// lateSpec is when it is looked for what was missed.
const lateSpec = "50 * * * * *"

// clockSkew is how far the clocks of two replicas may lie apart, and more.
const clockSkew = 5 * time.Minute

// watch lets the runner look once a minute whether an occurrence of j was missed.
func (r *Runner) watch(j Job, schedule cron.Schedule) error {
	if j.Late == 0 {
		return nil
	}
	if _, every := schedule.(cron.ConstantDelaySchedule); every || j.Everywhere || j.Late < 0 {
		return fmt.Errorf("job %s: only what has times and runs once can be late", j.Name)
	}
	minutely, err := parser.Parse(lateSpec)
	if err != nil {
		return err
	}
	once := cron.NewChain(cron.SkipIfStillRunning(cron.DiscardLogger))
	r.cron.Schedule(minutely, once.Then(cron.FuncJob(func() {
		if err := r.makeUp(r.ctx, j, schedule); err != nil && r.ctx.Err() == nil {
			r.log.ErrorContext(r.ctx, "late job failed", "job", j.Name, "error", err)
		}
	})))
	return nil
}

// MakeUp runs the last occurrence of j that was missed, unless it is too late for it:
// one that no replica began, for none was up or the database was away, or one whose
// replica died. Those before it are skipped. A job that never ran has missed nothing.
func (r *Runner) MakeUp(ctx context.Context, j Job) error {
	schedule, err := parser.Parse(j.Spec)
	if err != nil {
		return fmt.Errorf("job %s: %w", j.Name, err)
	}
	return r.makeUp(ctx, j, schedule)
}

func (r *Runner) makeUp(ctx context.Context, j Job, schedule cron.Schedule) error {
	var last, lease, done int64
	var token string
	err := r.db.QueryRowContext(ctx, lastRun, j.Name).Scan(&last, &token, &lease, &done)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the last run of %s: %w", j.Name, err)
	}
	now := r.now()
	if at := missed(schedule, model.Millis(last).Time(), now, j.Late); !at.IsZero() {
		r.log.WarnContext(ctx, "job made up for", "job", j.Name, "scheduled_for", at)
		return r.Once(ctx, j, at)
	}
	at := model.Millis(last).Time()
	if done != 0 || model.At(now.Add(-clockSkew)) < model.Millis(lease) || now.Sub(at) > j.Late {
		return nil
	}
	return r.takeOver(ctx, j, at, token)
}

// missed is the last time after one and until now, not longer ago than late; zero when
// there is none.
func missed(schedule cron.Schedule, after, now time.Time, late time.Duration) (at time.Time) {
	if from := now.Add(-late); after.Before(from) {
		after = from.Add(-time.Nanosecond)
	}
	for next := schedule.Next(after.In(model.Shanghai)); !next.IsZero() && !next.After(now); next = schedule.Next(next) {
		at = next
	}
	return at
}

// takeOver runs the occurrence of a replica that died.
func (r *Runner) takeOver(ctx context.Context, j Job, at time.Time, from string) error {
	ctx, cancel := context.WithTimeout(ctx, j.Limit)
	defer cancel()
	token, started := rand.Text(), r.now()
	result, err := r.db.ExecContext(ctx, takeRun, token, int64(model.At(started.Add(j.Limit))), int64(model.At(started)), j.Name, int64(model.At(at)), from)
	if err != nil {
		return fmt.Errorf("take %s over: %w", j.Name, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err // another replica was quicker
	}
	r.log.WarnContext(ctx, "job of a lost replica taken over", "job", j.Name, "scheduled_for", at)
	return r.claimed(ctx, j, at, token, started)
}

const (
	lastRun = `SELECT scheduled_for, token, lease_until, done_at FROM job_run WHERE job = ? ORDER BY scheduled_for DESC LIMIT 1`
	takeRun = `UPDATE job_run SET token = ?, lease_until = ?, started_at = ? WHERE job = ? AND scheduled_for = ? AND token = ? AND done_at = 0`
)
