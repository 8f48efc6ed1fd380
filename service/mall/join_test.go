package mall

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
)

func (f fixture) redeem(member model.MemberID, g Gift, request string, want error) Redemption {
	f.t.Helper()
	r, err := f.Redeem(f.t.Context(), f.order(member, g, request))
	if !errors.Is(err, want) {
		f.t.Fatalf("member %s redeems %s = %v, want %v", member, request, err, want)
	}
	return r
}

func (f fixture) join(from, into model.MemberID) {
	f.t.Helper()
	err := sqldb.InTx(f.t.Context(), f.DB, func(tx *sql.Tx) error { return f.JoinTx(f.t.Context(), tx, from, into) })
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestLimitsFollowAMerge(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		once := f.shelve(func(g *Gift) { g.Each = 1 })
		thrice := f.shelve(func(g *Gift) { g.Each = 3 })
		const carol = bob + 1
		first := f.redeem(bob, once, "a", nil)
		f.redeem(alice, once, "a", nil)
		f.redeem(bob, thrice, "b", nil)
		f.redeem(alice, thrice, "c", nil)
		for range 2 { // a repeat of the merge changes nothing
			f.join(bob, alice)
		}
		f.redeem(alice, once, "d", ErrLimit)
		f.redeem(bob, once, "e", ErrLimit) // whoever still calls him by the old id
		last := f.redeem(bob, thrice, "f", nil)
		f.redeem(alice, thrice, "g", ErrLimit)
		if got := f.redeem(bob, thrice, "b", nil); got.Gift != thrice.ID {
			t.Errorf("the repeat of a request from before the merge = %+v", got)
		}
		if got, err := f.Redemption(t.Context(), alice, first.ID); err != nil || got.ID != first.ID {
			t.Errorf("his redemption is %+v, %v", got, err)
		}
		page, _, err := f.Redemptions(t.Context(), alice, "", 10)
		if err != nil || len(page) != 5 || page[0].ID != last.ID {
			t.Errorf("Redemptions = %d, %v, want 5", len(page), err)
		}
		f.join(alice, carol)
		f.redeem(bob, once, "h", ErrLimit) // two merges away
		f.want(alice, 700, once, 8)
		f.want(bob, 800, thrice, 7)
	})
}

func TestARefusalIsTheAnswerForSevenDays(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		dear := f.shelve(func(g *Gift) { g.Points = 1001 })
		other := f.shelve(func(*Gift) {})
		f.redeem(alice, dear, "a", errPoor)
		if _, err := pool.ExecContext(t.Context(), "UPDATE test_purse SET balance = 5000"); err != nil {
			t.Fatal(err)
		}
		_, err := f.Redeem(t.Context(), f.order(alice, dear, "a"))
		if f := fault.Of(err); !errors.Is(err, errPoor) || f.Text != errPoor.Text || f.Kind != fault.Conflict {
			t.Fatalf("the repeat = %v", err)
		}
		f.redeem(alice, other, "a", ErrRequestReused)
		f.redeem(bob, dear, "a", nil) // a request id is a member's own
		f.redeem(alice, dear, "b", nil)
		if page, _, err := f.Redemptions(t.Context(), alice, "", 10); err != nil || len(page) != 1 {
			t.Errorf("a refusal is listed: %+v, %v", page, err)
		}
		if _, err := f.Redeem(t.Context(), Order{Member: alice, Gift: other.ID, Request: "c"}); !errors.Is(err, ErrPhone) {
			t.Fatal(err)
		}
		f.redeem(alice, other, "c", nil) // bound meanwhile
		*f.at = f.at.Add(keepRefused)
		if _, err := f.FulfilDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.redeem(alice, dear, "a", nil)
	})
}

