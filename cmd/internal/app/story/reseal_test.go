package story_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/seal/reseal"
	"kaimenhong/service/mall"
	"kaimenhong/service/operator"
	"kaimenhong/service/redpacket"
)

// ofVersionOne is a value that version 1 of the key sealed: its first two bytes are the
// version, and a number's cipher has 52 letters.
var ofVersionOne = regexp.MustCompile(`\bAA[E-H][A-Za-z0-9+/_-]{40,}`)

// A key that somebody saw can be taken out of use: nothing in any table needs it any
// more, and everybody and everything goes on.
func TestAnOldKeyIsTakenOutOfUse(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		old := story.PhoneKey
		next := "2:" + base64.StdEncoding.EncodeToString([]byte("the-next-phone-key-0123456789abc"))
		r := w.Replica().Stock(
			app.Good{Gift: mall.Gift{Category: "优惠券", Kind: mall.Coupon, Title: "代金券", Points: 10, EndsAt: model.At(w.Now().AddDate(1, 0, 0))}, Codes: []string{"GOES-HOME-1", "GOES-HOME-2"}},
			shelf(w.Now())[1],
		)
		boss, desk := w.Operator("boss", operator.Admin), w.Operator("desk", operator.Support)
		zhang := w.Person("ordinary")
		mini := zhang.Whole()
		zhang.Says("意见反馈").Says("排队太久了").Hears("记下")
		note := listed(w, desk, "/feedback")[0]
		desk.Does("POST", "/feedback/"+note+"/finish", map[string]string{"remark": "已回电致歉"}, http.StatusNoContent)
		coupon := mini.Do("POST", "/redemptions", "coupon", map[string]any{"giftId": mini.Finds("coupon")}).Is(http.StatusCreated).Text("id")
		bag := map[string]any{"giftId": mini.Finds("physical"), "address": map[string]any{"name": "张三", "phone": "13800138001", "text": "长安街1号"}}
		parcel := mini.Do("POST", "/redemptions", "parcel", bag).Is(http.StatusCreated)
		w.Until("the code is there", func() bool { return mini.Get("/redemptions/"+coupon).Text("couponCode") == "GOES-HOME-1" })
		pot := mini.OpensPot(r.Plays(w.Envelope("回家", func(rules *redpacket.Rules) { rules.Helps = 1 }))[0])
		w.Players("family")[0].Helps(pot).Is(http.StatusCreated)
		mini.Wins(pot, "paid")
		if done, err := r.App().Import(t.Context(), boss.ID, "客户.csv", strings.NewReader("手机号,上月ARPU\n"+w.Person("student").Phone+",88\n")); err != nil || done.Added != 1 {
			t.Fatalf("imported %+v, %v", done, err)
		}
		w.Fault("carrier.bucket", slow)
		zhang.Says("查话费").HearsLater("话费余额 " + zhang.Balance())
		w.Fault("carrier.bucket")
		w.Settle()

		w.Settings["SECURITY_PHONE_KEY"] = old + "," + next
		r.Stop()
		r = w.Replica()
		resealed(t, w)
		for table, lines := range w.Books() {
			for _, line := range lines {
				if ofVersionOne.MatchString(line) {
					t.Errorf("%s still needs the old key: %s", table, line)
				}
			}
		}

		w.Settings["SECURITY_PHONE_KEY"] = next + ",index:" + strings.TrimPrefix(old, "1:")
		r.Stop()
		w.Replica()
		zhang.Says("查话费").Hears("话费余额 " + zhang.Balance())
		if got := mini.Get("/redemptions/" + coupon).Text("couponCode"); got != "GOES-HOME-1" {
			t.Errorf("his coupon's code is %q", got)
		}
		if again := mini.Do("POST", "/redemptions", "parcel", bag).Is(http.StatusCreated); string(again.Raw) != string(parcel.Raw) {
			t.Errorf("the repeat answered %s, want %s", again.Raw, parcel.Raw)
		}
		verifies(t, mini.Get("/pots/"+pot+"/proof").Is(http.StatusOK).Raw)
		mini.Get("/me/usage").Is(http.StatusOK)
		desk.SignsIn()
		if got := desk.Does("GET", "/feedback?open=false", nil, http.StatusOK); !strings.Contains(string(got.Body), "排队太久了") || !strings.Contains(string(got.Body), "已回电致歉") {
			t.Errorf("the desk reads %s", got.Body)
		}
	})
}

// resealed runs the command and wants each column to have had something to move.
func resealed(t *testing.T, w *story.World) {
	t.Helper()
	cfg, err := config.Load("", w.Environment())
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		newest, shut, err := app.Reseal(ctx, cfg, func(c reseal.Column, n reseal.Count) {
			if moves := n.Moved > 0; moves == again {
				t.Errorf("%s: %+v, again %t", c, n, again)
			}
		})
		if newest != 2 || shut != 0 || err != nil {
			t.Fatalf("resealed to version %d, %d values stayed shut, %v", newest, shut, err)
		}
	}
}

// listed are the ids of an operators' list.
func listed(w *story.World, o *story.Operator, path string) (ids []string) {
	var list struct{ Items []struct{ ID string } }
	o.Does("GET", path, nil, http.StatusOK).Into(w, &list)
	for _, item := range list.Items {
		ids = append(ids, item.ID)
	}
	return ids
}
