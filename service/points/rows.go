package points

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// The accounts that an entry can be on. The first three belong to a member, and
// their entries name a lot; account_id is the member or the hold.
const (
	accountMember   = "member"
	accountPending  = "pending"
	accountHold     = "hold"
	accountIssued   = "issued"
	accountRedeemed = "redeemed"
	accountExpired  = "expired"
	accountAdjusted = "adjusted"
)

// The kinds of postings.
const (
	kindEarn     = "earn"
	kindSpend    = "spend"
	kindHold     = "hold"
	kindConfirm  = "confirm"
	kindVoid     = "void"
	kindReverse  = "reverse"
	kindExpire   = "expire"
	kindActivate = "activate"
	kindAdjust   = "adjust"
	kindJoin     = "join"
	kindClose    = "close"
)

// posting is the header of a posting. amount is what the member gains (+) or
// loses (-) by it; a hold counts as lost, a void as gained.
type posting struct {
	id       model.ID
	member   int64
	kind     string
	amount   int64
	source   string
	ref      model.Ref // zero: none
	reason   string
	operator model.ID
	at       model.Millis
}

// line is an entry.
type line struct {
	account string
	id      int64
	lot     int64
	amount  int64
}

// batch is how many rows one statement carries.
const batch = 200

// post writes the posting and its entries, which must sum to zero.
func (l *Ledger) post(ctx context.Context, tx *sql.Tx, p posting, lines []line) error {
	var sum int64
	for _, e := range lines {
		sum += e.amount
	}
	if sum != 0 || len(lines) == 0 {
		return fmt.Errorf("posting %s of %d entries sums to %d", p.kind, len(lines), sum)
	}
	err := queries(tx).InsertPosting(ctx, db.InsertPostingParams{
		ID: int64(p.id), MemberID: p.member, Kind: p.kind, Amount: p.amount, Source: p.source,
		RefType: text(p.ref.Type), RefID: text(p.ref.ID), Reason: cut(p.reason, maxText),
		OperatorID: int64(p.operator), CreatedAt: int64(p.at),
	})
	if sqldb.Duplicate(err) {
		return ErrRefUsed.With(fmt.Errorf("%s of %s", p.kind, p.ref))
	}
	if err != nil {
		return fmt.Errorf("insert posting: %w", err)
	}
	for from := 0; from < len(lines); from += batch {
		part := lines[from:min(from+batch, len(lines))]
		args := make([]any, 0, 5*len(part))
		for _, e := range part {
			args = append(args, int64(p.id), e.account, e.id, e.lot, e.amount)
		}
		const head = "INSERT INTO points_entry (posting_id, account, account_id, lot_id, amount) VALUES "
		if _, err := tx.ExecContext(ctx, head+list("(?,?,?,?,?)", len(part)), args...); err != nil {
			return fmt.Errorf("insert entries: %w", err)
		}
	}
	return nil
}

// piece is an amount of one lot. left is what stays in the lot afterwards.
type piece struct {
	lot     int64
	amount  int64
	left    int64
	expires int64
}

func total(pieces []piece) int64 {
	var sum int64
	for _, p := range pieces {
		sum += p.amount
	}
	return sum
}

// takePieces takes each piece out of its lot; one that is used up leaves the
// indexes of open and of pending lots. The member's lock is held, so a lot that
// has not enough is our own mistake.
func takePieces(ctx context.Context, tx *sql.Tx, pieces []piece) error {
	for from := 0; from < len(pieces); from += batch {
		part := pieces[from:min(from+batch, len(pieces))]
		amounts, ids, used := cases{}, []any{}, []any{}
		for _, p := range part {
			amounts.add(p.lot, p.amount)
			ids = append(ids, p.lot)
			if p.left == 0 {
				used = append(used, p.lot)
			}
		}
		set, args := "", []any{}
		if len(used) > 0 {
			in := " = CASE WHEN id IN (" + list("?", len(used)) + ") THEN NULL ELSE "
			set = "open_member" + in + "open_member END, pending_member" + in + "pending_member END, "
			args = append(append(args, used...), used...)
		}
		args = append(args, amounts.args...)
		args = append(args, ids...)
		args = append(args, amounts.args...)
		statement := "UPDATE points_lot SET " + set + "remaining = remaining - " + amounts.sql() +
			" WHERE id IN (" + list("?", len(ids)) + ") AND remaining >= " + amounts.sql()
		if err := changed(ctx, tx, len(part), statement, args); err != nil {
			return fmt.Errorf("take from lots: %w", err)
		}
	}
	return nil
}

// givePieces puts each piece back into its lot, which is open again.
func givePieces(ctx context.Context, tx *sql.Tx, pieces []piece) error {
	for from := 0; from < len(pieces); from += batch {
		part := pieces[from:min(from+batch, len(pieces))]
		amounts, ids := cases{}, []any{}
		for _, p := range part {
			amounts.add(p.lot, p.amount)
			ids = append(ids, p.lot)
		}
		statement := "UPDATE points_lot SET open_member = member_id, remaining = remaining + " + amounts.sql() +
			" WHERE id IN (" + list("?", len(ids)) + ") AND pending_member IS NULL"
		if err := changed(ctx, tx, len(part), statement, append(amounts.args, ids...)); err != nil {
			return fmt.Errorf("give back to lots: %w", err)
		}
	}
	return nil
}

// openPieces makes pending lots open.
func openPieces(ctx context.Context, tx *sql.Tx, pieces []piece) error {
	ids := make([]any, 0, len(pieces))
	for _, p := range pieces {
		ids = append(ids, p.lot)
	}
	statement := "UPDATE points_lot SET open_member = member_id, pending_member = NULL WHERE id IN (" + list("?", len(ids)) + ")"
	if err := changed(ctx, tx, len(ids), statement, ids); err != nil {
		return fmt.Errorf("open pending lots: %w", err)
	}
	return nil
}

// changed runs a statement that must change exactly n rows.
func changed(ctx context.Context, tx *sql.Tx, n int, statement string, args []any) error {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	rows, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if rows != int64(n) {
		return fmt.Errorf("%d rows changed, %d expected", rows, n)
	}
	return nil
}

// one makes an error of a change that did not hit exactly one row.
func one(n int64, err error) error {
	if err == nil && n != 1 {
		return fmt.Errorf("%d rows changed, 1 expected", n)
	}
	return err
}

// cases builds CASE id WHEN ? THEN ? … ELSE 0 END.
type cases struct {
	n    int
	args []any
}

func (c *cases) add(id, value int64) {
	c.n++
	c.args = append(c.args, id, value)
}

func (c *cases) sql() string {
	return "CASE id" + strings.Repeat(" WHEN ? THEN ?", c.n) + " ELSE 0 END"
}

// list is "item,item,…", n times.
func list(item string, n int) string {
	return strings.TrimSuffix(strings.Repeat(item+",", n), ",")
}

func text(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

func some(id int64) sql.NullInt64 { return sql.NullInt64{Int64: id, Valid: true} }
