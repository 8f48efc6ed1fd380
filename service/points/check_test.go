package points

import (
	"context"
	"database/sql"
	"slices"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

// dropIndex names the ways to drop the index that makes a violation impossible.
var dropIndex = map[bool]string{
	true:  "DROP INDEX points_posting_ref",
	false: "DROP INDEX points_posting_ref ON points_posting",
}

// plants are the ways to break a sound ledger, one for each rule.
var plants = []struct{ rule, sql string }{
	{"a posting's entries sum to zero", `UPDATE points_entry SET amount = amount + 1 WHERE account = 'issued' AND posting_id = (SELECT MIN(id) FROM points_posting)`},
	{"a posting has entries", `INSERT INTO points_posting (id, member_id, kind, amount, source, reason, operator_id, created_at) VALUES (1, 7001, 'earn', 5, '', '', 0, 0)`},
	{"an entry has a posting", `INSERT INTO points_entry (posting_id, account, account_id, lot_id, amount) VALUES (2, 'issued', 0, 0, -5)`},
	{"an entry is on a known account and not zero", `INSERT INTO points_entry (posting_id, account, account_id, lot_id, amount) SELECT MIN(id), 'pocket', 0, 0, 0 FROM points_posting`},
	{"an entry of a member names a lot, one of the house none", `UPDATE points_entry SET lot_id = 77 WHERE account = 'hold'`},
	{"a balance is the sum of its entries", `UPDATE points_account SET balance = balance + 1 WHERE member_id = 7001`},
	{"a pending sum is the sum of its entries", `UPDATE points_account SET pending = pending + 1 WHERE member_id = 7001`},
	{"an entry's account exists", `DELETE FROM points_account WHERE member_id = 7001`},
	{"no account is negative", `UPDATE points_account SET held = -1 WHERE member_id = 7001`},
	{"a balance is what is left in the open lots", `UPDATE points_lot SET open_member = NULL WHERE open_member = 7001`},
	{"a pending sum is what is left in the pending lots", `UPDATE points_lot SET pending_member = NULL WHERE pending_member = 7001`},
	{"what is left in a lot is issued less consumed plus given back", `UPDATE points_lot SET remaining = remaining - 1 WHERE open_member = 7001`},
	{"a lot was issued by its posting", `UPDATE points_lot SET issued = issued + 1 WHERE open_member = 7001`},
	{"a lot holds between nothing and what was issued", `UPDATE points_lot SET remaining = issued + 1 WHERE open_member = 7001`},
	{"a lot with points left is open or pending, another neither", `UPDATE points_lot SET pending_member = open_member WHERE open_member = 7001`},
	{"an account is due no later than its first lot", `UPDATE points_account SET due_at = 253402271999999 WHERE member_id = 7001`},
	{"a hold is the sum of its entries", `UPDATE points_hold SET remaining = remaining - 1`},
	{"a hold's sums are within its amount, and what is left is open", `UPDATE points_hold SET state = 'voided'`},
	{"what an account holds is the sum of its holds", `UPDATE points_account SET held = held + 1 WHERE member_id = 7001`},
	{"a reversal gives back what was redeemed", `UPDATE points_posting SET amount = amount + 1 WHERE kind = 'reverse'`},
	{"a posting says what its member gained", `UPDATE points_posting SET amount = amount - 1 WHERE kind = 'spend'`},
	{"a reference is posted once for each kind", `UPDATE points_posting SET ref_type = 'test', ref_id = '1' WHERE kind = 'spend'`},
	{"a posting answers one request", `INSERT INTO points_request (scope, request_id, body_hash, posting_id, refusal, detail, created_at) SELECT 1, 'twice', '', MIN(posting_id), '', '', 0 FROM points_request WHERE posting_id <> 0`},
	{"a request's posting exists", `UPDATE points_request SET posting_id = 3 WHERE request_id = 's1'`},
	{"an account that was merged or closed is empty", `UPDATE points_account SET closed_at = 1 WHERE member_id = 7001`},
	{"an adjustment is not decided by its maker", `UPDATE points_adjustment SET checker_id = maker_id`},
	{"an adjustment is posted once, when it is, and as decided", `UPDATE points_adjustment SET state = 'requested'`},
	{"an accrual row was earned as it says", `UPDATE points_accrual SET points = points + 1`},
}

// TestCheckCatchesEveryPlantedViolation breaks a sound ledger in one way after the
// other. Each rule must be tripped by some plant, so that none is there in vain.
func TestCheckCatchesEveryPlantedViolation(t *testing.T) {
	for _, rule := range rules {
		if !slices.ContainsFunc(plants, func(p struct{ rule, sql string }) bool { return p.rule == rule.name }) {
			t.Errorf("no plant trips the rule that %s", rule.name)
		}
	}
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		if found, err := f.Check(t.Context()); err != nil || len(found) > 0 {
			t.Fatalf("an empty ledger: %v, %v", found, err)
		}
		f.sound(t)
		f.wantClean(t)
		for _, plant := range plants {
			t.Run(plant.rule, func(t *testing.T) {
				if plant.rule == "a reference is posted once for each kind" {
					t.Cleanup(func() { recreateIndex(t, pool) })
					if _, err := pool.ExecContext(t.Context(), dropIndex[sqldb.Embedded(pool)]); err != nil {
						t.Fatal(err)
					}
				}
				restore := snapshot(t, pool)
				t.Cleanup(restore)
				result, err := pool.ExecContext(t.Context(), plant.sql)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := result.RowsAffected(); n == 0 || err != nil {
					t.Fatalf("nothing was planted: %d, %v", n, err)
				}
				found, err := f.Check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(found, func(v Violation) bool { return v.Rule == plant.rule }) {
					t.Errorf("not caught; found %v", found)
				}
			})
		}
		f.wantClean(t)
	})
}

