package campaign

import (
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

// compared makes the first step a test of two wordings, which are compared after so many
// hours.
func compared(hours int) func(*Plan) {
	return func(p *Plan) {
		ways := p.Steps[0].Variants[0].Ways
		p.Steps[0].Variants = []Variant{{"A", 5000, ways}, {"B", 5000, ways}}
		p.Steps[0].Winner = &Winner{TestPercent: 20, Hours: hours, MinSent: 100}
	}
}

func TestAWinnerGoesToTheRest(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		tested := plan(compared(4))
		for _, tt := range []struct {
			name        string
			sent        int64
			tapA, tapB  int64
			hours       time.Duration
			want, words string
		}{
			{"the better one", 500, 40, 80, 5, "B", "差异显著"},
			{"not beyond chance", 500, 40, 44, 5, "A", "差异不显著"},
			{"too few are waited for", 50, 4, 20, 5, "", ""},
			{"too few for long", 50, 4, 20, 9, "A", "仍不足"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c := w.replica()
				id := w.launch(c, tested)
				w.passes(25*time.Hour + time.Minute)
				w.round(c)
				w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: tt.sent, Tapped: tt.tapA}, Tally{Variant: "B", State: model.DeliverySent, N: tt.sent, Tapped: tt.tapB})
				w.passes(tt.hours * time.Hour)
				w.round(c)
				if tt.want == "" {
					if len(w.staged) != 1 {
						t.Fatalf("%d dispatches, want the test alone", len(w.staged))
					}
					must[Campaign](t)(c.Kill(t.Context(), planner, id, "测试结束"))
					return
				}
				if len(w.staged) != 2 {
					t.Fatalf("%d dispatches, want the test and the rest", len(w.staged))
				}
				rest := w.staged[1]
				if len(rest.Variants) != 1 || rest.Variants[0].Name != tt.want || rest.Variants[0].Share != 10_000 {
					t.Errorf("the rest gets %+v, want %s", rest.Variants, tt.want)
				}
				inBoth, all := 0, len(w.frozen[w.staged[0].Frozen])+len(w.frozen[rest.Frozen])
				for _, m := range w.frozen[rest.Frozen] {
					if _, twice := slices.BinarySearch(w.frozen[w.staged[0].Frozen], m); twice {
						inBoth++
					}
				}
				if part := len(w.frozen[w.staged[0].Frozen]); inBoth != 0 || all != 5000 || math.Abs(float64(part)-1000) > 120 {
					t.Errorf("%d in the test, %d in both parts, %d in all", part, inBoth, all)
				}
				if o := must[[]Occurrence](t)(c.Occurrences(t.Context(), id)); !strings.Contains(o[1].Why, tt.words) {
					t.Errorf("the reason is %q, want %q", o[1].Why, tt.words)
				}
			})
		}
	})
}

func TestATestDoesNotWaitWhileItsCampaignIsPaused(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan(compared(2), func(p *Plan) { p.EndsAt = model.At(begin.AddDate(0, 0, 20)) }))
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 50}, Tally{Variant: "B", State: model.DeliverySent, N: 50, Tapped: 40})
		must[Campaign](t)(c.Pause(ctx, planner, id, "换素材"))
		w.passes(24 * time.Hour)
		must[Campaign](t)(c.Resume(ctx, planner, id))
		w.passes(time.Hour)
		w.round(c)
		if len(w.staged) != 1 {
			t.Fatalf("an hour after a pause of a day the rest got %+v, want that the test goes on for its two hours", w.staged[1].Variants)
		}
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500}, Tally{Variant: "B", State: model.DeliverySent, N: 500, Tapped: 400})
		w.passes(time.Hour + time.Minute)
		w.round(c)
		if len(w.staged) != 2 || w.staged[1].Variants[0].Name != "B" {
			t.Errorf("after its hours %d dispatches, want B for the rest", len(w.staged))
		}
	})
}

func TestManyUndecidedTestsKeepNoOtherWaiting(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(compared(72), func(p *Plan) {
			fast := p.Steps[0]
			fast.Winner = &Winner{TestPercent: 20, Hours: 1, MinSent: 100}
			fast.When = When{Kind: AtInstant, At: model.At(begin.Add(50 * time.Hour))}
			p.Steps[0].When = When{Kind: ByCron, Cron: "0 * * * *"}
			p.Steps = append(p.Steps, fast)
		}))
		for range 52 {
			w.passes(time.Hour)
			w.round(c)
		}
		for _, d := range w.staged {
			if len(d.Variants) == 1 {
				return
			}
		}
		t.Errorf("of %d pushes none is to the rest, want that of the test of an hour", len(w.staged))
	})
}

