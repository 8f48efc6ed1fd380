package job_test

import (
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// TestOldRunsAreForgotten goes by the runner's own job, which nobody lists.
func TestOldRunsAreForgotten(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		nothing := func(context.Context) error { return nil }
		often, gone := job.Job{Name: "often", Spec: "* * * * * *", Limit: time.Minute, Run: nothing}, job.Job{Name: "no more", Limit: time.Minute}
		noon := time.Date(2026, 2, 17, 12, 0, 0, 0, model.Shanghai)
		r, err := job.New(db, func() time.Time { return noon }, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), []job.Job{often})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.CatchUp(t.Context()); err != nil { // it never ran, so that nothing was missed
			t.Fatal(err)
		}
		ago := func(days int) time.Time { return noon.AddDate(0, 0, -days) }
		ran(t, db, job.Job{Name: "job-forget", Limit: time.Minute}, ago(2), true)
		for _, days := range []int{29, 31, 32, 60, 400} {
			ran(t, db, often, ago(days), true)
			ran(t, db, gone, ago(days), false) // its replica died
		}
		if err := r.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := db.QueryContext(t.Context(), `SELECT job FROM job_run ORDER BY job, scheduled_for`)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = left.Close() }()
		var names []string
		for left.Next() {
			var name string
			if err := left.Scan(&name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		// Its own run of now, made up for, is beside the one of two days ago.
		if want := []string{"job-forget", "job-forget", "no more", "often"}; left.Err() != nil || !slices.Equal(names, want) {
			t.Errorf("the runs of %q are left (%v), want %q", names, left.Err(), want)
		}
	})
}
