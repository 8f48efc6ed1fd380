package push_test

import (
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/push"
)

func TestWhatADispatchLeavesIsForgotten(t *testing.T) {
	everywhere(t, 5, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		r.stage(t, dispatch(1, model.Way{Channel: model.MiniChannel, Material: 102}))
		r.send(t)
		// The others are never reported.
		must(t, r.Report(t.Context(), model.Inbound{Kind: "event.templatesendjobfinish", MsgID: "3", Status: "success"}))
		must(t, r.rights.Grant(t.Context(), 1001, string(model.MiniChannel), "T102", "unused"))
		_, err := r.sql.ExecContext(t.Context(), "INSERT INTO push_tap (member_id, delivery_id, tapped_at) VALUES (1, 1, ?)", int64(model.At(r.clock())))
		must(t, err)
		count := func(table string) (n int) {
			t.Helper()
			must(t, r.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
			return n
		}
		for _, step := range []struct {
			days                           int
			taps, loads, reports, receipts int
			rights                         int // of 5 consents that were used up, 5 windows that nobody used, and a consent that never ends
		}{{6, 1, 5, 1, 5, 11}, {2, 0, 5, 1, 5, 11}, {5, 0, 5, 1, 5, 11}, {2, 0, 0, 1, 5, 11}, {76, 0, 0, 0, 0, 6}, {2, 0, 0, 0, 0, 1}} {
			r.pass(time.Duration(step.days) * 24 * time.Hour)
			_, err := r.rights.Forget(t.Context())
			must(t, err)
			got := [5]int{count("push_tap"), count("push_load"), count("push_report"), count("push_receipt"), count("push_entitlement")}
			if want := [5]int{step.taps, step.loads, step.reports, step.receipts, step.rights}; got != want {
				t.Errorf("%d days later there are %v taps, loads, reports, receipts and rights, want %v", step.days, got, want)
			}
		}
		if n, err := r.rights.Forget(t.Context()); n != 0 || err != nil {
			t.Errorf("Forget = %d, %v, want that nothing is left", n, err)
		}
	})
}
