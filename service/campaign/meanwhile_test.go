package campaign

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// delayed is a replica that others overtake: what happens meanwhile happens once, when it
// is about to run a statement, or has its answer.
func (w *world) delayed(statement string, answered bool, meanwhile func()) *Campaigns {
	db, once := w.db, sync.Once{}
	defer func() { w.db = db }()
	w.db = dbtest.WatchedBy(db, func(at dbtest.Trip) error {
		if at.Done == answered && strings.Contains(at.Statement, statement) {
			once.Do(meanwhile)
		}
		return nil
	})
	return w.replica()
}

func TestACampaignThatIsMadeLongerAtItsEndGoesOn(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name   string
			looked string // what a replica has just read
			paused bool
			after  time.Duration // its end
		}{
			{"nothing is on its way any more", "-- name: OpenOccurrences ", false, time.Minute},
			{"it is paused for a day", "-- name: PausedOver ", true, 25 * time.Hour},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c := w.replica()
				id := w.launch(c, plan())
				w.passes(25*time.Hour + time.Minute)
				w.tally = []Tally{{State: model.DeliveryPending, N: 5}}
				w.round(c)
				if tt.paused {
					must[Campaign](t)(c.Pause(t.Context(), planner, id, "等批复"))
				}
				before := must[Campaign](t)(c.Get(t.Context(), id))
				w.passes(before.EndsAt.Time().Sub(w.clock()) + tt.after)
				w.tally = nil
				asked := false
				late := w.delayed(tt.looked, true, func() {
					asked = true
					w.revise(c, id, func(p *Plan) { p.EndsAt = model.At(w.clock().Add(48 * time.Hour)) })
				})
				must[int](t)(late.Advance(t.Context()))
				if got := must[Campaign](t)(c.Get(t.Context(), id)); !asked || got.State == Finished {
					t.Errorf("the campaign was made longer: %v, and is %s (%s), want that it goes on", asked, got.State, got.Why)
				}
			})
		}
	})
}

func TestAPushThatIsMovedInItsLastSecondComesAtItsNewTime(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		id := w.launch(c, plan())
		w.passes(25*time.Hour + time.Second)
		late := w.delayed("-- name: LastOccurrences ", true, func() {
			w.revise(c, id, func(p *Plan) { p.Steps[0].When.At = model.At(begin.Add(27 * time.Hour)) })
		})
		must[int](t)(late.Advance(t.Context()))
		w.round(c)
		if got := times(t, c, id); len(got) != 0 {
			t.Errorf("it was pushed at %v, want nothing before its new time", got)
		}
		w.passes(2 * time.Hour)
		w.round(c)
		if got := times(t, c, id); !slices.Equal(got, []string{"02-10 12:00 staged"}) {
			t.Errorf("it was pushed at %v, want at its new time alone", got)
		}
	})
}

func TestATimeIsNotMovedOnceItsPushHasBegun(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan())
		v := must[Version](t)(c.Revise(ctx, planner, id))
		v.Plan.Steps = slices.Clone(v.Plan.Steps)
		v.Plan.Steps[0].When.At = model.At(begin.Add(27 * time.Hour))
		v = must[Version](t)(c.Save(ctx, planner, id, v.Version, v.Edits, v.Plan))
		v = must[Version](t)(c.Submit(ctx, planner, id, v.Version))
		must[Version](t)(c.Approve(ctx, checker, id, v.Version, v.FrozenSize))
		w.passes(25*time.Hour - time.Second)
		late := w.delayed("BEGIN", false, func() {
			w.passes(2 * time.Second)
			must[int](t)(c.Advance(ctx))
		})
		if _, err := late.Schedule(ctx, planner, id, v.Version); !errors.Is(err, ErrState) {
			t.Errorf("Schedule = %v, want that the push has begun", err)
		}
		if got := times(t, c, id); !slices.Equal(got, []string{"02-10 10:00 due"}) {
			t.Errorf("its times are %v, want the one that has come", got)
		}
	})
}
