package mall

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
)

// levels says how the carrier values everybody.
type levels struct {
	tier int
	err  error
}

func (l levels) Tier(context.Context, model.Phone) (int, error) { return l.tier, l.err }

func TestAGiftForATierAsksTheCarrier(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		gold := f.shelve(func(g *Gift) { g.Tier = 2 })
		away := fault.New(fault.Unavailable, "test.away", "稍后再试")
		shown := func() int {
			offers, err := f.Affordable(t.Context(), model.Member{ID: alice, Phone: f.order(alice, gold, "").Phone}, 1000, 5)
			if err != nil {
				t.Fatal(err)
			}
			return len(offers)
		}
		for i, tt := range []struct {
			name  string
			tiers tiers
			want  error
			shown int
		}{
			{"nobody tells", nil, ErrTier, 0},
			{"too low", levels{tier: 1}, ErrTier, 0},
			{"the carrier is away", levels{err: away}, away, 0},
			{"high enough", levels{tier: 2}, nil, 1},
			{"higher", levels{tier: 3}, nil, 1},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f.Tiers, f.Levels = tt.tiers, []string{"银卡", "金卡"}
				_, err := f.Redeem(t.Context(), f.order(alice, gold, "tier-"+string(rune('a'+i))))
				if !errors.Is(err, tt.want) {
					t.Errorf("Redeem = %v, want %v", err, tt.want)
				}
				if tt.want == ErrTier && fault.Of(err).Text != "该礼品限金卡及以上会员兑换" {
					t.Errorf("the refusal says %q", fault.Of(err).Text)
				}
				if named, err := f.Gift(t.Context(), gold.ID); err != nil || named.TierName != "金卡" {
					t.Errorf("the gift is shown as for %q, %v, want 金卡", named.TierName, err)
				}
				if n := shown(); n != tt.shown {
					t.Errorf("%d gifts are offered, want %d", n, tt.shown)
				}
			})
		}
	})
}

func TestMoneyOnThePhoneBillGoesWithTheOrder(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		pack := f.shelve(func(g *Gift) { g.Fen, g.Spec.Bill = 300, true })
		r, err := f.Redeem(t.Context(), f.order(alice, pack, "bill"))
		if err != nil || r.State != Accepted || r.Fen != 300 || !r.Spec.Bill {
			t.Fatalf("Redeem = %+v, %v, want it accepted at once", r, err)
		}
		row, err := f.own(t.Context(), alice, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if goods, err := f.goods(row); err != nil || goods.Charge != 300 || goods.Offering != "pack-1g" {
			t.Errorf("goods = %+v, %v, want 3 yuan on the bill", goods, err)
		}
		for _, spoil := range []func(*Gift){
			func(g *Gift) { g.Fen = 0 },
			func(g *Gift) { g.Spec.Offering, g.Spec.Credit = "", 100 },
			func(g *Gift) { g.Kind, g.Spec = Coupon, Spec{Bill: true} },
			func(g *Gift) { g.Kind, g.Spec = Card, Spec{Bill: true, AppID: "wx0"} },
		} {
			g := pack
			spoil(&g)
			if _, err := f.AddGift(t.Context(), 0, g); !errors.Is(err, ErrGift) {
				t.Errorf("AddGift(%+v) = %v, want %v", g, err, ErrGift)
			}
		}
	})
}

func TestSomebodyIsToldWhatIsStuck(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		f.carrier.answers = []Outcome{{State: Unknown}}
		pack, parcel := f.shelve(func(*Gift) {}), f.shelve(func(g *Gift) { g.Kind, g.Spec = Physical, Spec{} })
		stuck, err := f.Redeem(t.Context(), f.order(alice, pack, "a"))
		if err != nil {
			t.Fatal(err)
		}
		o := f.order(alice, parcel, "p")
		o.Address = Address{Name: "张三", Phone: "13800000001", Text: "长安街1号"}
		if _, err := f.Redeem(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		watch := func(want int) {
			t.Helper()
			if _, err := f.FulfilDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := f.Watch(t.Context()); err != nil || n != want {
				t.Errorf("Watch = %d, %v, want %d", n, err, want)
			}
		}
		watch(0)
		*f.at = f.at.Add(25 * time.Hour)
		watch(1)
		list, _, err := f.StuckNow(t.Context(), 0, "", 10)
		if err != nil || len(list) != 1 || list[0].ID != stuck.ID || list[0].State != Unknown || list[0].Attempts < 2 {
			t.Errorf("StuckNow = %+v, %v, want the unknown one", list, err)
		}
		f.carrier.answers = []Outcome{{State: Fulfilled, Number: "T-9"}}
		*f.at = f.at.Add(2 * time.Hour)
		watch(0)
	})
}

