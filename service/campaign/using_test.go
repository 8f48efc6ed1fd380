package campaign

import (
	"database/sql"
	"slices"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

func TestPlansBeyondADraftNameTheirSegments(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		w.people[others] = w.people[some]
		naming := func(segment model.ID) (names []string) {
			err := sqldb.InTx(ctx, db, func(tx *sql.Tx) (err error) {
				names, err = c.NamingTx(ctx, tx, segment, 5)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return names
		}
		v := must[Version](t)(c.Create(ctx, planner, plan(func(p *Plan) { p.Steps[0].Condition = some })))
		if got := naming(everybody); len(got) != 0 {
			t.Errorf("a draft names its segment: %v", got)
		}
		must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
		w.launch(c, plan(func(p *Plan) {
			p.Name, p.Steps[0].When = "新来的", When{Kind: OnEvent, Event: JoinedSegment, Segment: others}
		}))
		for segment, want := range map[model.ID][]string{everybody: {"新来的", "回家"}, some: {"回家"}, others: {"新来的"}, nobody: nil, 1: nil} {
			if got := naming(segment); !slices.Equal(got, want) {
				t.Errorf("segment %s is named by %v, want %v", segment, got, want)
			}
		}
	})
}
