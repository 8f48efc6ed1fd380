package redpacket

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// What reads whole tables asks the pool that waits for it, and no other.
func TestCheckAsksThePoolForProofs(t *testing.T) {
	ids, err := model.NewIDs(1, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	proofs, sql := dbtest.SQLite(t), dbtest.SQLite(t)
	e := New(Stores{SQL: sql, Proofs: proofs, Sealer: newSealer(t), Payouts: testPayouts{}}, ids, time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), Options{})
	t.Cleanup(e.Close)
	if found, err := e.Check(t.Context()); err != nil || len(found) != 0 {
		t.Fatalf("Check = %v, %v, want nothing", found, err)
	}
	if err := proofs.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Check(t.Context()); err == nil {
		t.Error("Check goes on without the pool for proofs")
	}
}
