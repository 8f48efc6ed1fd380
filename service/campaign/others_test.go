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

func TestACampaignThatCannotBeFinishedKeepsNoOther(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		stuck, paused, running := w.launch(c, plan()), w.launch(c, plan()), w.launch(c, plan())
		for _, id := range []model.ID{stuck, paused} {
			must[Campaign](t)(c.Pause(ctx, planner, id, "等批复"))
		}
		w.unwritten = stuck.String()
		w.passes(12 * 24 * time.Hour)
		if _, err := c.Advance(ctx); !errors.Is(err, errDown) {
			t.Errorf("Advance = %v, want what failed", err)
		}
		w.state(c, stuck, Paused)
		w.state(c, paused, Finished)
		w.state(c, running, Finished)
	})
}

func TestAnEventThatNobodyKnowsOfKeepsNoOtherStep(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		w.launch(c, plan(func(p *Plan) {
			p.Steps[0].When = When{Kind: OnEvent, Event: DataLow}
			birthday := p.Steps[0]
			birthday.Name, birthday.When = "生日", When{Kind: OnEvent, Event: Birthday}
			p.Steps = append(p.Steps, birthday)
		}))
		w.unheard, w.happens[7] = DataLow, "2026"
		w.passes(2 * time.Hour)
		if n, err := c.Watch(ctx); n != 1 || !errors.Is(err, errDown) {
			t.Errorf("Watch = %d, %v, want the birthday, and what failed", n, err)
		}
	})
}

func TestASlowCarrierIsAskedAboutEverybodyOnceInARound(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, other, ctx := w.replica(), w.replica(), t.Context()
		w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: DataLow} }))
		w.passes(2 * time.Hour)
		asked, beside := 0, 0
		w.asking = func(_ When, members int) {
			if beside++; beside > 1 {
				t.Errorf("another replica asks about the same %d members", members)
				return
			}
			asked += members
			w.passes(time.Duration(members) * 14 * time.Second / 8) // each takes as long as the carrier may, eight at once
			_, err := other.Watch(ctx)
			if beside--; err != nil {
				t.Error(err)
			}
		}
		for range 200 { // turns
			if _, err := c.Watch(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if asked != 5000 {
			t.Errorf("asked about %d members, want each of 5000 once", asked)
		}
	})
}

// interrupted is an outcome whose runs end when the deliveries of a campaign are asked for.
type interrupted struct {
	*outcome
	end   func()
	asked []model.ID
}

func (o *interrupted) Deliveries(ctx context.Context, campaign, _ model.ID, _ int) ([]model.Delivery, error) {
	o.asked = append(o.asked, campaign)
	o.end()
	return nil, ctx.Err()
}

func TestEveryReportHasItsTurn(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		o := &interrupted{outcome: &outcome{}}
		r := newReports(t, w, o.outcome)
		r.Sendings = o
		for id := range model.ID(3) {
			live(t, w, id+5)
		}
		for range 4 { // each hour is too short for more than one
			ctx, cancel := context.WithCancel(t.Context())
			o.end = cancel
			if n, err := r.ComputeDue(ctx); n != 0 || err == nil {
				t.Fatalf("ComputeDue = %d, %v, want that it did not end in time", n, err)
			}
			w.passes(time.Hour)
		}
		if want := []model.ID{5, 6, 7, 5}; !slices.Equal(o.asked, want) {
			t.Errorf("computed %v, want each in turn: %v", o.asked, want)
		}
	})
}
