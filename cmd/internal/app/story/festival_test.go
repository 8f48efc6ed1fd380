package story_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/operator"
)

// The people of the festival: of the carrier's customers, those whom the segment
// selects, of them those who are members, and of these those who agreed to offers.
const (
	customers = 10_000
	selected  = 2_300
	joined    = 2_200
	agreed    = 2_100
	late      = 100 // of one in so many WeChat does not say yet who he is in the mini-program
)

// What WeChat does: it allows so many notices a day, which is less than the two pushes
// of the first day want, and hangs when so many are sent of the first.
const (
	dayQuota = 3_000
	hangsAt  = 1_400
	broken   = 8 // answers of the second replica that get lost
)

// theOffer is the carrier's product that the kit's offer hands over.
const theOffer = "OF-DATA-1G-1D"

// gameBudget is the budget of the kit's game.
const gameBudget = 90_000

// The times of the two pushes, and of the clock's jump in between.
const (
	firstPush  = time.Hour
	secondPush = 3 * time.Hour
	jump       = time.Hour
)

// festival is one campaign on its way.
type festival struct {
	t       *testing.T
	w       *story.World
	r       *story.Replica
	planner *story.Operator
	checker *story.Operator
	parts   app.Festival
	people  map[model.MemberID]string // openid
	late    map[string]bool           // by openid
	id      string

	rehearsed map[model.DeliveryState]int64
	lost      int                // deliveries of which nobody knows, when the replica was killed
	tapped    map[[2]string]bool // messages, by page and openid
	took      string             // the kit's offer, by openid
	paid      string             // the number of that one
	came      string             // as a member, who was a customer; the row with the former id
	bought    string             // the offer's product at the carrier; the row of a customer
}

// notice is the sandbox's subscribe notice 活动开始提醒.
func notice(w *story.World) app.Subscribed {
	for _, t := range w.Sandbox.WeChat.Templates() {
		if t.Kind == "bizsend" && t.Title == "活动开始提醒" {
			return app.Subscribed{ID: t.ID, Title: t.Title, Content: "活动名称:{{thing1.DATA}}\n开始时间:{{time2.DATA}}\n活动说明:{{thing3.DATA}}"}
		}
	}
	panic("the sandbox has no such template")
}

// gathers imports the customers and makes members of some.
func (f *festival) gathers() {
	f.t.Helper()
	phones := f.w.Sandbox.Carrier.Phones()
	if len(phones) != customers {
		f.t.Fatalf("%d customers, want %d", len(phones), customers)
	}
	var file strings.Builder
	file.WriteString("手机号,上月ARPU,上上月ARPU,三个月前ARPU,上月流量使用率\n")
	for i, phone := range phones {
		arpu, data := "88.00", "95%"
		if i >= selected {
			arpu, data = []string{"30.00", "88.00"}[i%2], []string{"95%", "60%"}[i%2]
		}
		fmt.Fprintf(&file, "%s,%s,%s,%s,%s\n", phone, arpu, arpu, arpu, data)
	}
	ctx := context.Background()
	done, err := f.r.App().Import(ctx, f.planner.ID, "客户.csv", strings.NewReader(file.String()))
	if err != nil || done.Added != customers {
		f.t.Fatalf("imported %+v, %v, want %d", done, err, customers)
	}
	f.w.Fault("wechat.user_info", faults.Fault{Kind: faults.ErrCode}) // busy
	template := notice(f.w)
	list := make([]app.Newcomer, 0, joined)
	for i, phone := range phones[:joined] {
		number, err := model.ParsePhone(phone)
		if err != nil {
			f.t.Fatal(err)
		}
		who, err := f.w.Sandbox.WeChat.Persona("c" + phone)
		if err != nil { // one of the few who have a name
			continue
		}
		one := app.Newcomer{OpenID: model.OpenID(who.OpenID), UnionID: model.UnionID(who.UnionID), Phone: number, Agrees: i < agreed, Template: template.ID, Notices: 2}
		if i%late == 0 {
			one.UnionID, f.late[who.OpenID] = "", true
		}
		list = append(list, one)
		for range 2 {
			f.w.Sandbox.WeChat.Allow("c"+phone, template.ID)
		}
	}
	members, err := f.r.App().Welcome(ctx, list)
	if err != nil {
		f.t.Fatal(err)
	}
	f.people = make(map[model.MemberID]string, len(members))
	for i, m := range members {
		f.people[m] = string(list[i].OpenID)
	}
}

