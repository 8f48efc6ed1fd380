package story_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/service/operator"
)

// desk is an operator each of whose writes is held to its line in the audit.
type desk struct {
	*story.Operator
	t *testing.T
	w *story.World
}

// writes does a write and wants one more line in the audit when it was done, none when
// it was refused.
func (d desk) writes(method, path string, body any, status int) story.OpsAnswer {
	d.t.Helper()
	before, want := auditOf(d.w), 0
	a := d.Does(method, path, body, status)
	if status < http.StatusBadRequest {
		want = 1
	}
	if got := auditOf(d.w) - before; got != want {
		d.t.Errorf("%s %s left %d lines in the audit, want %d", method, path, got, want)
	}
	return a
}

// refused wants a write to be refused with this code, and with words.
func (d desk) refused(method, path string, body any, status int, code string) {
	d.t.Helper()
	var said struct{ Code, Detail string }
	d.writes(method, path, body, status).Into(d.w, &said)
	if said.Code != code || said.Detail == "" {
		d.t.Errorf("%s %s is refused with %+v, want %s", method, path, said, code)
	}
}

func (d desk) makes(gift map[string]any) (id string) {
	d.t.Helper()
	var made struct {
		ID      string
		OnSale  bool
		Version int
	}
	d.writes("POST", "/gifts", gift, http.StatusCreated).Into(d.w, &made)
	if made.OnSale || made.Version != 1 {
		d.t.Errorf("a new gift is %+v, want it off the shelf", made)
	}
	return made.ID
}

func TestNobodyPaysAnotherPriceThanHeWasShown(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		planner := desk{w.Operator("planner", operator.Planner), t, w}
		mini := w.Person("ordinary").Opens().SignsIn().BindsPhone()
		w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
		id := planner.makes(map[string]any{
			"kind": "carrier", "category": "新春", "title": "流量包", "points": 10, "offering": "OF-DATA-1G-1D", "total": 5,
			"endsAt": w.Now().AddDate(0, 1, 0).Format(time.RFC3339),
		})
		planner.shelves(id)
		edit := func(change map[string]any) {
			var now map[string]any
			planner.Does("GET", "/gifts/"+id, nil, http.StatusOK).Into(w, &now)
			delete(now, "id")
			delete(now, "left")
			for k, v := range change {
				now[k] = v
			}
			planner.writes("PUT", "/gifts/"+id, now, http.StatusOK)
		}
		redeem := func(request string, points, fen int64) story.Answer {
			return mini.Do("POST", "/redemptions", request, map[string]any{"giftId": id, "points": points, "priceFen": fen})
		}
		shown := mini.Get("/gifts/" + id)
		points, fen := shown.Number("points"), shown.Number("priceFen")
		edit(map[string]any{"points": 20})
		redeem("dearer", points, fen).Refused(http.StatusConflict, "mall.price")
		edit(map[string]any{"points": 10, "priceFen": 500})
		redeem("money", points, fen).Refused(http.StatusConflict, "mall.price")
		if got := mini.Get("/points").Number("available"); got != 100 {
			t.Errorf("%d points are left of 100 although nothing was redeemed", got)
		}
		edit(map[string]any{"priceFen": 0})
		redeem("as-shown", points, fen).Is(http.StatusCreated)
	})
}

// shelves puts a gift on sale as it is now.
func (d desk) shelves(id string) (now map[string]any) {
	d.t.Helper()
	d.Does("GET", "/gifts/"+id, nil, http.StatusOK).Into(d.w, &now)
	delete(now, "id")
	delete(now, "left")
	now["onSale"] = true
	d.writes("PUT", "/gifts/"+id, now, http.StatusOK)
	return now
}

