// Package job runs what happens by the clock. schedule.go is every job, its time
// and its limit on one page.
//
// Invariant: one occurrence of a job runs on one replica, once: the insert of its
// row (job, scheduled_for) that succeeds runs it. Of the times that were missed the last
// one is made up for, as long as the job says (Late). A job that is marked Everywhere
// claims its work row by row and so runs on each replica. Every job works in chunks
// that may be repeated and takes up what an earlier run, whose process died, left.
//
// Table: job_run.
package job

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
)

// Job is one entry of the schedule.
type Job struct {
	Name  string // at most 64 bytes, stable: it is part of a key
	Spec  string // robfig/cron, in China's time zone; seconds first
	Limit time.Duration
	Run   func(ctx context.Context) error

	Everywhere bool // on each replica: it claims rows, not occurrences
	// Late is how long after its time an occurrence is still made up for that no replica
	// began, or whose replica died; 0: it is skipped, for the next one does the same work.
	Late time.Duration
}

// Runner runs jobs by their schedules.
type Runner struct {
	db   sqldb.Alone
	now  model.Clock
	log  *slog.Logger
	cron *cron.Cron
	runs *prometheus.CounterVec
	took *prometheus.HistogramVec

	late []late

	ctx  context.Context
	stop context.CancelFunc
}

// parser reads six fields, seconds first, and @every.
var parser = cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// New returns a runner of the jobs. A spec that cannot be read is an error.
func New(db *sql.DB, now model.Clock, log *slog.Logger, reg prometheus.Registerer, jobs []Job) (*Runner, error) {
	ctx, stop := context.WithCancel(context.Background())
	r := &Runner{
		db: sqldb.Alone{DB: db}, now: now, log: log, ctx: ctx, stop: stop,
		cron: cron.New(cron.WithLocation(model.Shanghai), cron.WithParser(parser)),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "job_runs_total", Help: "Runs of a job on this replica, by outcome."}, []string{"job", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "job_seconds", Help: "How long a run took.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}, []string{"job"}),
	}
	reg.MustRegister(r.runs, r.took)
	for _, j := range append(jobs[:len(jobs):len(jobs)], r.forgetting()) {
		schedule, err := parser.Parse(j.Spec)
		if err != nil {
			stop()
			return nil, fmt.Errorf("job %s: %w", j.Name, err)
		}
		if j.Limit <= 0 || len(j.Name) > 64 {
			stop()
			return nil, fmt.Errorf("job %s: it needs a limit and a name of at most 64 bytes", j.Name)
		}
		if j.Late != 0 {
			if err := r.addLate(j, schedule); err != nil {
				stop()
				return nil, err
			}
		}
		var id cron.EntryID
		once := cron.NewChain(cron.SkipIfStillRunning(cron.DiscardLogger)) // on this replica
		id = r.cron.Schedule(schedule, once.Then(cron.FuncJob(func() { r.tick(j, r.occurrence(id)) })))
	}
	return r, r.watchLate()
}

// Start begins to run jobs; Stop ends it.
func (r *Runner) Start() { r.cron.Start() }

// Stop lets no job begin any more, ends those that run and waits for them, at
// most until ctx is done.
func (r *Runner) Stop(ctx context.Context) error {
	r.stop()
	select {
	case <-r.cron.Stop().Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("jobs are still running: %w", ctx.Err())
	}
}

// occurrence is the instant for which the entry fired. The entry is read through
// the scheduler, after it has moved on, so Prev is that instant; @every begins at
// a different second on each replica and is cut to its own grid.
func (r *Runner) occurrence(id cron.EntryID) time.Time {
	entry := r.cron.Entry(id)
	if every, ok := entry.Schedule.(cron.ConstantDelaySchedule); ok {
		return entry.Prev.Truncate(every.Delay)
	}
	return entry.Prev
}

// tick runs an occurrence, if no other replica does.
func (r *Runner) tick(j Job, at time.Time) {
	if err := r.Once(r.ctx, j, at); err != nil && r.ctx.Err() == nil {
		r.log.ErrorContext(r.ctx, "job failed", "job", j.Name, "error", err)
	}
}

// Once runs one occurrence unless it was run already, on whichever replica.
func (r *Runner) Once(ctx context.Context, j Job, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, j.Limit)
	defer cancel()
	started := r.now()
	if j.Everywhere {
		return r.run(ctx, j, started)
	}
	token, err := r.claim(ctx, j, at, started)
	if err != nil || token == "" {
		return err
	}
	return r.claimed(ctx, j, at, token, started)
}

// claim makes an occurrence ours and answers its token, "" when another replica has it.
func (r *Runner) claim(ctx context.Context, j Job, at, started time.Time) (token string, err error) {
	token = rand.Text()
	_, err = r.db.ExecContext(ctx, insertRun, j.Name, int64(model.At(at)), token, int64(model.At(started.Add(j.Limit))), int64(model.At(started)))
	if sqldb.Duplicate(err) {
		r.runs.WithLabelValues(j.Name, "elsewhere").Inc()
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("claim %s: %w", j.Name, err)
	}
	return token, nil
}

// claimed runs an occurrence that is ours and records its end.
func (r *Runner) claimed(ctx context.Context, j Job, at time.Time, token string, started time.Time) error {
	runErr := r.run(ctx, j, started)
	text := ""
	if runErr != nil {
		text = model.CutBytes(runErr.Error(), 200)
	}
	done, cancelDone := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancelDone()
	_, err := r.db.ExecContext(done, finishRun, int64(model.At(r.now())), text, j.Name, int64(model.At(at)), token)
	return errors.Join(runErr, err)
}

// run runs the job here and now and counts it.
func (r *Runner) run(ctx context.Context, j Job, started time.Time) error {
	err := guarded(ctx, j.Run)
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	r.runs.WithLabelValues(j.Name, outcome).Inc()
	r.took.WithLabelValues(j.Name).Observe(r.now().Sub(started).Seconds())
	return err
}

// guarded turns a panic into an error: one job must not end the process.
func guarded(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return run(ctx)
}

const (
	insertRun = `INSERT INTO job_run (job, scheduled_for, token, lease_until, started_at, done_at, error) VALUES (?, ?, ?, ?, ?, 0, '')`
	finishRun = `UPDATE job_run SET done_at = ?, error = ? WHERE job = ? AND scheduled_for = ? AND token = ?`
)
