package dbtest

import (
	"database/sql"
	"testing"

	"kaimenhong/model/sqldb"
)

// Statements runs f, which uses the pool from one goroutine, and answers how many
// statements read or changed rows for it. It ends the test on an engine that does not
// count.
func Statements(t *testing.T, pool *sql.DB, f func()) int {
	t.Helper()
	return counted(t, pool, "Variable_name IN ('Com_select', 'Com_insert', 'Com_update', 'Com_delete')", f)
}

// Reads is like Statements of the rows and entries of indexes that were read, those among
// them that the engine left out before it answered.
func Reads(t *testing.T, pool *sql.DB, f func()) int {
	t.Helper()
	return counted(t, pool, "Variable_name LIKE 'Handler_read%' OR Variable_name = 'Handler_icp_attempts'", f)
}

// counted is by how much the sum of some of a session's counts grew by f.
func counted(t *testing.T, pool *sql.DB, which string, f func()) int {
	t.Helper()
	if sqldb.Embedded(pool) {
		t.Skip("SQLite counts nothing")
	}
	pool.SetMaxOpenConns(1) // the counts are those of a connection
	before := counts(t, pool, which)
	f()
	return counts(t, pool, which) - before
}

func counts(t *testing.T, pool *sql.DB, which string) (n int) {
	t.Helper()
	rows, err := pool.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE "+which)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var one int
		if err := rows.Scan(&name, &one); err != nil {
			t.Fatal(err)
		}
		n += one
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}
