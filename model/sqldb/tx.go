package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"kaimenhong/model/fault"
)

// ErrCommitUnknown says that the answer to COMMIT was lost: the transaction stands
// or it does not. The caller repeats the whole change with the same request id;
// it never reads to find out, for a read misses a commit that is still in flight.
var ErrCommitUnknown = fault.New(fault.Unavailable, "sql.commit_unknown", "系统繁忙，请稍后再试")

// ErrBusy says that the transaction lost every one of its attempts to others.
var ErrBusy = fault.New(fault.Unavailable, "sql.busy", "系统繁忙，请稍后再试")

// attempts bounds how often what lost a deadlock is run again.
const attempts = 10

// InTx runs fn in one transaction and commits it when fn returns nil. A deadlock
// or lock time-out runs fn again, at most 10 times, so fn changes nothing but the
// database. Inside fn only tx is used.
//
// Errors: fn's own, ErrBusy, ErrCommitUnknown, or what the driver said.
func InTx(ctx context.Context, db *sql.DB, fn func(tx *sql.Tx) error) error {
	return again(ctx, func() error { return once(ctx, db, fn) })
}

// Alone is a database each of whose statements is a transaction of its own. A change
// that lost a deadlock or waited too long for a lock was rolled back as a whole, and
// is run again as InTx runs a transaction: two replicas that walk one index the two
// ways round are enough for that, even with one statement each.
type Alone struct{ *sql.DB }

// ExecContext runs one change, at most 10 times.
//
// Errors: ErrBusy, or what the driver said. After an error of the connection the
// change stands or it does not.
func (a Alone) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	var result sql.Result
	err := again(ctx, func() (err error) {
		result, err = a.DB.ExecContext(ctx, statement, args...)
		return err
	})
	return result, err
}

// again runs what was rolled back for the sake of another until it is not.
func again(ctx context.Context, run func() error) error {
	var err error
	for attempt := range attempts {
		if err = run(); !Retryable(err) {
			return err
		}
		if wait(ctx, attempt) != nil {
			break
		}
	}
	return ErrBusy.With(err)
}

func once(ctx context.Context, db *sql.DB, fn func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // no-op after Commit
	if err := fn(tx); err != nil {
		return err
	}
	err = tx.Commit()
	if err == nil || Retryable(err) || definite(err) {
		return err
	}
	return ErrCommitUnknown.With(err)
}

// definite tells that the server itself refused the COMMIT, so nothing stands.
func definite(err error) bool {
	var my *mysql.MySQLError
	var lite *sqlite.Error
	return errors.As(err, &my) || errors.As(err, &lite) || errors.Is(err, sql.ErrTxDone)
}

// wait backs off 1–2, 2–4 … 64–128 ms.
func wait(ctx context.Context, attempt int) error {
	base := time.Millisecond << min(attempt, 6)
	timer := time.NewTimer(base + rand.N(base))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// MySQL's error numbers that the code tells apart.
const (
	myDuplicate   = 1062
	myLockTimeout = 1205
	myDeadlock    = 1213
)

// Retryable tells that the transaction was rolled back for the sake of another
// and may be run again as it is: deadlock, lock time-out, SQLite busy.
func Retryable(err error) bool {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return my.Number == myDeadlock || my.Number == myLockTimeout
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		code := lite.Code() & 0xff
		return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
	}
	return false
}

// Duplicate tells that a primary or unique key was already there.
func Duplicate(err error) bool {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return my.Number == myDuplicate
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
	}
	return false
}
