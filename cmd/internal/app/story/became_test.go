package story_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/sandbox"
	"kaimenhong/service/operator"
)

// The customers of the carrier whom a campaign is for: some bind their numbers after the
// audience was frozen, some after the first push, the rest never.
const (
	frozenAs   = 60
	bindBefore = 20
	bindLater  = 50
)

// joining is a campaign whose people become members while it runs.
type joining struct {
	t       *testing.T
	w       *story.World
	r       *story.Replica
	planner *story.Operator
	parts   app.Festival
	id      string
	was     map[string]model.MemberID // the customer by his number
	openID  map[string]string
	pushes  int
	now     map[string]model.MemberID // the member
}

// imports makes customers of all numbers.
func (j *joining) imports() {
	j.t.Helper()
	var file strings.Builder
	file.WriteString("手机号,上月ARPU,上上月ARPU,三个月前ARPU,上月流量使用率\n")
	for _, phone := range j.phones() {
		fmt.Fprintf(&file, "%s,88,88,88,95%%\n", phone)
	}
	done, err := j.r.App().Import(context.Background(), j.planner.ID, "客户.csv", strings.NewReader(file.String()))
	if err != nil || done.Added != frozenAs {
		j.t.Fatalf("imported %+v, %v, want %d", done, err, frozenAs)
	}
}

func (j *joining) phones() (phones []string) {
	for _, phone := range j.w.Sandbox.Carrier.Phones() {
		if _, err := j.w.Sandbox.WeChat.Persona("c" + phone); err == nil && len(phones) < frozenAs {
			phones = append(phones, phone)
		}
	}
	return phones
}

// launches has the campaign of two pushes approved.
func (j *joining) launches(morning time.Time) {
	j.t.Helper()
	checker := j.w.Operator("checker", operator.Reviewer)
	game, err := model.ParseID(j.r.Plays(j.w.Envelope("回家", nil))[0])
	if err == nil {
		j.parts, err = j.r.App().Festival(context.Background(), j.planner.ID, checker.ID, game, notice(j.w))
	}
	if err != nil {
		j.t.Fatal(err)
	}
	step := func(name string, after time.Duration, notice model.ID) map[string]any {
		return map[string]any{"name": name, "when": map[string]any{"kind": "at", "at": morning.Add(after)}, "hours": 1, "variants": []map[string]any{
			{"name": "A", "share": 10000, "ways": []map[string]any{{"channel": "official", "materialId": notice}}},
		}}
	}
	var v struct {
		CampaignID string
		People     int
	}
	j.planner.Does("POST", "/campaigns", map[string]any{
		"name": "回家", "goal": "revenue", "segmentId": j.parts.Segment, "holdout": 15, "budgetFen": gameBudget, "kitId": j.parts.Kit,
		"startsAt": morning.Add(firstPush - time.Minute), "endsAt": morning.AddDate(0, 0, 2),
		"steps": []map[string]any{step("回家图文", firstPush, j.parts.Notice), step("当天提醒", secondPush, j.parts.Later)},
	}, http.StatusCreated).Into(j.w, &v)
	j.id = v.CampaignID
	version := "/campaigns/" + j.id + "/versions/1"
	j.planner.Does("POST", version+"/submit", nil, http.StatusOK).Into(j.w, &v)
	if v.People != frozenAs {
		j.t.Fatalf("%d people are frozen, want %d", v.People, frozenAs)
	}
	checker.Does("POST", version+"/approve", map[string]any{"people": frozenAs}, http.StatusOK)
	j.planner.Does("POST", version+"/schedule", nil, http.StatusOK)
}

