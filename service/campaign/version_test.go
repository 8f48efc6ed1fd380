package campaign

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func (w *world) revise(c *Campaigns, id model.ID, change func(*Plan)) {
	w.t.Helper()
	ctx := w.t.Context()
	v := must[Version](w.t)(c.Revise(ctx, planner, id))
	v.Plan.Steps = slices.Clone(v.Plan.Steps)
	change(&v.Plan)
	w.revision(c, must[Version](w.t)(c.Save(ctx, planner, id, v.Version, v.Edits, v.Plan)))
}

// revision lets a draft go live.
func (w *world) revision(c *Campaigns, v Version) {
	w.t.Helper()
	ctx := w.t.Context()
	v = must[Version](w.t)(c.Submit(ctx, planner, v.Campaign, v.Version))
	must[Version](w.t)(c.Approve(ctx, checker, v.Campaign, v.Version, v.FrozenSize))
	must[Campaign](w.t)(c.Schedule(ctx, planner, v.Campaign, v.Version))
}

// A reviewer finds what waits for him without leafing through what is over.
func TestCampaignsAreListedByWhereTheyStand(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		draft := must[Version](t)(c.Create(ctx, planner, plan())).Campaign
		waiting := must[Version](t)(c.Create(ctx, planner, plan())).Campaign
		must[Version](t)(c.Submit(ctx, planner, waiting, 1))
		approved := must[Version](t)(c.Create(ctx, planner, plan())).Campaign
		v := must[Version](t)(c.Submit(ctx, planner, approved, 1))
		must[Version](t)(c.Approve(ctx, checker, approved, 1, v.FrozenSize))
		changed := w.launch(c, plan())
		v = must[Version](t)(c.Revise(ctx, planner, changed))
		must[Version](t)(c.Submit(ctx, planner, changed, v.Version))
		runs := must[Campaign](t)(c.Get(ctx, changed)).State
		stopped := w.launch(c, plan())
		must[Campaign](t)(c.Kill(ctx, planner, stopped, "不做了"))
		for _, tt := range []struct {
			in   State
			want []model.ID
		}{
			{"", []model.ID{stopped, changed, approved, waiting, draft}},
			{Draft, []model.ID{draft}},
			{Review, []model.ID{changed, waiting}},
			{Approved, []model.ID{approved}},
			{runs, []model.ID{changed}},
			{Stopped, []model.ID{stopped}},
			{Finished, nil},
		} {
			var got []model.ID
			for cursor, more := "", true; more; more = cursor != "" {
				var list []Campaign
				var err error
				if list, cursor, err = c.List(ctx, tt.in, "", cursor, 1); err != nil {
					t.Fatal(err)
				}
				for _, one := range list {
					got = append(got, one.ID)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("in state %q: %v, want %v", tt.in, got, tt.want)
			}
		}
	})
}

func TestANewTimeOfARepeatedStepIsNotCaughtUp(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		id := w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: ByCron, Cron: "0 10 * * *"} }))
		w.passes(90 * time.Minute)
		w.round(c) // 10:30
		w.passes(5 * time.Hour)
		w.revise(c, id, func(p *Plan) { p.Steps[0].When.Cron = "0 14 * * *" })
		w.round(c) // 15:30
		if got := times(t, c, id); !slices.Equal(got, []string{"02-09 10:00 staged"}) {
			t.Errorf("pushes %v, want none for 14:00, which had passed when the new time was made", got)
		}
		w.passes(24 * time.Hour)
		w.round(c)
		if got := times(t, c, id); !slices.Equal(got, []string{"02-10 14:00 staged", "02-09 10:00 staged"}) {
			t.Errorf("pushes %v, want the one of the next day", got)
		}
	})
}

func TestWhatPassedBeforeACampaignWasScheduledIsNotCaughtUp(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		v := must[Version](t)(c.Create(ctx, planner, plan(func(p *Plan) { p.Steps[0].When = When{Kind: ByCron, Cron: "0 14 * * *"} })))
		v = must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
		must[Version](t)(c.Approve(ctx, checker, v.Campaign, 1, v.FrozenSize))
		w.passes(7 * time.Hour) // 16:00
		must[Campaign](t)(c.Schedule(ctx, planner, v.Campaign, 1))
		w.round(c)
		if got := times(t, c, v.Campaign); len(got) != 0 {
			t.Errorf("pushes %v, want none before tomorrow", got)
		}
	})
}