// sound makes a ledger with something of everything.
func (f fixture) sound(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	f.phones[phone(t, "13800000001")] = alice
	f.mustEarn(t, alice, "month", 100, "e1")
	f.mustEarn(t, alice, "later", 30, "e2")
	for i, price := range []model.Points{10, 20} {
		if _, err := f.Spend(ctx, alice, price, bought([]string{"1", "2"}[i]), "", model.RequestID([]string{"s1", "s2"}[i])); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Reverse(ctx, bought("1"), 0, "r1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Hold(ctx, alice, 5, 0, bought("3"), "", "h1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Adjust(ctx, 31, alice, 7, "补偿", "a1"); err != nil {
		t.Fatal(err)
	}
	done, err := f.Accrue(ctx, []Accrual{{Key: "k1", Phone: phone(t, "13800000001"), Points: 9}})
	if err != nil || done[0].Err != nil {
		t.Fatal(done, err)
	}
}

var ledgerTables = []string{
	"points_account", "points_request", "points_posting", "points_entry", "points_lot", "points_hold", "points_adjustment", "points_accrual",
}

// snapshot copies the tables' rows and returns how to bring them back.
func snapshot(t *testing.T, pool *sql.DB) func() {
	t.Helper()
	kept := map[string][][]any{}
	for _, table := range ledgerTables {
		rows, err := pool.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			kept[table] = append(kept[table], values)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		_ = rows.Close()
	}
	return func() {
		ctx := context.Background()
		err := sqldb.InTx(ctx, pool, func(tx *sql.Tx) error {
			for _, table := range ledgerTables {
				if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
					return err
				}
				for _, values := range kept[table] {
					if _, err := tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES ("+list("?", len(values))+")", values...); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func recreateIndex(t *testing.T, pool *sql.DB) {
	t.Helper()
	if _, err := pool.ExecContext(context.Background(), "CREATE UNIQUE INDEX points_posting_ref ON points_posting (ref_type, ref_id, kind)"); err != nil {
		t.Fatal(err)
	}
}