func TestATestOfTheNightIsComparedAfterTheMorning(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(compared(2), func(p *Plan) {
			p.Steps[0].When.At = model.At(begin.Add(37 * time.Hour)) // 22:00
		}))
		w.passes(37*time.Hour + time.Minute)
		w.round(c)
		w.becomes(Tally{Variant: "A", State: model.DeliveryPending, N: 500}, Tally{Variant: "B", State: model.DeliveryPending, N: 500})
		decided := func(when string, want int) {
			t.Helper()
			w.round(c)
			if len(w.staged) != want {
				t.Fatalf("%s: %d dispatches, want %d", when, len(w.staged), want)
			}
		}
		w.passes(9*time.Hour + 58*time.Minute)
		decided("at 7:59", 1)
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500}, Tally{Variant: "B", State: model.DeliverySent, N: 500})
		w.passes(2 * time.Minute)
		decided("at 8:01, when all was sent and nobody has looked", 1)
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500, Tapped: 40}, Tally{Variant: "B", State: model.DeliverySent, N: 500, Tapped: 80})
		w.passes(118 * time.Minute)
		decided("at 9:59", 1)
		w.passes(2 * time.Minute)
		decided("at 10:01", 2)
		if rest := w.staged[1]; rest.Variants[0].Name != "B" {
			t.Errorf("the rest gets %s, want B", rest.Variants[0].Name)
		}
	})
}

// Where every replica advances each second, a count of a million each time would keep the
// database from sending.
func TestATestThatWaitsIsNotCountedEverySecond(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(compared(4)))
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 99}, Tally{Variant: "B", State: model.DeliverySent, N: 500})
		w.passes(4 * time.Hour)
		for range 60 {
			w.passes(time.Second)
			w.round(c)
		}
		if most := int(time.Minute/lookEvery) + 1; w.compared == 0 || w.compared > most {
			t.Errorf("a test that waits was counted %d times in a minute, want some, %d at most", w.compared, most)
		}
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 100}, Tally{Variant: "B", State: model.DeliverySent, N: 500})
		w.passes(lookEvery)
		w.round(c)
		if len(w.staged) != 2 {
			t.Errorf("%d dispatches when there were enough, want 2", len(w.staged))
		}
	})
}

func TestATestThatTheEndCutsIsDecidedBefore(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(compared(72), func(p *Plan) {
			p.EndsAt = model.At(begin.Add(50 * time.Hour))
		}))
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500, Tapped: 40}, Tally{Variant: "B", State: model.DeliverySent, N: 500, Tapped: 80})
		w.passes(23 * time.Hour)
		w.round(c)
		if len(w.staged) != 1 {
			t.Fatalf("%d dispatches two hours before the end, want the test", len(w.staged))
		}
		w.passes(time.Hour)
		w.round(c)
		if len(w.staged) != 2 || w.staged[1].Variants[0].Name != "B" {
			t.Fatalf("an hour before the end were staged %+v, want the rest of B", w.staged)
		}
	})
}

func TestTheAwakePartOfATimeLeavesNightsOut(t *testing.T) {
	at := func(day, hour int) model.Millis {
		return model.At(time.Date(2026, 2, day, hour, 0, 0, 0, model.Shanghai))
	}
	for _, tt := range []struct {
		from, to model.Millis
		purpose  model.Purpose
		want     time.Duration
	}{
		{at(9, 10), at(9, 12), model.Marketing, 2 * time.Hour},
		{at(9, 20), at(9, 23), model.Marketing, time.Hour},
		{at(9, 20), at(10, 9), model.Marketing, 2 * time.Hour},
		{at(9, 22), at(10, 7), model.Marketing, 0},
		{at(9, 22), at(12, 3), model.Marketing, 26 * time.Hour},
		{at(9, 22), at(10, 7), model.Transactional, 9 * time.Hour},
		{at(9, 12), at(9, 10), model.Marketing, 0},
	} {
		if got := (&Step{Purpose: tt.purpose}).awake(tt.from, tt.to); got != tt.want {
			t.Errorf("awake from %s to %s = %s, want %s", tt.from.Time(), tt.to.Time(), got, tt.want)
		}
	}
}

func TestTheWinnerIsAUnlessAnotherIsBetterBeyondChance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.Int64Range(30, 100_000)
		var all []tried
		for i := range rapid.IntRange(2, 5).Draw(t, "variants") {
			n := sent.Draw(t, "sent")
			all = append(all, tried{string(rune('A' + i)), n, rapid.Int64Range(0, n).Draw(t, "tapped")})
		}
		name, why := win(all)
		if why == "" {
			t.Fatal("no reason")
		}
		for _, v := range all {
			if v.name == name && name != "A" && (v.rate() <= all[0].rate() || z(v, all[0]) < 1.96) {
				t.Fatalf("%s won with %.4f against %.4f", name, v.rate(), all[0].rate())
			}
		}
	})
}

