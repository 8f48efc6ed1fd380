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

// Who resumes a campaign that its canary paused is told before that it is judged by the same
// failures once more, and how it goes on.
func TestACanaryThatFailedGoesOnByARelease(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan())
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		w.becomes(Tally{State: model.DeliverySent, N: 40}, Tally{State: model.DeliveryUnknown, N: 10}, Tally{State: model.DeliveryPending, N: 4950})
		w.passes(11 * time.Minute)
		w.round(c)
		w.state(c, id, Paused)
		if got, want := must[Campaign](t)(c.Get(ctx, id)).Why, "试发50人中有10人失败，已自动暂停，请检查素材和渠道；要继续请恢复后放行，只恢复而失败仍超过一成会再次暂停"; got != want {
			t.Errorf("the campaign is paused for %q, want %q", got, want)
		}
		must[Campaign](t)(c.Resume(ctx, checker, id))
		w.passes(11 * time.Minute)
		w.round(c)
		w.state(c, id, Paused)
		must[Campaign](t)(c.Resume(ctx, checker, id))
		must[Campaign](t)(c.Release(ctx, checker, id))
		w.passes(11 * time.Minute)
		w.round(c)
		w.state(c, id, Running)
	})
}
