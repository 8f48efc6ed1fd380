package mall

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
)

var errPoor = fault.New(fault.Conflict, "test.poor", "积分不足")

// purse keeps points in two tables of its own, so that a rollback takes them back
// like the real ledger's.
type purse struct{ t testing.TB }

func newPurse(t testing.TB, pool *sql.DB) *purse {
	t.Helper()
	for _, statement := range []string{
		"CREATE TABLE test_purse (member BIGINT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL)",
		"CREATE TABLE test_move (ref VARCHAR(64) NOT NULL PRIMARY KEY, id BIGINT NOT NULL, member BIGINT NOT NULL, n BIGINT NOT NULL)",
	} {
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, table := range []string{"test_purse", "test_move"} {
			if _, err := pool.ExecContext(context.Background(), "DROP TABLE "+table); err != nil {
				t.Error(err)
			}
		}
	})
	return &purse{t}
}

func (p *purse) SpendTx(ctx context.Context, tx *sql.Tx, member model.MemberID, price model.Points, ref model.Ref, _ string, _ model.RequestID) (model.ID, error) {
	result, err := tx.ExecContext(ctx, "UPDATE test_purse SET balance = balance - ? WHERE member = ? AND balance >= ?", int64(price), int64(member), int64(price))
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		return 0, errPoor
	}
	id, err := model.ParseID(ref.ID)
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO test_move (ref, id, member, n) VALUES (?,?,?,?)", ref.String(), int64(id), int64(member), int64(price))
	return id, err
}

func (p *purse) ReverseTx(ctx context.Context, tx *sql.Tx, ref model.Ref, _ int, _ model.RequestID) (model.Points, error) {
	var member, n int64
	if err := tx.QueryRowContext(ctx, "SELECT member, n FROM test_move WHERE ref = ?", ref.String()).Scan(&member, &n); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO test_move (ref, id, member, n) VALUES (?,?,?,?)", ref.String()+"/back", 0, member, -n); err != nil {
		return 0, err
	}
	_, err := tx.ExecContext(ctx, "UPDATE test_purse SET balance = balance + ? WHERE member = ?", n, member)
	return model.Points(n), err
}

func (p *purse) HoldTx(ctx context.Context, tx *sql.Tx, member model.MemberID, n model.Points, _ model.Millis, ref model.Ref, title string, r model.RequestID) (model.ID, error) {
	return p.SpendTx(ctx, tx, member, n, ref, title, r)
}

func (p *purse) ConfirmTx(ctx context.Context, tx *sql.Tx, hold model.ID, n model.Points, _ model.RequestID) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO test_move (ref, id, member, n) VALUES (?,0,0,?)", "confirm/"+hold.String(), int64(n))
	return err
}

func (p *purse) VoidTx(ctx context.Context, tx *sql.Tx, hold model.ID, days int, r model.RequestID) error {
	_, err := p.ReverseTx(ctx, tx, refOf(int64(hold)), days, r)
	return err
}

func (p *purse) LostTx(context.Context, *sql.Tx, model.Ref) (model.Points, error) { return 0, nil }

// memo is an outbox that remembers.
type memo struct {
	mu   sync.Mutex
	rows []string
}

func (m *memo) AddTx(_ context.Context, _ *sql.Tx, topic string, request model.RequestID, payload any) error {
	b, err := json.Marshal(payload)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, topic+" "+string(b))
	return err
}

// teller is a carrier that answers what a test tells it to.
type teller struct {
	mu      sync.Mutex
	answers []Outcome
	calls   []string
}

func (c *teller) Deliver(_ context.Context, goods Goods, request model.RequestID, again bool) (Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf("%s %s%d again=%v", goods.Phone.Digits(), goods.Offering, goods.Credit, again))
	if !strings.HasPrefix(string(request), "redemption-") {
		return Outcome{}, errors.New("the order has not the redemption's name")
	}
	out := c.answers[0]
	if len(c.answers) > 1 {
		c.answers = c.answers[1:]
	}
	if out.State == Unknown {
		return out, errors.New("time-out")
	}
	return out, nil
}