func TestAStepThatWaitsForAnotherSegmentGreetsNobodyWhoIsInIt(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		w.people[others] = []model.MemberID{7001, 7002, 7003}
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: JoinedSegment, Segment: some} }))
		w.passes(2 * time.Hour)
		w.round(c)
		v := must[Version](t)(c.Revise(ctx, planner, id))
		v.Plan.Steps = slices.Clone(v.Plan.Steps)
		v.Plan.Steps[0].When.Segment = others
		v = must[Version](t)(c.Save(ctx, planner, id, v.Version, v.Edits, v.Plan))
		if v, err := c.Submit(ctx, planner, id, v.Version); err == nil {
			must[Version](t)(c.Approve(ctx, checker, id, v.Version, v.FrozenSize))
			must[Campaign](t)(c.Schedule(ctx, planner, id, v.Version))
		}
		for range 3 {
			w.passes(time.Hour)
			w.round(c)
		}
		if len(w.staged) != 0 {
			t.Errorf("pushed to %v, who were in the segment before it was waited for", w.frozen[w.staged[0].Frozen])
		}
	})
}

func TestAStepIsNotDueAtTheEnd(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c := w.replica()
	p := plan(func(p *Plan) {
		p.Steps[0].When = When{Kind: ByCron, Cron: "0 10 19 2 *"}
		p.EndsAt = model.At(begin.Add(10*24*time.Hour + time.Hour)) // at ten
	})
	if found := must[[]Problem](t)(c.Validate(t.Context(), p)); len(found) == 0 {
		t.Error("a step whose only time is the campaign's end is found good, though nobody would get it")
	}
	if e := must[Explanation](t)(c.Explain(t.Context(), p)); len(e.Steps[0].Next) != 0 {
		t.Errorf("its next times are %v, want none", e.Steps[0].Next)
	}
}

func TestTheLastTimeIsBeforeTheEnd(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c := w.replica()
	id := w.launch(c, plan(func(p *Plan) {
		p.Steps[0].When = When{Kind: ByCron, Cron: "0 10 * * *"}
		p.EndsAt = model.At(begin.Add(49 * time.Hour)) // the third ten o'clock
	}))
	for range 50 {
		w.passes(time.Hour)
		w.round(c)
	}
	if got := times(t, c, id); !slices.Equal(got, []string{"02-10 10:00 staged", "02-09 10:00 staged"}) {
		t.Errorf("pushes %v, want none at the end, when nobody gets it any more", got)
	}
}

func TestAPaymentBeforeTheCampaignBringsNoPush(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: Payment} }))
		w.happens[7] = "2026-02-08" // the day before, which the first round looks at
		for range 4 {
			w.passes(time.Hour)
			w.round(c)
		}
		if len(w.staged) != 0 {
			t.Fatalf("pushed to %v, who paid before the campaign began", w.frozen[w.staged[0].Frozen])
		}
		w.happens[7] = "2026-02-09"
		for range 24 {
			w.passes(time.Hour)
			w.round(c)
		}
		if len(w.staged) != 1 {
			t.Errorf("%d dispatches the day after, want one to who paid on the first day", len(w.staged))
		}
	})
}

func TestWhatIsUnderWayEndsWithAnEarlierEnd(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		id := w.launch(c, plan(func(p *Plan) {
			p.Steps[0].When, p.Steps[0].Hours = When{Kind: ByCron, Cron: "0 10 * * *"}, 168
		}))
		w.passes(90 * time.Minute)
		w.round(c)
		end := model.At(begin.Add(12 * time.Hour))
		w.revise(c, id, func(p *Plan) { p.Steps[0].When.Cron, p.EndsAt = "0 18 * * *", end })
		if len(w.staged) != 1 || w.staged[0].EndsAt != end {
			t.Errorf("the push under way ends at %s, want %s, as its campaign", w.staged[0].EndsAt.Time(), end.Time())
		}
	})
}

