package story_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/mall"
	"kaimenhong/service/redpacket"
)

// shelf is a mall with a data pack, a parcel and one last cup.
func shelf(now time.Time) []app.Good {
	until := model.At(now.AddDate(1, 0, 0))
	return []app.Good{
		{Gift: mall.Gift{Category: "流量", Kind: mall.Carrier, Title: "1GB流量日包", Points: 80, Total: 100, EndsAt: until, Spec: mall.Spec{Offering: "OF-DATA-1G-1D"}}},
		{Gift: mall.Gift{Category: "实物", Kind: mall.Physical, Title: "帆布袋", Points: 20, Each: 1, Total: 5, EndsAt: until, Cancellable: true}},
		{Gift: mall.Gift{Category: "优惠券", Kind: mall.Coupon, Title: "代金券", Points: 5000, EndsAt: until}, Codes: []string{"A-1"}},
	}
}

// dataLeft sums what is left of his data packs.
func dataLeft(m *story.Mini) (left int64) {
	me := m.Get("/me").Is(http.StatusOK)
	for i := 0; ; i++ {
		at := "allowances.items." + strconv.Itoa(i)
		switch me.Text(at + ".kind") {
		case "data":
			left += me.Number(at + ".left")
		case "":
			return left
		}
	}
}

func TestAStrangerEndsWithADataPack(t *testing.T) {
	for name, fault := range map[string]faults.Fault{
		"all is well":                     {},
		"the carrier times out":           {Kind: faults.Delay, DelayMS: 2500, Count: 1},
		"the connection breaks":           {Kind: faults.Reset, Count: 1},
		"the answer is lost":              {Kind: faults.Cut, Count: 1},
		"the carrier answers twice":       {Kind: faults.Duplicate, Count: 1},
		"the carrier answers late":        {Kind: faults.Late, DelayMS: 1500, Status: 504, Count: 1},
		"the carrier acts after a cut":    {Kind: faults.Late, DelayMS: 1500, Count: 1},
		"the carrier's answer is garbage": {Kind: faults.Garbage, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			story.Everywhere(t, func(t *testing.T, s story.Stores) {
				w := story.Begin(t, s)
				w.Settings["CARRIER_TIMEOUT"] = "1s"
				w.Replica().Stock(shelf(w.Now())...)
				zhang := w.Person("ordinary")
				zhang.Follows().Hears("欢迎来到营业厅")
				mini := zhang.Opens()
				w.Until("the follower and the mini-program's user are one member", func() bool {
					me := mini.SignsIn().Get("/me")
					return me.Value("follows") == true && me.Text("balance.status") == "unbound"
				})
				mini.SignsIn().BindsPhone() // anew: who became one with the follower is signed out
				w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
				signed := mini.Do("POST", "/points/sign-in", "sign-1", nil).Is(http.StatusOK)
				if signed.Number("points") != 1 || signed.Number("streak") != 1 {
					t.Errorf("signing in gave %s", signed.Raw)
				}
				before := dataLeft(mini)
				if fault.Kind != "" {
					w.Fault("carrier.order", fault)
				}
				body := map[string]any{"giftId": mini.Finds("carrier")}
				first := mini.Do("POST", "/redemptions", "redeem-1", body).Is(http.StatusCreated)
				again := mini.Do("POST", "/redemptions", "redeem-1", body).Is(http.StatusCreated)
				if string(first.Raw) != string(again.Raw) || again.Header.Get("Idempotency-Replayed") != "true" {
					t.Errorf("the repeat answered %s, want %s", again.Raw, first.Raw)
				}
				id := first.Text("id")
				w.Until("the pack is handed over", func() bool { return mini.Get("/redemptions/"+id).Text("status") == "fulfilled" })
				if got := dataLeft(mini) - before; got != 1<<30 {
					t.Errorf("his data grew by %d bytes, want 1 GB", got)
				}
				if got := mini.Get("/points").Number("available"); got != 21 {
					t.Errorf("%d points are left, want 21", got)
				}
				if me := mini.Get("/me"); me.Value("points.signedInToday") != true {
					t.Errorf("the screen forgets today's sign-in: %s", me)
				}
				entries := mini.Get("/points/entries").Is(http.StatusOK)
				if entries.Number("items.0.amount") != -80 || entries.Text("items.0.refId") != id {
					t.Errorf("the newest entry is %s", entries.Raw)
				}
			})
		})
	}
}

