package campaign

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestACampaignThatCannotBeFinishedKeepsNoOther(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		stuck, paused, running := w.launch(c, plan()), w.launch(c, plan()), w.launch(c, plan())
		for _, id := range []model.ID{stuck, paused} {
			must[Campaign](t)(c.Pause(ctx, planner, id, "等批复"))
		}
		w.unwritten = stuck.String()
		w.passes(12 * 24 * time.Hour)
		if _, err := c.Advance(ctx); !errors.Is(err, errDown) {
			t.Errorf("Advance = %v, want what failed", err)
		}
		w.state(c, stuck, Paused)
		w.state(c, paused, Finished)
		w.state(c, running, Finished)
	})
}
