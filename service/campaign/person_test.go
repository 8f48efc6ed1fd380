package campaign

import (
	"database/sql"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestAConditionIsAskedOfWhoPeopleAreNow(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		id := w.launch(c, plan(func(p *Plan) { p.Steps[0].Condition = some }))
		first := must[Version](t)(c.Version(t.Context(), id, 1)).Frozen
		w.became = map[model.MemberID]model.MemberID{2: 6002, 4: 6004, 7: 9}
		w.people[some] = []model.MemberID{9, 6002} // as who they are now
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		if len(w.staged) != 1 || !slices.Equal(w.frozen[w.staged[0].Frozen], []model.MemberID{2, 7, 9}) {
			t.Fatalf("pushed %+v to %v, want all ids of those who meet the condition", w.staged, w.frozen[w.staged[0].Frozen])
		}
		if !slices.Equal(w.staged[0].Drawn, []model.ID{first}) {
			t.Errorf("they are drawn by %v, want the campaign's audience %d", w.staged[0].Drawn, first)
		}
	})
}

func TestALaterVersionDrawsPeopleAsTheFirstDid(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan())
		v := must[Version](t)(c.Revise(ctx, planner, id))
		v = must[Version](t)(c.Submit(ctx, planner, id, v.Version))
		must[Version](t)(c.Approve(ctx, checker, id, 2, v.FrozenSize))
		must[Campaign](t)(c.Schedule(ctx, planner, id, 2))
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		first := must[Version](t)(c.Version(ctx, id, 1)).Frozen
		if len(w.staged) != 1 || w.staged[0].Frozen != v.Frozen || !slices.Equal(w.staged[0].Drawn, []model.ID{first, v.Frozen}) {
			t.Errorf("pushed %+v, want one to %d drawn by %d first", w.staged, v.Frozen, first)
		}
	})
}

func TestWhoTriedAVariantAsAnotherGetsNoWinner(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(compared(4)))
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		tested := w.frozen[w.staged[0].Frozen]
		var waits []model.MemberID
		for _, m := range w.people[everybody] {
			if _, tries := slices.BinarySearch(tested, m); !tries {
				waits = append(waits, m)
			}
		}
		w.became = map[model.MemberID]model.MemberID{tested[0]: waits[0], waits[1]: tested[1], waits[2]: waits[3], waits[4]: 6004}
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500, Tapped: 10}, Tally{Variant: "B", State: model.DeliverySent, N: 500, Tapped: 90})
		w.passes(5 * time.Hour)
		w.round(c)
		if rest := w.frozen[w.staged[1].Frozen]; !slices.Equal(rest, waits[2:]) {
			t.Errorf("the winner goes to %d, from %v on, want the %d who tried nothing by any id", len(rest), rest[:4], len(waits)-2)
		}
	})
}

func TestWhatHappenedBeforeSomebodyWasAnotherCountsOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: DataLow} }))
		w.happens = map[model.MemberID]string{7: "2026-02"}
		pushed := func(n int, want ...model.MemberID) {
			t.Helper()
			for range 5 {
				w.passes(time.Hour)
				w.round(c)
			}
			if len(w.staged) != n || !slices.Equal(w.frozen[w.staged[n-1].Frozen], want) {
				t.Fatalf("pushed %+v, want %d, the last to %v", w.staged, n, want)
			}
		}
		pushed(1, 7)
		// The one to whom it happened and a customer to whom nothing did bind their numbers.
		w.became = map[model.MemberID]model.MemberID{7: 6007, 8: 6008}
		w.happens = map[model.MemberID]string{6007: "2026-02", 6008: "2026-02"}
		w.passes(24 * time.Hour)
		pushed(2, 6008)
	})
}

func TestWhoWasInTheSegmentAsAnotherHasNotJoinedIt(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: JoinedSegment} }))
		w.passes(2 * time.Hour)
		w.round(c)
		w.became[4] = 6001
		w.people[everybody] = append(slices.DeleteFunc(w.people[everybody], func(m model.MemberID) bool { return m == 4 }), 6001, 6002)
		for range 4 {
			w.passes(time.Hour)
			w.round(c)
		}
		if len(w.staged) != 1 || !slices.Equal(w.frozen[w.staged[0].Frozen], []model.MemberID{6002}) {
			t.Errorf("pushed %+v, want one to the one who joined", w.staged)
		}
	})
}
