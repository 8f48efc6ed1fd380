package points

import (
	"database/sql"
	"fmt"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// The history of a heavy member.
const (
	heavyLots     = 1000
	heavyPostings = 10_000
)

// TestSpendingCostsTheSameForEver counts what the server does for one spending:
// statements, and rows that it touched. Counted, not timed, so that a busy machine
// proves the same.
func TestSpendingCostsTheSameForEver(t *testing.T) {
	pool := dbtest.MySQL(t)
	f := newLedger(t, pool)
	const light, heavy = model.MemberID(1), model.MemberID(2)
	f.load(t, int64(light), 10, 10)
	f.load(t, int64(heavy), heavyLots, heavyPostings)
	if _, err := pool.ExecContext(t.Context(), "ANALYZE TABLE points_lot, points_posting, points_entry, points_account"); err != nil {
		t.Fatal(err)
	}
	spend := func(member model.MemberID) func(tx *sql.Tx) error {
		return func(tx *sql.Tx) error {
			_, err := f.SpendTx(t.Context(), tx, member, 25, bought(member.String()), "", "s")
			return err
		}
	}
	small, large := cost(t, pool, spend(light)), cost(t, pool, spend(heavy))
	t.Logf("a spending: %+v with 10 lots, %+v with %d", small, large, heavyLots)
	if small.statements > 6 || large.statements > 6 {
		t.Errorf("SpendTx takes %d and %d statements, want at most 6", small.statements, large.statements)
	}
	if 10*large.rows > 11*small.rows {
		t.Errorf("a spending touches %d rows with 10 lots and %d with %d", small.rows, large.rows, heavyLots)
	}
}

type work struct{ statements, rows int }

// cost runs fn in a transaction and answers what its connection did in between.
func cost(t *testing.T, pool *sql.DB, fn func(tx *sql.Tx) error) work {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	before := status(t, tx)
	if err := fn(tx); err != nil {
		t.Fatal(err)
	}
	after := status(t, tx)
	// The second look is a statement too, and the first one's rows were counted
	// after it ended: an empty pair of looks says how many.
	empty := status(t, tx)
	return work{
		after.statements - before.statements - (empty.statements - after.statements),
		after.rows - before.rows - (empty.rows - after.rows),
	}
}

func status(t *testing.T, tx *sql.Tx) (w work) {
	t.Helper()
	rows, err := tx.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name IN ('Questions', 'Handler_update', 'Handler_write')")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		if name == "Questions" {
			w.statements = n
		} else {
			w.rows += n
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return w
}

// load gives the member a sound account with open lots of 10 points and a history
// of earnings that were spent.
func (f fixture) load(t *testing.T, member int64, lots, postings int) {
	t.Helper()
	tx, err := f.pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	exec := func(head, item string, n int, row func(i int) []any) {
		for from := 0; from < n; from += batch {
			size := min(batch, n-from)
			var args []any
			for i := range size {
				args = append(args, row(from+i)...)
			}
			if _, err := tx.ExecContext(t.Context(), head+list(item, size), args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	now, base := int64(model.At(f.clock.now())), member*1_000_000
	id := func(i int) int64 { return base + int64(i) }
	exec("INSERT INTO points_posting (id, member_id, kind, amount, source, reason, operator_id, created_at) VALUES ", "(?,?,?,?,?,?,?,?)", lots+postings, func(i int) []any {
		return []any{id(i), member, kindEarn, 10, "ever", "", 0, now}
	})
	exec("INSERT INTO points_entry (posting_id, account, account_id, lot_id, amount) VALUES ", "(?,?,?,?,?),(?,?,?,?,?)", lots+postings, func(i int) []any {
		return []any{id(i), accountIssued, 0, 0, -10, id(i), accountMember, member, id(i), 10}
	})
	exec("INSERT INTO points_lot (id, member_id, open_member, pending_member, issued, remaining, source, active_at, expires_at, posting_id, origin_id, created_at) VALUES ", "(?,?,?,?,?,?,?,?,?,?,?,?)", lots+postings, func(i int) []any {
		if i < lots {
			return []any{id(i), member, member, nil, 10, 10, "ever", now, now + int64(i+1)*1000, id(i), 0, now}
		}
		return []any{id(i), member, nil, nil, 10, 0, "ever", now, now + int64(i+1)*1000, id(i), 0, now}
	})
	// The history's lots were spent by one large posting each.
	exec("INSERT INTO points_posting (id, member_id, kind, amount, source, ref_type, ref_id, reason, operator_id, created_at) VALUES ", "(?,?,?,?,?,?,?,?,?,?)", postings, func(i int) []any {
		return []any{base + 500_000 + int64(i), member, kindSpend, -10, "", "load", fmt.Sprint(id(i)), "", 0, now}
	})
	exec("INSERT INTO points_entry (posting_id, account, account_id, lot_id, amount) VALUES ", "(?,?,?,?,?),(?,?,?,?,?)", postings, func(i int) []any {
		return []any{base + 500_000 + int64(i), accountRedeemed, 0, 0, 10, base + 500_000 + int64(i), accountMember, member, id(lots + i), -10}
	})
	_, err = tx.ExecContext(t.Context(), "INSERT INTO points_account (member_id, balance, pending, held, due_at, version, merged_into, closed_at, created_at) VALUES (?,?,0,0,?,0,0,0,?)", member, 10*lots, now+1000, now)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	f.wantClean(t)
}
