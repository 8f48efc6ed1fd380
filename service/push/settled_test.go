package push_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push"
)

// TestWhatStoppedByItselfIsSettledInTheEnd stops a dispatch by refused data, and then
// ends it: nobody of it may wait for ever.
func TestWhatStoppedByItselfIsSettledInTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, r *rig)
		why  string
	}{
		{"its time is over", func(_ *testing.T, r *rig) { r.pass(100 * time.Hour) }, "push.ended"},
		{"it is killed", func(t *testing.T, r *rig) { must(t, r.Kill(t.Context(), 7)) }, "push.killed"},
		{"its step is dropped", func(t *testing.T, r *rig) { must(t, keep(t.Context(), r.Planner, 71)) }, "push.dropped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, 60, push.PlannerOptions{Chunk: 20, Calls: 1, MaxBad: 10}, func(t *testing.T, r *rig) {
				r.answer = func(call) error { return badData }
				r.stage(t, dispatch(1, by(model.CustomChannel)))
				r.send(t)
				r.wants(t, map[string]int64{"pending": 50, "pending wechat.bad_data": 10})
				tt.end(t, r)
				r.send(t)
				r.wants(t, map[string]int64{"skipped " + tt.why: 60})
			})
		})
	}
}

// keep lets campaign 7 have some steps alone.
func keep(ctx context.Context, p *push.Planner, steps ...model.ID) error {
	lasts := map[model.ID]time.Duration{}
	for _, s := range steps {
		lasts[s] = time.Hour
	}
	return ends(ctx, p, noon.Add(100*24*time.Hour), lasts)
}

// ends lets campaign 7 have some steps alone, which last so long, and end.
func ends(ctx context.Context, p *push.Planner, at time.Time, lasts map[model.ID]time.Duration) error {
	return sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error { return p.KeepTx(ctx, tx, 7, model.At(at), lasts) })
}

// TestOneStepIsDroppedAndTheOthersGoOn drops one while a canary is watched: of it nothing
// more is sent, nothing staged, and what came of it says nothing of the others.
func TestOneStepIsDroppedAndTheOthersGoOn(t *testing.T) {
	everywhere(t, 60, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		gone, stays := dispatch(1, by(model.CustomChannel)), dispatch(2, by(model.CustomChannel))
		gone.Canary, stays.Canary, stays.Step = 100, 100, 71
		r.stage(t, gone)
		r.send(t)
		canary := func() map[model.DeliveryState]int64 {
			states, err := r.Canary(t.Context(), 7)
			must(t, err)
			return states
		}
		first := canary()[model.DeliverySent]
		if first == 0 {
			t.Fatal("nobody is in the canary")
		}
		must(t, keep(t.Context(), r.Planner, 71))
		told, err := r.WhyNot(t.Context(), r.frozen[59:], 7)
		if err != nil || len(told) != 1 || told[0].Sentence != "不会发送：新版方案去掉了这个步骤。" {
			t.Errorf("who waits for it is told %+v, %v", told, err)
		}
		for range 2 { // a repeat changes nothing
			r.send(t)
			must(t, r.Release(t.Context(), 7))
			must(t, keep(t.Context(), r.Planner, 71))
			r.wants(t, map[string]int64{"sent custom": first, "skipped push.dropped": 60 - first})
		}
		if told, err = r.WhyNot(t.Context(), r.frozen[59:], 7); err != nil || told[0].Sentence != "没有发送：新版方案去掉了这个步骤。" {
			t.Errorf("who was skipped is told %+v, %v", told, err)
		}
		if got := canary(); len(got) != 0 {
			t.Errorf("the canary of what was dropped counts %v, want nobody", got)
		}
		r.stage(t, stays)
		must(t, r.Release(t.Context(), 7))
		must(t, keep(t.Context(), r.Planner, 71))
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": first + 60, "skipped push.dropped": 60 - first})
	})
}

// TestNothingIsAddedToWhatIsDropped drops a step while its rows are made.
func TestNothingIsAddedToWhatIsDropped(t *testing.T) {
	everywhere(t, 60, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		d := dispatch(1, by(model.CustomChannel))
		r.stage(t, d)
		_, err := r.sql.ExecContext(t.Context(), "UPDATE push_dispatch SET state = 'staging'") // as whoever dies before the last page leaves it
		must(t, err)
		must(t, keep(t.Context(), r.Planner, 71))
		r.frozen = append(r.frozen, 5000)
		if n, err := r.Stage(t.Context(), d); err != nil || n != 60 {
			t.Errorf("Stage = %d, %v, want the 60 who were staged before", n, err)
		}
		r.send(t)
		r.wants(t, map[string]int64{"skipped push.dropped": 60})
	})
}

// TestWhoseStagingWasCutByTheKillIsSettled kills a campaign while its rows are made.
func TestWhoseStagingWasCutByTheKillIsSettled(t *testing.T) {
	everywhere(t, 60, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		_, err := r.sql.ExecContext(t.Context(), "UPDATE push_dispatch SET state = 'staging'") // as whoever dies before the last page leaves it
		must(t, err)
		r.send(t)
		r.wants(t, map[string]int64{"pending": 60})
		must(t, r.Kill(t.Context(), 7))
		r.send(t)
		r.wants(t, map[string]int64{"skipped push.killed": 60})
	})
}