// bind lets some bind their numbers, follow and allow notices; who was asked about before
// stands in audience_gone.
func (j *joining) bind(phones []string) {
	j.t.Helper()
	template := notice(j.w)
	for _, phone := range phones {
		number, err := model.ParsePhone(phone)
		if err != nil {
			j.t.Fatal(err)
		}
		who, err := j.w.Sandbox.WeChat.Persona("c" + phone)
		if err != nil {
			j.t.Fatal(err)
		}
		for range 2 {
			j.w.Sandbox.WeChat.Allow("c"+phone, template.ID)
		}
		members, err := j.r.App().Welcome(context.Background(), []app.Newcomer{{
			OpenID: model.OpenID(who.OpenID), UnionID: model.UnionID(who.UnionID), Phone: number, Agrees: true, Template: template.ID, Notices: 2,
		}})
		if err != nil {
			j.t.Fatal(err)
		}
		was := j.w.Rows(fmt.Sprintf("SELECT member_id FROM audience_gone WHERE into_id = %d", members[0]))
		if len(was) != 1 {
			j.t.Fatalf("the member with %s was %v, want one customer", number.Masked(), was)
		}
		id, err := model.ParseID(strings.Trim(was[0], "[]"))
		if err != nil {
			j.t.Fatal(err)
		}
		j.was[phone], j.now[phone], j.openID[phone] = model.MemberID(id), members[0], who.OpenID
	}
}

// pushed waits for a push to end and holds it against WeChat's own book: those reached of
// the numbers are all who were not held out as customers, once each.
func (j *joining) pushed(page string, reachable []string) {
	j.t.Helper()
	j.pushes++
	rows := func(states string) int {
		return j.w.Count("SELECT id FROM push_delivery WHERE state IN (" + states + ")")
	}
	j.w.UntilWithin(time.Minute, "everybody has his row", func() bool { return j.w.Count("SELECT id FROM push_delivery") == j.pushes*frozenAs })
	if j.pushes == 1 {
		// A canary is watched from its first try.
		j.w.UntilWithin(time.Minute, "the canary is tried", func() bool { return rows("'sent', 'refused', 'skipped', 'unknown'") > 0 })
		j.w.Idle()
		j.w.Passes(11 * time.Minute) // it is judged
	}
	j.w.UntilWithin(time.Minute, "everybody is in a final state", func() bool { return rows("'pending', 'sending'") == 0 })
	got := map[string]int{}
	for _, s := range j.w.Sandbox.WeChat.Sends(0, 1000) {
		if at, _, _ := strings.Cut(s.Page, "?"); at == page {
			got[s.OpenID]++
		}
	}
	held := 0
	for _, phone := range reachable {
		want := 1
		if model.BucketOf(j.was[phone]) < 15 {
			want, held = 0, held+1
		}
		if n := got[j.openID[phone]]; n != want {
			j.t.Errorf("customer %d of bucket %d, now %d of bucket %d, got %d messages, want %d", j.was[phone], model.BucketOf(j.was[phone]), j.now[phone], model.BucketOf(j.now[phone]), n, want)
		}
		delete(got, j.openID[phone])
	}
	if len(got) != 0 {
		j.t.Errorf("messages to others: %v", got)
	}
	j.t.Logf("%d of %d were held out", held, len(reachable))
}

// told holds what operators are told of somebody, and the report, against how people were
// drawn.
func (j *joining) told(late string) {
	j.t.Helper()
	id, err := model.ParseID(j.id)
	if err == nil {
		err = j.r.App().Reports().Compute(context.Background(), id)
	}
	if err != nil {
		j.t.Fatal(err)
	}
	var said struct {
		Report struct {
			Treated, Held group
			Mixed         int
		}
	}
	j.planner.Does("GET", "/campaigns/"+j.id+"/report", nil, http.StatusOK).Into(j.w, &said)
	held := 0
	for _, row := range j.w.Rows("SELECT member_id FROM audience_frozen_member WHERE frozen_id = (SELECT frozen_id FROM campaign_version WHERE version = 1)") {
		customer, err := model.ParseID(strings.Trim(row, "[]"))
		if err != nil {
			j.t.Fatal(err)
		}
		if model.BucketOf(model.MemberID(customer)) < 15 {
			held++
		}
	}
	if got := said.Report; got.Held.People != held || got.Treated.People != frozenAs-held || got.Mixed != 0 {
		j.t.Errorf("the report compares %+v, want %d people of whom %d were held out", got, frozenAs, held)
	}
	wants := []string{"skipped", "sent"}
	if model.BucketOf(j.was[late]) < 15 {
		wants = []string{"held_out", "held_out"}
	}
	for _, who := range []model.MemberID{j.was[late], j.now[late]} {
		var why struct {
			InAudience bool
			Pushes     []struct{ State string }
		}
		j.planner.Does("GET", "/campaigns/"+j.id+"/why?memberId="+who.String(), nil, http.StatusOK).Into(j.w, &why)
		if !why.InAudience || len(why.Pushes) != 2 || why.Pushes[0].State != wants[0] || why.Pushes[1].State != wants[1] {
			j.t.Errorf("of %d, who became %d, is told %+v, want %v", j.was[late], j.now[late], why, wants)
		}
	}
}

