package push_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

func TestADispatchThatCannotBeIsRefused(t *testing.T) {
	pool := dbtest.SQLite(t)
	r := newRig(t, pool, newCrowd(3), push.PlannerOptions{})
	for _, tt := range []struct {
		name   string
		change func(d *model.Dispatch)
		want   error
	}{
		{"marketing by template", func(d *model.Dispatch) { d.Variants[0].Ways = []model.Way{by(model.TemplateChannel)} }, push.ErrMarketingTemplate},
		{"no variant", func(d *model.Dispatch) { d.Variants = nil }, push.ErrDispatch},
		{"shares that are not all", func(d *model.Dispatch) { d.Variants[0].Share = 9_999 }, push.ErrDispatch},
		{"a way twice", func(d *model.Dispatch) { d.Variants[0].Ways = append(d.Variants[0].Ways, d.Variants[0].Ways[0]) }, push.ErrDispatch},
		{"an unknown way", func(d *model.Dispatch) { d.Variants[0].Ways = []model.Way{by("pigeon")} }, push.ErrDispatch},
		{"a holdout of more than 15 %", func(d *model.Dispatch) { d.Holdout = 16 }, push.ErrDispatch},
		{"an end before the start", func(d *model.Dispatch) { d.EndsAt = d.StartsAt }, push.ErrDispatch},
		{"an end that is over", func(d *model.Dispatch) { d.StartsAt, d.EndsAt = 1, 2 }, push.ErrDispatch},
		{"no purpose", func(d *model.Dispatch) { d.Purpose = "" }, push.ErrDispatch},
		{"no campaign", func(d *model.Dispatch) { d.Campaign = 0 }, push.ErrDispatch},
		{"a negative cap", func(d *model.Dispatch) { d.Caps.Week = -1 }, push.ErrDispatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dispatch(1, by(model.CustomChannel))
			tt.change(&d)
			if n, err := r.Stage(t.Context(), d); !errors.Is(err, tt.want) || n != 0 {
				t.Errorf("Stage = %d, %v, want %v", n, err, tt.want)
			}
		})
	}
	if len(r.states(t, 7)) != 0 {
		t.Errorf("something was staged: %v", r.states(t, 7))
	}
}

func TestStagingCountsEverybodyOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(12_345), push.PlannerOptions{})
		d := dispatch(1, by(model.CustomChannel))
		d.Holdout, d.Canary = 10, 100
		d.Variants = []model.Variant{{Name: "A", Share: 7_000, Ways: d.Variants[0].Ways}, {Name: "B", Share: 3_000, Ways: d.Variants[0].Ways}}
		// Several stagers at once, as replicas whose jobs overlap.
		var stagers sync.WaitGroup
		for range 3 {
			stagers.Go(func() {
				if n, err := r.Stage(t.Context(), d); err != nil || n != 12_345 {
					t.Errorf("Stage = %d, %v, want 12345", n, err)
				}
			})
		}
		stagers.Wait()
		r.stage(t, d) // again
		held, byVariant, seen := 0, map[string]int{}, map[model.MemberID]bool{}
		for after := model.ID(0); ; {
			page, err := r.Deliveries(t.Context(), 7, after, 1000)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, one := range page {
				if seen[one.Member] || one.Step != 70 || one.Dispatch != 1 || one.ID <= after {
					t.Fatalf("a delivery that should not be: %+v after %d", one, after)
				}
				after, seen[one.Member] = one.ID, true
				if inside := model.BucketOf(one.Member) < 10; inside != (one.State == model.DeliveryHeldOut) {
					t.Fatalf("member %d of bucket %d is %s", one.Member, model.BucketOf(one.Member), one.State)
				}
				if one.State == model.DeliveryHeldOut {
					held++
				} else {
					byVariant[one.Variant]++
				}
			}
		}
		if len(seen) != 12_345 || held < 1000 || held > 1500 || byVariant["A"]+byVariant["B"]+held != 12_345 || byVariant["A"] < 2*byVariant["B"] {
			t.Errorf("%d recipients, %d held out, by variant %v", len(seen), held, byVariant)
		}
		d.Caps.Day = 1
		if _, err := r.Stage(t.Context(), d); !errors.Is(err, push.ErrDispatchChanged) {
			t.Errorf("another dispatch of the same id: %v, want %v", err, push.ErrDispatchChanged)
		}
	})
}