type fixture struct {
	*Mall
	t       testing.TB
	carrier *teller
	outbox  *memo
	at      *time.Time
}

const alice, bob = model.MemberID(7001), model.MemberID(7002)

func newMall(t testing.TB, pool *sql.DB) fixture {
	t.Helper()
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, model.Shanghai)
	f := fixture{t: t, carrier: &teller{answers: []Outcome{{State: Fulfilled, Number: "T-1"}}}, outbox: &memo{}, at: &at}
	now := func() time.Time { return *f.at }
	node, err := sqldb.Node(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newPurse(t, pool)
	f.Mall, err = New(Deps{
		DB: pool, IDs: ids, Now: now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Sealer: sealer,
		Spender: p, Holder: p, Outbox: f.outbox, Carrier: f.carrier,
	})
	if err != nil {
		t.Fatal(err)
	}
	for member := alice; member < alice+20; member++ {
		if _, err := pool.ExecContext(t.Context(), "INSERT INTO test_purse (member, balance) VALUES (?, 1000)", int64(member)); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// forMoney gives a gift a price that is paid by itself, as none can be made any more.
func (f fixture) forMoney(g Gift, pool *sql.DB) Gift {
	f.t.Helper()
	if _, err := pool.Exec("UPDATE mall_gift SET fen = 990 WHERE id = ?", int64(g.ID)); err != nil {
		f.t.Fatal(err)
	}
	g.Fen = 990
	return g
}

// shelve adds a gift and puts it on sale.
func (f fixture) shelve(change func(*Gift)) Gift {
	f.t.Helper()
	g := Gift{
		Category: "流量", Kind: Carrier, Title: "1GB流量日包", Points: 100, Total: 10, EndsAt: model.At(f.at.AddDate(0, 1, 0)),
		Cancellable: true, Spec: Spec{Offering: "pack-1g"},
	}
	change(&g)
	starts, ends := g.StartsAt, g.EndsAt
	if ends <= model.At(*f.at) { // only an edit ends a sale
		g.EndsAt = model.At(f.at.Add(time.Hour))
	}
	g, err := f.AddGift(f.t.Context(), 0, g)
	if err != nil {
		f.t.Fatal(err)
	}
	g.OnSale, g.StartsAt, g.EndsAt = true, starts, ends
	if g, err = f.EditGift(f.t.Context(), 0, g); err != nil {
		f.t.Fatal(err)
	}
	return g
}

func (f fixture) order(member model.MemberID, g Gift, request string) Order {
	phone, err := model.ParsePhone("13800000001")
	if err != nil {
		f.t.Fatal(err)
	}
	return Order{Member: member, Gift: g.ID, Phone: phone, Request: model.RequestID(request)}
}

func (f fixture) want(member model.MemberID, points int64, g Gift, left int64) {
	f.t.Helper()
	var balance int64
	if err := f.DB.QueryRowContext(f.t.Context(), "SELECT balance FROM test_purse WHERE member = ?", int64(member)).Scan(&balance); err != nil {
		f.t.Fatal(err)
	}
	got, err := f.Gift(f.t.Context(), g.ID)
	if err != nil || balance != points || got.Left != left {
		f.t.Fatalf("points %d, left %d, %v; want %d and %d", balance, got.Left, err, points, left)
	}
}

func TestRedeemingWhatOneMay(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		pack := f.shelve(func(*Gift) {})
		gold := f.shelve(func(g *Gift) { g.Tier = 3 })
		once := f.shelve(func(g *Gift) { g.Each = 1 })
		last := f.shelve(func(g *Gift) { g.Total = 1 })
		dear := f.shelve(func(g *Gift) { g.Points = 5000 })
		billed := f.shelve(func(g *Gift) { g.Fen, g.Spec.Bill = 500, true })
		over := f.shelve(func(g *Gift) { g.StartsAt, g.EndsAt = 1, 2 })
		parcel := f.shelve(func(g *Gift) { g.Kind, g.Spec = Physical, Spec{} })
		to := func(request string, a Address) Order {
			o := f.order(alice, parcel, request)
			o.Address = a
			return o
		}
		for _, tt := range []struct {
			name   string
			order  Order
			points int64
			want   error
		}{
			{"a gift", f.order(alice, pack, "a"), 900, nil},
			{"a repeat redeems nothing", f.order(alice, pack, "a"), 900, nil},
			{"the same id for another gift", f.order(alice, gold, "a"), 900, ErrRequestReused},
			{"a gift for a higher tier", f.order(alice, gold, "b"), 900, ErrTier},
			{"once", f.order(alice, once, "c"), 800, nil},
			{"once only", f.order(alice, once, "d"), 800, ErrLimit},
			{"the repeat of the once", f.order(alice, once, "c"), 800, nil},
			{"the last one", f.order(alice, last, "e"), 700, nil},
			{"sold out", f.order(alice, last, "f"), 700, ErrSoldOut},
			{"the repeat of the last one", f.order(alice, last, "e"), 700, nil},
			{"dearer than shown", Order{Member: alice, Gift: dear.ID, Price: 99, Phone: f.order(alice, dear, "").Phone, Request: "p"}, 700, ErrPrice},
			{"dearer in money than shown", Order{Member: alice, Gift: billed.ID, Price: 100, Phone: f.order(alice, dear, "").Phone, Request: "q"}, 700, ErrPrice},
			{"too dear", f.order(alice, dear, "g"), 700, errPoor},
			{"over", f.order(alice, over, "h"), 700, ErrOffSale},
			{"without a number", Order{Member: alice, Gift: pack.ID, Request: "i"}, 700, ErrPhone},
			{"a parcel without an address", f.order(alice, parcel, "j"), 700, ErrAddress},
			{"a parcel for a blank name", to("l", Address{" \u3000", "13800138001", "长安街1号"}), 700, ErrAddress},
			{"a parcel to a blank place", to("m", Address{"张三", "13800138001", "\n"}), 700, ErrAddress},
			{"a parcel whose courier can call nobody", to("n", Address{"张三", "没有", "长安街1号"}), 700, ErrAddress},
			{"no such gift", Order{Member: alice, Gift: 12, Request: "k"}, 700, ErrNoGift},
			{"no request id", Order{Member: alice, Gift: pack.ID}, 700, ErrRequest},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r, err := f.Redeem(t.Context(), tt.order)
				if !errors.Is(err, tt.want) || err == nil && r.Gift != tt.order.Gift {
					t.Fatalf("Redeem = %+v, %v, want %v", r, err, tt.want)
				}
				f.t = t
				f.want(alice, tt.points, dear, 10)
			})
		}
		page, _, err := f.Redemptions(t.Context(), alice, "", 10)
		if err != nil || len(page) != 3 {
			t.Errorf("Redemptions = %d, %v, want 3", len(page), err)
		}
		if _, err := f.Redemption(t.Context(), bob, page[0].ID); !errors.Is(err, ErrNoRedemption) {
			t.Errorf("somebody else's redemption = %v", err)
		}
	})
}

func TestTheCarrierHandsOverOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		for _, tt := range []struct {
			name    string
			answers []Outcome
			states  []State
			calls   string
			points  int64
			left    int64
		}{
			{"at once", []Outcome{{State: Fulfilled}}, []State{Fulfilled, Fulfilled}, "again=false", 900, 9},
			{"after a while", []Outcome{{State: Working}, {State: Working}, {State: Fulfilled}}, []State{Working, Working, Fulfilled}, "again=false again=true again=true", 900, 9},
			{"an unknown outcome is asked for", []Outcome{{State: Unknown}, {State: Fulfilled}}, []State{Unknown, Fulfilled}, "again=false again=true", 900, 9},
			{"unknown and then surely not sent stays unknown", []Outcome{{State: Unknown}, {State: Accepted}, {State: Fulfilled}}, []State{Unknown, Unknown, Fulfilled}, "again=false again=true again=true", 900, 9},
			{"surely not sent is sent", []Outcome{{State: Accepted}, {State: Fulfilled}}, []State{Accepted, Fulfilled}, "again=false again=false", 900, 9},
			{"refused gives the points back", []Outcome{{State: Failed, Reason: "号码状态异常"}}, []State{Failed, Failed}, "again=false", 1000, 10},
			{"refused after unknown too", []Outcome{{State: Unknown}, {State: Failed}}, []State{Unknown, Failed}, "again=false again=true", 1000, 10},
			{"an answer that nobody knows is unknown", []Outcome{{State: "odd"}, {State: Fulfilled}}, []State{Unknown, Fulfilled}, "again=false again=true", 900, 9},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f := newMall(t, pool)
				f.carrier.answers = tt.answers
				g := f.shelve(func(*Gift) {})
				r, err := f.Redeem(t.Context(), f.order(alice, g, "a"))
				if err != nil || r.State != Accepted {
					t.Fatalf("Redeem = %+v, %v", r, err)
				}
				for i, want := range tt.states {
					if _, err := f.FulfilDue(t.Context()); err != nil {
						t.Fatal(err)
					}
					if r, err = f.Redemption(t.Context(), alice, r.ID); err != nil || r.State != want {
						t.Fatalf("after run %d the redemption is %s, %v, want %s", i, r.State, err, want)
					}
					*f.at = f.at.Add(longGap)
				}
				var calls []string
				for _, c := range f.carrier.calls {
					calls = append(calls, strings.TrimPrefix(c, "13800000001 pack-1g0 "))
				}
				if got := strings.Join(calls, " "); got != tt.calls {
					t.Errorf("the carrier was asked %q, want %q", got, tt.calls)
				}
				f.want(alice, tt.points, g, tt.left)
				if failed := r.State == Failed; failed != (len(f.outbox.rows) == 1) {
					t.Errorf("the member was told %v", f.outbox.rows)
				}
				if _, err := pool.ExecContext(t.Context(), "DELETE FROM mall_redemption"); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

func TestCoupons(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		g := f.shelve(func(g *Gift) { g.Kind, g.Spec, g.Total = Coupon, Spec{}, 99 })
		for _, want := range []int{3, 0} {
			if n, err := f.ImportCoupons(t.Context(), 0, g.ID, []string{"AA-1", "AA-2", "AA-2 ", "AA-3"}); n != want || err != nil {
				t.Fatalf("ImportCoupons = %d, %v, want %d", n, err, want)
			}
		}
		if _, err := f.ImportCoupons(t.Context(), 0, g.ID, []string{""}); !errors.Is(err, ErrCoupon) {
			t.Errorf("an empty code = %v", err)
		}
		seen := map[string]bool{}
		for i := range 3 {
			r, err := f.Redeem(t.Context(), f.order(alice, g, fmt.Sprint("c", i)))
			if err != nil || r.State != Fulfilled || r.Code == "" || seen[r.Code] {
				t.Fatalf("Redeem = %+v, %v", r, err)
			}
			seen[r.Code] = true
		}
		if _, err := f.Redeem(t.Context(), f.order(bob, g, "d")); !errors.Is(err, ErrSoldOut) {
			t.Errorf("a code too many = %v", err)
		}
		f.want(alice, 700, g, 0)
	})
}