// plan is two pushes: one in two wordings, and a reminder.
func (f *festival) plan(morning time.Time) map[string]any {
	variant := func(name string, share int, notice model.ID) map[string]any {
		return map[string]any{"name": name, "share": share, "ways": []map[string]any{{"channel": "official", "materialId": notice}}}
	}
	step := func(name string, after time.Duration, variants ...map[string]any) map[string]any {
		return map[string]any{"name": name, "when": map[string]any{"kind": "at", "at": morning.Add(after)}, "hours": 72, "variants": variants}
	}
	return map[string]any{
		"name": "回家", "goal": "revenue", "segmentId": f.parts.Segment, "holdout": 10, "budgetFen": gameBudget, "kitId": f.parts.Kit,
		"startsAt": morning.Add(firstPush - time.Minute), "endsAt": morning.AddDate(0, 0, 7),
		"steps": []map[string]any{
			step("回家图文", firstPush, variant("A", 5000, f.parts.Notice), variant("B", 5000, f.parts.Other)),
			step("当天提醒", secondPush, variant("A", 10000, f.parts.Later)),
		},
	}
}

// plans drafts the campaign, is refused what is wrong, and has it approved.
func (f *festival) plans(morning time.Time) {
	f.t.Helper()
	game, err := model.ParseID(f.r.Stock(shelf(f.w.Now())...).Plays(f.w.Envelope("回家", nil))[0])
	if err != nil {
		f.t.Fatal(err)
	}
	if f.parts, err = f.r.App().Festival(context.Background(), f.planner.ID, f.checker.ID, game, notice(f.w)); err != nil {
		f.t.Fatal(err)
	}
	plan := f.plan(morning)
	plan["holdout"], plan["budgetFen"] = 0, gameBudget-1
	var v struct {
		CampaignID string
		Edits      int64
		State      string
		People     int64
		Problems   []struct{ Text string }
		Summary    string
	}
	f.planner.Does("POST", "/campaigns", plan, http.StatusCreated).Into(f.w, &v)
	f.id = v.CampaignID
	version := "/campaigns/" + f.id + "/versions/1"
	f.planner.Does("GET", version+"/problems", nil, http.StatusOK).Into(f.w, &v)
	if len(v.Problems) != 2 || !strings.Contains(v.Problems[0].Text, "对照组") || !strings.Contains(v.Problems[1].Text, "超过活动预算") {
		f.t.Errorf("problems %v, want that the holdout is missing and the budget too small", v.Problems)
	}
	f.planner.Does("POST", version+"/submit", nil, http.StatusBadRequest)
	plan["holdout"], plan["budgetFen"] = 10, gameBudget
	f.planner.Does("PUT", version, map[string]any{"edits": v.Edits, "plan": plan}, http.StatusOK)
	f.planner.Does("GET", version+"/explanation", nil, http.StatusOK).Into(f.w, &v)
	if !strings.Contains(v.Summary, fmt.Sprintf("现有%d人，其中随机10%%（约%d人）", selected, selected/10)) || !strings.Contains(v.Summary, "组合为“回家”：2份素材、游戏“回家”、优惠“1GB流量日包”") {
		f.t.Errorf("the plan is said %q", v.Summary)
	}
	f.planner.Does("POST", version+"/submit", nil, http.StatusOK).Into(f.w, &v)
	if v.People != selected {
		f.t.Fatalf("%d people are frozen, want %d", v.People, selected)
	}
	f.planner.Does("POST", version+"/approve", map[string]any{"people": selected}, http.StatusForbidden)
	f.checker.Does("POST", version+"/approve", map[string]any{"people": selected - 1}, http.StatusConflict)
	f.checker.Does("POST", version+"/approve", map[string]any{"people": selected}, http.StatusOK)
	f.rehearses()
	f.planner.Does("POST", version+"/schedule", nil, http.StatusOK)
	var kit struct{ UsedAt string }
	if f.planner.Does("GET", "/kit-versions/"+f.parts.Kit.String(), nil, http.StatusOK).Into(f.w, &kit); kit.UsedAt == "" {
		f.t.Error("the kit is not marked as used")
	}
}

