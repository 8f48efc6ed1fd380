package job_test

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestWhatWasMissedIsMadeUpForOnce(t *testing.T) {
	at := func(day, hour, minute int) time.Time {
		return time.Date(2026, 2, day, hour, minute, 0, 0, model.Shanghai)
	}
	const limit = 2 * time.Hour
	type row struct {
		at   time.Time
		done bool
	}
	for _, tt := range []struct {
		name string
		last *row // which ran, at its time
		now  time.Time
		want int // runs
	}{
		{"a job that never ran", nil, at(17, 12, 0), 0},
		{"nothing was missed", &row{at(17, 3, 30), true}, at(17, 12, 0), 0},
		{"this morning's was", &row{at(16, 3, 30), true}, at(17, 12, 0), 1},
		{"a week of them: the last one alone", &row{at(10, 3, 30), true}, at(17, 12, 0), 1},
		{"in the second in which it is due", &row{at(16, 3, 30), true}, at(17, 3, 30), 1},
		{"just before", &row{at(16, 3, 30), true}, at(17, 3, 29), 0},
		{"on the last minute", &row{at(16, 3, 30), true}, at(17, 23, 30), 1},
		{"too late", &row{at(16, 3, 30), true}, at(17, 23, 31), 0},
		{"its replica works on it", &row{at(17, 3, 30), false}, at(17, 5, 0), 0},
		{"its replica may, by another clock", &row{at(17, 3, 30), false}, at(17, 5, 34), 0},
		{"its replica died", &row{at(17, 3, 30), false}, at(17, 5, 35), 1},
		{"it died long ago", &row{at(17, 3, 30), false}, at(17, 23, 31), 0},
		{"it died in the night before", &row{at(16, 3, 30), false}, at(17, 12, 0), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
				var runs atomic.Int32
				j := job.Job{Name: "compare", Spec: "0 30 3 * * *", Limit: limit, Late: 20 * time.Hour, Run: func(context.Context) error { runs.Add(1); return nil }}
				if tt.last != nil {
					ran(t, db, j, tt.last.at, tt.last.done)
				}
				var replicas sync.WaitGroup
				for range 4 {
					r, err := job.New(db, func() time.Time { return tt.now }, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), []job.Job{j})
					if err != nil {
						t.Fatal(err)
					}
					replicas.Go(func() {
						for range 2 {
							if err := r.CatchUp(t.Context()); err != nil {
								t.Error(err)
							}
						}
					})
				}
				replicas.Wait()
				if n := int(runs.Load()); n != tt.want {
					t.Errorf("it ran %d times, want %d", n, tt.want)
				}
				var open int
				if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM job_run WHERE done_at = 0`).Scan(&open); err != nil || tt.want == 1 && tt.last.at.Day() == 17 && open != 0 {
					t.Errorf("%d runs have no end (%v)", open, err)
				}
			})
		})
	}
}

// ran records a run of j on a replica that is no more.
func ran(t *testing.T, db *sql.DB, j job.Job, at time.Time, done bool) {
	t.Helper()
	end := model.Millis(0)
	if done {
		end = model.At(at.Add(time.Minute))
	}
	_, err := db.ExecContext(t.Context(), `INSERT INTO job_run (job, scheduled_for, token, lease_until, started_at, done_at, error) VALUES (?, ?, 'x', ?, ?, ?, '')`,
		j.Name, int64(model.At(at)), int64(model.At(at.Add(j.Limit))), int64(model.At(at)), int64(end))
	if err != nil {
		t.Fatal(err)
	}
}

func TestARunnerThatBeginsCatchesUpAtOnce(t *testing.T) {
	db, runs := dbtest.SQLite(t), make(chan struct{}, 100)
	j := job.Job{Name: "compare", Spec: "@daily", Limit: time.Minute, Late: 48 * time.Hour, Run: func(context.Context) error { runs <- struct{}{}; return nil }}
	ran(t, db, j, time.Now().AddDate(0, 0, -2), true)
	newRunner(t, db, j).Start()
	select {
	case <-runs:
	case <-time.After(time.Minute):
		t.Fatal("what was missed did not run within a minute")
	}
}

func TestTheScheduleKnowsWhatMayBeLate(t *testing.T) {
	nothing := func(context.Context) error { return nil }
	for _, j := range []job.Job{
		{Name: "every", Spec: "@every 1h", Limit: time.Minute, Late: time.Hour, Run: nothing},
		{Name: "everywhere", Spec: "@daily", Limit: time.Minute, Late: time.Hour, Everywhere: true, Run: nothing},
		{Name: "negative", Spec: "@daily", Limit: time.Minute, Late: -time.Hour, Run: nothing},
	} {
		if _, err := job.New(dbtest.SQLite(t), time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), []job.Job{j}); err == nil {
			t.Errorf("New with %s = nil, want an error", j.Name)
		}
	}
}
