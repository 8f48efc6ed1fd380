package job

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kaimenhong/model"
)

// keepRuns is how long the record of a run is kept.
const keepRuns = 30 * 24 * time.Hour

// forgotten is of how much time one statement deletes the runs of a job: some ten
// thousand of the most frequent one.
const forgotten = 12 * time.Hour

// maxForgotten bounds the statements of one run for one job; the next night goes on.
const maxForgotten = 1000

// forgetting is the runner's own job.
func (r *Runner) forgetting() Job {
	return Job{Name: "job-forget", Spec: "0 5 4 * * *", Limit: 30 * time.Minute, Late: 20 * time.Hour, Run: r.Forget}
}

// Forget deletes the records of runs that are older than 30 days.
func (r *Runner) Forget(ctx context.Context) error {
	names, err := r.recorded(ctx)
	if err != nil {
		return fmt.Errorf("list the jobs that ran: %w", err)
	}
	before := model.At(r.now().Add(-keepRuns))
	for _, name := range names {
		for range maxForgotten {
			var first sql.NullInt64
			if err := r.db.QueryRowContext(ctx, firstRun, name).Scan(&first); err != nil {
				return fmt.Errorf("read the first run of %s: %w", name, err)
			}
			if !first.Valid || model.Millis(first.Int64) >= before {
				break
			}
			until := min(model.Millis(first.Int64).Add(forgotten), before)
			if _, err := r.db.ExecContext(ctx, forgetRuns, name, int64(until)); err != nil {
				return fmt.Errorf("forget the runs of %s: %w", name, err)
			}
		}
	}
	return nil
}

// recorded are the names of the jobs that have records, also of those that are no more.
func (r *Runner) recorded(ctx context.Context) (names []string, err error) {
	rows, err := r.db.QueryContext(ctx, recordedJobs)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

const (
	recordedJobs = `SELECT DISTINCT job FROM job_run ORDER BY job`
	firstRun     = `SELECT MIN(scheduled_for) FROM job_run WHERE job = ?`
	forgetRuns   = `DELETE FROM job_run WHERE job = ? AND scheduled_for < ?`
)