func TestParcelsCancellingAndPaying(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		ctx := t.Context()
		g := f.shelve(func(g *Gift) { g.Kind, g.Spec, g.Each = Physical, Spec{}, 1 })
		o := f.order(alice, g, "a")
		o.Address = Address{"张三", "13800000001", "杭州市西湖区文三路1号"}
		r, err := f.Redeem(ctx, o)
		if err != nil || r.Address != o.Address || !r.Cancellable {
			t.Fatalf("Redeem = %+v, %v", r, err)
		}
		for range 2 {
			if r, err = f.Cancel(ctx, alice, r.ID); err != nil || r.State != Cancelled {
				t.Fatalf("Cancel = %+v, %v", r, err)
			}
			f.want(alice, 1000, g, 10)
		}
		o.Request = "b" // the limit of one is free again
		if r, err = f.Redeem(ctx, o); err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() (Parcel, error){
			func() (Parcel, error) { return f.Ship(ctx, 9, r.ID, "顺丰 SF1") },
			func() (Parcel, error) { return f.Ship(ctx, 9, r.ID, "顺丰 SF2") },
			func() (Parcel, error) { return f.Received(ctx, 9, r.ID) },
		} {
			if _, err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if r, err = f.Redemption(ctx, alice, r.ID); err != nil || r.State != Fulfilled || r.Parcel != "顺丰 SF2" {
			t.Errorf("the parcel is %+v, %v", r, err)
		}
		if _, err := f.Cancel(ctx, alice, r.ID); !errors.Is(err, ErrNotCancellable) {
			t.Errorf("cancelling what arrived = %v", err)
		}
		f.want(alice, 900, g, 9)

		card := f.forMoney(f.shelve(func(g *Gift) { g.Kind, g.Spec = Card, Spec{AppID: "wx1", Page: "p"} }), pool)
		paid, err := f.Redeem(ctx, f.order(alice, card, "c"))
		if err != nil || paid.State != Paying {
			t.Fatalf("Redeem for money = %+v, %v", paid, err)
		}
		late, err := f.Redeem(ctx, f.order(alice, card, "d"))
		if err != nil {
			t.Fatal(err)
		}
		pay := func(id model.ID) error {
			return sqldb.InTx(ctx, pool, func(tx *sql.Tx) error { return f.PaidTx(ctx, tx, id) })
		}
		for range 2 {
			if err := pay(paid.ID); err != nil {
				t.Fatal(err)
			}
		}
		*f.at = f.at.Add(payTime)
		if _, err := f.FulfilDue(ctx); err != nil {
			t.Fatal(err)
		}
		if err := pay(late.ID); !errors.Is(err, ErrState) {
			t.Errorf("money that comes too late = %v", err)
		}
		if r, err = f.Redemption(ctx, alice, paid.ID); err != nil || r.State != Fulfilled || r.Spec.AppID != "wx1" {
			t.Errorf("the paid card is %+v, %v", r, err)
		}
		f.want(alice, 800, card, 9)
	})
}

func TestTheLastOneIsSoldOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		g := f.shelve(func(g *Gift) { g.Total = 1 })
		each := f.shelve(func(g *Gift) { g.Each = 2 })
		var mu sync.Mutex
		won, mine := 0, 0
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				_, err := f.Redeem(t.Context(), f.order(alice+model.MemberID(i), g, "x"))
				_, limit := f.Redeem(t.Context(), f.order(bob+12, each, fmt.Sprint("y", i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, ErrSoldOut) {
					t.Errorf("redemption %d = %v", i, err)
				}
				if limit == nil {
					mine++
				} else if !errors.Is(limit, ErrLimit) && !errors.Is(limit, sqldb.ErrBusy) {
					t.Errorf("redemption %d of one member = %v", i, limit)
				}
			})
		}
		wg.Wait()
		if won != 1 || mine != 2 {
			t.Errorf("%d got the last one, and one got %d of the two that he may", won, mine)
		}
	})
}

func TestAnEditIsNoticed(t *testing.T) {
	pool := dbtest.SQLite(t)
	f := newMall(t, pool)
	g := f.shelve(func(*Gift) {})
	if _, err := f.EditGift(t.Context(), 0, g); err != nil {
		t.Fatal(err)
	}
	if _, err := f.EditGift(t.Context(), 0, g); !errors.Is(err, ErrEdited) {
		t.Errorf("the second editor = %v", err)
	}
	g.Points = 0
	if _, err := f.EditGift(t.Context(), 0, g); !errors.Is(err, ErrGift) {
		t.Errorf("a gift for nothing = %v", err)
	}
	if page, next, err := f.Gifts(t.Context(), "", 10); err != nil || len(page) != 1 || next != "" {
		t.Errorf("Gifts = %v, %q, %v", page, next, err)
	}
}