func TestWhatAPersonSaysOfACampaignIsObeyed(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(300), push.PlannerOptions{Shard: 50})
		r.windows(t)
		d := dispatch(1, by(model.CustomChannel))
		d.Canary = 1_000
		r.stage(t, d)
		r.send(t)
		canary := r.states(t, 7)["sent custom"]
		if canary < 10 || canary > 60 {
			t.Fatalf("the canary has %d of 300", canary)
		}
		must(t, r.Pause(t.Context(), 7, "看看"))
		must(t, r.Release(t.Context(), 7))
		r.send(t)
		if n := r.states(t, 7)["sent custom"]; n != canary {
			t.Errorf("%d were sent while paused", n-canary)
		}
		must(t, r.Resume(t.Context(), 7))
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 300})
		// Of what was killed nothing goes on, and everybody knows why.
		other := dispatch(2, by(model.CustomChannel))
		other.Campaign = 8
		must(t, r.Kill(t.Context(), 8))
		must(t, r.Kill(t.Context(), 8))
		r.stage(t, other)
		for _, err := range []error{r.Resume(t.Context(), 8), r.Pause(t.Context(), 8, "")} {
			if !errors.Is(err, push.ErrKilled) {
				t.Errorf("after Kill: %v, want %v", err, push.ErrKilled)
			}
		}
		r.send(t)
		if got := r.states(t, 8); got["skipped push.killed"] != 300 {
			t.Errorf("after Kill the recipients are %v", got)
		}
	})
}

func TestACanaryHasSomebodyHoweverFewThereAre(t *testing.T) {
	pool := dbtest.SQLite(t)
	for i, tt := range []struct {
		people int
		want   int64
	}{{1, 1}, {2, 2}, {5, 2}, {60, 2}} {
		r := newRig(t, pool, newCrowd(tt.people), push.PlannerOptions{Shard: 50})
		r.windows(t)
		d := dispatch(model.ID(i+1), by(model.CustomChannel))
		d.Campaign, d.Canary = model.ID(100+i), 1 // nobody is drawn
		r.stage(t, d)
		r.send(t)
		if n := r.states(t, d.Campaign)["sent custom"]; n != tt.want {
			t.Errorf("the canary of %d has %d, want %d", tt.people, n, tt.want)
		}
		must(t, r.Release(t.Context(), d.Campaign))
		r.send(t)
		if n := r.states(t, d.Campaign)["sent custom"]; n != int64(tt.people) {
			t.Errorf("%d of %d were sent in the end", n, tt.people)
		}
	}
}

func TestACanaryReachesSomebodyWhenFewCanBe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		agree  []int // of sixty
		canary int   // of 10,000 by chance
		sent   int64
	}{
		{"nobody is drawn, two can be reached", []int{40, 50}, 1, 2},
		{"some are drawn, two others can be reached", []int{40, 50}, 500, 2},
		{"one can be reached", []int{33}, 1, 1},
		{"nobody can be reached", nil, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, dbtest.SQLite(t), newCrowd(60), push.PlannerOptions{Shard: 50})
			r.windows(t)
			for i, m := range r.frozen {
				r.reach[m].Agrees = slices.Contains(tt.agree, i)
			}
			d := dispatch(1, by(model.CustomChannel))
			d.Canary = tt.canary
			r.stage(t, d)
			r.send(t)
			got := r.states(t, 7)
			if skipped := got["skipped push.no_consent"]; got["sent custom"] < tt.sent || skipped+got["sent custom"] == 0 || skipped > 20 {
				t.Errorf("of the canary are %v, want %d sent", got, tt.sent)
			}
			must(t, r.Release(t.Context(), 7))
			r.send(t)
			if got := r.states(t, 7)["sent custom"]; got != int64(len(tt.agree)) {
				t.Errorf("%d were sent in the end, want %d", got, len(tt.agree))
			}
		})
	}
}

