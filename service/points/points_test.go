package points

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
)

// clock is a clock that a test turns.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// memo is an outbox that remembers.
type memo struct {
	mu   sync.Mutex
	rows map[string]string
}

func (m *memo) AddTx(_ context.Context, _ *sql.Tx, topic string, request model.RequestID, payload any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, err := json.Marshal(payload)
	m.rows[topic+" "+string(request)] = string(body)
	return err
}

var errNobody = fault.New(fault.NotFound, "test.nobody", "没有绑定")

// book is a phone book in memory.
type book map[model.Phone]model.MemberID

func (b book) ByPhone(_ context.Context, phone model.Phone) (model.Member, error) {
	id, ok := b[phone]
	if !ok {
		return model.Member{}, errNobody
	}
	return model.Member{ID: id, Phone: phone}, nil
}

// nobody is a member who is not there; everybody else is.
const nobody = model.MemberID(404)

func (b book) Resolve(_ context.Context, id model.MemberID) (model.MemberID, error) {
	if id == nobody {
		return 0, errNobody
	}
	return id, nil
}

type fixture struct {
	*Ledger
	clock  *clock
	outbox *memo
	phones book
	pool   *sql.DB
}

// The sources of the tests: expiry and caps that can be seen in a few days.
var testRules = map[string]Rule{
	"month":   {Title: "一个月积分", Expiry: Expiry{Months: 1}},
	"quarter": {Title: "季度积分", Expiry: Expiry{Months: 3}},
	"ever":    {Title: "永久积分"},
	"later":   {Title: "待生效积分", Expiry: Expiry{Months: 2}, Delay: 3},
	"capped":  {Title: "任务积分", Expiry: Expiry{YearEnds: 1}, DayCap: 100, MonthCap: 150},
	"fixed":   {Title: "活动积分", Expiry: Expiry{On: model.At(time.Date(2026, 12, 1, 0, 0, 0, 0, model.Shanghai))}},
}

var testStart = time.Date(2026, 11, 21, 10, 0, 0, 0, model.Shanghai)

func newLedger(t testing.TB, pool *sql.DB) fixture {
	t.Helper()
	c := &clock{t: testStart}
	return newLedgerAt(t, pool, c)
}

func newLedgerAt(t testing.TB, pool *sql.DB, c *clock) fixture {
	t.Helper()
	node, err := sqldb.Node(context.Background(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, c.now)
	if err != nil {
		t.Fatal(err)
	}
	out, phones := &memo{rows: map[string]string{}}, book{}
	l, err := New(pool, ids, c.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), out, phones, Options{Rules: testRules})
	if err != nil {
		t.Fatal(err)
	}
	return fixture{l, c, out, phones, pool}
}

func (f fixture) mustEarn(t testing.TB, member model.MemberID, source string, amount model.Points, request model.RequestID) {
	t.Helper()
	got, err := f.Earn(t.Context(), member, source, amount, model.Ref{}, request)
	if err != nil || got != amount {
		t.Fatalf("Earn(%s, %d) = %d, %v", source, amount, got, err)
	}
}

func (f fixture) wantBalance(t testing.TB, member model.MemberID, want model.Points) {
	t.Helper()
	got, err := f.PointsBalance(t.Context(), member)
	if err != nil || got.Available != want {
		t.Fatalf("balance of %s = %+v, %v, want %d", member, got, err, want)
	}
}

func (f fixture) wantClean(t testing.TB) {
	t.Helper()
	found, err := f.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Errorf("ledger: %s", v)
	}
}

func bought(id string) model.Ref { return model.Ref{Type: "test", ID: id} }

const alice, bob = model.MemberID(7001), model.MemberID(7002)