// plansAndPushes are the tables that a rehearsal writes in its copy; the replica's own
// jobs do not touch them now.
func (f *festival) plansAndPushes() map[string][]string {
	f.t.Helper()
	return f.w.Books("campaign", "push_", "audience_frozen", "material", "redpacket", "pot")
}

// rehearses runs the campaign in a scratch copy, which changes nothing here.
func (f *festival) rehearses() {
	f.t.Helper()
	cfg, err := config.Load("", f.w.Environment())
	if err != nil {
		f.t.Fatal(err)
	}
	id, err := model.ParseID(f.id)
	if err != nil {
		f.t.Fatal(err)
	}
	before := f.plansAndPushes()
	r, err := app.Rehearse(context.Background(), cfg, f.w.Now, id, 0, app.DefaultBehaviour)
	if err != nil {
		f.t.Fatalf("rehearse: %v (%s)", err, fault.Of(err).Text)
	}
	if after := f.plansAndPushes(); !maps.EqualFunc(before, after, slices.Equal) {
		f.t.Error("the rehearsal changed the real book")
	}
	if total, _ := f.w.Sandbox.WeChat.Reached(""); len(total) != 0 {
		f.t.Errorf("the rehearsal sent %v", total)
	}
	f.rehearsed = map[model.DeliveryState]int64{}
	for _, t := range r.Progress.Tally {
		f.rehearsed[t.State] += t.N
	}
	var said strings.Builder
	if err := r.Write(&said); err != nil {
		f.t.Fatal(err)
	}
	f.t.Log(said.String())
	if r.Progress.Campaign.State != "finished" || r.People != selected || r.Tapped == 0 || r.Filled == 0 || f.rehearsed[model.DeliverySent] == 0 {
		f.t.Errorf("the rehearsal ended %s with %v", r.Progress.Campaign.State, f.rehearsed)
	}
	f.rehearsesByAPI(r)
}

// rehearsesByAPI lets a replica do the same, for those who have no command line.
func (f *festival) rehearsesByAPI(by app.Rehearsal) {
	f.t.Helper()
	version := "/campaigns/" + f.id + "/versions/1"
	var r struct {
		ID, State, Why string
		Result         struct {
			People, Tapped, Opened int64
			Outcomes               []struct {
				State  model.DeliveryState
				People int64
			}
			Hours, Quotas, Budget []map[string]any
		}
	}
	f.planner.Does("POST", version+"/rehearsals", map[string]any{}, http.StatusAccepted).Into(f.w, &r)
	f.until("the rehearsal ends", func() bool {
		f.checker.Does("GET", "/rehearsals/"+r.ID, nil, http.StatusOK).Into(f.w, &r)
		return r.State != "waiting" && r.State != "running"
	})
	got := map[model.DeliveryState]int64{}
	for _, o := range r.Result.Outcomes {
		got[o.State] += o.People
	}
	if r.State != "done" || !maps.Equal(got, f.rehearsed) || r.Result.People != selected || r.Result.Tapped != int64(by.Tapped) || r.Result.Opened != int64(by.Opened) {
		f.t.Errorf("the API rehearsed %+v with %v, the command line %d, %d and %v", r, got, by.Tapped, by.Opened, f.rehearsed)
	}
	if len(r.Result.Hours) == 0 || len(r.Result.Quotas) == 0 || len(r.Result.Budget) == 0 {
		f.t.Errorf("the rehearsal tells nothing over time: %+v", r.Result)
	}
	var v struct{ Rehearsal struct{ ID, State string } }
	if f.checker.Does("GET", version, nil, http.StatusOK).Into(f.w, &v); v.Rehearsal.ID != r.ID || v.Rehearsal.State != "done" {
		f.t.Errorf("beside the plan stands %+v, want rehearsal %s", v.Rehearsal, r.ID)
	}
}

