package mall

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sheet/sheettest"
)

// trail is an audit that remembers what was committed, and refuses when it is told to.
type trail struct {
	mu    sync.Mutex
	lines []string
	full  error
}

func (a *trail) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full != nil {
		return a.full
	}
	a.lines = append(a.lines, fmt.Sprintf("%d %s", e.Operator, e.Action))
	return nil
}

func TestWhatAnOperatorDoesStandsWithItsLineOrNotAtAll(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		audit := &trail{}
		f.Audit = audit
		ctx := t.Context()
		coupons := f.shelve(func(g *Gift) { g.Kind, g.Spec = Coupon, Spec{} })
		parcel := f.shelve(func(g *Gift) { g.Kind, g.Spec = Physical, Spec{} })
		o := f.order(alice, parcel, "a")
		o.Address = Address{"张三", "13800000001", "杭州市西湖区文三路1号"}
		r, err := f.Redeem(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		audit.lines = nil
		for _, step := range []struct {
			line string
			do   func() error
		}{
			{"9 mall.gift_add", func() error { _, err := f.AddGift(ctx, 9, parcel); return err }},
			{"9 mall.gift_edit", func() error {
				g, err := f.Gift(ctx, parcel.ID)
				if err == nil {
					_, err = f.EditGift(ctx, 9, g)
				}
				return err
			}},
			{"9 mall.coupons", func() error { _, err := f.ImportCoupons(ctx, 9, coupons.ID, []string{"A", "B"}); return err }},
			{"9 mall.coupons", func() error { _, err := f.ImportCoupons(ctx, 9, coupons.ID, []string{"A", "B"}); return err }},
			{"9 mall.ship", func() error { _, err := f.Ship(ctx, 9, r.ID, "顺丰 SF1"); return err }},
			{"9 mall.received", func() error { _, err := f.Received(ctx, 9, r.ID); return err }},
			{"9 mall.received", func() error { _, err := f.Received(ctx, 9, r.ID); return err }},
		} {
			audit.full = errors.New("no line can be written")
			if err := step.do(); !errors.Is(err, audit.full) {
				t.Fatalf("%s without a line = %v, want %v", step.line, err, audit.full)
			}
			audit.full, audit.lines = nil, nil
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.line, err)
			}
			if got := strings.Join(audit.lines, ", "); got != step.line {
				t.Errorf("the audit has %q, want %q", got, step.line)
			}
		}
		if g, err := f.Gift(ctx, coupons.ID); err != nil || g.Total != 2 {
			t.Errorf("the pool has %d codes, %v, want 2", g.Total, err)
		}
		if all, _, err := f.AllGifts(ctx, "", "", 10); err != nil || len(all) != 3 || all[0].OnSale {
			t.Errorf("AllGifts = %+v, %v, want 3, the newest not on sale", all, err)
		}
	})
}

