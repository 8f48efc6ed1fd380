package app

import (
	"strings"
	"testing"

	"kaimenhong/config"
	"kaimenhong/model/dbtest"
)

// The night proves every invariant by statements over whole tables, which answer later
// than a request may wait.
func TestTheNightsProofsWaitForAWholeTable(t *testing.T) {
	dsn, join := dbtest.MySQLDSN(t), "?"
	if strings.Contains(dsn, "?") {
		join = "&"
	}
	s, err := openStores(t.Context(), config.Config{
		Database: config.Database{DSN: config.Secret(dsn + join + "readTimeout=50ms")}, // what requests are given
		Redis:    config.Redis{Addrs: []string{"embedded"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	var cut int
	const slow = "SELECT SLEEP(0.3)"
	if err := s.proofs.QueryRowContext(t.Context(), slow).Scan(&cut); err != nil || cut != 0 {
		t.Errorf("a proof of 300 ms answers %d, %v: it is cut off", cut, err)
	}
	if err := s.db.QueryRowContext(t.Context(), slow).Scan(&cut); err == nil {
		t.Error("a request waits for 300 ms where 50 are allowed")
	}
}