// progress is what the API tells of the campaign: its state, and people by step,
// variant, channel, state and why.
func (f *festival) progress() (state string, people map[tallied]int64) {
	f.t.Helper()
	var p struct {
		Campaign struct{ State, Why string }
		Tally    []struct {
			tallied
			People int64
		}
	}
	f.planner.Does("GET", "/campaigns/"+f.id+"/progress", nil, http.StatusOK).Into(f.w, &p)
	people = map[tallied]int64{}
	for _, t := range p.Tally {
		people[t.tallied] += t.People
	}
	return p.Campaign.State, people
}

// deliveries counts the rows of recipients in these states.
func (f *festival) deliveries(states string) int {
	f.t.Helper()
	return f.w.Count("SELECT id FROM push_delivery WHERE state IN (" + states + ")")
}

// onTheirWay counts who is in no final state.
func (f *festival) onTheirWay() int { return f.deliveries("'pending', 'sending'") }

// later passes the time, once nothing of the old one is under way, for a callback that
// comes an hour late is refused. Then an operator signs in again.
func (f *festival) later(d time.Duration) {
	f.t.Helper()
	f.w.Idle()
	f.w.Passes(d)
	f.planner.SignsIn()
}

// until waits for long: it is the work of many that is waited for.
func (f *festival) until(what string, holds func() bool) {
	f.t.Helper()
	f.w.UntilWithin(3*time.Minute, what, holds)
}

// until9 passes the time until the next nine o'clock in China.
func until9(w *story.World) time.Time {
	now := w.Now().In(model.Shanghai)
	at := time.Date(now.Year(), now.Month(), now.Day(), 9, 0, 0, 0, model.Shanghai)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	w.Passes(at.Sub(now))
	return at
}

func TestAFestivalReachesEverybodyOnceWhateverBreaks(t *testing.T) {
	t.Parallel()
	w := story.Begin(t, story.Servers(t), func(o *sandbox.Options) {
		o.Customers, o.Followers = customers, customers
		o.Quotas = map[string]int{"/cgi-bin/message/subscribe/bizsend": dayQuota}
	})
	morning := until9(w)
	f := &festival{t: t, w: w, r: w.Replica(), late: map[string]bool{}, tapped: map[[2]string]bool{}}
	f.planner, f.checker = w.Operator("planner", operator.Planner), w.Operator("checker", operator.Reviewer)
	f.gathers()
	f.plans(morning)
	f.canary(morning)
	f.killed()
	f.resumes()
	f.runsOut(morning)
	f.taps()
	f.comes()
	f.buys()
	f.ends()
	f.compares()
}

// canary lets one in a hundred get the first push, and then the others.
func (f *festival) canary(morning time.Time) {
	f.t.Helper()
	doomed := f.w.Child()
	f.r.Stop()
	f.r = doomed
	f.w.Fault("wechat.bizsend",
		faults.Fault{Kind: faults.ErrCode, ErrCode: 40001, Skip: 100, Count: 3},
		faults.Fault{Kind: faults.Status, Status: http.StatusBadGateway, Skip: 400, Count: 5},
		faults.Fault{Kind: faults.Cut, Skip: 900, Count: 4},
		faults.Fault{Kind: faults.Delay, DelayMS: faults.MaxDelay.Milliseconds(), Skip: hangsAt})
	f.later(morning.Add(firstPush).Sub(f.w.Now()))
	f.until("the canary is sent", func() bool {
		return f.w.Count("SELECT n FROM push_shard WHERE wave = 0 AND state = 'done'") == 1
	})
	if state, _ := f.progress(); state != "canary" {
		f.t.Errorf("the campaign is %s, want that the canary is judged", state)
	}
	if n := f.deliveries("'sent'"); n == 0 || n > selected/20 {
		f.t.Errorf("%d got it before the canary was judged", n)
	}
	f.later(11 * time.Minute)
}

