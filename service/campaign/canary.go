package campaign

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// canaryShare is how many of 10,000 get the first push of a campaign before the others.
const canaryShare = 100

// A canary fails when more than one in ten goes wrong, and at least three do.
const (
	canaryFew  = 3
	canaryPart = 10
)

// judge looks at the canary of a campaign: it lets the others follow, or pauses. It is
// watched from its first try on, which may be the morning after it was handed over.
func (c *Campaigns) judge(ctx context.Context, r db.Campaign) error {
	tried, err := c.Counts.Canary(ctx, model.ID(r.ID))
	if err != nil {
		return fmt.Errorf("count the canary: %w", err)
	}
	sent, wrong := tried[model.DeliverySent], tried[model.DeliveryRefused]+tried[model.DeliveryUnknown]
	switch {
	case sent+wrong+tried[model.DeliverySkipped] == 0: // quiet hours: nobody was tried yet
		return c.q.RestartCanary(ctx, db.RestartCanaryParams{ID: r.ID, Now: c.millis()})
	case c.Now().Sub(model.Millis(r.CanaryAt).Time()) < c.opts.Canary:
		return nil
	case wrong >= canaryFew && wrong*canaryPart > sent+wrong:
		return c.halt(ctx, r, fmt.Sprintf("试发%d人中有%d人失败，已自动暂停，请检查素材和渠道；要继续请恢复后放行，只恢复而失败仍超过一成会再次暂停", sent+wrong, wrong))
	}
	n, err := c.q.PassCanary(ctx, db.PassCanaryParams{ID: r.ID, Now: c.millis()})
	if err != nil || n == 0 {
		return err
	}
	c.moved.WithLabelValues(string(Running)).Inc()
	c.Log.InfoContext(ctx, "canary passed", "campaign", r.ID, "sent", sent, "wrong", wrong)
	c.tellNow(ctx, model.ID(r.ID))
	return nil
}

// begun lets the canary begin of a campaign that was paused while its first push was
// handed over: it was paused as one that waits for its first time, and goes on as one.
func (c *Campaigns) begun(ctx context.Context, r db.Campaign) error {
	states, err := c.Counts.Canary(ctx, model.ID(r.ID))
	if err != nil {
		return fmt.Errorf("count the canary: %w", err)
	}
	if len(states) == 0 {
		return nil
	}
	n, err := c.q.BeginCanary(ctx, db.BeginCanaryParams{ID: r.ID, Now: c.millis()})
	if n > 0 {
		c.moved.WithLabelValues(string(Canary)).Inc()
	}
	return err
}

// halt pauses a campaign by itself.
func (c *Campaigns) halt(ctx context.Context, r db.Campaign, why string) error {
	moved := int64(0)
	err := sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		n, err := c.q.WithTx(tx).MoveCampaign(ctx, db.MoveCampaignParams{
			ID: r.ID, Was: r.State, State: string(Paused), Why: why, PausedFrom: r.State, PausedAt: c.millis(), Now: c.millis(),
		})
		if moved = n; err != nil || n == 0 {
			return err
		}
		return c.record(ctx, tx, 0, "pause", model.ID(r.ID), inVersion{Version: int(r.LiveVersion), Why: why})
	})
	if err != nil || moved == 0 {
		return err
	}
	c.moved.WithLabelValues(string(Paused)).Inc()
	c.Log.WarnContext(ctx, "campaign paused by itself", "campaign", r.ID, "why", why)
	c.tellNow(ctx, model.ID(r.ID))
	return nil
}