func TestOperatorsStockTheMallAndShipWhatWasRedeemed(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		planner := desk{w.Operator("planner", operator.Planner), t, w}
		support := desk{w.Operator("support", operator.Support), t, w}
		mini := w.Person("ordinary").Opens().SignsIn().BindsPhone()
		w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })

		until := w.Now().AddDate(0, 1, 0).Format(time.RFC3339)
		gift := func(kind string, points int, more map[string]any) map[string]any {
			all := map[string]any{"kind": kind, "category": "新春", "title": "新春好礼", "points": points, "endsAt": until}
			for k, v := range more {
				all[k] = v
			}
			return all
		}
		ids := map[string]string{
			"carrier":  planner.makes(gift("carrier", 10, map[string]any{"offering": "OF-DATA-1G-1D", "total": 5})),
			"coupon":   planner.makes(gift("coupon", 5, nil)),
			"card":     planner.makes(gift("card", 5, map[string]any{"appId": "wx0000000000000001", "pagePath": "pages/a", "total": 5})),
			"physical": planner.makes(gift("physical", 20, map[string]any{"total": 5, "limitEach": 1})),
		}
		planner.refused("POST", "/gifts", gift("carrier", 10, map[string]any{"total": 5}), http.StatusBadRequest, "mall.gift")
		planner.refused("POST", "/gifts", gift("coupon", 10, map[string]any{"priceFen": 100}), http.StatusBadRequest, "mall.gift")
		support.refused("POST", "/gifts", gift("coupon", 5, nil), http.StatusForbidden, "operator.right")
		if n := len(mini.Get("/gifts").Items()); n != 0 {
			t.Errorf("%d gifts are on the shelf before anybody put them there", n)
		}

		pool := "/gifts/" + ids["coupon"] + "/coupons"
		for _, added := range []int{3, 0} {
			var done struct{ Codes, Added int }
			planner.writes("POST", pool, upload(t, "codes.csv", []byte("券码\nKMH-1\nKMH-2\nKMH-3\nKMH-3\n")), http.StatusOK).Into(w, &done)
			if done.Codes != 3 || done.Added != added {
				t.Errorf("the codes are imported as %+v, want 3, of which %d new", done, added)
			}
		}
		planner.refused("POST", pool, upload(t, "codes.csv", []byte("券码\nKMH-4\n"+strings.Repeat("x", 101)+"\n")), http.StatusBadRequest, "mall.coupon")
		planner.refused("POST", "/gifts/"+ids["card"]+"/coupons", upload(t, "codes.csv", []byte("券码\nKMH-4\n")), http.StatusNotFound, "mall.no_gift")
		for _, id := range ids {
			old := planner.shelves(id)
			planner.refused("PUT", "/gifts/"+id, old, http.StatusConflict, "mall.gift_edited")
		}
		var all struct{ Items []struct{ OnSale bool } }
		support.Does("GET", "/gifts", nil, http.StatusOK).Into(w, &all)
		if len(all.Items) != 4 {
			t.Errorf("%d gifts are there, want 4", len(all.Items))
		}

		to := map[string]any{"name": "欧阳锋", "phone": "13912345678", "text": "杭州市西湖区文三路1号"}
		redeemed := map[string]string{}
		for kind, id := range ids {
			body := map[string]any{"giftId": id}
			if kind == "physical" {
				body["address"] = to
			}
			redeemed[kind] = mini.Do("POST", "/redemptions", "redeem-"+kind, body).Is(http.StatusCreated).Text("id")
		}
		status := func(kind string) string { return mini.Get("/redemptions/" + redeemed[kind]).Text("status") }
		w.Until("the pack is handed over", func() bool { return status("carrier") == "fulfilled" })
		if got := mini.Get("/redemptions/" + redeemed["coupon"]); got.Text("status") != "fulfilled" || !strings.HasPrefix(got.Text("couponCode"), "KMH-") {
			t.Errorf("the coupon is %s", got.Raw)
		}
		if got := status("card"); got != "fulfilled" {
			t.Errorf("the card is %s", got)
		}
		shipping(t, planner, support, redeemed["physical"], mini)
	})
}

