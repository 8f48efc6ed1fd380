package payout_test

import (
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/payout"
)

// What reads whole tables asks the pool that waits for it, and no other.
func TestCheckAsksThePoolForProofs(t *testing.T) {
	proofs, sql := dbtest.SQLite(t), dbtest.SQLite(t)
	w := newWorld()
	w.win(t, sql, model.PhoneCreditPrize, 500)
	p := newPayer(t, sql, w, payout.Options{})
	p.Proofs = proofs
	if found, err := p.Check(t.Context()); err != nil || len(found) != 0 {
		t.Fatalf("Check = %v, %v, want nothing", found, err)
	}
	if err := proofs.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Check(t.Context()); err == nil {
		t.Error("Check goes on without the pool for proofs")
	}
}
