package app_test

import (
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/mall"
	"kaimenhong/service/points"
)

// A redemption of the last day of points is refused by the carrier after it.
func TestWhoseDayIsOverIsNotToldThatPointsAreHisAgain(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		now := time.Date(2026, 12, 1, 12, 0, 0, 0, model.Shanghai)
		m, ledger, err := counter(t.Context(), pool, refusing{}, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name    string
			member  model.MemberID
			earned  [2]model.Points // in the first month and in the second
			extend  int
			balance model.Points // in the end
			reason  string
		}{
			{"none is over", 1, [2]model.Points{0, 30}, 0, 30, "号码状态异常"},
			{"some are over", 2, [2]model.Points{10, 20}, 0, 20, "号码状态异常；其中10积分已过有效期，未能退回"},
			{"all are over", 3, [2]model.Points{30, 0}, 0, 0, "号码状态异常；其中30积分已过有效期，未能退回"},
			{"the gift makes them good for longer", 4, [2]model.Points{30, 0}, 7, 30, "号码状态异常"},
		} {
			begin := now
			for month, n := range tt.earned {
				now = begin.AddDate(0, month, 0)
				if n == 0 {
					continue
				}
				if _, err := ledger.Earn(t.Context(), tt.member, points.SourceCarrier, n, model.Ref{}, model.RequestID(now.Format("200601"))); err != nil {
					t.Fatal(err)
				}
			}
			now = begin.AddDate(1, 0, 0) // the last day of the first ones, which are good for a year
			g, err := m.AddGift(t.Context(), 0, mall.Gift{
				Category: "流量", Kind: mall.Carrier, Title: "流量包", Points: 30, Total: 9, ExtendDays: tt.extend,
				EndsAt: model.At(now.AddDate(0, 1, 0)), Spec: mall.Spec{Offering: "pack-1g"},
			})
			if err == nil {
				g.OnSale = true
				g, err = m.EditGift(t.Context(), 0, g)
			}
			if err != nil {
				t.Fatal(err)
			}
			r, err := redeem(t.Context(), m, g, tt.member)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			now = now.AddDate(0, 0, 1)
			if _, err := m.FulfilDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r, err = m.Redemption(t.Context(), tt.member, r.ID); err != nil || r.State != mall.Failed || r.Reason != tt.reason {
				t.Errorf("%s: the redemption is %s %q, %v, want failed %q", tt.name, r.State, r.Reason, err, tt.reason)
			}
			b, err := ledger.PointsBalance(t.Context(), tt.member)
			if err != nil || b.Available != tt.balance {
				t.Errorf("%s: %d points are his, %v, want %d", tt.name, b.Available, err, tt.balance)
			}
		}
		if found, err := ledger.Check(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("ledger: %v, %v", found, err)
		}
	})
}
