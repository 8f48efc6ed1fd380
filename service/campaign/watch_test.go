package campaign

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// waits is a plan whose one step waits for an event.
func waits(e Event, days int) Plan {
	return plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: e, Days: days} })
}

// watch is one run of the job, which ends after ten minutes.
func (w *world) watch(c *Campaigns, asked func(When)) (int, error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	until := w.clock().Add(10 * time.Minute)
	w.asking = func(of When, _ int) {
		if asked(of); !w.clock().Before(until) {
			cancel()
		}
	}
	return c.Watch(ctx)
}

func TestASlowCarrierKeepsNoOtherCampaignFromItsEvents(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, waits(DataLow, 0))
		w.launch(c, waits(Birthday, 0))
		w.happens[4900] = "2026"
		w.passes(2 * time.Hour)
		found := 0
		for range 3 {
			n, err := w.watch(c, func(of When) {
				if of.Event == DataLow {
					w.passes(100 * time.Second)
				}
			})
			if found += n; err != nil {
				t.Errorf("Watch = %v, want that it ends in its time", err)
			}
		}
		if found != 1 {
			t.Errorf("%d birthdays were found beside a slow carrier, want 1", found)
		}
	})
}

func TestWhoWaitedLongestIsWatchedFirst(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		const all = 20
		for days := range all {
			w.launch(c, waits(PackExpiry, days+1))
		}
		w.passes(2 * time.Hour)
		seen := map[int]int{}
		w.asking = func(of When, _ int) { // one page is a turn
			w.mu.Lock()
			seen[of.Days]++
			w.mu.Unlock()
			w.passes(watchTurn)
		}
		for range 3 {
			began := w.clock()
			must[int](t)(c.Watch(t.Context()))
			// This clock adds up what is asked at a time: beside the step that begins last
			// there are three.
			if took, most := w.clock().Sub(began), watchTime+(watchers-1)*watchTurn; took > most {
				t.Errorf("Watch took %v, want at most %v", took, most)
			}
		}
		for days := 1; days <= all; days++ {
			if seen[days] == 0 {
				t.Errorf("campaign %d had no turn in three runs: %v", days, seen)
			}
		}
	})
}

func TestWhatAWatchCouldNotFindOutIsTold(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, waits(DataLow, 0))
		w.passes(2 * time.Hour)
		w.silent = map[model.MemberID]bool{3: true, 4900: true}
		must[int](t)(c.Watch(ctx))
		said := func() string { return must[Progress](t)(c.Progress(ctx, id)).Next[0].Words }
		if got, want := said(), "08:00起的这一轮有2人没有查到，下一轮再查。"; !strings.Contains(got, want) {
			t.Errorf("the step is said as %q, want %q in it", got, want)
		}
		w.passes(24 * time.Hour)
		w.silent = nil
		if _, err := w.watch(c, func(When) { w.passes(100 * time.Second) }); err != nil {
			t.Error(err)
		}
		if got := said(); strings.Contains(got, "没有查到") {
			t.Errorf("the step is said as %q of a round in which all are heard", got)
		}
		w.asking = nil
		w.passes(24 * time.Hour)
		must[int](t)(c.Watch(ctx))
		if got, want := said(), "08:00起的那一轮没有查完，没查到的人在下一轮先查。"; !strings.Contains(got, want) {
			t.Errorf("the step is said as %q, want %q in it", got, want)
		}
	})
}

func TestAStepThatFailsKeepsNoOtherNorTheEnd(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan(func(p *Plan) {
			daily := p.Steps[0]
			daily.Name, daily.Hours, daily.When = "每天", 20, When{Kind: ByCron, Cron: "0 11 * * *"}
			p.Steps = slices.Insert(p.Steps, 0, daily)
		}))
		c.Cron = func(string) (func(time.Time) time.Time, error) { return nil, errDown }
		w.passes(25*time.Hour + time.Minute)
		if _, err := c.Advance(ctx); !errors.Is(err, errDown) {
			t.Errorf("Advance = %v, want what failed", err)
		}
		must[int](t)(c.Stage(ctx))
		if len(w.staged) != 1 {
			t.Errorf("%d dispatches, want that of the other step", len(w.staged))
		}
		w.becomes(Tally{State: model.DeliverySent, N: 5000})
		w.passes(10 * 24 * time.Hour)
		for range 2 { // the canary passes, the campaign ends
			if _, err := c.Advance(ctx); !errors.Is(err, errDown) {
				t.Errorf("Advance = %v, want what failed", err)
			}
			w.passes(time.Minute)
		}
		w.state(c, id, Finished)
	})
}