func TestWhoWaitsIsToldForWhat(t *testing.T) {
	everywhere(t, 60, push.PlannerOptions{Chunk: 20, Calls: 1, MaxBad: 10}, func(t *testing.T, r *rig) {
		says := func(when, want string) {
			t.Helper()
			told, err := r.WhyNot(t.Context(), []model.MemberID{r.frozen[59]}, 7)
			if err != nil || len(told) != 1 || !strings.Contains(told[0].Sentence, want) {
				t.Errorf("%s: told %+v, %v, want %q", when, told, err, want)
			}
		}
		d := dispatch(1, by(model.CustomChannel))
		d.Canary = 1
		r.stage(t, d)
		r.send(t)
		says("beyond the canary", "先发给少数人")
		must(t, r.Release(t.Context(), 7))
		r.answer = func(call) error { return badData }
		r.send(t)
		says("when it stopped by itself", "微信不接受这次推送的内容")
	})
}

// TestWhoseQuotaComesBackInTheNightGoesByTheNextWay uses up a day's quota. The next day
// begins within the dispatch's time, but marketing may not be sent before that ends.
func TestWhoseQuotaComesBackInTheNightGoesByTheNextWay(t *testing.T) {
	everywhere(t, 30, push.PlannerOptions{Quotas: map[model.Channel]push.Quota{model.CustomChannel: {Day: 10}}, Reserve: 1}, func(t *testing.T, r *rig) {
		d := dispatch(1, twoWays...)
		d.EndsAt = model.At(noon.Add(18 * time.Hour)) // at six in the morning
		r.stage(t, d)
		r.send(t)
		r.pass(10 * time.Second)
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 10, "sent mini_subscribe": 20})
	})
}

func TestWhoOpenedWhatNobodyAnsweredForIsToldSo(t *testing.T) {
	everywhere(t, 1, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		r.answer = func(call) error { return errors.New("cut off after it was sent") }
		r.stage(t, dispatch(1, model.Way{Channel: model.MiniChannel, Material: 102}))
		r.send(t)
		r.wants(t, map[string]int64{"unknown wechat.unknown_outcome": 1})
		_, token, _ := strings.Cut(r.asked[0].page, push.TapParam+"=")
		if _, own, err := r.Tapped(t.Context(), r.frozen[0], token); err != nil || !own {
			t.Fatalf("Tapped = %v, %v", own, err)
		}
		told, err := r.WhyNot(t.Context(), r.frozen, 7)
		if err != nil || len(told) != 1 || !strings.Contains(told[0].Sentence, "点开") || strings.Contains(told[0].Sentence, "可能") {
			t.Errorf("told %+v, %v, want that it came", told, err)
		}
	})
}

func TestEveryReasonIsSaidInWords(t *testing.T) {
	for _, code := range []string{
		"wechat.errcode", "wechat.credentials", "wechat.not_found", "material.no_version", "material.no_template", "material.state", "push.notice",
	} {
		if words := push.Reason(code); words == code {
			t.Errorf("%s is told as its code", code)
		}
	}
}

// TestADispatchEndsWithItsCampaign lets a day's quota keep most of a dispatch waiting, and
// ends the campaign earlier.
func TestADispatchEndsWithItsCampaign(t *testing.T) {
	everywhere(t, 30, push.PlannerOptions{Quotas: map[model.Channel]push.Quota{model.CustomChannel: {Day: 10}}, Reserve: 1}, func(t *testing.T, r *rig) {
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		r.send(t)
		must(t, ends(t.Context(), r.Planner, noon.Add(100*24*time.Hour), map[model.ID]time.Duration{70: time.Hour}))
		r.wants(t, map[string]int64{"pending": 20, "sent custom": 10})
		must(t, ends(t.Context(), r.Planner, noon.Add(time.Hour), map[model.ID]time.Duration{70: 72 * time.Hour}))
		r.pass(time.Hour)
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 10, "skipped push.ended": 20})
	})
}

// TestADispatchGoesOnWithItsCampaign moves a campaign's end there and back.
func TestADispatchGoesOnWithItsCampaign(t *testing.T) {
	everywhere(t, 1, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		r.stage(t, dispatch(1, by(model.CustomChannel))) // until the 32nd hour
		for _, tt := range []struct {
			name       string
			end, lasts int
			want       int
		}{
			{"no longer than its step lasts", 100, 48, 48},
			{"no longer than its campaign", 40, 48, 40},
			{"an earlier end", 20, 48, 20},
			{"it is later again", 30, 48, 30},
			{"and later", 60, 48, 48},
			{"its step lasts no longer for what is under way", 60, 24, 48},
			{"its end comes first", 10, 24, 10},
			{"and is later than its step", 100, 24, 24},
		} {
			for range 2 { // a repeat changes nothing
				must(t, ends(t.Context(), r.Planner, noon.Add(time.Duration(tt.end)*time.Hour), map[model.ID]time.Duration{70: time.Duration(tt.lasts) * time.Hour}))
			}
			var at model.Millis
			must(t, r.sql.QueryRowContext(t.Context(), "SELECT ends_at FROM push_dispatch").Scan((*int64)(&at)))
			if want := noon.Add(time.Duration(tt.want) * time.Hour); !at.Time().Equal(want) {
				t.Errorf("%s: it ends at %s, want %s", tt.name, at.Time(), want)
			}
		}
		r.stage(t, dispatch(1, by(model.CustomChannel))) // also by who has not heard of another end
	})
}
