package campaign

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// slowly lets something happen while an audience is collected.
type slowly struct {
	*world
	meanwhile func()
}

func (s slowly) Collect(ctx context.Context, segment model.ID, request model.RequestID, next Source) (model.ID, int64, error) {
	s.meanwhile()
	return s.world.Collect(ctx, segment, request, next)
}

func TestAPauseWhileTheFirstPushIsCollectedKeepsTheCanary(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan(func(p *Plan) { p.Steps[0].Condition = some }))
		w.passes(25*time.Hour + time.Minute)
		c.Frozen = slowly{w, func() { must[Campaign](t)(c.Pause(ctx, planner, id, "看看")) }}
		w.round(c)
		must[Campaign](t)(c.Resume(ctx, planner, id))
		w.becomes(Tally{State: model.DeliverySent, N: 25}, Tally{State: model.DeliveryPending, N: 2475})
		for range 8 {
			w.passes(5 * time.Minute)
			w.round(c)
		}
		w.state(c, id, Running)
	})
}
