package campaign

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/campaign/internal/db"
)

// NamingTx names the campaigns with a plan that is submitted, approved or live, or that
// is over, and that names the segment: as its audience, as the condition of a step or
// as what is joined. At most limit, the newest first.
func (c *Campaigns) NamingTx(ctx context.Context, tx *sql.Tx, segment model.ID, limit int) ([]string, error) {
	in, condition := asNamed(segment)
	found, err := c.q.WithTx(tx).PlansNaming(ctx, db.PlansNamingParams{Segment: in, Condition: condition, Limit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("find the plans that name segment %s: %w", segment, err)
	}
	return found, nil
}

// UsingTx names those of them alone that are not over: neither finished nor stopped.
func (c *Campaigns) UsingTx(ctx context.Context, tx *sql.Tx, segment model.ID, limit int) ([]string, error) {
	in, condition := asNamed(segment)
	found, err := c.q.WithTx(tx).PlansUsing(ctx, db.PlansUsingParams{Segment: in, Condition: condition, Limit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("find the plans that use segment %s: %w", segment, err)
	}
	return found, nil
}

// asNamed is how the JSON of a plan names a segment: as its audience or what is joined, and
// as the condition of a step.
func asNamed(segment model.ID) (in, condition string) {
	return fmt.Sprintf(`"segment":"%s"`, segment), fmt.Sprintf(`"condition":"%s"`, segment)
}
