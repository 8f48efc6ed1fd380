package campaign

import (
	"database/sql"
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
	v = must[Version](w.t)(c.Save(ctx, planner, id, v.Version, v.Edits, v.Plan))
	v = must[Version](w.t)(c.Submit(ctx, planner, id, v.Version))
	must[Version](w.t)(c.Approve(ctx, checker, id, v.Version, v.FrozenSize))
	must[Campaign](w.t)(c.Schedule(ctx, planner, id, v.Version))
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
