package push_test

import (
	"database/sql"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

// A campaign that begins while the million of another is sent is watched from its time on.
func TestACanaryWaitsForNoWholeAudience(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(300), push.PlannerOptions{Shard: 50})
		r.stage(t, dispatch(1, by(model.OfficialChannel)))
		begins := dispatch(2, model.Way{Channel: model.OfficialChannel, Material: 102})
		begins.Campaign, begins.Step, begins.Canary = 8, 80, 100
		r.stage(t, begins)
		for _, m := range r.frozen {
			for _, template := range []string{"T101", "T102"} {
				must(t, r.rights.Grant(t.Context(), m, string(push.Official), template, model.RequestID(template+m.String())))
			}
		}
		_, err := r.SendDue(t.Context())
		must(t, err)
		var first, all int
		for i, k := range r.arrived() {
			if k.text == "T102" {
				first, all = max(first, i), all+1
			}
		}
		if len(r.sent) != 300+all || all == 0 || first != all-1 {
			t.Errorf("%d messages, the last of the %d of the canary was number %d, want them first", len(r.sent), all, first+1)
		}
	})
}
