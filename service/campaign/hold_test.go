package campaign

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

// namings are the places of a plan that name a segment.
var namings = []struct {
	name, where string
	change      func(*Plan)
}{
	{"the audience", "segment", func(p *Plan) { p.Segment = others }},
	{"the condition of a step", "steps[0].condition", func(p *Plan) { p.Steps[0].Condition = others }},
	{"what is joined", "steps[0].when.segment", func(p *Plan) {
		p.Steps[0].When = When{Kind: OnEvent, Event: JoinedSegment, Segment: others}
	}},
}

func TestNoPlanBeginsToUseAnArchivedSegment(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		w.people[others] = w.people[some]
		for _, tt := range namings {
			t.Run(tt.name, func(t *testing.T) {
				refused := func(what string, err error, says string) {
					t.Helper()
					if !errors.Is(err, ErrPlan) || !strings.Contains(fault.Of(err).Text, says) {
						t.Errorf("%s = %v, %s, want ErrPlan with %s", what, err, fault.Of(err).Text, says)
					}
				}
				w.archived[others] = false
				v := must[Version](t)(c.Create(ctx, planner, plan(tt.change)))
				w.archived[others], w.audit = true, nil
				frozen := len(w.requests)
				_, err := c.Create(ctx, planner, plan(tt.change))
				refused("a new plan", err, "人群“高价值”已归档")
				w.archived[others] = false
				unnamed := must[Version](t)(c.Create(ctx, planner, plan()))
				w.archived[others], w.audit = true, nil
				_, err = c.Save(ctx, planner, unnamed.Campaign, 1, unnamed.Edits, plan(tt.change))
				refused("a changed plan", err, "人群“高价值”已归档")
				_, err = c.Submit(ctx, planner, v.Campaign, 1)
				refused("a plan that is handed in", err, "人群“高价值”已归档，请先恢复它，或更换人群")
				if len(w.requests) != frozen || len(w.audit) != 0 {
					t.Errorf("the refusals froze %d audiences and left %v in the audit, want none", len(w.requests)-frozen, w.audit)
				}
				found := must[[]Problem](t)(Advice{c}.Validate(ctx, v.Campaign, 1))
				if len(found) != 1 || found[0].Where != tt.where {
					t.Errorf("Validate = %v, want the one at %s", found, tt.where)
				}
				// What named it before may change in everything else, and give it up.
				v = must[Version](t)(c.Save(ctx, planner, v.Campaign, 1, v.Edits, plan(tt.change, func(p *Plan) { p.Name = "元宵" })))
				if _, err = c.Submit(ctx, planner, v.Campaign, 1); !errors.Is(err, ErrPlan) {
					t.Errorf("Submit of what was saved on = %v, want ErrPlan", err)
				}
				v = must[Version](t)(c.Save(ctx, planner, v.Campaign, 1, v.Edits, plan()))
				_, err = c.Save(ctx, planner, v.Campaign, 1, v.Edits, plan(tt.change))
				refused("a plan that gave it up", err, "人群“高价值”已归档")
				must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
			})
		}
	})
}

func TestAPlanIsHeldToItsSegmentsWhenItIsHandedIn(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		w.people[others] = w.people[some]
		for _, tt := range []struct {
			name, says string
			meanwhile  func()
		}{
			{"archived meanwhile", "已归档", func() { w.archived[others] = true }},
			{"deleted meanwhile", "没有这个人群", func() { delete(w.people, others) }},
		} {
			v := must[Version](t)(c.Create(ctx, planner, plan(namings[1].change, func(p *Plan) { p.Steps[0].When.Segment = some })))
			w.held, w.meanwhile = nil, tt.meanwhile
			if _, err := c.Submit(ctx, planner, v.Campaign, 1); !errors.Is(err, ErrPlan) || !strings.Contains(fault.Of(err).Text, tt.says) {
				t.Errorf("%s: Submit = %v, %s", tt.name, err, fault.Of(err).Text)
			}
			if want := []model.ID{everybody, some, others}; !slices.Equal(w.held, want) {
				t.Errorf("%s: held %v, want each once, ascending: %v", tt.name, w.held, want)
			}
			if v = must[Version](t)(c.Version(ctx, v.Campaign, 1)); v.State != Draft {
				t.Errorf("%s: the plan is %s, want a draft", tt.name, v.State)
			}
			w.meanwhile, w.archived[others] = nil, false
			must[Version](t)(c.Save(ctx, planner, v.Campaign, 1, v.Edits, v.Plan)) // a draft may name what is gone
			w.people[others] = w.people[some]
		}
	})
}
