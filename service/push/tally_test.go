package push_test

import (
	"database/sql"
	"fmt"
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
