package campaign

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

func TestPlansBeyondADraftNameTheirSegments(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		w.people[others] = w.people[some]
		asked := func(ask func(context.Context, *sql.Tx, model.ID, int) ([]string, error), segment model.ID) (names []string) {
			err := sqldb.InTx(ctx, db, func(tx *sql.Tx) (err error) {
				names, err = ask(ctx, tx, segment, 5)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return names
		}
		naming := func(segment model.ID) []string { return asked(c.NamingTx, segment) }
		v := must[Version](t)(c.Create(ctx, planner, plan(func(p *Plan) { p.Steps[0].Condition = some })))
		if got := naming(everybody); len(got) != 0 {
			t.Errorf("a draft names its segment: %v", got)
		}
		must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
		id := w.launch(c, plan(func(p *Plan) {
			p.Name, p.Steps[0].When = "新来的", When{Kind: OnEvent, Event: JoinedSegment, Segment: others}
		}))
		for segment, want := range map[model.ID][]string{everybody: {"新来的", "回家"}, some: {"回家"}, others: {"新来的"}, nobody: nil, 1: nil} {
			if got := naming(segment); !slices.Equal(got, want) {
				t.Errorf("segment %s is named by %v, want %v", segment, got, want)
			}
			if got := asked(c.UsingTx, segment); !slices.Equal(got, want) {
				t.Errorf("segment %s is used by %v, want %v", segment, got, want)
			}
		}
		must[Campaign](t)(c.Pause(ctx, planner, id, "看一看"))
		if got := asked(c.UsingTx, others); !slices.Equal(got, []string{"新来的"}) {
			t.Errorf("the segment of a paused one is used by %v", got)
		}
		must[Campaign](t)(c.Kill(ctx, planner, id, "不办了"))
		over := w.launch(c, plan(func(p *Plan) { p.Name = "办完的" }))
		w.passes(30 * 24 * time.Hour)
		w.round(c)
		w.state(c, over, Finished)
		for segment, want := range map[model.ID][]string{everybody: {"回家"}, some: {"回家"}, others: nil} {
			if got := asked(c.UsingTx, segment); !slices.Equal(got, want) {
				t.Errorf("of what is not over, segment %s is used by %v, want %v", segment, got, want)
			}
		}
		if got := naming(everybody); !slices.Equal(got, []string{"办完的", "新来的", "回家"}) {
			t.Errorf("what is over names its segments: %v", got)
		}
	})
}