func TestTheFirstWayThatIsAllowedIsTaken(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(8), push.PlannerOptions{})
		m := r.frozen
		ways := []model.Way{{Channel: model.CustomChannel, Material: 101}, {Channel: model.MiniChannel, Material: 102}, {Channel: model.OfficialChannel, Material: 103}}
		ctx := t.Context()
		must(t, r.rights.Touched(ctx, m[0], push.Messaged, model.At(noon)))
		must(t, r.rights.Grant(ctx, m[1], string(push.Mini), "T102", "g"))
		must(t, r.rights.Grant(ctx, m[2], string(push.Official), "T103", "g"))
		must(t, r.rights.Grant(ctx, m[3], string(push.Official), "T999", "g")) // another template
		must(t, r.rights.Touched(ctx, m[4], push.Messaged, model.At(noon)))
		r.reach[m[4]].Agrees = false
		must(t, r.rights.Touched(ctx, m[5], push.Messaged, model.At(noon)))
		r.reach[m[5]].Follows = false
		r.reach[m[6]] = nil
		must(t, r.rights.Touched(ctx, m[7], push.Messaged, model.At(noon)))
		r.reach[m[7]].Member = 9999 // merged into another
		r.stage(t, dispatch(1, ways...))
		r.send(t)
		r.wants(t, map[string]int64{
			"sent custom": 1, "sent mini_subscribe": 1, "sent official": 1, "skipped push.no_consent": 1,
			"skipped push.no_entitlement": 2, "skipped push.no_member": 1, "skipped push.merged": 1,
		})
		var got []model.MemberID
		for _, k := range r.arrived() {
			got = append(got, k.member)
		}
		slices.Sort(got)
		if !slices.Equal(got, m[:3]) {
			t.Errorf("messages went to %v, want %v", got, m[:3])
		}
	})
}

func TestCapsHoldOverCampaigns(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(5), push.PlannerOptions{})
		r.windows(t)
		for id := range model.ID(3) {
			d := dispatch(id+1, by(model.CustomChannel))
			d.Campaign, d.Caps = 10+id, model.Caps{Day: 2, Week: 3}
			r.stage(t, d)
		}
		r.send(t)
		r.pass(24 * time.Hour)
		r.windows(t)
		for id := range model.ID(3) {
			d := dispatch(id+11, by(model.CustomChannel))
			d.Campaign, d.Caps = 10+id, model.Caps{Day: 2, Week: 3, Campaign: 1}
			r.stage(t, d)
		}
		r.send(t)
		perDay, week := map[string]int{}, 0
		for _, k := range r.arrived() {
			if k.member == r.frozen[0] {
				perDay[k.at.Format(time.DateOnly)]++
				week++
			}
		}
		if week != 3 || perDay["2026-02-17"] != 2 || perDay["2026-02-18"] != 1 {
			t.Errorf("one member got %d in a week: %v", week, perDay)
		}
	})
}

func TestTheNightIsQuietForMarketingOnly(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(20), push.PlannerOptions{})
		r.windows(t)
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		service := dispatch(2, by(model.TemplateChannel))
		service.Purpose = model.Transactional
		r.stage(t, service)
		r.pass(9 * time.Hour) // 21:00
		r.send(t)
		r.wants(t, map[string]int64{"pending": 20, "sent template": 20})
		r.pass(11*time.Hour - time.Second) // 07:59:59
		r.send(t)
		r.wants(t, map[string]int64{"pending": 20, "sent template": 20})
		r.pass(time.Second)
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 20, "sent template": 20})
	})
}

func TestWhoIsNotReachedInTimeIsSkipped(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(20), push.PlannerOptions{})
		r.windows(t)
		d := dispatch(1, by(model.CustomChannel))
		d.Canary, d.EndsAt = 1, d.StartsAt.Add(time.Hour)
		r.stage(t, d)
		r.send(t)
		r.pass(time.Hour)
		r.send(t)
		if got := r.states(t, 7); got["skipped push.ended"]+got["sent custom"] != 20 || got["skipped push.ended"] < 15 {
			t.Errorf("the recipients are %v", got)
		}
	})
}

