package dbtest_test

import (
	"database/sql"
	"errors"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

func TestLoadedRowsArriveAsTheyAre(t *testing.T) {
	db := dbtest.MySQL(t)
	if on, err := sqldb.Loads(t.Context(), db); err != nil || !on {
		t.Fatalf("Loads = %v, %v, want MariaDB's default", on, err)
	}
	values := []string{"plain", "tab\tnew\nline", `back\slash \N`, "nul\x00 and \r", "开门红😀", "'quotes\"", ""}
	load := func() error {
		return sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error {
			var lines sqldb.Lines
			for i, v := range values {
				lines.Text(v)
				lines.Int(int64(-i))
				lines.Text("token")
				lines.Int(1 << 62)
				lines.Int(0)
				lines.Bool(false)
				lines.Text("")
				lines.End()
			}
			return sqldb.LoadTx(t.Context(), tx, "job_run", &lines)
		})
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	for i, want := range values {
		var job string
		var lease int64
		if err := db.QueryRowContext(t.Context(), "SELECT job, lease_until FROM job_run WHERE scheduled_for = ?", -i).Scan(&job, &lease); err != nil || job != want || lease != 1<<62 {
			t.Errorf("row %d = %q, %d, %v, want %q", i, job, lease, err, want)
		}
	}
	if err := load(); !errors.Is(err, sqldb.ErrSkipped) {
		t.Errorf("the same rows again = %v, want ErrSkipped", err)
	}
	if on, err := sqldb.Loads(t.Context(), dbtest.SQLite(t)); on || err != nil {
		t.Errorf("Loads on SQLite = %v, %v, want false", on, err)
	}
}
