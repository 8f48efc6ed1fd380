package job

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"kaimenhong/model"
)

// late is a job of which the last time that was missed is made up for.
type late struct {
	Job
	schedule cron.Schedule
}

// lateSpec is when it is looked for what was missed, beside the runner's start.
const lateSpec = "50 * * * * *"

// clockSkew is how far the clocks of two replicas may lie apart, and more.
const clockSkew = 5 * time.Minute

func (r *Runner) addLate(j Job, schedule cron.Schedule) error {
	if _, every := schedule.(cron.ConstantDelaySchedule); every || j.Everywhere || j.Late < 0 {
		return fmt.Errorf("job %s: only what has times and runs once can be late", j.Name)
	}
	r.late = append(r.late, late{j, schedule})
	return nil
}

// watchLate lets the runner catch up when it begins and once a minute then.
func (r *Runner) watchLate() error {
	minutely, err := parser.Parse(lateSpec)
	if err != nil || len(r.late) == 0 {
		return err
	}
	once := cron.NewChain(cron.SkipIfStillRunning(cron.DiscardLogger))
	r.cron.Schedule(&atOnce{Schedule: minutely}, once.Then(cron.FuncJob(func() {
		if err := r.CatchUp(r.ctx); err != nil && r.ctx.Err() == nil {
			r.log.ErrorContext(r.ctx, "late jobs failed", "error", err)
		}
	})))
	return nil
}

// atOnce is a schedule whose first time is when it is asked.
type atOnce struct {
	cron.Schedule
	asked bool
}

// Next implements cron.Schedule.
func (s *atOnce) Next(after time.Time) time.Time {
	if !s.asked {
		s.asked = true
		return after
	}
	return s.Schedule.Next(after)
}

// CatchUp runs of each job that may be late the last occurrence that was missed, unless
// it is too late for it: one that no replica began, for none was up or the database was
// away, or one whose replica died. Those before it are skipped. A job that never ran has
// missed nothing. It ends when what it ran has ended.
func (r *Runner) CatchUp(ctx context.Context) error {
	failed := make([]error, len(r.late))
	var all sync.WaitGroup
	for i, l := range r.late {
		all.Go(func() {
			failed[i] = guarded(ctx, func(ctx context.Context) error { return r.makeUp(ctx, l) })
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

func (r *Runner) makeUp(ctx context.Context, l late) error {
	ctx, cancel := context.WithTimeout(ctx, l.Limit)
	defer cancel()
	var last, lease, done int64
	var token string
	err := r.db.QueryRowContext(ctx, lastRun, l.Name).Scan(&last, &token, &lease, &done)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the last run of %s: %w", l.Name, err)
	}
	now, at := r.now(), model.Millis(last).Time()
	switch next := missed(l.schedule, at, now, l.Late); {
	case !next.IsZero():
		at = next
		token, err = r.claim(ctx, l.Job, at, now)
	case done == 0 && !now.Add(-clockSkew).Before(model.Millis(lease).Time()) && now.Sub(at) <= l.Late:
		token, err = r.takeOver(ctx, l.Job, at, now, token)
	default:
		return nil
	}
	if err != nil || token == "" {
		return err
	}
	r.log.WarnContext(ctx, "job made up for", "job", l.Name, "scheduled_for", at)
	return r.claimed(ctx, l.Job, at, token, now)
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

// takeOver makes the occurrence of a replica that died ours, as claim does; from is the
// token that it had.
func (r *Runner) takeOver(ctx context.Context, j Job, at, started time.Time, from string) (token string, err error) {
	token = rand.Text()
	result, err := r.db.ExecContext(ctx, takeRun, token, int64(model.At(started.Add(j.Limit))), int64(model.At(started)), j.Name, int64(model.At(at)), from)
	if err != nil {
		return "", fmt.Errorf("take %s over: %w", j.Name, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return "", err
	}
	return token, nil
}

const (
	lastRun = `SELECT scheduled_for, token, lease_until, done_at FROM job_run WHERE job = ? ORDER BY scheduled_for DESC LIMIT 1`
	takeRun = `UPDATE job_run SET token = ?, lease_until = ?, started_at = ? WHERE job = ? AND scheduled_for = ? AND token = ? AND done_at = 0`
)