func TestWhoWaitsOrIsSkippedGoesByNoChannel(t *testing.T) {
	everywhere(t, 4, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		channels := func(state model.DeliveryState) map[model.Channel]int {
			t.Helper()
			found := map[model.Channel]int{}
			tallies, err := r.Tally(t.Context(), 7)
			must(t, err)
			for _, y := range tallies {
				if y.State == state {
					found[y.Channel] += int(y.Count)
				}
			}
			list, err := r.Deliveries(t.Context(), 7, 0, 100)
			must(t, err)
			for _, d := range list {
				if d.State == state {
					found[d.Channel]--
				}
			}
			for c, n := range found {
				if n != 0 {
					t.Errorf("by %q the tally counts %d more than are listed", c, n)
				}
			}
			return found
		}
		only := func(state model.DeliveryState, want model.Channel) {
			t.Helper()
			found := channels(state)
			if _, ok := found[want]; !ok || len(found) != 1 {
				t.Errorf("those who are %s go by %v, want %q alone", state, found, want)
			}
		}
		r.reach[1001].Agrees = false
		d := dispatch(1, twoWays...)
		d.Canary = 1
		r.stage(t, d)
		only(model.DeliveryPending, "")
		must(t, r.Release(t.Context(), 7))
		r.answer = func(k call) error {
			switch {
			case k.channel == model.CustomChannel && k.member == 1002:
				return windowShut
			case k.member == 1003:
				return busy
			}
			return nil
		}
		r.send(t)
		only(model.DeliverySkipped, "")
		only(model.DeliveryPending, "") // 1003, who was called in vain
		if got := channels(model.DeliverySent); len(got) != 2 {
			t.Errorf("those who got it go by %v, want both ways", got)
		}
		must(t, r.Kill(t.Context(), 7))
		r.send(t)
		only(model.DeliverySkipped, "")
	})
}

func TestEarlyReportsAreFoundAmongThoseOfOthers(t *testing.T) {
	for _, others := range []int{0, 1, 1100} { // above what is looked through at once
		everywhere(t, 4, push.PlannerOptions{}, func(t *testing.T, r *rig) {
			r.stage(t, dispatch(1, model.Way{Channel: model.MiniChannel, Material: 102}))
			for i := range others {
				_, err := r.sql.ExecContext(t.Context(), "INSERT INTO push_report (msg_id, delivered, why, reported_at) VALUES (?, TRUE, '', 1)", fmt.Sprintf("1-%04d", i))
				must(t, err)
			}
			must(t, r.Report(t.Context(), model.Inbound{Kind: "event.templatesendjobfinish", MsgID: "3", Status: "success"}))
			r.send(t)
			tallies, err := r.Tally(t.Context(), 7)
			if err != nil || len(tallies) != 1 || tallies[0].Count != 4 || tallies[0].Delivered != 1 {
				t.Errorf("among %d reports of others the tally is %+v, %v, want one of 4 delivered", others, tallies, err)
			}
		})
	}
}

func TestStagingIsCutIntoParts(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(12_345), push.PlannerOptions{Pages: 1})
		d := dispatch(1, by(model.CustomChannel))
		for _, want := range []struct {
			total int64
			done  bool
		}{{10_000, false}, {12_345, false}, {12_345, true}, {12_345, true}} {
			if total, done, err := r.StageSome(t.Context(), d); total != want.total || done != want.done || err != nil {
				t.Fatalf("StageSome = %d, %v, %v, want %d, %v", total, done, err, want.total, want.done)
			}
		}
		r.stage(t, dispatch(2, by(model.CustomChannel))) // all parts
	})
}

// An operator lets a campaign's canary go, or another step's passes, while a million are
// still being staged in turns: from then on they are asked for without one.
func TestWhatIsReleasedWhileItIsStagedIsStagedToItsEnd(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(60), push.PlannerOptions{Pages: 1})
		r.windows(t)
		d := dispatch(1, by(model.CustomChannel))
		d.Canary = 1_000
		if _, done, err := r.StageSome(t.Context(), d); done || err != nil {
			t.Fatalf("the first turn = %v, %v, want more to do", done, err)
		}
		must(t, r.Release(t.Context(), 7))
		d.Canary = 0
		if total, done, err := r.StageSome(t.Context(), d); total != 60 || !done || err != nil {
			t.Errorf("the turn after the release = %d, %v, %v, want all 60", total, done, err)
		}
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 60})
		d.Canary = 2_000
		if _, err := r.Stage(t.Context(), d); !errors.Is(err, push.ErrDispatchChanged) {
			t.Errorf("with another canary Stage = %v, want %v", err, push.ErrDispatchChanged)
		}
	})
}
