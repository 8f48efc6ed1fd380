package app_test

import (
	"strings"
	"testing"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
	"kaimenhong/model/dbtest"
)

func TestACommandWaitsForAStatementOverAWholeTable(t *testing.T) {
	dsn, join := dbtest.MySQLDSN(t), "?"
	if strings.Contains(dsn, "?") {
		join = "&"
	}
	cfg := config.Config{Database: config.Database{DSN: config.Secret(dsn + join + "readTimeout=50ms")}} // what requests are given
	db, err := app.OpenDatabase(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var cut int
	if err := db.QueryRowContext(t.Context(), "SELECT SLEEP(0.3)").Scan(&cut); err != nil || cut != 0 {
		t.Errorf("a statement of 300 ms answers %d, %v: a migration or a proof of large tables is cut off", cut, err)
	}
}
