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
	if sqldb.Embedded(pool) {
		t.Skip("SQLite counts nothing")
	}
	pool.SetMaxOpenConns(1) // the counts are those of a connection
	before := statements(t, pool)
	f()
	return statements(t, pool) - before
}

func statements(t *testing.T, pool *sql.DB) (n int) {
	t.Helper()
	rows, err := pool.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name IN ('Com_select', 'Com_insert', 'Com_update', 'Com_delete')")
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