// killed kills the only replica while it sends: WeChat hangs, so that it cannot end. It
// is frozen first, for its calls time out and others follow.
func (f *festival) killed() {
	f.t.Helper()
	doomed := f.r
	var leases []string
	f.until("half of it is sent, and WeChat hangs", func() bool {
		if !f.hangs() {
			return false
		}
		doomed.Freeze()
		for _, row := range f.w.Rows("SELECT token FROM push_shard WHERE token <> ''") {
			leases = append(leases, "'"+strings.Trim(row, "[]")+"'")
		}
		if len(leases) > 0 && f.sendingBy(leases) > 0 {
			return true
		}
		doomed.Thaw()
		leases = nil
		return false
	})
	f.w.Fault("wechat.bizsend",
		faults.Fault{Kind: faults.Status, Status: http.StatusServiceUnavailable, Skip: 50, Count: broken / 2},
		faults.Fault{Kind: faults.Cut, Skip: 100, Count: broken / 2},
		faults.Fault{Kind: faults.ErrCode, ErrCode: 40001, Skip: 500, Count: 3})
	f.r = f.w.Replica() // before the other is dead, so that somebody hears what WeChat reports
	doomed.Forget()
	doomed.Kill()
	f.lost = f.sendingBy(leases) + f.deliveries("'unknown'")
	f.later(jump)
	f.w.Exec("UPDATE push_shard SET lease_until = 1 WHERE token IN (" + strings.Join(leases, ", ") + ")") // they end
}

// hangs tells that WeChat has begun to. What it has sent by then is less than what it
// was asked to: it refuses the token that another call has just had renewed.
func (f *festival) hangs() bool {
	_, points := f.w.Sandbox.Faults.Points()
	return slices.ContainsFunc(points["wechat.bizsend"], func(b faults.Fault) bool { return b.Kind == faults.Delay && b.Hits > 0 })
}

// sendingBy counts the deliveries that are being sent under these leases.
func (f *festival) sendingBy(leases []string) int {
	f.t.Helper()
	return f.w.Count("SELECT d.id FROM push_delivery d JOIN push_shard s ON s.dispatch_id = d.dispatch_id AND s.n = d.shard " +
		"WHERE d.state = 'sending' AND s.token IN (" + strings.Join(leases, ", ") + ")")
}

// resumes lets two replicas end the first push.
func (f *festival) resumes() {
	f.t.Helper()
	f.w.Child()
	f.until("everybody of the first push is in a final state", func() bool { return f.onTheirWay() == 0 })
	if len(f.w.Logs.Lines("shard of a lost worker taken over")) == 0 {
		f.t.Error("nobody took over what the dead replica had")
	}
	if n, most := f.deliveries("'unknown'"), f.lost+broken; n > most {
		f.t.Errorf("%d deliveries are unknown, want %d at most", n, most)
	}
}

// runsOut uses up what WeChat allows that day in the middle of the second push, the
// rest of which goes out the next morning.
func (f *festival) runsOut(morning time.Time) {
	f.t.Helper()
	f.later(morning.Add(secondPush).Sub(f.w.Now()))
	f.until("the day's quota is used up", func() bool {
		return f.w.Count("SELECT channel FROM push_quota WHERE shut_day > 0") == 1 && f.deliveries("'sending'") == 0
	})
	var limits struct {
		CapDay, CapWeek int
		Channels        []struct {
			Channel          string
			UsedToday        int
			LeftForMarketing *int
			Exhausted        bool
		}
	}
	f.planner.Does("GET", "/push-limits", nil, http.StatusOK).Into(f.w, &limits)
	for _, c := range limits.Channels {
		if shut := c.Channel == string(model.OfficialChannel); c.Exhausted != shut || c.LeftForMarketing == nil || shut && (c.UsedToday < dayQuota || *c.LeftForMarketing != 0) {
			f.t.Errorf("of %s the planner reads %+v, exhausted is official alone", c.Channel, c)
		}
	}
	if n, open := len(f.sends()), f.onTheirWay(); n != dayQuota || open == 0 {
		f.t.Errorf("WeChat sent %d with %d to come, want %d and some", n, open, dayQuota)
	}
	f.w.Idle()
	until9(f.w)
	f.later(time.Minute)
	f.until("everybody is in a final state", func() bool { return f.onTheirWay() == 0 })
}

// ends waits for the last report of a delivery and for the campaign's end.
func (f *festival) ends() {
	f.t.Helper()
	f.w.Idle()
	f.until("every message is reported", func() bool {
		return f.w.Count("SELECT id FROM push_delivery WHERE state = 'sent' AND delivered_at = 0") == 0
	})
	f.later(time.Minute)
	f.until("the campaign ends", func() bool { state, _ := f.progress(); return state == "finished" })
}