// TestWhatIsNotStagedYetOfARemovedStepIsSkipped removes a step of which a time has come that
// nobody staged yet, and one that is staged just then.
func TestWhatIsNotStagedYetOfARemovedStepIsSkipped(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name   string
			during bool // while the people are handed over
			want   string
		}{
			{"before it is staged", false, "02-10 10:00 skipped"},
			{"while it is staged", true, "02-10 10:00 staged"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c, ctx := w.replica(), t.Context()
				id := w.launch(c, plan(func(p *Plan) {
					later := p.Steps[0]
					later.When = When{Kind: ByCron, Cron: "0 10 15 * *"}
					p.Steps = append(p.Steps, later)
				}))
				w.passes(25*time.Hour + time.Minute)
				must[int](t)(c.Advance(ctx))
				remove := func() { w.revise(c, id, func(p *Plan) { p.Steps = p.Steps[1:] }) }
				if !tt.during {
					remove()
				}
				w.staging = func(context.Context, model.Dispatch) (bool, error) {
					w.staging = nil
					if tt.during {
						remove()
					}
					return true, nil
				}
				w.round(c)
				if got := times(t, c, id); !slices.Equal(got, []string{tt.want}) {
					t.Errorf("pushes %v, want %s", got, tt.want)
				}
				for _, one := range w.tally {
					if one.State == model.DeliveryPending {
						t.Errorf("%d people wait for a step that was removed", one.N)
					}
				}
			})
		}
	})
}

// TestALaterEndIsThatOfWhatIsUnderWay prolongs a campaign of which a time has come, before,
// while and after its people are handed over.
func TestALaterEndIsThatOfWhatIsUnderWay(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, when := range []string{"before", "during", "after"} {
			t.Run(when, func(t *testing.T) {
				w := newWorld(t, db)
				c := w.replica()
				id := w.launch(c, plan(func(p *Plan) { p.Steps[0].Hours, p.EndsAt = 72, model.At(begin.Add(40*time.Hour)) }))
				w.passes(25*time.Hour + time.Minute)
				must[int](t)(c.Advance(t.Context()))
				end := model.At(begin.Add(90 * time.Hour))
				later := func() { w.revise(c, id, func(p *Plan) { p.EndsAt = end }) }
				if when == "before" {
					later()
				}
				w.staging = func(context.Context, model.Dispatch) (bool, error) {
					w.staging = nil
					if when == "during" {
						later()
					}
					return true, nil
				}
				w.round(c)
				if when == "after" {
					later()
				}
				if len(w.staged) != 1 || w.staged[0].EndsAt != end {
					t.Errorf("what was pushed ends at %v, want %s, as its campaign", w.staged, end.Time())
				}
			})
		}
	})
}

// TestARemovalThatIsUndoneLeavesTheStep takes a step out of a draft and puts it back before
// that goes live: as another step it would reach everybody a second time.
func TestARemovalThatIsUndoneLeavesTheStep(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan(func(p *Plan) {
			later := p.Steps[0]
			later.When = When{Kind: ByCron, Cron: "0 10 15 * *"}
			p.Steps = append(p.Steps, later)
		}))
		v := must[Version](t)(c.Revise(ctx, planner, id))
		both := v.Plan
		removed := both
		removed.Steps = both.Steps[1:]
		v = must[Version](t)(c.Save(ctx, planner, id, v.Version, v.Edits, removed))
		v = must[Version](t)(c.Save(ctx, planner, id, v.Version, v.Edits, both))
		if len(v.Plan.Steps) != 2 || v.Plan.Steps[0].ID != both.Steps[0].ID {
			t.Errorf("the steps are %v, want the two that were there", v.Plan.Steps)
		}
		w.revision(c, v)
		w.passes(time.Minute)
		v = must[Version](t)(c.Revise(ctx, planner, id))
		v = must[Version](t)(c.Save(ctx, planner, id, v.Version, v.Edits, removed))
		w.revision(c, v)
		v = must[Version](t)(c.Revise(ctx, planner, id))
		if _, err := c.Save(ctx, planner, id, v.Version, v.Edits, both); !errors.Is(err, ErrPlan) {
			t.Errorf("a step that went live removed is put back: %v, want ErrPlan", err)
		}
	})
}
