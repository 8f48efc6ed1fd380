package push_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

func TestNoCallBeginsOnceBothReplicasHaveSeenThatItIsOver(t *testing.T) {
	const people, calls = 200, 4 // of each replica at a time
	for _, tt := range []struct {
		name string
		stop func(ctx context.Context, p *push.Planner) error
		want map[string]int64
	}{
		{"killed", func(ctx context.Context, p *push.Planner) error { return p.Kill(ctx, 7) }, map[string]int64{"sent custom": 2 * calls, "skipped push.killed": people - 2*calls}},
		{"its step dropped", func(ctx context.Context, p *push.Planner) error { return keep(ctx, p, 71) }, map[string]int64{"sent custom": 2 * calls, "skipped push.dropped": people - 2*calls}},
		{"paused", func(ctx context.Context, p *push.Planner) error { return p.Pause(ctx, 7, "看看") }, map[string]int64{"sent custom": 2 * calls, "pending": people - 2*calls}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				// The test looks by itself, and nothing runs out however slow it is.
				opts := push.PlannerOptions{Shard: 50, Calls: calls, Look: time.Hour, Lease: time.Hour}
				r := newRig(t, pool, newCrowd(people), opts)
				other := newRig(t, pool, r.crowd, opts)
				r.windows(t)
				r.stage(t, dispatch(1, by(model.CustomChannel)))
				gate := make(chan struct{})
				r.gate, r.waiting = gate, make(chan struct{}, people)
				ended := make(chan error, 2)
				for _, p := range []*push.Planner{r.Planner, other.Planner} {
					go func() {
						_, err := p.SendDue(t.Context())
						ended <- err
					}()
				}
				for range 2 * calls { // as many as may be under way
					select {
					case <-r.waiting:
					case err := <-ended:
						t.Fatalf("SendDue ended early: %v", err)
					}
				}
				must(t, tt.stop(t.Context(), r.Planner))
				must(t, r.Look(t.Context()))
				must(t, other.Look(t.Context()))
				close(gate)
				for range 2 {
					must(t, <-ended)
				}
				if n := len(r.arrived()); n != 2*calls {
					t.Errorf("%d messages arrived, want the %d that were under way", n, 2*calls)
				}
				if tt.name != "paused" {
					r.send(t) // sweeps what nobody had in hand
				}
				r.wants(t, tt.want)
			})
		})
	}
}
