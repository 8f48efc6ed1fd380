package campaign

import (
	"context"
	"database/sql"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// handbrake is the pushes' side of a pause; meanwhile happens once, before a word takes
// effect, and fail is answered once, after it did.
type handbrake struct {
	stands    string
	meanwhile func()
	fail      error
}

func (h *handbrake) set(to string) error {
	if then := h.meanwhile; then != nil {
		h.meanwhile = nil
		then()
	}
	err := h.fail
	h.stands, h.fail = to, nil
	return err
}

func (h *handbrake) Pause(context.Context, model.ID, string) error { return h.set("paused") }
func (h *handbrake) Resume(context.Context, model.ID) error        { return h.set("running") }
func (h *handbrake) Kill(context.Context, model.ID) error          { return h.set("killed") }

func TestThePushesStandWhereTheCampaignStands(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name string
			act  func(t *testing.T, c *Campaigns, h *handbrake, id model.ID)
			want string
		}{
			{"paused while somebody resumes", func(t *testing.T, c *Campaigns, h *handbrake, id model.ID) {
				must[Campaign](t)(c.Pause(t.Context(), planner, id, "看看"))
				h.meanwhile = func() { must[Campaign](t)(c.Pause(t.Context(), checker, id, "不对")) }
				must[Campaign](t)(c.Resume(t.Context(), planner, id))
			}, "paused"},
			{"resumed while somebody pauses", func(t *testing.T, c *Campaigns, h *handbrake, id model.ID) {
				h.meanwhile = func() { must[Campaign](t)(c.Resume(t.Context(), checker, id)) }
				must[Campaign](t)(c.Pause(t.Context(), planner, id, "看看"))
			}, "running"},
			{"resumed after a pause whose answer was lost", func(t *testing.T, c *Campaigns, h *handbrake, id model.ID) {
				h.fail = errDown
				must[Campaign](t)(c.Pause(t.Context(), planner, id, "看看"))
				must[Campaign](t)(c.Resume(t.Context(), planner, id))
			}, "running"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c, h := w.replica(), &handbrake{stands: "running"}
				id := w.launch(c, plan())
				c.Brakes = h
				w.round(c)
				tt.act(t, c, h, id)
				w.round(c)
				if h.stands != tt.want {
					t.Errorf("the campaign is %s and its pushes are %s, want %s", must[Campaign](t)(c.Get(t.Context(), id)).State, h.stands, tt.want)
				}
			})
		}
	})
}
