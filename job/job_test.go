package job_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func newRunner(t *testing.T, db *sql.DB, jobs ...job.Job) *job.Runner {
	t.Helper()
	r, err := job.New(db, time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestAnOccurrenceRunsOnceOnAnyNumberOfReplicas(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		var runs atomic.Int32
		j := job.Job{Name: "greet", Spec: "@daily", Limit: time.Minute, Run: func(context.Context) error { runs.Add(1); return nil }}
		at := time.Date(2026, 2, 17, 0, 0, 0, 0, model.Shanghai)
		var wg sync.WaitGroup
		for range 8 {
			r := newRunner(t, db)
			wg.Go(func() {
				if err := r.Once(t.Context(), j, at); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if runs.Load() != 1 {
			t.Errorf("the occurrence ran %d times, want 1", runs.Load())
		}
		if err := newRunner(t, db).Once(t.Context(), j, at.AddDate(0, 0, 1)); err != nil || runs.Load() != 2 {
			t.Errorf("the next occurrence: %v, %d runs, want 2", err, runs.Load())
		}
	})
}

func TestWhatAJobSaysOfItsFailure(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		boom := errors.New("boom")
		r := newRunner(t, db)
		for i, tt := range []struct {
			name string
			run  func(context.Context) error
			want string
		}{
			{"an error", func(context.Context) error { return boom }, "boom"},
			{"one that is cut within a character", func(context.Context) error { return errors.New("boom" + strings.Repeat("错", 99)) }, "boom错"},
			{"a panic does not end the process", func(context.Context) error { panic("ouch") }, "panic: ouch"},
			{"the limit ends a run", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "deadline exceeded"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				j := job.Job{Name: "fail", Spec: "@daily", Limit: time.Second, Run: tt.run}
				err := r.Once(t.Context(), j, time.Unix(int64(i), 0))
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("Once = %v, want %q", err, tt.want)
				}
				var recorded string
				if err := db.QueryRowContext(t.Context(), `SELECT error FROM job_run WHERE scheduled_for = ?`, i*1000).Scan(&recorded); err != nil || !strings.Contains(recorded, tt.want) {
					t.Errorf("recorded %q, %v, want %q", recorded, err, tt.want)
				}
			})
		}
	})
}

func TestTheScheduleRunsJobs(t *testing.T) {
	ran := make(chan struct{}, 100)
	r := newRunner(t, dbtest.SQLite(t), job.Job{Name: "each-second", Spec: "* * * * * *", Limit: time.Second, Run: func(context.Context) error { ran <- struct{}{}; return nil }})
	r.Start()
	select {
	case <-ran:
	case <-time.After(time.Minute):
		t.Fatal("no run within a minute")
	}
}

func TestABrokenEntryIsRefused(t *testing.T) {
	db := dbtest.SQLite(t)
	for _, j := range []job.Job{
		{Name: "spec", Spec: "every now and then", Limit: time.Second},
		{Name: "limit", Spec: "@daily"},
		{Name: strings.Repeat("n", 65), Spec: "@daily", Limit: time.Second},
	} {
		if _, err := job.New(db, time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), []job.Job{j}); err == nil {
			t.Errorf("New with %s = nil, want an error", j.Name)
		}
	}
}
