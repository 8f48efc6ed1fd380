package audience

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// maxAbove bounds how many segments are looked at that name one that changes, themselves
// or through others.
const maxAbove = 500

// boundedTx refuses what a segment became when it goes round in a circle with one that
// was saved meanwhile, or when one that names it, itself or through others, would go
// beyond the bounds of a tree: nobody would be told before a campaign asks that one.
// Errors: ErrSegment.
func (a *Audience) boundedTx(ctx context.Context, tx *sql.Tx, changed model.ID) error {
	q := a.q.WithTx(tx)
	seen, queue := map[model.ID]bool{changed: true}, []model.ID{changed}
	for i := 0; i < len(queue) && i < maxAbove; i++ {
		s, err := segmentOf(ctx, q, queue[i])
		if err != nil {
			return err
		}
		r := a.resolver(s.ID, model.DayOf(a.Now()))
		r.q = q
		if _, err := r.node(ctx, &s.Tree, "", 1); err != nil {
			return err
		}
		if r.unbounded {
			if s.ID == changed {
				return problems(r.found)
			}
			return ErrSegment.Saying("改成这样，引用它的人群“%s”就不能使用了：%s", s.Name, r.found[0].Text)
		}
		part, err := naming(Node{Segment: s.ID})
		if err != nil {
			return err
		}
		above, err := q.IDsNaming(ctx, db.IDsNamingParams{Part: part, Limit: maxAbove})
		if err != nil {
			return fmt.Errorf("find who uses it: %w", err)
		}
		for _, id := range above {
			if !seen[model.ID(id)] {
				seen[model.ID(id)], queue = true, append(queue, model.ID(id))
			}
		}
	}
	return nil
}