func TestATestThatEndsAtMidnightIsDecidedWhileTheRestIsAwake(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(compared(24), func(p *Plan) {
			p.EndsAt = model.At(begin.Add(39 * time.Hour)) // at midnight
		}))
		w.passes(25*time.Hour + time.Minute) // 10:01
		w.round(c)
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500, Tapped: 40}, Tally{Variant: "B", State: model.DeliverySent, N: 500, Tapped: 80})
		w.passes(9*time.Hour + 50*time.Minute)
		w.round(c)
		if len(w.staged) != 1 {
			t.Fatalf("%d dispatches at 19:51, want the test", len(w.staged))
		}
		w.passes(10 * time.Minute)
		w.round(c)
		if len(w.staged) != 2 || w.staged[1].Variants[0].Name != "B" {
			t.Fatalf("%d dispatches at 20:01, an hour before the night that the campaign ends in, want the test and the rest", len(w.staged))
		}
	})
}

func TestATestIsDecidedBesideAStepThatIsPushedOften(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(compared(4), func(p *Plan) {
			p.Steps[0].When.At = model.At(begin.AddDate(0, 0, 8).Add(time.Hour))
			often := p.Steps[0]
			often.When = When{Kind: ByCron, Cron: "0 * * * *"}
			often.Variants, often.Winner = plan().Steps[0].Variants, nil
			p.Steps = append(p.Steps, often)
		}))
		for range 8*24 + 1 {
			w.passes(time.Hour)
			w.round(c)
		}
		w.mu.Lock()
		tested := slices.IndexFunc(w.staged, func(d model.Dispatch) bool { return len(d.Variants) == 2 })
		for _, v := range []Tally{{Variant: "A", Tapped: 40}, {Variant: "B", Tapped: 80}} {
			w.tally = append(w.tally, Tally{Dispatch: w.staged[tested].ID, Step: w.staged[tested].Step, Variant: v.Variant, State: model.DeliverySent, N: 500, Tapped: v.Tapped})
		}
		w.mu.Unlock()
		w.passes(5 * time.Hour)
		w.round(c)
		if !slices.ContainsFunc(w.staged, func(d model.Dispatch) bool {
			return d.Step == w.staged[tested].Step && len(d.Variants) == 1 && d.Variants[0].Name == "B"
		}) {
			t.Errorf("nobody but the test's people got the step, after %d pushes of another", len(w.staged)-1)
		}
	})
}

// TestARuleComesToNoStepThatWasPushed adds a rule to a step that went to everybody, who
// would be the rest of a test that never was.
func TestARuleComesToNoStepThatWasPushed(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name          string
			before, after func(*Plan)
		}{
			{"it had none", func(*Plan) {}, compared(4)},
			{"it loses its own", compared(4), func(p *Plan) { p.Steps[0].Winner = nil }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c, ctx := w.replica(), t.Context()
				id := w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: ByCron, Cron: "0 10 * * *"} }, tt.before))
				w.passes(90 * time.Minute)
				w.round(c)
				v := must[Version](t)(c.Revise(ctx, planner, id))
				v.Plan.Steps = slices.Clone(v.Plan.Steps)
				tt.after(&v.Plan)
				v = must[Version](t)(c.Save(ctx, planner, id, v.Version, v.Edits, v.Plan))
				if _, err := c.Submit(ctx, planner, id, v.Version); !errors.Is(err, ErrPlan) || !strings.Contains(fault.Of(err).Text, "选优规则") {
					t.Errorf("Submit = %v, want %v", err, ErrPlan)
				}
			})
		}
	})
}

func TestTheRestOfATestIsWhoWasNotInItAlsoWhenItsPartChanged(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name   string
			change func(*Plan)
		}{
			{"a smaller part", func(p *Plan) { p.Steps[0].Winner = &Winner{TestPercent: 10, Hours: 4, MinSent: 100} }},
			{"a larger part", func(p *Plan) { p.Steps[0].Winner = &Winner{TestPercent: 40, Hours: 4, MinSent: 100} }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c := w.replica()
				id := w.launch(c, plan(compared(4)))
				w.passes(25*time.Hour + time.Minute)
				w.round(c)
				w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500, Tapped: 40}, Tally{Variant: "B", State: model.DeliverySent, N: 500, Tapped: 80})
				w.revise(c, id, tt.change)
				w.passes(5 * time.Hour)
				w.round(c)
				got := map[model.MemberID]int{}
				for _, d := range w.staged {
					for _, m := range w.frozen[d.Frozen] {
						got[m]++
					}
				}
				twice := 0
				for _, n := range got {
					if n > 1 {
						twice++
					}
				}
				if len(got) != 5000 || twice != 0 {
					t.Errorf("%d of 5000 are in it, %d twice", len(got), twice)
				}
			})
		}
	})
}
