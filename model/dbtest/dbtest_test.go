package dbtest_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/model/schema"
	"kaimenhong/model/sqldb"
)

func TestEveryEngineIsMigratedAndCountsFoundRows(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		if err := schema.Check(t.Context(), db); err != nil {
			t.Fatalf("Check = %v, want nil", err)
		}
		a, err := sqldb.Node(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		b, err := sqldb.Node(t.Context(), db)
		if err != nil || b != a+1 {
			t.Fatalf("second Node = %d, %v, want %d", b, err, a+1)
		}
		result, err := db.ExecContext(t.Context(), `UPDATE node_sequence SET taken = taken WHERE id = 1`)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); n != 1 || err != nil {
			t.Errorf("a no-change UPDATE affects %d rows, %v, want 1", n, err)
		}
	})
}

func TestADuplicateKeyIsTold(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		insert := func(job string) error {
			_, err := db.ExecContext(t.Context(), `INSERT INTO job_run (job, scheduled_for, token, lease_until, started_at, done_at, error) VALUES (?, 1, '', 0, 0, 0, '')`, job)
			return err
		}
		for _, tt := range []struct {
			job  string
			want bool
		}{{"a", false}, {"a", true}, {"A", false}, {"😀", false}, {"😁", false}, {"😀", true}} {
			if err := insert(tt.job); sqldb.Duplicate(err) != tt.want || err != nil != tt.want {
				t.Errorf("insert %q = %v, want duplicate %v", tt.job, err, tt.want)
			}
		}
	})
}

func TestAFailedTransactionLeavesNothing(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		want := errors.New("changed my mind")
		err := sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(t.Context(), `UPDATE node_sequence SET taken = -1 WHERE id = 1`); err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatalf("InTx = %v, want %v", err, want)
		}
		var taken int64
		if err := db.QueryRowContext(t.Context(), `SELECT taken FROM node_sequence WHERE id = 1`).Scan(&taken); err != nil || taken < 0 {
			t.Errorf("taken = %d, %v, want what it was", taken, err)
		}
	})
}

// The other transaction has changed more, so the engine rolls the single change back.
func TestAChangeThatLosesADeadlockIsRunAgain(t *testing.T) {
	db, ctx := dbtest.MySQL(t), t.Context()
	for job := range strings.SplitSeq("a b c d e f", " ") {
		if _, err := db.ExecContext(ctx, `INSERT INTO job_run (job, scheduled_for, token, lease_until, started_at, done_at, error) VALUES (?, 1, '', 0, 0, 0, '')`, job); err != nil {
			t.Fatal(err)
		}
	}
	other, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	if _, err := other.ExecContext(ctx, `UPDATE job_run SET done_at = 1 WHERE job >= 'b'`); err != nil {
		t.Fatal(err)
	}
	single := make(chan error, 1)
	go func() {
		_, err := sqldb.Alone{DB: db}.ExecContext(ctx, `UPDATE job_run SET token = 'the single change' WHERE job <= 'b'`)
		single <- err
	}()
	for free := 1; free == 1; { // until the single change has locked its first row
		const look = `SELECT COUNT(*) FROM (SELECT job FROM job_run WHERE job = 'a' FOR UPDATE SKIP LOCKED) a`
		if err := db.QueryRowContext(ctx, look).Scan(&free); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.ExecContext(ctx, `UPDATE job_run SET done_at = 1 WHERE job = 'a'`); err != nil {
		t.Fatalf("the larger transaction = %v, want nil", err)
	}
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-single; err != nil {
		t.Fatalf("the single change = %v, want nil", err)
	}
	var changed int
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM job_run WHERE token = 'the single change' AND done_at = 1`).Scan(&changed); err != nil || changed != 2 {
		t.Errorf("%d rows hold both changes, %v, want 2", changed, err)
	}
}