func TestARefusedRepeatGivesNothingBackThatMayStillArrive(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica().Stock(shelf(w.Now())...)
		zhang := w.Person("ordinary")
		mini := zhang.Opens().SignsIn().BindsPhone()
		w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
		data := func() int64 {
			line, err := w.Sandbox.Carrier.Look(zhang.Phone)
			if err != nil {
				t.Fatal(err)
			}
			return line.DataLeft
		}
		before := data()
		// The first order is cut off and on its way for long, its repeat is refused.
		w.Fault("carrier.order", faults.Fault{Kind: faults.Late, DelayMS: 8000, Count: 1}, faults.Fault{Kind: faults.Status, Status: 422})
		id := mini.Do("POST", "/redemptions", "r", map[string]any{"giftId": mini.Finds("carrier")}).Is(http.StatusCreated).Text("id")
		w.Until("the first order arrives", func() bool { return data() == before+1<<30 })
		final := ""
		w.Until("it has ended", func() bool {
			final = mini.Get("/redemptions/" + id).Text("status")
			return final == "fulfilled" || final == "failed"
		})
		if left := mini.Get("/points").Number("available"); final != "fulfilled" || left != 20 {
			t.Errorf("he has the pack, the redemption is %s and %d of his 100 points are left", final, left)
		}
	})
}

func TestMoneyBesidePointsGoesOnThePhoneBill(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		pack := shelf(w.Now())[0]
		pack.Gift.Fen, pack.Gift.Spec.Bill = 300, true
		w.Replica().Stock(pack)
		zhang, poor := w.Person("ordinary"), w.Person("arrears")
		for _, tt := range []struct {
			who    *story.Person
			status string
			paid   model.Fen
			points int64
		}{{zhang, "fulfilled", 300, 20}, {poor, "failed", 0, 100}} {
			mini := tt.who.Opens().SignsIn().BindsPhone()
			w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
			before := w.Carrier(tt.who.Phone)
			w.Fault("carrier.order", faults.Fault{Kind: faults.Cut, Count: 1}) // the answer is lost: nobody pays twice
			if gift := mini.Get("/gifts/" + mini.Finds("carrier")); gift.Number("priceFen") != 300 || gift.Text("payBy") != "bill" {
				t.Errorf("the gift is %s, want 3 yuan by bill", gift)
			}
			id := mini.Do("POST", "/redemptions", "r", map[string]any{"giftId": mini.Finds("carrier")}).Is(http.StatusCreated).Text("id")
			w.Until("the carrier has decided", func() bool { return mini.Get("/redemptions/"+id).Text("status") == tt.status })
			if paid := before - w.Carrier(tt.who.Phone); paid != tt.paid {
				t.Errorf("%s paid %d fen, want %d", tt.who.ID, paid, tt.paid)
			}
			if left := mini.Get("/points").Number("available"); left != tt.points {
				t.Errorf("%s has %d points, want %d", tt.who.ID, left, tt.points)
			}
		}
	})
}

func TestAGiftForATierAsksTheCarrier(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	pack := shelf(w.Now())[0]
	pack.Gift.Tier = 2 // 金卡
	w.Replica().Stock(pack)
	for _, id := range []string{"ordinary", "arrears", "low_balance"} {
		who := w.Person(id)
		mini := who.Opens().SignsIn().BindsPhone()
		w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
		line, err := w.Sandbox.Carrier.Look(who.Phone)
		if err != nil {
			t.Fatal(err)
		}
		want := http.StatusConflict
		if strings.Contains(line.Plan, "129元") || strings.Contains(line.Plan, "199元") { // 金卡, 白金卡
			want = http.StatusCreated
		}
		got := mini.Do("POST", "/redemptions", "r", map[string]any{"giftId": mini.Finds("carrier")})
		if got.Status != want || want == http.StatusConflict && got.Text("code") != "mall.tier" {
			t.Errorf("%s with %s is answered %s, want %d", id, line.Plan, got, want)
		}
	}
}

func TestGiftsAreListedByCategory(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	goods := shelf(w.Now())
	for i := range goods {
		goods[i].Gift.Position = i
	}
	w.Replica().Stock(goods...)
	mini := w.Person("ordinary").Opens().SignsIn()
	names := mini.Get("/gift-categories").Is(http.StatusOK)
	for i, want := range []string{"流量", "实物", "优惠券"} {
		if got := names.Text("items." + strconv.Itoa(i)); got != want {
			t.Errorf("category %d is %q, want %q", i, got, want)
		}
		page := mini.Get("/gifts?category=" + url.QueryEscape(want)).Is(http.StatusOK)
		if items := page.Items(); len(items) != 1 || items[0].Text("category") != want {
			t.Errorf("of %s there is %s", want, page)
		}
	}
	if page := mini.Get("/gifts?category=none"); len(page.Items()) != 0 {
		t.Errorf("of no category there is %s", page)
	}
}

