package story_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/operator"
)

func TestAnOperatorGivesPointsBackThatNobodyKnewOf(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica().Stock(shelf(w.Now())...)
		planner := desk{w.Operator("planner", operator.Planner), t, w}
		reviewer := desk{w.Operator("reviewer", operator.Reviewer), t, w}
		support := desk{w.Operator("support", operator.Support), t, w}
		mini := w.Person("ordinary").Opens().SignsIn().BindsPhone()
		left := func() int64 { return mini.Get("/points").Number("available") }
		w.Until("the points of the first binding are there", func() bool { return left() == 100 })

		w.Fault("carrier.order", faults.Fault{Kind: faults.Status, Status: 503})
		id := mini.Do("POST", "/redemptions", "r", map[string]any{"giftId": mini.Finds("carrier")}).Is(http.StatusCreated).Text("id")
		settle := "/redemptions/" + id + "/settle"
		verdict := map[string]any{"verdict": "refund", "reason": "运营商工单0231", "attempts": 0}
		planner.refused("POST", settle, verdict, http.StatusForbidden, "operator.right")
		support.refused("POST", settle, verdict, http.StatusForbidden, "operator.right")
		var stuck struct {
			Items []struct {
				ID       string
				Member   string
				Attempts int
			}
		}
		none := "{\"items\":[]}\n"
		w.Until("nobody asks about it any more, and it is settled", func() bool {
			w.Exec(fmt.Sprintf("UPDATE mall_redemption SET created_at = 1, updated_at = 1, next_at = %d", w.Now().Add(time.Hour).UnixMilli()))
			reviewer.Does("GET", "/redemptions/stuck", nil, http.StatusOK).Into(w, &stuck)
			if len(stuck.Items) != 1 || stuck.Items[0].ID != id {
				t.Fatalf("stuck is %+v, want %s", stuck, id)
			}
			verdict["attempts"] = stuck.Items[0].Attempts
			for of, want := range map[string]string{stuck.Items[0].Member: id, "5": none, "9999999999999999999": none} {
				if got := string(support.Does("GET", "/redemptions/stuck?memberId="+of, nil, http.StatusOK).Body); !strings.Contains(got, want) {
					t.Errorf("who answers the phone of %s reads %s, want %s", of, got, want)
				}
			}
			return reviewer.Asks("POST", settle, verdict).Status == http.StatusOK
		})
		if got := mini.Get("/redemptions/" + id); got.Text("status") != "failed" || got.Text("reason") == "" || left() != 100 {
			t.Errorf("it is %s, and he has %d points, want all 100", got.Raw, left())
		}
		reviewer.refused("POST", settle, verdict, http.StatusConflict, "mall.state")
		if got := string(reviewer.Does("GET", "/redemptions/stuck", nil, http.StatusOK).Body); got != none {
			t.Errorf("stuck is still %s", got)
		}
	})
}
