package points

import (
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

// TestWhatIsKeptOfABalanceIsNeverShownAfterAChange lets one process change a member in
// every way, and compares what another, which has read before, tells then with what one
// tells that reads for the first time.
func TestWhatIsKeptOfABalanceIsNeverShownAfterAChange(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		c := &clock{t: testStart}
		writer, reader := newLedgerAt(t, pool, c), newLedgerAt(t, pool, c)
		var hold model.ID
		for i, step := range []struct {
			name string
			do   func(f fixture) error
		}{
			{"earn", func(f fixture) error { f.mustEarn(t, alice, "month", 50, "e1"); return nil }},
			{"earn what never expires", func(f fixture) error { f.mustEarn(t, alice, "ever", 100, "e2"); return nil }},
			{"earn of the same day", func(f fixture) error { f.mustEarn(t, alice, "month", 7, "e3"); return nil }},
			{"sign in", func(f fixture) error { _, err := f.SignIn(t.Context(), alice); return err }},
			{"spend", func(f fixture) error { _, err := f.Spend(t.Context(), alice, 20, bought("1"), "", "s1"); return err }},
			{"give back", func(f fixture) error { _, err := f.Reverse(t.Context(), bought("1"), 0, "r1"); return err }},
			{"hold", func(f fixture) error {
				var err error
				hold, err = f.Hold(t.Context(), alice, 30, model.At(c.now().Add(time.Hour)), bought("2"), "", "h1")
				return err
			}},
			{"confirm a part", func(f fixture) error { return f.Confirm(t.Context(), hold, 10, "c1") }},
			{"void the rest", func(f fixture) error { return f.Void(t.Context(), hold, 0, "v1") }},
			{"another joins", func(f fixture) error {
				f.mustEarn(t, bob, "month", 11, "e4")
				return sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error { return f.JoinTx(t.Context(), tx, bob, alice) })
			}},
			{"a day passes", func(fixture) error { c.add(24 * time.Hour); return nil }},
			{"the month passes", func(fixture) error { c.add(40 * 24 * time.Hour); return nil }},
			{"it is booked", func(f fixture) error { _, err := f.SettleDue(t.Context()); return err }},
			{"close", func(f fixture) error {
				return sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error { return f.CloseTx(t.Context(), tx, alice) })
			}},
		} {
			if err := step.do(writer); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			want, err := newLedgerAt(t, pool, c).PointsBalance(t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{"the store", "memory"} {
				if got, err := reader.PointsBalance(t.Context(), alice); err != nil || got != want {
					t.Errorf("step %d, %s, from %s: %+v, %v, want %+v", i, step.name, from, got, err, want)
				}
			}
		}
	})
}
