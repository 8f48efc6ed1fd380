package push_test

import (
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

func TestLittleIsUnclearWhileWeChatIsSlow(t *testing.T) {
	const people = 700
	for _, tt := range []struct {
		name  string
		takes time.Duration // one call
		most  int           // rows that say "sending" at a time
	}{
		{"a second a call", time.Second, 64},
		{"ten milliseconds a call", 10 * time.Millisecond, 100},
		{"no time at all", 0, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				r := newRig(t, pool, newCrowd(people), push.PlannerOptions{Calls: 1, Look: time.Hour, Lease: time.Hour})
				r.windows(t)
				r.stage(t, dispatch(1, by(model.CustomChannel)))
				most := 0
				r.began = func(call) { // what a death at this moment leaves unclear
					var n int
					if err := pool.QueryRow("SELECT COUNT(*) FROM push_delivery WHERE state = 'sending'").Scan(&n); err != nil {
						t.Error(err)
					}
					most = max(most, n)
					r.now = r.now.Add(tt.takes)
				}
				r.send(t)
				r.wants(t, map[string]int64{"sent custom": people})
				if most != tt.most {
					t.Errorf("at most %d recipients were being sent to at a time, want %d", most, tt.most)
				}
			})
		})
	}
}