// parcelsIn are the parcels of a queue, two a page.
func parcelsIn(t *testing.T, f fixture, state State) (got []model.ID) {
	t.Helper()
	cursor := ""
	for range 5 {
		page, next, err := f.Parcels(t.Context(), state, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page {
			if p.Name != "欧*" || p.Phone != "138****0001" || p.Member != alice || p.State != state {
				t.Errorf("a parcel is shown as %+v", p)
			}
			got = append(got, p.ID)
		}
		if cursor = next; next == "" {
			break
		}
	}
	return got
}

func TestParcelsWaitInTheirQueues(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		ctx := t.Context()
		g := f.shelve(func(g *Gift) { g.Kind, g.Spec = Physical, Spec{} })
		card := f.shelve(func(g *Gift) { g.Kind, g.Spec = Card, Spec{AppID: "wx1"} })
		var ids []model.ID
		for i := range 3 {
			o := f.order(alice, g, fmt.Sprint("p", i))
			o.Address = Address{"欧阳锋", "13800000001", "杭州市西湖区文三路1号"}
			r, err := f.Redeem(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		wallet, err := f.Redeem(ctx, f.order(alice, card, "c"))
		if err != nil {
			t.Fatal(err)
		}
		queue := func(state State) []model.ID { return parcelsIn(t, f, state) }
		if got := queue(Accepted); fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("to be shipped: %v, want %v", got, ids)
		}
		if _, err := f.Ship(ctx, 9, ids[1], " 顺丰 SF1 "); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Cancel(ctx, alice, ids[2]); err != nil {
			t.Fatal(err)
		}
		if got, way := queue(Accepted), queue(Shipped); fmt.Sprint(got) != fmt.Sprint(ids[:1]) || fmt.Sprint(way) != fmt.Sprint(ids[1:2]) {
			t.Errorf("to be shipped: %v, on the way: %v", got, way)
		}
		if p, err := f.Received(ctx, 9, ids[1]); err != nil || p.State != Fulfilled || p.Number != "顺丰 SF1" {
			t.Errorf("Received = %+v, %v", p, err)
		}
		if way := queue(Shipped); len(way) != 0 {
			t.Errorf("on the way after all arrived: %v", way)
		}
		if to, err := f.Recipient(ctx, ids[0]); err != nil || to.Text != "杭州市西湖区文三路1号" {
			t.Errorf("Recipient = %+v, %v", to, err)
		}
		for _, tt := range []struct {
			name string
			err  error
			want error
		}{
			{"shipping what was taken back", second(f.Ship(ctx, 9, ids[2], "顺丰 SF2")), ErrState},
			{"receiving what was not shipped", second(f.Received(ctx, 9, ids[0])), ErrState},
			{"shipping a card", second(f.Ship(ctx, 9, wallet.ID, "顺丰 SF2")), ErrNoRedemption},
			{"shipping nothing", second(f.Ship(ctx, 9, 12, "顺丰 SF2")), ErrNoRedemption},
			{"no number", second(f.Ship(ctx, 9, ids[0], " ")), ErrParcel},
			{"the address of a card", second(f.Recipient(ctx, wallet.ID)), ErrNoRedemption},
		} {
			if !errors.Is(tt.err, tt.want) {
				t.Errorf("%s = %v, want %v", tt.name, tt.err, tt.want)
			}
		}
		if _, _, err := f.Parcels(ctx, Failed, "", 2); !errors.Is(err, ErrState) {
			t.Errorf("another queue = %v", err)
		}
		if _, _, err := f.Parcels(ctx, Accepted, "x", 2); !errors.Is(err, page.ErrCursor) {
			t.Errorf("a made up cursor = %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestAFileOfCodesIsKeptWholeAndOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		g := f.shelve(func(g *Gift) { g.Kind, g.Spec = Coupon, Spec{} })
		other := f.shelve(func(*Gift) {})
		var many strings.Builder
		many.WriteString("批次,券码\n")
		for i := range 450 {
			fmt.Fprintf(&many, "1,KMH-%04d\n", i)
		}
		for _, tt := range []struct {
			name, file string
			gift       model.ID
			want       Coupons
			err        error
			says       string
		}{
			{"codes of several statements", many.String(), g.ID, Coupons{450, 450, ""}, nil, ""},
			{"the same file", many.String(), g.ID, Coupons{450, 0, ""}, nil, ""},
			{"some more, one twice", "code\nKMH-0001\n\nKMH-1001\n KMH-1001 \n", g.ID, Coupons{2, 1, ""}, nil, ""},
			{"a wrong line", "券码\nKMH-2001\n" + strings.Repeat("x", 101) + "\n", g.ID, Coupons{}, ErrCoupon, "第3行"},
			{"a line without a code", "批次,券码\n1,KMH-2001\n2\n", g.ID, Coupons{}, ErrCoupon, "第3行"},
			{"no such column", "号码\nKMH-2001\n", g.ID, Coupons{}, ErrCouponFile, "券码"},
			{"a heading alone", "券码\n", g.ID, Coupons{}, ErrCouponFile, "没有券码"},
			{"a gift of another kind", "券码\nKMH-2001\n", other.ID, Coupons{}, ErrNoGift, "券码礼品"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got, err := f.ImportCouponFile(t.Context(), 9, tt.gift, strings.NewReader(tt.file))
				if !errors.Is(err, tt.err) || err == nil && got != tt.want || err != nil && !strings.Contains(fault.Of(err).Text, tt.says) {
					t.Errorf("ImportCouponFile = %+v, %v, want %+v, %v", got, err, tt.want, tt.err)
				}
			})
		}
		if kept, err := f.Gift(t.Context(), g.ID); err != nil || kept.Total != 451 {
			t.Errorf("the pool has %d codes, %v, want 451", kept.Total, err)
		}
		if _, err := f.ImportCoupons(t.Context(), 9, g.ID, make([]string, maxCoupons+1)); !errors.Is(err, ErrCoupon) {
			t.Errorf("too many codes = %v", err)
		}
	})
}

func TestCodesThatAProgramMadeNumbersOfAreNotSold(t *testing.T) {
	f := newMall(t, dbtest.SQLite(t))
	as := func(kept string) []byte {
		return sheettest.Rewritten(t, sheettest.Workbook(t, []any{"券码"}, []any{1234567890}), func(xml string) string {
			return strings.Replace(xml, "<v>1234567890</v>", "<v>"+kept+"</v>", 1)
		})
	}
	for name, c := range map[string]struct {
		file []byte
		want string // the code that is sold; "" for none
	}{
		"a number":                           {as("1234567890"), "1234567890"},
		"a number as Java keeps it":          {as("1.23456789E9"), "1234567890"},
		"a number that lost its last digits": {as("1.2345678901234E+18"), ""},
		"a number beyond all digits":         {as("1.234567890123457E18"), ""},
		"a text that was cut for the eye":    {[]byte("券码\n1.23457E+15\n"), ""},
		"a code that only looks like one":    {[]byte("券码\n1E10-AB\n"), "1E10-AB"},
	} {
		g := f.shelve(func(g *Gift) { g.Kind, g.Spec = Coupon, Spec{} })
		got, err := f.ImportCouponFile(t.Context(), 9, g.ID, bytes.NewReader(c.file))
		if c.want == "" {
			if !errors.Is(err, ErrCoupon) || !strings.Contains(fault.Of(err).Text, "第2行") || !strings.Contains(fault.Of(err).Text, "设为文本") {
				t.Errorf("%s: ImportCouponFile = %+v, %v, want the line refused in words", name, got, err)
			}
			continue
		}
		again, againErr := f.ImportCoupons(t.Context(), 9, g.ID, []string{c.want})
		if err != nil || got.Codes != 1 || again != 0 || againErr != nil {
			t.Errorf("%s: ImportCouponFile = %+v, %v, and %q was not among them (%d, %v)", name, got, err, c.want, again, againErr)
		}
	}
}

func TestCodesThatTwoImportAtOnceAreThereOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		g := f.shelve(func(g *Gift) { g.Kind, g.Spec = Coupon, Spec{} })
		codes := make([]string, 300)
		for i := range codes {
			codes[i] = fmt.Sprint("KMH-", i)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		sum := 0
		for range 3 {
			wg.Go(func() {
				n, err := f.ImportCoupons(t.Context(), 9, g.ID, codes)
				mu.Lock()
				defer mu.Unlock()
				if sum += n; err != nil {
					t.Errorf("ImportCoupons = %v", err)
				}
			})
		}
		wg.Wait()
		if kept, err := f.Gift(t.Context(), g.ID); err != nil || sum != 300 || kept.Total != 300 {
			t.Errorf("%d codes were new, the pool has %d, %v, want 300", sum, kept.Total, err)
		}
	})
}

