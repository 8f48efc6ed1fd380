package story_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/sandbox/wechat"
	"kaimenhong/service/push"
)

// tallied is one part of what became of recipients.
type tallied struct{ StepID, Variant, Channel, State, Why string }

// messages are the raw numbers of a report, and of each of its lines.
type messages struct {
	Planned, Sent, Delivered, Tapped, Refused, Skipped, Unknown, Waiting, HeldOut int
}

// group are people, each once.
type group struct{ People, Reached, Delivered, Tapped, Took int }

// earned is what the report says.
type earned struct {
	Messages messages
	Treated  group
	Held     group
	Mixed    int
	ByWhat   map[[2]string]messages // by cut and name
}

// sends is WeChat's own book of the notices.
func (f *festival) sends() (all []wechat.Send) {
	for after := int64(0); ; {
		page := f.w.Sandbox.WeChat.Sends(after, 10_000)
		if len(page) == 0 {
			return all
		}
		after = page[len(page)-1].Seq
		all = append(all, page...)
	}
}

// rows are the recipients, each once a push.
func (f *festival) rows() (all []model.Delivery) {
	f.t.Helper()
	id, err := model.ParseID(f.id)
	if err != nil {
		f.t.Fatal(err)
	}
	for after := model.ID(0); ; {
		page, err := f.r.App().Deliveries(context.Background(), id, after, 1000)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		after = page[len(page)-1].ID
		all = append(all, page...)
	}
}

// tappers are how many come by a message of the second push; the last of them is known
// for the recipient only afterwards.
const tappers = 3

// taps lets some come by their messages, each twice, and by those of the others.
func (f *festival) taps() {
	f.t.Helper()
	var hands []*story.Mini
	var tokens []string
	for _, s := range f.sends() {
		page, token, ok := strings.Cut(s.Page, "?"+push.TapParam+"=")
		if !ok || page != app.LaterPage || len(hands) == tappers || f.late[s.OpenID] != (len(hands) == tappers-1) {
			continue
		}
		hands, tokens = append(hands, f.w.Person(s.Persona).Opens().SignsIn().BindsPhone()), append(tokens, token)
		f.tapped[[2]string{page, s.OpenID}] = true
		if f.took == "" {
			f.took, f.paid = s.OpenID, f.w.Person(s.Persona).Phone
		}
	}
	for _, hand := range hands {
		for try := range 2 {
			for i, token := range tokens {
				hand.Do("POST", "/taps", fmt.Sprintf("tap-%d-%d", try, i), map[string]any{"token": token}).Is(http.StatusNoContent)
			}
		}
	}
	hands[0].Do("POST", "/redemptions", "offer", map[string]any{"giftId": hands[0].Finds("carrier")}).Is(http.StatusCreated)
	f.until("the audience knows who tapped", func() bool { return f.didTap() == tappers-1 })
	f.w.Fault("wechat.user_info")
	f.until("nobody waits for an answer that the fault spoilt, to rest two hours more", func() bool { return !f.w.Trying() })
	f.later(2 * time.Hour) // by then WeChat was asked again
	f.until("and whom WeChat names late", func() bool { return f.didTap() == tappers })
}

// comes lets a customer whom no message could reach bind his number in the mini-program
// and take the offer. The pushes know him by the id that he had before.
func (f *festival) comes() {
	f.t.Helper()
	for _, phone := range f.w.Sandbox.Carrier.Phones()[joined:selected] {
		if _, err := f.w.Sandbox.WeChat.Persona("c" + phone); err != nil {
			continue
		}
		mini := f.w.Person("c" + phone).Opens().SignsIn().BindsPhone()
		f.w.Settle() // he has his points, and the audience knows whose the number is
		mini.Do("POST", "/redemptions", "offer", map[string]any{"giftId": mini.Finds("carrier")}).Is(http.StatusCreated)
		f.came = f.w.Rows("SELECT member_id FROM audience_gone ORDER BY at DESC LIMIT 1")[0]
		return
	}
	f.t.Fatal("everybody is a member")
}

