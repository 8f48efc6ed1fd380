package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// account is a member's row, read under its lock.
type account = db.AccountRow

// errNoAccount says that nothing was ever earned.
var errNoAccount = errors.New("no points account")

// maxLockTries bounds how often a lock is tried again, because the account was
// made or merged in between.
const maxLockTries = 4

// maxPages bounds how many batches of lots one transaction works off.
const maxPages = 64

// lock takes the lock on all that is the member's and reads the account, that of
// his successor when he was merged. Without create a member who never earned is
// errNoAccount.
func (l *Ledger) lock(ctx context.Context, tx *sql.Tx, member int64, create bool, now model.Millis) (account, error) {
	q := queries(tx)
	for range maxLockTries {
		locked, err := q.LockAccount(ctx, member)
		if err != nil {
			return account{}, fmt.Errorf("lock account: %w", err)
		}
		row, err := q.Account(ctx, member)
		switch {
		case errors.Is(err, sql.ErrNoRows) && !create:
			return account{}, errNoAccount
		case errors.Is(err, sql.ErrNoRows):
			err = q.InsertAccount(ctx, db.InsertAccountParams{MemberID: member, DueAt: int64(never), CreatedAt: int64(now)})
			if err != nil && !sqldb.Duplicate(err) {
				return account{}, fmt.Errorf("insert account: %w", err)
			}
		case err != nil:
			return account{}, fmt.Errorf("read account: %w", err)
		case locked == 1:
			return row, nil
		case row.MergedInto != 0:
			member = row.MergedInto
		}
	}
	return account{}, sqldb.ErrBusy.With(errors.New("the account changed under every lock"))
}

// lockSettled is lock, and what is due is moved first. A closed account is
// ErrClosed.
func (l *Ledger) lockSettled(ctx context.Context, tx *sql.Tx, member int64, create bool, now model.Millis) (account, error) {
	row, err := l.lock(ctx, tx, member, create, now)
	if err != nil {
		return row, err
	}
	if row.ClosedAt != 0 {
		return row, ErrClosed
	}
	return l.settle(ctx, tx, row, now)
}

// settle makes pending lots active whose time has come and moves lots that
// expired to the expired account. The lock is held.
func (l *Ledger) settle(ctx context.Context, tx *sql.Tx, row account, now model.Millis) (account, error) {
	if row.DueAt > int64(now) {
		return row, nil
	}
	if err := l.activate(ctx, tx, row.MemberID, now); err != nil {
		return row, err
	}
	if err := l.expire(ctx, tx, row.MemberID, now); err != nil {
		return row, err
	}
	q, due := queries(tx), int64(never)
	for _, next := range []func(context.Context, sql.NullInt64) (int64, error){q.NextExpiry, q.NextActive} {
		at, err := next(ctx, some(row.MemberID))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return row, fmt.Errorf("find what is due next: %w", err)
		}
		if err == nil {
			due = min(due, at)
		}
	}
	if due <= int64(now) {
		return row, ErrTooManyLots // the job works them off, a slice at a time
	}
	if err := q.SetDue(ctx, db.SetDueParams{DueAt: due, MemberID: row.MemberID}); err != nil {
		return row, fmt.Errorf("set what is due next: %w", err)
	}
	settled, err := q.Account(ctx, row.MemberID)
	if err != nil {
		return row, fmt.Errorf("read account: %w", err)
	}
	return settled, nil
}

func (l *Ledger) activate(ctx context.Context, tx *sql.Tx, member int64, now model.Millis) error {
	q := queries(tx)
	for range maxPages {
		rows, err := q.DuePending(ctx, db.DuePendingParams{MemberID: some(member), Now: int64(now), Limit: batch})
		if err != nil {
			return fmt.Errorf("find lots to activate: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		var pieces []piece
		var lines []line
		for _, r := range rows {
			pieces = append(pieces, piece{lot: r.ID, amount: r.Remaining})
			lines = append(lines, line{accountPending, member, r.ID, -r.Remaining}, line{accountMember, member, r.ID, r.Remaining})
		}
		if err := openPieces(ctx, tx, pieces); err != nil {
			return err
		}
		sum := total(pieces)
		// What becomes active may expire at once: the lower bound stays as it is.
		if err := move(ctx, q, db.MoveAccountParams{MemberID: member, Balance: sum, Pending: -sum, DueAt: int64(never)}); err != nil {
			return err
		}
		p := posting{id: l.ids.Next(), member: member, kind: kindActivate, reason: "积分生效", at: now}
		if err := l.post(ctx, tx, p, lines); err != nil {
			return err
		}
		if len(rows) < batch {
			return nil
		}
	}
	return nil
}

func (l *Ledger) expire(ctx context.Context, tx *sql.Tx, member int64, now model.Millis) error {
	q := queries(tx)
	for range maxPages {
		rows, err := q.DueLots(ctx, db.DueLotsParams{MemberID: some(member), Now: int64(now), Limit: batch})
		if err != nil {
			return fmt.Errorf("find expired lots: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		var pieces []piece
		for _, r := range rows {
			pieces = append(pieces, piece{lot: r.ID, amount: r.Remaining})
		}
		p := posting{id: l.ids.Next(), member: member, kind: kindExpire, reason: "积分到期", at: now}
		if err := l.forfeit(ctx, tx, p, accountMember, pieces); err != nil {
			return err
		}
		if len(rows) < batch {
			return nil
		}
	}
	return nil
}

// forfeit moves whole lots from the member's or pending account to expired.
func (l *Ledger) forfeit(ctx context.Context, tx *sql.Tx, p posting, from string, pieces []piece) error {
	if err := takePieces(ctx, tx, pieces); err != nil {
		return err
	}
	sum := total(pieces)
	lines := []line{{accountExpired, 0, 0, sum}}
	for _, piece := range pieces {
		lines = append(lines, line{from, p.member, piece.lot, -piece.amount})
	}
	change := db.MoveAccountParams{MemberID: p.member, Balance: -sum, DueAt: int64(never)}
	if from == accountPending {
		change.Balance, change.Pending = 0, -sum
	}
	if err := move(ctx, queries(tx), change); err != nil {
		return err
	}
	p.amount = -sum
	return l.post(ctx, tx, p, lines)
}

// move changes the account's sums; the caller knows that they are large enough.
func move(ctx context.Context, q *db.Queries, change db.MoveAccountParams) error {
	n, err := q.MoveAccount(ctx, change)
	if err != nil {
		return fmt.Errorf("move account: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("account %d cannot move by %d/%d/%d", change.MemberID, change.Balance, change.Pending, change.Held)
	}
	return nil
}