func TestLeavingTakesBackWhatWasNotSent(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		ctx := t.Context()
		pack := f.shelve(func(*Gift) {})
		parcel := f.shelve(func(g *Gift) { g.Kind, g.Spec, g.Cancellable = Physical, Spec{}, false })
		card := f.forMoney(f.shelve(func(g *Gift) { g.Kind, g.Spec = Card, Spec{AppID: "wx1"} }), pool)
		f.carrier.answers = []Outcome{{State: Unknown}, {State: Fulfilled}}
		f.redeem(alice, pack, "a", nil)
		if _, err := f.FulfilDue(ctx); err != nil {
			t.Fatal(err)
		}
		o := f.order(alice, parcel, "b")
		o.Address = Address{"张三", "13800000001", "杭州市西湖区文三路1号"}
		for _, request := range []model.RequestID{"b", "c"} {
			o.Request = request
			r, err := f.Redeem(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			if request == "c" {
				if _, err := f.Ship(ctx, 0, r.ID, "顺丰 SF1"); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.redeem(alice, card, "d", nil)
		export, err := f.Export(ctx, alice)
		if err != nil || len(export) != 4 || export[1].Address != o.Address || export[3].Phone != "13800000001" {
			t.Fatalf("Export = %+v, %v", export, err)
		}
		if err := f.Close(ctx, alice); !errors.Is(err, ErrOnItsWay) {
			t.Fatalf("Close while the carrier has it = %v", err)
		}
		*f.at = f.at.Add(longGap)
		if _, err := f.FulfilDue(ctx); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := f.Close(ctx, alice); err != nil {
				t.Fatal(err)
			}
		}
		f.want(alice, 800, parcel, 9)
		if export, err = f.Export(ctx, alice); err != nil || len(export) != 4 {
			t.Fatalf("Export = %+v, %v", export, err)
		}
		if text := fmt.Sprintf("%+v", export); strings.Contains(text, "13800000001") || strings.Contains(text, "张三") {
			t.Errorf("what is kept of who left: %s", text)
		}
		if page, _, err := f.Redemptions(ctx, alice, "", 10); err != nil || len(page) != 4 {
			t.Errorf("Redemptions = %v, %v", page, err)
		}
	})
}

func TestTheShelf(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		ctx := t.Context()
		pack := f.shelve(func(g *Gift) { g.Position = 2 })
		once := f.shelve(func(g *Gift) {
			g.Position, g.Each, g.Kind, g.Spec, g.Category = 1, 1, Card, Spec{AppID: "wx1"}, "生活"
		})
		for _, hidden := range []func(*Gift){
			func(g *Gift) { g.Kind, g.Spec = Physical, Spec{} },
			func(g *Gift) { g.Fen, g.Spec.Bill = 1, true },
			func(g *Gift) { g.Points = 501 },
			func(g *Gift) { g.Tier = 1 },
			func(g *Gift) { g.Total = 0 },
			func(g *Gift) { g.StartsAt, g.EndsAt = 1, 2 },
		} {
			f.shelve(func(g *Gift) { g.Position = 3; hidden(g) })
		}
		names, err := f.Categories(ctx)
		if err != nil || fmt.Sprint(names) != "[生活 流量]" {
			t.Errorf("Categories = %v, %v", names, err)
		}
		page, next, err := f.GiftsOf(ctx, "流量", "", 1)
		if err != nil || len(page) != 1 || page[0].ID != pack.ID || next == "" {
			t.Errorf("Gifts = %+v, %q, %v", page, next, err)
		}
		if page, next, err = f.GiftsOf(ctx, "流量", next, 100); err != nil || len(page) != 5 || next != "" {
			t.Errorf("Gifts = %d, %q, %v, want the other five", len(page), next, err)
		}
		phone, err := model.ParsePhone("13800000001")
		if err != nil {
			t.Fatal(err)
		}
		offered := func(m model.Member, limit int) (titles []model.ID) {
			offers, err := f.Affordable(ctx, m, 500, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range offers {
				titles = append(titles, o.Gift)
			}
			return titles
		}
		bound := model.Member{ID: alice, Phone: phone}
		for _, tt := range []struct {
			name  string
			who   model.Member
			limit int
			want  []model.ID
		}{
			{"what 500 points buy at once", bound, 5, []model.ID{once.ID, pack.ID}},
			{"no more than asked for", bound, 1, []model.ID{once.ID}},
			{"without a number no data pack", model.Member{ID: alice}, 5, []model.ID{once.ID}},
		} {
			if got := offered(tt.who, tt.limit); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
		f.redeem(alice, once, "a", nil)
		if got := offered(bound, 5); len(got) != 1 || got[0] != pack.ID {
			t.Errorf("what he had once is offered again: %v", got)
		}
	})
}