// buys lets customers buy at the carrier: the offer's pack, which one of them had from the
// mall too, another product and one that nobody names.
func (f *festival) buys() {
	f.t.Helper()
	phones := f.w.Sandbox.Carrier.Phones()
	offers := phones[selected-1]
	var file strings.Builder
	file.WriteString("手机号,类型,金额,时间,流水号,产品编码\n")
	for i, line := range [][2]string{{offers, theOffer}, {offers, theOffer}, {f.paid, theOffer}, {phones[selected-2], "OF-OTHER"}, {phones[selected-3], ""}, {phones[selected-4], "春节包"}} {
		fmt.Fprintf(&file, "%s,流量包,5,%s,P-%d,%s\n", line[0], f.w.Now().In(model.Shanghai).Format(time.DateTime), i, line[1])
	}
	for _, path := range []string{"/audience/purchases/check", "/audience/purchases"} {
		var done struct{ Added, Refused int }
		f.planner.Does("POST", path, upload(f.t, "purchases.csv", []byte(file.String())), http.StatusOK).Into(f.w, &done)
		if done.Added != 5 || done.Refused != 1 {
			f.t.Errorf("%s answers %+v, want 5 and one refused", path, done)
		}
	}
	number, err := model.ParsePhone(offers)
	if err == nil {
		var who model.MemberID
		who, err = f.r.App().Customer(context.Background(), number)
		f.bought = fmt.Sprintf("[%d]", who)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// didTap counts by a segment.
func (f *festival) didTap() int {
	f.t.Helper()
	var said struct{ Count int }
	f.planner.Does("POST", "/audience/count", map[string]any{"tree": map[string]any{"did": "tap", "days": 1}}, http.StatusOK).Into(f.w, &said)
	return said.Count
}

// compares holds the rows, the progress and the report against WeChat's own book.
func (f *festival) compares() {
	f.t.Helper()
	rows := f.rows()
	steps := f.stepsOf(rows)
	book := map[string]map[string]int{} // by page and openid
	for _, s := range f.sends() {
		page, _, _ := strings.Cut(s.Page, "?")
		if book[page] == nil {
			book[page] = map[string]int{}
		}
		book[page][s.OpenID]++
	}
	want := earned{ByWhat: map[[2]string]messages{}}
	progress, met := map[tallied]int64{}, map[[2]model.ID]bool{}
	reached, held, came := map[model.MemberID]bool{}, map[model.MemberID]bool{}, map[model.MemberID]bool{}
	for _, d := range rows {
		progress[tallied{d.Step.String(), d.Variant, string(d.Channel), string(d.State), d.Why}]++
		who := [2]model.ID{d.Step, model.ID(d.Member)}
		if met[who] {
			f.t.Errorf("member %s has two deliveries of a push", d.Member)
		}
		met[who] = true
		page := pageOf(steps[d.Step], d.Variant)
		n := book[page][f.people[d.Member]]
		delete(book[page], f.people[d.Member])
		tapped := f.tapped[[2]string{page, f.people[d.Member]}]
		if tapped != (d.TappedAt != 0) {
			f.t.Errorf("member %s tapped %v, the row says %+v", d.Member, tapped, d)
		}
		f.fits(d, n)
		want.count(d, n, tapped)
		came[d.Member] = came[d.Member] || tapped
		reached[d.Member] = reached[d.Member] || d.State == model.DeliverySent
		held[d.Member] = d.State == model.DeliveryHeldOut
	}
	for page, left := range book {
		for openid, n := range left {
			f.t.Errorf("%d messages to %s that nobody planned lead to %s", n, openid, page)
		}
	}
	for m := range held {
		side := &want.Treated
		if held[m] {
			side = &want.Held
		}
		side.People++
		if reached[m] {
			side.Reached++
			side.Delivered++
		}
		if came[m] {
			side.Tapped++
		}
		if f.people[m] == f.took || slices.Contains([]string{f.came, f.bought}, fmt.Sprintf("[%d]", m)) {
			side.Took++
		}
	}
	if n := len(f.sends()); n <= dayQuota || want.Messages.Unknown == 0 || want.Messages.Skipped == 0 {
		f.t.Errorf("the story was too easy: WeChat sent %d of %+v", n, want.Messages)
	}
	if len(held) != selected || len(rows) != 2*selected {
		f.t.Errorf("%d recipients in %d rows, want %d in two pushes", len(held), len(rows), selected)
	}
	if _, said := f.progress(); !maps.Equal(said, progress) {
		f.t.Errorf("the progress says\n%v, want\n%v", said, progress)
	}
	f.reports(want)
}

// stepsOf tells the pushes apart: 0 is the first.
func (f *festival) stepsOf(rows []model.Delivery) map[model.ID]int {
	order := map[model.ID]int{}
	for _, d := range rows { // their ids grow
		if _, there := order[d.Step]; !there {
			order[d.Step] = len(order)
		}
	}
	return order
}

// pageOf is where a notice leads.
func pageOf(step int, variant string) string {
	switch {
	case step == 1:
		return app.LaterPage
	case variant == "B":
		return app.OtherPage
	}
	return app.NoticePage
}

// fits holds one row against how many messages reached him.
func (f *festival) fits(d model.Delivery, n int) {
	f.t.Helper()
	held := model.BucketOf(d.Member) < 10
	ok := n == 0
	switch d.State {
	case model.DeliverySent:
		ok = n == 1 && d.DeliveredAt != 0
	case model.DeliveryUnknown:
		ok = n <= 1
	case model.DeliveryPending, model.DeliverySending:
		ok = false
	}
	if !ok || held != (d.State == model.DeliveryHeldOut) {
		f.t.Errorf("member %s of bucket %d got %d messages and is %+v", d.Member, model.BucketOf(d.Member), n, d)
	}
}

// ofStep names a variant as the report does: each step has an A of its own.
func ofStep(d model.Delivery) string {
	if d.Variant == "" {
		return ""
	}
	return d.Step.String() + "/" + d.Variant
}

// count adds what WeChat's book says of one recipient; only what we do not know, or did
// not ask for, is taken from the row.
func (e *earned) count(d model.Delivery, n int, tapped bool) {
	add := func(m *messages) {
		m.Planned++
		if tapped {
			m.Tapped++
		}
		switch d.State {
		case model.DeliveryUnknown:
			m.Unknown++
		case model.DeliverySkipped:
			m.Skipped++
		case model.DeliveryRefused:
			m.Refused++
		default:
			m.Sent, m.Delivered = m.Sent+n, m.Delivered+n
		}
	}
	if model.BucketOf(d.Member) < 10 {
		e.Messages.HeldOut++
		return
	}
	add(&e.Messages)
	for _, key := range [][2]string{{"variant", ofStep(d)}, {"channel", string(d.Channel)}, {"why", d.Why}} {
		if key[1] != "" {
			m := e.ByWhat[key]
			add(&m)
			e.ByWhat[key] = m
		}
	}
}

// reports computes the report now and compares it.
func (f *festival) reports(want earned) {
	f.t.Helper()
	id, err := model.ParseID(f.id)
	if err != nil {
		f.t.Fatal(err)
	}
	type line struct {
		Cut, Name string
		Messages  messages
	}
	var said struct {
		Report struct {
			ComputedAt model.Millis
			earned
			Lines []line
		}
	}
	now := model.At(f.w.Now())
	f.until("the report is of now", func() bool { // the hour's own run may be under way
		if err := f.r.App().Reports().Compute(context.Background(), id); err != nil {
			f.t.Fatal(err)
		}
		answer := f.planner.Asks("GET", "/campaigns/"+f.id+"/report", nil)
		if answer.Status != http.StatusOK {
			return false
		}
		answer.Into(f.w, &said)
		return said.Report.ComputedAt >= now
	})
	got := said.Report.earned
	got.ByWhat = map[[2]string]messages{}
	for _, l := range said.Report.Lines {
		if slices.Contains([]string{"variant", "channel", "why"}, l.Cut) {
			got.ByWhat[[2]string{l.Cut, l.Name}] = l.Messages
		}
	}
	if got.Messages != want.Messages || got.Treated != want.Treated || got.Held != want.Held || got.Mixed != 0 || !maps.Equal(got.ByWhat, want.ByWhat) {
		f.t.Errorf("the report says\n%+v\nWeChat's book\n%+v", got, want)
	}
	if n := int64(want.Messages.HeldOut); f.rehearsed[model.DeliveryHeldOut] != n {
		f.t.Errorf("%d were held out, the rehearsal said %d", n, f.rehearsed[model.DeliveryHeldOut])
	}
	f.t.Logf("WeChat's book has %d messages; the report %+v", len(f.sends()), got)
}