// shipping is the way of a parcel from the desk to the member.
func shipping(t *testing.T, planner, support desk, id string, mini *story.Mini) {
	t.Helper()
	planner.Does("GET", "/redemptions", nil, http.StatusForbidden)
	waiting := string(support.Does("GET", "/redemptions?state=to_ship", nil, http.StatusOK).Body)
	for _, part := range []string{`"id":"` + id + `"`, `"name":"欧*"`, `"phone":"139****5678"`} {
		if !strings.Contains(waiting, part) {
			t.Errorf("to be shipped is %s, want %s in it", waiting, part)
		}
	}
	for _, part := range []string{"13912345678", "欧阳", "文三路"} {
		if strings.Contains(waiting, part) {
			t.Errorf("the list shows %s: %s", part, waiting)
		}
	}
	planner.Does("POST", "/redemptions/"+id+"/reveal", map[string]string{"reason": "打印面单"}, http.StatusForbidden)
	shown := string(support.writes("POST", "/redemptions/"+id+"/reveal", map[string]string{"reason": "打印面单"}, http.StatusOK).Body)
	if !strings.Contains(shown, "13912345678") || !strings.Contains(shown, "文三路") {
		t.Errorf("the recipient is %s", shown)
	}
	support.refused("POST", "/redemptions/"+id+"/received", nil, http.StatusConflict, "mall.state")
	support.refused("POST", "/redemptions/"+id+"/ship", map[string]string{"parcel": " "}, http.StatusBadRequest, "mall.parcel")
	support.writes("POST", "/redemptions/"+id+"/ship", map[string]string{"parcel": "顺丰 SF1"}, http.StatusOK)
	support.writes("POST", "/redemptions/"+id+"/ship", map[string]string{"parcel": "顺丰 SF2"}, http.StatusOK)
	if got := mini.Get("/redemptions/" + id); got.Text("status") != "shipped" || got.Text("parcel") != "顺丰 SF2" {
		t.Errorf("the parcel is %s", got.Raw)
	}
	if way := string(support.Does("GET", "/redemptions?state=shipped", nil, http.StatusOK).Body); !strings.Contains(way, id) {
		t.Errorf("on the way is %s", way)
	}
	support.writes("POST", "/redemptions/"+id+"/received", nil, http.StatusOK)
	if got := mini.Get("/redemptions/" + id); got.Text("status") != "fulfilled" {
		t.Errorf("the parcel is %s", got.Raw)
	}
	for _, state := range []string{"to_ship", "shipped"} {
		if left := string(support.Does("GET", "/redemptions?state="+state, nil, http.StatusOK).Body); strings.Contains(left, id) {
			t.Errorf("%s after it arrived: %s", state, left)
		}
	}
}

// credited is a carrier's file of points, handed in twice: one row is his, two are
// refused.
func credited(t *testing.T, planner, support desk, zhang *story.Person, available func() int64) {
	t.Helper()
	w := planner.w
	file := []byte("流水号,手机号,积分\nN-1," + zhang.Phone + ",120\nN-2,13999999999,5\nN-3," + zhang.Phone + ",1.5\n")
	sum := sha256.Sum256(file)
	hash := hex.EncodeToString(sum[:])
	planner.refused("POST", "/points/accruals", upload(t, "jf.csv", file, "checksum", strings.Repeat("0", 64)), http.StatusBadRequest, "points.checksum")
	support.refused("POST", "/points/accruals", upload(t, "jf.csv", file, "checksum", hash), http.StatusForbidden, "operator.right")
	planner.Does("GET", "/points/accruals/"+hash, nil, http.StatusNotFound)
	type report struct {
		Hash                             string
		Done                             bool
		Total, Accepted, Refused, Points int
	}
	for range 2 {
		var got report
		planner.writes("POST", "/points/accruals", upload(t, "jf.csv", file, "checksum", hash), http.StatusOK).Into(w, &got)
		if want := (report{hash, true, 3, 1, 2, 120}); got != want || available() != 220 {
			t.Errorf("the file is imported as %+v, and he has %d points; want %+v and 220", got, available(), want)
		}
	}
	var broken struct {
		Items []struct {
			Line      int
			Key, Code string
		}
	}
	support.Does("GET", "/points/accruals/"+hash+"/errors", nil, http.StatusOK).Into(w, &broken)
	if len(broken.Items) != 2 || broken.Items[0].Key != "N-2" || broken.Items[0].Code != "points.unbound" || broken.Items[1].Line != 4 {
		t.Errorf("the refused rows are %+v", broken.Items)
	}
}

