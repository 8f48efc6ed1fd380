package story

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"kaimenhong/model/sqldb"
)

// unsteady are tables that change by the clock.
var unsteady = []string{"job_run", "node_sequence", "account_snapshot", "goose_db_version", "goose_lock", "sqlite_sequence"}

// behind counts what a replica still has to write of messages that were answered.
var behind = []string{"audience_deeds_waiting", "push_touches_waiting"}

// Settle waits until every promise in the outbox was kept, and all is written that
// follows an answer.
func (w *World) Settle() {
	w.t.Helper()
	ctx, db, done := w.book()
	defer done()
	w.Until("every promise is kept", func() bool {
		for _, r := range w.front.all() {
			for _, name := range behind {
				if r.Metric(name) != 0 {
					return false
				}
			}
		}
		return len(w.rows(ctx, db, "SELECT id FROM outbox WHERE done_at = 0")) == 0
	})
}

// Trying tells that some promise is being tried.
func (w *World) Trying() bool {
	return w.Count(fmt.Sprintf("SELECT id FROM outbox WHERE done_at = 0 AND leased_until > %d", w.Now().UnixMilli())) > 0
}

// book opens the book of record beside the replicas; done closes it.
func (w *World) book() (ctx context.Context, db *sql.DB, done func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	db, err := sqldb.Open(ctx, w.stores.DSN, sqldb.Options{MaxOpen: 1})
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	return ctx, db, func() {
		_ = db.Close()
		cancel()
	}
}

// Count is how many rows a query answers.
func (w *World) Count(query string) int {
	w.t.Helper()
	return len(w.Rows(query))
}

// Rows are what a query answers, each row as a line [a b].
func (w *World) Rows(query string) []string {
	w.t.Helper()
	ctx, db, done := w.book()
	defer done()
	return w.rows(ctx, db, query)
}

// Exec changes the book behind the back of all replicas, as time does that a story
// cannot wait for: a lease that ends.
func (w *World) Exec(statement string) {
	w.t.Helper()
	ctx, db, done := w.book()
	defer done()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		w.t.Fatal(err)
	}
}

// Books are the rows of every table, each as a line, by table; tables that change by
// the clock are left out. With some beginnings of names it is these tables alone.
func (w *World) Books(only ...string) map[string][]string {
	w.t.Helper()
	ctx, db, done := w.book()
	defer done()
	list := "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	if sqldb.Embedded(db) {
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	books := map[string][]string{}
	for _, name := range w.rows(ctx, db, list) {
		table := name[1 : len(name)-1] // printed as a list of one
		named := func(begin string) bool { return strings.HasPrefix(table, begin) }
		if slices.Contains(unsteady, table) || len(only) > 0 && !slices.ContainsFunc(only, named) {
			continue
		}
		if lines := w.rows(ctx, db, "SELECT * FROM "+table); len(lines) > 0 {
			slices.Sort(lines)
			books[table] = lines
		}
	}
	return books
}

func (w *World) rows(ctx context.Context, db *sql.DB, query string) (lines []string) {
	w.t.Helper()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			w.t.Fatal(err)
		}
		for i, v := range values {
			if raw, ok := v.([]byte); ok {
				values[i] = string(raw)
			}
		}
		lines = append(lines, fmt.Sprint(values))
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return lines
}
