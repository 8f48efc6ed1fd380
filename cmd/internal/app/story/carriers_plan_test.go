package story_test

import (
	"net/http"
	"testing"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/redpacket"
)

func TestAGameForPlansTurnsNobodyAwayWhosePlanIsNotKnown(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	game := r.Plays(w.Envelope("要套餐", func(r *redpacket.Rules) { r.Open.Plans = []string{"no-such-plan"} }))[0]
	bound, stranger := w.Person("ordinary").Opens().SignsIn().BindsPhone(), w.Person("family").Opens().SignsIn()
	open := func(m *story.Mini) story.Answer {
		return m.Do("POST", "/campaigns/"+game+"/pots", story.Key(), nil)
	}
	w.Logs.Forgives("request failed")
	w.Fault("carrier", faults.Fault{Kind: faults.Status, Status: http.StatusServiceUnavailable})
	open(bound).Refused(http.StatusServiceUnavailable, "redpacket.plan_unknown")
	open(stranger).Refused(http.StatusForbidden, "redpacket.not_bound")
	w.Fault("carrier")
	w.Until("the carrier is asked again", func() bool { return open(bound).Text("code") == "redpacket.not_on_plan" })
}