func TestStuckRedemptionsComeInPages(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		f.carrier.answers = []Outcome{{State: Unknown}}
		g := f.shelve(func(*Gift) {})
		var all, bobs []model.ID
		for i := range 5 {
			member := alice + model.MemberID(i%2)
			r, err := f.Redeem(t.Context(), f.order(member, g, "r"+string(rune('0'+i))))
			if err != nil {
				t.Fatal(err)
			}
			if all = append(all, r.ID); member == bob {
				bobs = append(bobs, r.ID)
			}
			if i != 2 { // two of the same instant
				*f.at = f.at.Add(time.Minute)
			}
		}
		*f.at = f.at.Add(25 * time.Hour)
		listed := func(member model.MemberID, between func()) (ids []model.ID) {
			t.Helper()
			for cursor, more := "", true; more; between() {
				list, next, err := f.StuckNow(t.Context(), member, cursor, 2)
				if err != nil || len(list) == 0 {
					t.Fatalf("StuckNow = %+v, %v, want some", list, err)
				}
				for _, s := range list {
					ids = append(ids, s.ID)
				}
				cursor, more = next, next != ""
			}
			return ids
		}
		tried := listed(0, func() {
			if _, err := f.FulfilDue(t.Context()); err != nil {
				t.Error(err)
			}
			*f.at = f.at.Add(time.Hour)
		})
		if !slices.Equal(tried, all) {
			t.Errorf("the pages have %v while the carrier is asked, want %v", tried, all)
		}
		if got := listed(bob, func() {}); !slices.Equal(got, bobs) {
			t.Errorf("bob's are %v, want %v", got, bobs)
		}
		if _, _, err := f.StuckNow(t.Context(), 0, "x", 2); !errors.Is(err, page.ErrCursor) {
			t.Errorf("a strange cursor is %v, want %v", err, page.ErrCursor)
		}
	})
}

func TestARefusedRepeatEndsOnceNothingCanStillArrive(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		for _, tt := range []struct {
			name string
			wait time.Duration
			out  Outcome
			want State
			left int64
		}{
			{"a repeat is refused soon", stray - time.Millisecond, Outcome{State: Failed, Reason: "未受理", Repeat: true}, Unknown, 900},
			{"a repeat is refused late", stray, Outcome{State: Failed, Reason: "未受理", Repeat: true}, Failed, 1000},
			{"the carrier's book says failed", firstGap << 1, Outcome{State: Failed, Reason: "未受理"}, Failed, 1000},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f := newMall(t, pool)
				f.carrier.answers = []Outcome{{State: Unknown}, tt.out}
				g := f.shelve(func(*Gift) {})
				r, err := f.Redeem(t.Context(), f.order(alice, g, "a"))
				for _, wait := range []time.Duration{0, tt.wait} {
					*f.at = f.at.Add(wait)
					if err == nil {
						_, err = f.FulfilDue(t.Context())
					}
				}
				if err == nil {
					r, err = f.Redemption(t.Context(), alice, r.ID)
				}
				if err != nil || r.State != tt.want {
					t.Fatalf("the redemption is %s, %v, want %s", r.State, err, tt.want)
				}
				f.want(alice, tt.left, g, 9+(tt.left-900)/100)
				if _, err := pool.ExecContext(t.Context(), "DELETE FROM mall_redemption"); err != nil {
					t.Fatal(err)
				}
			})
		}
		if stray > longGap/2 || longGap > firstGap<<11 {
			t.Errorf("two tries are never as far apart as %s: a refused repeat would have no end", stray)
		}
	})
}
