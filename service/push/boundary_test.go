package push_test

import (
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

// A call is on its way when its day, or its minute, ends and another replica has begun the
// next one: what WeChat says of it is said of the one that is over.
func TestARefusalOfWhatIsOverShutsNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		at    time.Time
		says  error
		quota push.Quota
	}{
		{"a day that is over", noon.Add(12*time.Hour - 10*time.Second), dayOver, push.Quota{Day: 50}},
		{"a minute that is over", noon.Add(50 * time.Second), minuteOver, push.Quota{Day: 500, Minute: 50}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				c := newCrowd(20)
				opts := push.PlannerOptions{Chunk: 10, Calls: 1, Quotas: map[model.Channel]push.Quota{model.CustomChannel: tt.quota}}
				ticks := model.At(tt.at)
				opts.Ticks = ticksOf(&ticks)
				r, other := newRig(t, pool, c, opts), newRig(t, pool, c, opts)
				r.windows(t)
				service := func(id, campaign model.ID) model.Dispatch {
					d := dispatch(id, by(model.CustomChannel))
					d.Purpose, d.Campaign = model.Transactional, campaign
					return d
				}
				r.stage(t, service(1, 7))
				c.pass(tt.at.Sub(noon))
				c.gate, c.waiting = make(chan struct{}), make(chan struct{}, 1)
				c.answer = func(k call) error {
					if k.at.Equal(tt.at) {
						return tt.says
					}
					return nil
				}
				done := make(chan error, 1)
				go func() {
					_, err := r.SendDue(t.Context())
					done <- err
				}()
				<-c.waiting
				c.mu.Lock()
				wake := c.gate
				c.gate, c.now = nil, c.now.Add(20*time.Second)
				c.mu.Unlock()
				ticks = ticks.Add(20 * time.Second)
				other.stage(t, service(2, 8))
				other.send(t)
				if got := other.states(t, 8); got["sent custom"] != 20 {
					t.Fatalf("the other replica's recipients are %v, want all sent", got)
				}
				close(wake)
				must(t, <-done)
				r.send(t)
				r.wants(t, map[string]int64{"sent custom": 20})
				limits, err := r.Limits(t.Context())
				must(t, err)
				if l := limits.Channels[0]; l.Learned != 0 || l.Shut {
					t.Errorf("the channel is %+v, want that nothing was learned of it", l)
				}
				if tt.says == dayOver && limits.Channels[0].Used != 40 {
					t.Errorf("%d of the day's quota are used, want the 40 calls of the day", limits.Channels[0].Used)
				}
			})
		})
	}
}
