package push_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
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
		must(t, r.End(t.Context(), 7, model.At(noon.Add(100*24*time.Hour))))
		r.wants(t, map[string]int64{"pending": 20, "sent custom": 10})
		must(t, r.End(t.Context(), 7, model.At(noon.Add(time.Hour))))
		r.pass(time.Hour)
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 10, "skipped push.ended": 20})
	})
}