func TestWhatTheCarrierRefusesIsGivenBackAndSaid(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica().Stock(shelf(w.Now())...)
		mini := w.Person("ordinary").Opens().SignsIn().BindsPhone()
		w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
		lots := mini.Get("/points/lots").Is(http.StatusOK)
		w.Fault("carrier.order", faults.Fault{Kind: faults.Status, Status: 422})
		id := mini.Do("POST", "/redemptions", "r", map[string]any{"giftId": mini.Finds("carrier")}).Is(http.StatusCreated).Text("id")
		if left := mini.Get("/points").Number("available"); left != 20 {
			t.Errorf("%d points are left, want 20", left)
		}
		w.Until("it has failed", func() bool { return mini.Get("/redemptions/"+id).Text("status") == "failed" })
		if again := mini.Get("/points/lots"); string(again.Raw) != string(lots.Raw) {
			t.Errorf("the lots are %s, want %s", again.Raw, lots.Raw)
		}
		w.Until("he is told", func() bool {
			told := mini.Get("/notices").Text("items.0.body")
			return strings.Contains(told, "没有办理成功") && strings.Contains(told, "80 积分已退回")
		})
		if me := mini.Get("/me"); me.Number("unread.count") != 1 {
			t.Errorf("the screen is %s, want one unread notice", me.Raw)
		}
	})
}

func TestWhatIsRefusedSaysWhy(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	w.Replica().Stock(shelf(w.Now())...)
	mini := w.Person("ordinary").Opens()
	code := mini.LoginCode()
	mini.Take(mini.Do("POST", "/session", "a", map[string]any{"code": code}).Is(http.StatusOK))
	mini.Do("POST", "/session", "b", map[string]any{"code": code}).Refused(http.StatusUnauthorized, "session.code_used")
	mini.Do("POST", "/session", "a", map[string]any{"code": "other"}).Refused(http.StatusUnprocessableEntity, "request.reused")
	mini.Do("POST", "/session/phone", "c", map[string]any{"code": "expired"}).Refused(http.StatusBadRequest, "session.phone_code")
	if bad := mini.Do("POST", "/session", "d", map[string]any{"cod": code}).Refused(http.StatusBadRequest, "request.invalid"); bad.Text("fields.0.field") == "" {
		t.Errorf("no field is named: %s", bad.Raw)
	}
	mini.Get("/me/bills").Refused(http.StatusConflict, "home.not_bound")
	mini.Get("/me/usage?days=93").Refused(http.StatusBadRequest, "request.invalid")
	mini.Get("/points/entries?limit=101").Refused(http.StatusBadRequest, "request.invalid")
	mini.Get("/points/entries?cursor=x").Refused(http.StatusBadRequest, "page.cursor")
	mini.Get("/points?nonsense=1").Refused(http.StatusBadRequest, "request.invalid")
	dear := mini.Get("/gifts?limit=3").Text("items.2.id")
	mini.Do("POST", "/redemptions", "e", map[string]any{"giftId": dear}).Refused(http.StatusConflict, "points.insufficient")
	mini.Do("POST", "/redemptions", "f", map[string]any{"giftId": "1"}).Refused(http.StatusNotFound, "mall.no_gift")
	mini.Do("PUT", "/consents", "g", map[string]any{"consents": []any{map[string]any{"purpose": "marketing", "version": 9, "granted": true}}}).Refused(http.StatusBadRequest, "member.consent")
	mini.Do("POST", "/subscriptions", "h", map[string]any{"templates": []string{strings.Repeat("x", 65)}}).Refused(http.StatusBadRequest, "subscription.template")
	mini.Do("POST", "/subscriptions", "i", map[string]any{"templates": []string{strings.Repeat("x", 100_000)}}).Refused(http.StatusRequestEntityTooLarge, "request.too_large")
	old := mini.Refresh
	mini.Take(mini.Do("POST", "/session/refresh", "j", map[string]any{"refreshToken": old}).Is(http.StatusOK))
	mini.Do("POST", "/session/refresh", "k", map[string]any{"refreshToken": old}).Refused(http.StatusUnauthorized, "session.refresh_reused")
	mini.Get("/me").Refused(http.StatusUnauthorized, "session.ended")
}

func TestAPartThatFailsIsMarked(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	w.Replica()
	mini := w.Person("ordinary").Opens().SignsIn().BindsPhone()
	w.Fault("carrier.product", faults.Fault{Kind: faults.Status, Status: 503})
	me := mini.Get("/me").Is(http.StatusOK)
	for part, want := range map[string]string{"balance": "ok", "allowances": "ok", "plan": "failed", "points": "ok", "unread": "ok"} {
		if got := me.Text(part + ".status"); got != want {
			t.Errorf("%s is %q, want %q", part, got, want)
		}
	}
	if me.Text("plan.code") != "account.unavailable" || me.Number("balance.availableFen") <= 0 {
		t.Errorf("the screen is %s", me.Raw)
	}
}