func TestPointsAreAdjustedByTwoPeopleAndCreditedByFile(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		boss := desk{w.Operator("boss", operator.Admin), t, w}
		planner := desk{w.Operator("planner", operator.Planner), t, w}
		support := desk{w.Operator("support", operator.Support), t, w}
		reviewer := desk{w.Operator("reviewer", operator.Reviewer), t, w}
		zhang := w.Person("ordinary")
		mini := zhang.Opens().SignsIn().BindsPhone()
		available := func() int64 { return mini.Get("/points").Number("available") }
		w.Until("the points of the first binding are there", func() bool { return available() == 100 })

		credited(t, planner, support, zhang, available)
		member := memberOf(w, support, zhang)
		adjust := func(amount int) map[string]any {
			return map[string]any{"memberId": member, "amount": amount, "reason": "客诉补偿"}
		}
		type adjustment struct{ ID, State, Maker, Checker string }
		var small, large, other adjustment
		support.writes("POST", "/points/adjustments", adjust(300), http.StatusCreated).Into(w, &small)
		if small.State != "posted" || small.Checker != "" || available() != 520 {
			t.Errorf("within the limit it is %+v, and he has %d", small, available())
		}
		boss.writes("POST", "/points/adjustments", adjust(3000), http.StatusCreated).Into(w, &large)
		support.writes("POST", "/points/adjustments", adjust(-2000), http.StatusCreated).Into(w, &other)
		if large.State != "requested" || other.State != "requested" || available() != 520 {
			t.Errorf("beyond the limit it is %+v and %+v, and he has %d", large, other, available())
		}
		support.refused("POST", "/points/adjustments/"+large.ID+"/approve", nil, http.StatusForbidden, "operator.right")
		boss.refused("POST", "/points/adjustments/"+large.ID+"/approve", nil, http.StatusForbidden, "points.same_person")
		reviewer.refused("POST", "/points/adjustments/"+other.ID+"/approve", nil, http.StatusConflict, "points.insufficient")
		reviewer.writes("POST", "/points/adjustments/"+other.ID+"/reject", nil, http.StatusOK)
		reviewer.writes("POST", "/points/adjustments/"+large.ID+"/approve", nil, http.StatusOK).Into(w, &large)
		if large.State != "posted" || large.Checker != reviewer.ID.String() || available() != 3520 {
			t.Errorf("approved it is %+v, and he has %d", large, available())
		}
		reviewer.refused("POST", "/points/adjustments/"+large.ID+"/reject", nil, http.StatusConflict, "points.adjustment_decided")
		for state, want := range map[string]int{"requested": 0, "rejected": 1, "posted": 2} {
			var list struct{ Items []adjustment }
			support.Does("GET", "/points/adjustments?state="+state, nil, http.StatusOK).Into(w, &list)
			if len(list.Items) != want {
				t.Errorf("%s: %+v, want %d", state, list.Items, want)
			}
		}
		support.refused("POST", "/points/adjustments", adjust(0), http.StatusBadRequest, "points.amount")
		nobody := adjust(5)
		nobody["memberId"] = "12"
		support.refused("POST", "/points/adjustments", nobody, http.StatusNotFound, "points.no_member")
	})
}

// memberOf finds somebody by his number, as the desk does.
func memberOf(w *story.World, d desk, p *story.Person) string {
	var found struct{ MemberID string }
	w.Until("the number is known", func() bool {
		a := d.Asks("POST", "/members/search", map[string]string{"phone": p.Phone})
		if a.Status != http.StatusOK {
			return false
		}
		a.Into(w, &found)
		return true
	})
	return found.MemberID
}