func TestSpending(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		f.mustEarn(t, alice, "month", 100, "e1")
		for _, tt := range []struct {
			name    string
			request model.RequestID
			ref     string
			n       model.Points
			want    error
			balance model.Points
		}{
			{"spends", "a", "1", 30, nil, 70},
			{"a repeat moves nothing", "a", "1", 30, nil, 70},
			{"the same id with another body is refused", "a", "1", 31, ErrRequestReused, 70},
			{"the same reference is not spent again", "b", "1", 30, ErrRefUsed, 70},
			{"more than the balance is refused", "d", "2", 71, ErrInsufficient, 70},
			{"the refusal is the answer to its repeat", "d", "2", 71, ErrInsufficient, 70},
			{"nothing is no amount", "e", "3", 0, ErrAmount, 70},
			{"a negative amount is no amount", "f", "4", -1, ErrAmount, 70},
			{"an amount beyond the limit is refused", "g", "5", MaxAmount + 1, ErrAmount, 70},
			{"an id with a space is no id", "h h", "6", 1, ErrRequest, 70},
			{"no reference is refused", "i", "", 1, ErrRef, 70},
			{"all that is left", "j", "7", 70, nil, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if _, err := f.Spend(t.Context(), alice, tt.n, bought(tt.ref), "", tt.request); !errors.Is(err, tt.want) {
					t.Fatalf("Spend = %v, want %v", err, tt.want)
				}
				f.wantBalance(t, alice, tt.balance)
			})
		}
		f.mustEarn(t, alice, "month", 1000, "e2")
		if _, err := f.Spend(t.Context(), alice, 71, bought("2"), "", "d"); !errors.Is(err, ErrInsufficient) {
			t.Errorf("the refused request, repeated with enough points, = %v, want its first answer", err)
		}
		if _, err := f.Spend(t.Context(), bob, 1, bought("9"), "", "a"); !errors.Is(err, ErrInsufficient) {
			t.Errorf("a member without an account spends = %v", err)
		}
		f.wantClean(t)
	})
}

func TestManyAskAtOnceAndEachIsToldHisOwnBalance(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		const many = 40
		for round := range 3 {
			var wait sync.WaitGroup
			for i := range many {
				member := model.MemberID(1000 + i)
				if i > 0 { // the first one has no account
					f.mustEarn(t, member, SourceCarrier, model.Points(i), model.RequestID(fmt.Sprintf("e-%d-%d", round, i)))
				}
				wait.Go(func() {
					b, err := f.PointsBalance(t.Context(), member)
					if want := model.Points(i * (round + 1)); err != nil || b.Available != want {
						t.Errorf("member %d has %d, %v, want %d", i, b.Available, err, want)
					}
				})
			}
			wait.Wait()
		}
	})
}

func TestSoonestExpiringFirst(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		f.mustEarn(t, alice, "ever", 10, "e1")
		f.mustEarn(t, alice, "quarter", 20, "e2")
		f.mustEarn(t, alice, "month", 30, "e3")
		if _, err := f.Spend(t.Context(), alice, 45, bought("1"), "", "s1"); err != nil {
			t.Fatal(err)
		}
		b, err := f.PointsBalance(t.Context(), alice)
		want := model.PointsBalance{Available: 15, Expiring: 5, ExpiresAt: Expiry{Months: 3}.At(model.At(testStart))}
		if err != nil || b != want {
			t.Errorf("balance = %+v, %v, want %+v", b, err, want)
		}
		page, next, err := f.Entries(t.Context(), alice, "", 1)
		if err != nil || len(page) != 1 || next == "" {
			t.Fatalf("Entries = %+v, %q, %v", page, next, err)
		}
		got := fmt.Sprint(page[0].Kind, page[0].Amount, page[0].Lots[0].Title, page[0].Lots[0].Amount, page[0].Lots[1].Title, page[0].Lots[1].Amount)
		if got != fmt.Sprint("spend", model.Points(-45), "一个月积分", model.Points(-30), "季度积分", model.Points(-15)) {
			t.Errorf("the entry explains itself as %s", got)
		}
		f.clock.add(40 * 24 * time.Hour)
		f.wantBalance(t, alice, 15)
		f.clock.add(60 * 24 * time.Hour)
		f.wantBalance(t, alice, 10) // the quarter's five expired, and nobody booked it yet
		if _, err := f.Spend(t.Context(), alice, 11, bought("2"), "", "s2"); !errors.Is(err, ErrInsufficient) {
			t.Errorf("expired points were spent: %v", err)
		}
		f.wantClean(t)
		f.wantBalance(t, alice, 10)
	})
}