func TestANoInTheChatIsANoInTheMiniProgram(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	w.Replica()
	zhang := w.Person("ordinary").Follows()
	mini := zhang.Opens().SignsIn().BindsPhone()
	agrees := func() any { return mini.Get("/consents").Value("consents.0.granted") }
	mini.Do("PUT", "/consents", "yes", map[string]any{"consents": []any{map[string]any{"purpose": "marketing", "version": 1, "granted": true}}}).Is(http.StatusOK)
	if agrees() != true {
		t.Fatalf("he agreed and it is %v", mini.Get("/consents"))
	}
	zhang.Says("别再给我发广告了").Hears("以后不再给您发优惠和活动的消息")
	w.Until("it is a no in the mini-program, too, once WeChat has said that both are one person", func() bool { return agrees() == false })
}

func TestAMemberLeavesWithAllThatIsKeptOfHim(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		mini := w.Person("ordinary").Opens().SignsIn().BindsPhone()
		w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
		for _, path := range []string{"/me/bills", "/me/usage?days=7", "/me/services", "/points/lots", "/redemptions", "/notices", "/consents"} {
			mini.Get(path).Is(http.StatusOK)
		}
		if days := mini.Get("/me/usage?days=7"); days.Value("days.6.known") != false {
			t.Errorf("a day without samples is shown as known: %s", days.Raw)
		}
		mini.Do("PUT", "/consents", "c", map[string]any{"consents": []any{map[string]any{"purpose": "marketing", "version": 1, "granted": true}}}).Is(http.StatusOK)
		mini.Do("POST", "/subscriptions", "s", map[string]any{"templates": []string{"T1", "T2"}}).Is(http.StatusNoContent)
		w.Until("the audience knows him", func() bool { return w.Count("SELECT stage FROM audience_portrait WHERE stage > 0") == 1 })
		all := mini.Get("/me/export").Is(http.StatusOK)
		if all.Text("portrait.stage.title") == "" || all.Text("portrait.facts.0.key") == "" || !strings.Contains(string(all.Raw), `"pushes":[]`) || !strings.Contains(string(all.Raw), `"products":[]`) {
			t.Errorf("the export does not tell what the audience and the pushes keep: %s", all.Raw)
		}
		if all.Text("member.phone") != w.Person("ordinary").Phone || all.Number("points.balance.available") != 100 || all.Text("sessions.0.app") == "" {
			t.Errorf("the export is %s", all.Raw)
		}
		mini.Do("DELETE", "/me", "bye", nil).Is(http.StatusNoContent)
		w.Settle() // what he did before is written
		mini.Do("DELETE", "/me", "bye", nil).Is(http.StatusNoContent)
		w.Until("his session has ended", func() bool { return mini.Get("/me").Status == http.StatusUnauthorized })
		mini.Do("DELETE", "/me", "bye", nil).Is(http.StatusNoContent)
		w.Settle()
		for _, table := range []string{"audience_portrait", "audience_customer", "audience_deed", "audience_bought", "audience_member_tag", "audience_list_member", "member_phone", "push_entitlement", "notice"} {
			if n := w.Count("SELECT member_id FROM " + table); n != 0 {
				t.Errorf("%d rows of %s outlive the account", n, table)
			}
		}
		stranger := w.Person("ordinary").Opens().SignsIn()
		if me := stranger.Get("/me").Is(http.StatusOK); me.Text("balance.status") != "unbound" || me.Number("points.available") != 0 {
			t.Errorf("after closing he is %s, want a stranger", me.Raw)
		}
	})
}

func TestABillForgetsTheNumberOfWhoLeft(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		game := w.Replica().Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps = 1 }))[0]
		people := w.Players("ordinary", "family")
		pot := people[0].OpensPot(game)
		people[1].Helps(pot).Is(http.StatusCreated)
		people[0].Wins(pot, "paid")
		const named = "SELECT pot_id FROM payout_attempt WHERE body <> ''"
		if n := w.Count(named); n != 1 {
			t.Fatalf("%d bills name a number, want that of his prize", n)
		}
		w.Exec("UPDATE payout_attempt SET checked_at = 1") // compared with the carrier's book
		people[0].Do("DELETE", "/me", story.Key(), nil).Is(http.StatusNoContent)
		w.Settle()
		if n := w.Count(named); n != 0 {
			t.Errorf("%d bills name the number of who left, want none", n)
		}
	})
}