func TestAGiftThatIsWrongIsRefusedWithWhatToDo(t *testing.T) {
	f := newMall(t, dbtest.SQLite(t))
	good := f.shelve(func(g *Gift) { g.Total = 3 })
	for _, tt := range []struct {
		name  string
		spoil func(*Gift)
		says  string
	}{
		{"no kind", func(g *Gift) { g.Kind = "thing" }, "礼品种类"},
		{"no title", func(g *Gift) { g.Title = "" }, "名称"},
		{"for nothing", func(g *Gift) { g.Points = 0 }, "积分"},
		{"over before it begins", func(g *Gift) { g.EndsAt = g.StartsAt }, "结束时间"},
		{"a picture from anywhere", func(g *Gift) { g.Picture = "http://x/y.png" }, "https"},
		{"a pack and credit", func(g *Gift) { g.Spec.Credit = 100 }, "一项"},
		{"a coupon with a pack", func(g *Gift) { g.Kind = Coupon }, "不填"},
		{"a card that leads nowhere", func(g *Gift) { g.Kind, g.Spec = Card, Spec{} }, "AppID"},
		{"money for a coupon", func(g *Gift) { g.Kind, g.Fen, g.Spec = Coupon, 100, Spec{Bill: true} }, "账单"},
		{"over already", func(g *Gift) { g.StartsAt, g.EndsAt = 0, model.At(*f.at) }, "晚于现在"},
	} {
		g := good
		tt.spoil(&g)
		if _, err := f.AddGift(t.Context(), 9, g); !errors.Is(err, ErrGift) || !strings.Contains(fault.Of(err).Text, tt.says) {
			t.Errorf("%s = %q, want it to say %q", tt.name, fault.Of(err).Text, tt.says)
		}
	}
	for i := range 2 {
		if _, err := f.Redeem(t.Context(), f.order(alice, good, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	few, card := good, good
	few.Total = 1
	card.Kind, card.Spec = Card, Spec{AppID: "wx1"}
	for says, g := range map[string]Gift{"已兑出2件": few, "种类不能修改": card} {
		if _, err := f.EditGift(t.Context(), 9, g); !errors.Is(err, ErrGift) || !strings.Contains(fault.Of(err).Text, says) {
			t.Errorf("EditGift = %q, want it to say %q", fault.Of(err).Text, says)
		}
	}
}

func TestALimitThatIsSetLaterCountsWhatAMemberHas(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		g := f.shelve(func(*Gift) {})
		redeem := func(member model.MemberID, request string, want error) Redemption {
			t.Helper()
			r, err := f.Redeem(t.Context(), f.order(member, g, request))
			if !errors.Is(err, want) {
				t.Fatalf("Redeem %s = %v, want %v", request, err, want)
			}
			return r
		}
		limit := func(each int) {
			t.Helper()
			var err error
			g.OnSale, g.Each = true, each
			if g, err = f.EditGift(t.Context(), 0, g); err != nil {
				t.Fatal(err)
			}
		}
		offered := func(member model.MemberID) int {
			t.Helper()
			offers, err := f.Affordable(t.Context(), model.Member{ID: member, Phone: f.order(member, g, "").Phone}, 1000, 5)
			if err != nil {
				t.Fatal(err)
			}
			return len(offers)
		}
		redeem(alice, "a", nil)
		redeem(alice, "b", nil)
		back := redeem(bob, "a", nil)
		if _, err := f.Cancel(t.Context(), bob, back.ID); err != nil {
			t.Fatal(err)
		}
		limit(2)
		redeem(alice, "c", ErrLimit) // she has two from before
		redeem(bob, "b", nil)        // what he gave back is not his
		if a, b := offered(alice), offered(bob); a != 0 || b != 1 {
			t.Errorf("alice is offered %d gifts and bob %d, want none and 1", a, b)
		}
		limit(3)
		redeem(alice, "d", nil)
		redeem(alice, "e", ErrLimit)
		limit(0)
		redeem(alice, "f", nil)
		limit(4)
		redeem(alice, "g", ErrLimit) // those with a limit and those without, together
	})
}
