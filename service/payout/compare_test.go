package payout_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/payout"
)

func TestTheCarrierIsAskedAboutSeveralBillsAtATime(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		p := newPayer(t, pool, w, payout.Options{Workers: 2, Timeout: 10 * time.Second})
		for range 2 {
			w.win(t, pool, model.PhoneCreditPrize, 500)
		}
		run(t, p)
		w.pass(2 * time.Hour)
		meet := make(chan struct{})
		w.asking = func(ctx context.Context) { // answers once the other is asked too
			select {
			case meet <- struct{}{}:
			case <-meet:
			case <-ctx.Done():
				t.Error("a bill waited for the answer about another")
			}
		}
		if found, err := p.Reconcile(t.Context()); err != nil || len(found) != 0 {
			t.Errorf("Reconcile = %v, %v, want nothing", found, err)
		}
		var left int
		if err := pool.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM payout_attempt WHERE checked_at = 0").Scan(&left); err != nil || left != 0 {
			t.Errorf("%d bills are not compared, %v, want none", left, err)
		}
	})
}
