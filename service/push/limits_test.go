package push_test

import (
	"database/sql"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

func TestNoPlanLoosensTheInstallationsCaps(t *testing.T) {
	for _, tt := range []struct {
		name         string
		plan, ours   model.Caps
		today, after int // of five campaigns today and five tomorrow
	}{
		{"nobody bounds", model.Caps{}, model.Caps{}, 5, 5},
		{"the plan has none", model.Caps{}, model.Caps{Day: 2, Week: 3}, 2, 1},
		{"the plan allows more", model.Caps{Day: 5, Week: 9}, model.Caps{Day: 2, Week: 3}, 2, 1},
		{"the plan allows less", model.Caps{Day: 1, Week: 2}, model.Caps{Day: 2, Week: 3}, 1, 1},
		{"each bounds one", model.Caps{Day: 1}, model.Caps{Week: 1}, 1, 0},
		{"the installation has none", model.Caps{Day: 3, Week: 4}, model.Caps{}, 3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				r := newRig(t, pool, newCrowd(3), push.PlannerOptions{Caps: tt.ours})
				sent := 0
				for day, want := range []int{tt.today, tt.after} {
					r.windows(t)
					for id := range model.ID(5) {
						d := dispatch(model.ID(10*day+1)+id, by(model.CustomChannel))
						d.Campaign, d.Caps = 10+id, tt.plan
						r.stage(t, d)
					}
					r.send(t)
					if got := len(r.arrived()) - sent; got != 3*want {
						t.Errorf("day %d: %d messages to 3 members, want %d each", day+1, got, want)
					}
					sent = len(r.arrived())
					r.pass(24 * time.Hour)
				}
			})
		})
	}
}

func TestServiceNoticesHaveNoCap(t *testing.T) {
	everywhere(t, 3, push.PlannerOptions{Caps: model.Caps{Day: 1, Week: 1}}, func(t *testing.T, r *rig) {
		for id := range model.ID(2) {
			d := dispatch(id+1, by(model.TemplateChannel))
			d.Purpose = model.Transactional
			r.stage(t, d)
		}
		r.send(t)
		r.wants(t, map[string]int64{"sent template": 6})
	})
}

func TestTheLimitsTellWhatIsLeftToday(t *testing.T) {
	opts := push.PlannerOptions{
		Caps:   model.Caps{Day: 2, Week: 5},
		Quotas: map[model.Channel]push.Quota{model.CustomChannel: {Day: 50, Minute: 40}, model.TemplateChannel: {}},
	}
	everywhere(t, 30, opts, func(t *testing.T, r *rig) {
		limits := func() (push.Limits, push.ChannelLimit) {
			l, err := r.Limits(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return l, l.Channels[slices.IndexFunc(l.Channels, func(c push.ChannelLimit) bool { return c.Channel == model.CustomChannel })]
		}
		before, custom := limits()
		if before.Caps != opts.Caps || before.QuietFrom != 21*time.Hour || before.QuietUntil != 8*time.Hour || len(before.Channels) != 5 {
			t.Errorf("Limits = %+v", before)
		}
		if before.Channels[3] != (push.ChannelLimit{Channel: model.TemplateChannel}) {
			t.Errorf("a channel without a limit is %+v", before.Channels[3])
		}
		wants := func(when string, got push.ChannelLimit, used, left int64, shut bool) {
			t.Helper()
			if want := (push.ChannelLimit{Channel: model.CustomChannel, Quota: push.Quota{Day: 50, Minute: 40}, Used: used, Left: left, Reserve: 5, Shut: shut}); got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		wants("before the first message", custom, 0, 45, false)
		answered := 0
		r.answer = func(call) error {
			if answered++; answered > 20 {
				return dayOver
			}
			return nil
		}
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		r.send(t)
		_, custom = limits()
		if wants("after WeChat said no more", custom, custom.Used, 0, true); custom.Used < 20 {
			t.Errorf("%d used after 20 messages", custom.Used)
		}
		r.pass(24 * time.Hour)
		_, custom = limits()
		wants("the day after", custom, 0, 45, false)
	})
}
