package points

import (
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestAHoldThatCannotBeGivenBackKeepsNoOther(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f, ctx := newLedger(t, pool), t.Context()
		until := model.At(f.clock.now().Add(time.Hour))
		f.mustEarn(t, alice, "ever", 100, "a")
		f.mustEarn(t, bob, "ever", 100, "b")
		broken, err := f.Hold(ctx, alice, 60, until, bought("1"), "", "h1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Hold(ctx, bob, 70, until, bought("2"), "", "h2"); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.ExecContext(ctx, "UPDATE points_hold SET remaining = 61, amount = 61 WHERE id = ?", int64(broken)); err != nil {
			t.Fatal(err)
		}
		f.clock.add(2 * time.Hour)
		if n, err := f.VoidOverdue(ctx); n != 1 || err == nil {
			t.Errorf("VoidOverdue = %d, %v, want 1 and what failed", n, err)
		}
		f.wantBalance(t, bob, 100)
		f.wantBalance(t, alice, 40)
	})
}
