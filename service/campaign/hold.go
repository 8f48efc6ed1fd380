package campaign

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// segments are those that a plan names, each once, in the order in which everybody takes
// them.
func (p *Plan) segments() []model.ID {
	ids := []model.ID{p.Segment}
	for _, s := range p.Steps {
		ids = append(ids, s.Condition, s.When.Segment)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id model.ID) bool { return id <= 0 })
}

// holdTx keeps the segments that a plan names from being archived or deleted before the plan is saved:
// whoever archives or deletes looks for plans after he has the segment's row. It answers
// which segments are archived, and which are gone.
func (c *Campaigns) holdTx(ctx context.Context, tx *sql.Tx, ids []model.ID) (archived, gone []Problem, err error) {
	for _, id := range ids {
		err := c.Holds.HoldTx(ctx, tx, id)
		switch wrong := fault.Of(err); {
		case err == nil:
		case wrong.Kind == fault.Conflict:
			archived = append(archived, Problem{Text: wrong.Text})
		case wrong.Kind == fault.NotFound:
			gone = append(gone, Problem{Text: wrong.Text})
		default:
			return nil, nil, fmt.Errorf("hold the segments of a plan: %w", err)
		}
	}
	return archived, gone, nil
}

// draftTx refuses a draft that begins to name what is archived. What it named when it was
// saved before, and what is gone, is told by Validate, as all that is missing in a draft.
func (c *Campaigns) draftTx(ctx context.Context, tx *sql.Tx, p, before *Plan) error {
	named := before.segments()
	begun := slices.DeleteFunc(p.segments(), func(id model.ID) bool { return slices.Contains(named, id) })
	archived, _, err := c.holdTx(ctx, tx, begun)
	if err != nil {
		return err
	}
	return problems(archived)
}

// submittedTx refuses a plan of which a segment was archived or deleted since it was found
// sound.
func (c *Campaigns) submittedTx(ctx context.Context, tx *sql.Tx, p *Plan) error {
	archived, gone, err := c.holdTx(ctx, tx, p.segments())
	if err != nil {
		return err
	}
	return problems(append(archived, gone...))
}