// What can be asked in a day may be a part of the audience: it must not be the same part
// every day.
func TestARoundThatItsTimeCutOffGoesOnInTheNext(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, waits(Birthday, 0))
		w.happens = map[model.MemberID]string{}
		for _, m := range []model.MemberID{1, 2001, 4000, 4001, 4002, 4900, 5000} { // one on the first page of three, two, four
			w.happens[m] = "2026"
		}
		w.passes(2 * time.Hour)
		w.asking = func(When, int) { w.passes(13 * time.Hour) }
		var found []int
		for range 7 { // of one page each
			found = append(found, must[int](t)(c.Watch(t.Context())))
		}
		if want := []int{1, 2, 4, 1, 2, 4, 1}; !slices.Equal(found, want) {
			t.Errorf("in two pages a day there were found %v, want %v", found, want)
		}
		w.asking = nil
		for range 2 {
			w.passes(24 * time.Hour)
			if n := must[int](t)(c.Watch(t.Context())); n != 7 {
				t.Errorf("in a whole round %d were found, want each of 7 once", n)
			}
			if n := must[int](t)(c.Watch(t.Context())); n != 0 {
				t.Errorf("after a whole round %d were found, want nobody asked again", n)
			}
		}
	})
}

// Who pays is told within the hours after, also on the last day of the campaign, and when
// the carrier's file says so a day late.
func TestWhoPaysIsToldOnTheSameDay(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		p := waits(Payment, 0)
		p.EndsAt = model.At(begin.Add(61 * time.Hour)) // the third day, 22:00
		w.launch(c, p)
		w.passes(51 * time.Hour) // the third day, noon
		w.happens = map[model.MemberID]string{7: "2026-02-11", 8: "2026-02-10", 9: "2026-02-08"}
		for range 8 {
			w.round(c)
			w.passes(time.Hour)
		}
		var told []model.MemberID
		for _, d := range w.staged {
			told = append(told, w.frozen[d.Frozen]...)
		}
		slices.Sort(told)
		if !slices.Equal(told, []model.MemberID{7, 8}) {
			t.Errorf("by the evening of the last day %v are told, want who paid on that day and the day before, once", told)
		}
	})
}

// A pack has one day on which it expires in so many days: whom the carrier says nothing of on
// that day, or whom the round does not come to, is told when the carrier answers, once.
func TestAPackIsToldOfWhenTheCarrierAnswersLate(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, waits(PackExpiry, 3))
		w.happens = map[model.MemberID]string{7: "2026-02-12", 8: "2026-02-12", 9: "2026-02-13", 10: "2026-02-11", 4900: "2026-02-12"}
		w.silent = map[model.MemberID]bool{7: true, 9: true, 10: true}
		w.passes(2 * time.Hour) // the 9th
		looks := 0
		w.asking = func(When, int) {
			if looks++; looks == 200 {
				w.passes(23 * time.Hour) // the round ends before it comes to 4900
			}
		}
		w.round(c)
		w.asking = nil
		w.round(c) // the 10th
		w.passes(24 * time.Hour)
		w.silent = nil
		for range 48 {
			w.round(c)
			w.passes(time.Hour)
		}
		var told []model.MemberID
		for _, d := range w.staged {
			told = append(told, w.frozen[d.Frozen]...)
		}
		slices.Sort(told)
		if !slices.Equal(told, []model.MemberID{7, 8, 9, 4900}) {
			t.Errorf("told are %v, want all whose pack was to expire in three days since the step waits, once", told)
		}
	})
}
