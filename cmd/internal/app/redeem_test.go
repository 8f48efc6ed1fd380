package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall"
	"kaimenhong/service/points"
)

// promises is an outbox that forgets.
type promises struct{}

func (promises) AddTx(context.Context, *sql.Tx, string, model.RequestID, any) error { return nil }

// refusing is a carrier that refuses.
type refusing struct{}

func (refusing) Deliver(context.Context, mall.Goods, model.RequestID, bool) (mall.Outcome, error) {
	return mall.Outcome{State: mall.Failed, Reason: "号码状态异常"}, nil
}

// courier hands goods over, or does not.
type courier interface {
	Deliver(ctx context.Context, goods mall.Goods, request model.RequestID, again bool) (mall.Outcome, error)
}

// counter is the mall on the real ledger.
func counter(ctx context.Context, pool *sql.DB, carrier courier, now model.Clock) (*mall.Mall, *points.Ledger, error) {
	node, err := sqldb.Node(ctx, pool)
	if err != nil {
		return nil, nil, err
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		return nil, nil, err
	}
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, 32)}, nil)
	if err != nil {
		return nil, nil, err
	}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	ledger, err := points.New(pool, ids, now, log, reg, promises{}, nil, points.Options{})
	if err != nil {
		return nil, nil, err
	}
	m, err := mall.New(mall.Deps{
		DB: pool, IDs: ids, Now: now, Log: log, Metrics: reg, Sealer: sealer, Spender: ledger, Holder: ledger, Outbox: promises{}, Carrier: carrier,
	})
	return m, ledger, err
}

// shop is a counter whose carrier refuses, with one gift of 25 points on sale.
func shop(t *testing.T, pool *sql.DB, total int64) (*mall.Mall, *points.Ledger, mall.Gift) {
	t.Helper()
	m, ledger, err := counter(t.Context(), pool, refusing{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.AddGift(t.Context(), 0, mall.Gift{
		Category: "流量", Kind: mall.Carrier, Title: "1GB流量日包", Points: 25, Each: 1, Total: total,
		EndsAt: model.At(time.Now().Add(time.Hour)), Spec: mall.Spec{Offering: "pack-1g"},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.OnSale = true
	if g, err = m.EditGift(t.Context(), 0, g); err != nil {
		t.Fatal(err)
	}
	return m, ledger, g
}

func redeem(ctx context.Context, m *mall.Mall, g mall.Gift, member model.MemberID) (mall.Redemption, error) {
	phone, err := model.ParsePhone("13800000001")
	if err != nil {
		return mall.Redemption{}, err
	}
	return m.Redeem(ctx, mall.Order{Member: member, Gift: g.ID, Phone: phone, Request: "r"})
}

func TestTheLastGiftAndTheLedger(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		m, ledger, g := shop(t, pool, 1)
		const members = 10
		for i := range model.MemberID(members) {
			if _, err := ledger.Earn(t.Context(), 100+i, points.SourceCarrier, 30, model.Ref{}, "e"); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for i := range model.MemberID(members) {
			wg.Go(func() {
				_, err := redeem(t.Context(), m, g, 100+i)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, mall.ErrSoldOut) {
					t.Errorf("member %d = %v", i, err)
				}
			})
		}
		wg.Wait()
		left := func() (sum model.Points) {
			for i := range model.MemberID(members) {
				b, err := ledger.PointsBalance(t.Context(), 100+i)
				if err != nil {
					t.Fatal(err)
				}
				sum += b.Available
			}
			return sum
		}
		if got := left(); won != 1 || got != members*30-25 {
			t.Errorf("%d won and %d points are left", won, got)
		}
		if _, err := m.FulfilDue(t.Context()); err != nil { // the carrier refuses
			t.Fatal(err)
		}
		if got := left(); got != members*30 {
			t.Errorf("after the refusal %d points are left, want %d", got, members*30)
		}
		if found, err := ledger.Check(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("ledger: %v, %v", found, err)
		}
	})
}

func TestARedemptionTakesTwelveRoundTrips(t *testing.T) {
	pool := dbtest.MySQL(t)
	m, ledger, g := shop(t, pool, 10)
	for _, member := range []model.MemberID{1, 2} {
		if _, err := ledger.Earn(t.Context(), member, points.SourceCarrier, 30, model.Ref{}, "e"); err != nil {
			t.Fatal(err)
		}
	}
	pool.SetMaxOpenConns(1) // so that the session's counter sees everything
	count := func() (n int) {
		var name string
		if err := pool.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Questions'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := redeem(t.Context(), m, g, 1); err != nil {
		t.Fatal(err)
	}
	before := count()
	if _, err := redeem(t.Context(), m, g, 2); err != nil {
		t.Fatal(err)
	}
	if n := count() - before - 1; n > 12 { // the second count is a statement too
		t.Errorf("a redemption takes %d round trips, at most 12", n)
	} else {
		t.Logf("a redemption takes %d round trips", n)
	}
}
