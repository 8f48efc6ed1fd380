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
	found, err := c.q.WithTx(tx).PlansNaming(ctx, db.PlansNamingParams{
		Segment: fmt.Sprintf(`"segment":"%s"`, segment), Condition: fmt.Sprintf(`"condition":"%s"`, segment), Limit: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("find the plans that name segment %s: %w", segment, err)
	}
	return found, nil
}
