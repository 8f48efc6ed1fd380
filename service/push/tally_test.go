package push_test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

func TestWhatIsCountedOfAPartAgreesWithTheWhole(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(300), push.PlannerOptions{Shard: 20})
		r.windows(t)
		r.answer = func(k call) error {
			if k.member%5 == 0 {
				return windowShut
			}
			return nil
		}
		for id := model.ID(1); id <= 3; id++ {
			d := dispatch(id, by(model.CustomChannel))
			d.Canary = 1_000
			d.Variants = []model.Variant{{Name: "A", Share: 5_000, Ways: d.Variants[0].Ways}, {Name: "B", Share: 5_000, Ways: d.Variants[0].Ways}}
			if id == 3 {
				d.Campaign = 8
			}
			r.stage(t, d)
		}
		r.agree(t, "before a call", true)
		if c := r.canary(t); len(c) != 1 || c[model.DeliveryPending] < 10 {
			t.Errorf("before a call the canary is %v", c)
		}
		r.send(t)
		r.agree(t, "when the canary was sent", true)
		tried, all := r.canary(t), map[model.DeliveryState]int64{}
		for _, y := range told[[]model.Tally](t)(r.Tally(t.Context(), 7)) {
			all[y.State] += y.Count
		}
		all[model.DeliveryPending] = 0 // who is beyond the canary
		if tried[model.DeliveryPending] = 0; fmt.Sprint(tried) != fmt.Sprint(all) || tried[model.DeliverySent] == 0 || tried[model.DeliverySkipped]+tried[model.DeliveryRefused] == 0 {
			t.Errorf("of the canary were tried %v, of all %v", tried, all)
		}
		must(t, r.Release(t.Context(), 7))
		r.agree(t, "when it is released", true)
		r.send(t)
		r.agree(t, "when all was sent", false)
		must(t, r.Kill(t.Context(), 8))
		if !told[bool](t)(r.Open(t.Context(), 8)) {
			t.Error("what was killed is not open before it was swept")
		}
		r.send(t)
		if told[bool](t)(r.Open(t.Context(), 8)) {
			t.Error("what was killed and swept is open")
		}
	})
}

// told is what was answered without an error.
func told[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t.(*testing.T), err)
		return v
	}
}

func (r *rig) canary(t testing.TB) map[model.DeliveryState]int64 {
	t.Helper()
	return told[map[model.DeliveryState]int64](t)(r.Canary(t.Context(), 7))
}

// agree compares the tallies of both dispatches of campaign 7 with its own, and what is
// open with who waits.
func (r *rig) agree(t testing.TB, when string, open bool) {
	t.Helper()
	whole := told[[]model.Tally](t)(r.Tally(t.Context(), 7))
	parts := append(told[[]model.Tally](t)(r.TallyOf(t.Context(), 1)), told[[]model.Tally](t)(r.TallyOf(t.Context(), 2))...)
	waits := false
	for _, y := range whole {
		waits = waits || y.State == model.DeliveryPending || y.State == model.DeliverySending
	}
	if fmt.Sprint(parts) != fmt.Sprint(whole) || len(whole) < 4 {
		t.Errorf("%s the dispatches count %v, the campaign %v", when, parts, whole)
	}
	if got := told[bool](t)(r.Open(t.Context(), 7)); got != waits || got != open {
		t.Errorf("%s the campaign is open: %v, somebody waits: %v, want %v", when, got, waits, open)
	}
}

// A statement that counts all of a campaign is given up when that takes ten seconds, and
// the page then tells nothing for ever.
func TestACountIsMadeInPartsAndCountsEverybodyOnceWhileItIsSent(t *testing.T) {
	const people, most = 300, 40
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		largest := 0
		watched := dbtest.WatchedBy(pool, func(at dbtest.Trip) error {
			if at.Query && !at.Done && strings.Contains(at.Statement, "GROUP BY dispatch_id") {
				largest = max(largest, counts(t, pool, at.Statement, at.Args))
			}
			return nil
		})
		defer func() { _ = watched.Close() }()
		opts := push.PlannerOptions{Shard: 20, Chunk: 7, Counted: most}
		r := newRig(t, pool, newCrowd(people), opts)
		r.windows(t)
		counter := newRig(t, watched, r.crowd, opts)
		for id := model.ID(1); id <= 2; id++ {
			d := dispatch(id, by(model.CustomChannel))
			d.Holdout = 10
			d.Variants = []model.Variant{{Name: "A", Share: 5_000, Ways: d.Variants[0].Ways}, {Name: "B", Share: 5_000, Ways: d.Variants[0].Ways}}
			r.stage(t, d)
		}
		done := make(chan error, 1)
		go func() {
			for {
				n, err := r.SendDue(t.Context())
				if n == 0 || err != nil {
					done <- err
					return
				}
			}
		}()
		for sending := true; sending; {
			select {
			case err := <-done:
				must(t, err)
				sending = false
			default:
			}
			if n := sum(told[[]model.Tally](t)(counter.Tally(t.Context(), 7)), ""); n != 2*people {
				t.Fatalf("while it was sent %d were counted, want %d", n, 2*people)
			}
		}
		whole := told[[]model.Tally](t)(counter.Tally(t.Context(), 7))
		one := told[[]model.Tally](t)(counter.TallyOf(t.Context(), 1))
		var held, sent int64
		must(t, pool.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM push_delivery WHERE state = 'held_out'").Scan(&held))
		must(t, pool.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM push_delivery WHERE state = 'sent' AND dispatch_id = 1").Scan(&sent))
		if got := sum(whole, model.DeliveryHeldOut); got != held || held == 0 {
			t.Errorf("%d of the holdout are counted, want %d", got, held)
		}
		if got := sum(one, model.DeliverySent); got != sent || sent == 0 {
			t.Errorf("%d of one dispatch are counted for sent, want %d", got, sent)
		}
		if largest > most {
			t.Errorf("one statement counted %d, want %d at most", largest, most)
		}
	})
}

// sum is how many are counted in a state; in all, for none.
func sum(list []model.Tally, state model.DeliveryState) (n int64) {
	for _, y := range list {
		if state == "" || y.State == state {
			n += y.Count
		}
	}
	return n
}

// counts is how many rows a statement that counts them counts, its sixth column.
func counts(t *testing.T, pool *sql.DB, statement string, named []driver.NamedValue) (n int) {
	t.Helper()
	args := make([]any, len(named))
	for i, a := range named {
		args[i] = a.Value
	}
	rows, err := pool.QueryContext(t.Context(), statement, args...)
	must(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var skip any
		var one int
		must(t, rows.Scan(&skip, &skip, &skip, &skip, &skip, &one, &skip, &skip))
		n += one
	}
	must(t, rows.Err())
	return n
}
