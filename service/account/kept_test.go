package account_test

import (
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/account"
)

func TestEraseLeavesNothing(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		r := newRig(t, db, client, account.Options{})
		if _, err := r.Balance(t.Context(), number(t)); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return rows(t, db) == 1 })
		if err := r.Erase(t.Context(), number(t)); err != nil {
			t.Fatal(err)
		}
		r.carrier.set(0, down)
		if got, err := r.Balance(t.Context(), number(t)); !errors.Is(err, account.ErrUnavailable) {
			t.Errorf("after Erase = %+v, %v; want %v", got, err, account.ErrUnavailable)
		}
		r.stop()
		if n := rows(t, db); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func rows(t testing.TB, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM account_snapshot`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSnapshotsAreWrittenOnceAMinuteAndNeverBackwards(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		r := newRig(t, db, client, account.Options{Fresh: 10 * time.Second})
		asOf := func() (at int64) {
			if err := db.QueryRowContext(t.Context(), `SELECT as_of FROM account_snapshot`).Scan(&at); err != nil && !errors.Is(err, sql.ErrNoRows) {
				t.Fatal(err)
			}
			return at
		}
		var instants []int64
		for range 13 { // 0 s to 120 s: saved at 0, 60 and 120
			if _, err := r.Balance(t.Context(), number(t)); err != nil {
				t.Fatal(err)
			}
			instants = append(instants, r.clock.at.Load())
			r.clock.move(10 * time.Second)
		}
		waitFor(t, func() bool { return asOf() == slices.Max(instants) })
		r.stop() // a write is counted after its row is there
		if got := testutil.ToFloat64(counter(t, r, "written")); got != 3 {
			t.Errorf("%v writes, want 3", got)
		}
		older := newRig(t, db, client, account.Options{})
		older.clock.move(-time.Hour)
		if _, err := older.Balance(t.Context(), number(t)); err != nil {
			t.Fatal(err)
		}
		older.stop()
		if got := asOf(); got != slices.Max(instants) {
			t.Errorf("an older value replaced the newer one")
		}
	})
}

// counter is the value of account_snapshots_total for an outcome.
func counter(t testing.TB, r *rig, outcome string) prometheus.Collector {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "x"})
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "account_snapshots_total" && m.GetLabel()[0].GetValue() == outcome {
				c.Add(m.GetCounter().GetValue())
			}
		}
	}
	return c
}

func TestTheCarriersWordIsPassedOn(t *testing.T) {
	r := newRig(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), account.Options{})
	if _, err := r.Balance(t.Context(), number(t)); err != nil {
		t.Fatal(err)
	}
	r.clock.move(time.Minute)
	gone := fault.New(fault.NotFound, "test.gone", "")
	r.carrier.set(0, gone)
	for range 2 { // the second must not find what the carrier has taken back
		if got, err := r.Balance(t.Context(), number(t)); !errors.Is(err, gone) {
			t.Errorf("Balance = %+v, %v; want %v", got, err, gone)
		}
	}
	if _, err := r.Balance(t.Context(), model.Phone{}); !errors.Is(err, account.ErrNoPhone) {
		t.Errorf("Balance of no number = %v, want %v", err, account.ErrNoPhone)
	}
}

func TestAValueIsNotKeptBeyondAMinute(t *testing.T) {
	stores := account.Stores{DB: dbtest.SQLite(t), Redis: dbtest.EmbeddedRedis(t), Sealer: newSealer(t), Index: model.Phone.Digits}
	_, err := account.New(&carrier{}, &carrier{}, stores, time.Now, slog.Default(), prometheus.NewRegistry(), account.Options{Fresh: 61 * time.Second})
	if err == nil {
		t.Error("61 s were accepted")
	}
}

func BenchmarkBalanceFromMemory(b *testing.B) {
	r := newRig(b, dbtest.SQLite(b), dbtest.EmbeddedRedis(b), account.Options{})
	p := number(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Balance(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}