// rehearsesChange rehearses a second version, which is handed in after the first push, and
// answers how many it sent: nobody gets the first again.
func (j *joining) rehearsesChange(cfg config.Config, id model.ID) (sent int) {
	j.t.Helper()
	j.planner.SignsIn()
	j.planner.Does("POST", "/campaigns/"+j.id+"/versions", nil, http.StatusCreated)
	j.planner.Does("POST", "/campaigns/"+j.id+"/versions/2/submit", nil, http.StatusOK)
	r, err := app.Rehearse(context.Background(), cfg, j.w.Now, id, 2, app.DefaultBehaviour)
	if err != nil {
		j.t.Fatalf("rehearse a change: %v (%s)", err, fault.Of(err).Text)
	}
	for _, o := range r.Progress.Tally {
		if o.State == model.DeliverySent {
			sent += int(o.N)
		}
	}
	return sent
}

// TestWhoBindsHisNumberWhileACampaignRunsIsReachedByWhatIsToCome lets customers become
// members after they were frozen: what comes later reaches them once, as they were drawn,
// and whoever asks why is told of all of it.
func TestWhoBindsHisNumberWhileACampaignRunsIsReachedByWhatIsToCome(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s, func(o *sandbox.Options) { o.Customers, o.Followers = frozenAs+20, frozenAs+20 })
		morning := until9(w)
		j := &joining{t: t, w: w, r: w.Replica(), planner: w.Operator("planner", operator.Planner), was: map[string]model.MemberID{}, now: map[string]model.MemberID{}, openID: map[string]string{}}
		j.imports()
		j.launches(morning)
		phones := j.phones()
		j.bind(phones[:bindBefore])
		cfg, err := config.Load("", w.Environment())
		if err != nil {
			t.Fatal(err)
		}
		id, err := model.ParseID(j.id)
		if err != nil {
			t.Fatal(err)
		}
		rehearsed, err := app.Rehearse(context.Background(), cfg, w.Now, id, 0, app.DefaultBehaviour)
		if err != nil {
			t.Fatal(err)
		}
		w.Idle()
		w.Passes(morning.Add(firstPush).Sub(w.Now()))
		j.pushed(app.NoticePage, phones[:bindBefore])
		sent := 0
		for _, o := range rehearsed.Progress.Tally {
			if o.State == model.DeliverySent {
				sent += int(o.N)
			}
		}
		if n := len(w.Sandbox.WeChat.Sends(0, 1000)); sent != 2*n {
			t.Errorf("the rehearsal of both pushes sent %d, want twice the %d of the first", sent, n)
		} else if again := j.rehearsesChange(cfg, id); again != n {
			t.Errorf("the rehearsal of a change after the first push sent %d, want the %d of the second", again, n)
		}
		j.bind(phones[bindBefore:bindLater])
		w.Idle()
		w.Passes(morning.Add(secondPush).Sub(w.Now()))
		j.planner.SignsIn()
		j.pushed(app.LaterPage, phones[:bindLater])
		j.told(phones[bindLater-1])
	})
}
