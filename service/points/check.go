package points

import (
	"context"
	"fmt"
)

// Violation is a row that breaks an invariant of the ledger.
type Violation struct {
	Rule string // the invariant's name
	ID   int64  // of the posting, member, lot or hold that Rule speaks of
	Want int64
	Got  int64
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %d: want %d, got %d", v.Rule, v.ID, v.Want, v.Got)
}

// maxViolations is how many rows of one rule are reported.
const maxViolations = 100

// rules are the invariants. Each statement answers (id, want, got) of every row
// that breaks it; none of them trusts what another one proves.
var rules = []struct{ name, sql string }{
	{"a posting's entries sum to zero", `
		SELECT e.posting_id, 0, SUM(e.amount) FROM points_entry e GROUP BY e.posting_id HAVING SUM(e.amount) <> 0`},
	{"a posting has entries", `
		SELECT p.id, 1, 0 FROM points_posting p
		WHERE NOT EXISTS (SELECT 1 FROM points_entry e WHERE e.posting_id = p.id)`},
	{"an entry has a posting", `
		SELECT e.posting_id, 1, 0 FROM points_entry e
		WHERE NOT EXISTS (SELECT 1 FROM points_posting p WHERE p.id = e.posting_id)`},
	{"an entry is on a known account and not zero", `
		SELECT e.posting_id, 1, e.amount FROM points_entry e
		WHERE e.amount = 0 OR e.account NOT IN ('member', 'pending', 'hold', 'issued', 'redeemed', 'expired', 'adjusted')`},
	{"an entry of a member names a lot, one of the house none", `
		SELECT e.posting_id, 1, e.lot_id FROM points_entry e
		WHERE (e.account IN ('member', 'pending', 'hold') AND NOT EXISTS (SELECT 1 FROM points_lot l WHERE l.id = e.lot_id))
		   OR (e.account NOT IN ('member', 'pending', 'hold') AND (e.lot_id <> 0 OR e.account_id <> 0))`},
	{"a balance is the sum of its entries", `
		SELECT a.member_id, COALESCE(s.total, 0), a.balance FROM points_account a
		LEFT JOIN (SELECT e.account_id, SUM(e.amount) AS total FROM points_entry e WHERE e.account = 'member' GROUP BY e.account_id) s
		ON s.account_id = a.member_id WHERE a.balance <> COALESCE(s.total, 0)`},
	{"a pending sum is the sum of its entries", `
		SELECT a.member_id, COALESCE(s.total, 0), a.pending FROM points_account a
		LEFT JOIN (SELECT e.account_id, SUM(e.amount) AS total FROM points_entry e WHERE e.account = 'pending' GROUP BY e.account_id) s
		ON s.account_id = a.member_id WHERE a.pending <> COALESCE(s.total, 0)`},
	{"an entry's account exists", `
		SELECT e.account_id, 1, 0 FROM points_entry e
		WHERE (e.account IN ('member', 'pending') AND NOT EXISTS (SELECT 1 FROM points_account a WHERE a.member_id = e.account_id))
		   OR (e.account = 'hold' AND NOT EXISTS (SELECT 1 FROM points_hold h WHERE h.id = e.account_id))`},
	{"no account is negative", `
		SELECT a.member_id, 0, CASE WHEN a.balance < 0 THEN a.balance WHEN a.pending < 0 THEN a.pending ELSE a.held END
		FROM points_account a WHERE a.balance < 0 OR a.pending < 0 OR a.held < 0`},
	{"a balance is what is left in the open lots", `
		SELECT a.member_id, COALESCE(s.total, 0), a.balance FROM points_account a
		LEFT JOIN (SELECT l.open_member, SUM(l.remaining) AS total FROM points_lot l WHERE l.open_member > 0 GROUP BY l.open_member) s
		ON s.open_member = a.member_id WHERE a.balance <> COALESCE(s.total, 0)`},
	{"a pending sum is what is left in the pending lots", `
		SELECT a.member_id, COALESCE(s.total, 0), a.pending FROM points_account a
		LEFT JOIN (SELECT l.pending_member, SUM(l.remaining) AS total FROM points_lot l WHERE l.pending_member > 0 GROUP BY l.pending_member) s
		ON s.pending_member = a.member_id WHERE a.pending <> COALESCE(s.total, 0)`},
	{"what is left in a lot is issued less consumed plus given back", `
		SELECT l.id, COALESCE(s.total, 0), l.remaining FROM points_lot l
		LEFT JOIN (SELECT e.lot_id, SUM(e.amount) AS total FROM points_entry e WHERE e.account IN ('member', 'pending') GROUP BY e.lot_id) s
		ON s.lot_id = l.id WHERE l.remaining <> COALESCE(s.total, 0)`},
	{"a lot was issued by its posting", `
		SELECT l.id, l.issued, COALESCE(s.total, 0) FROM points_lot l
		LEFT JOIN (SELECT e.posting_id, e.lot_id, SUM(e.amount) AS total FROM points_entry e WHERE e.account IN ('member', 'pending') GROUP BY e.posting_id, e.lot_id) s
		ON s.lot_id = l.id AND s.posting_id = l.posting_id WHERE l.issued <> COALESCE(s.total, 0)`},
	{"a lot holds between nothing and what was issued", `
		SELECT l.id, l.issued, l.remaining FROM points_lot l WHERE l.remaining < 0 OR l.remaining > l.issued`},
	{"a lot with points left is open or pending, another neither", `
		SELECT l.id, CASE WHEN l.remaining > 0 THEN 1 ELSE 0 END, CASE WHEN l.open_member IS NULL THEN 0 ELSE 1 END + CASE WHEN l.pending_member IS NULL THEN 0 ELSE 1 END
		FROM points_lot l
		WHERE CASE WHEN l.remaining > 0 THEN 1 ELSE 0 END <> CASE WHEN l.open_member IS NULL THEN 0 ELSE 1 END + CASE WHEN l.pending_member IS NULL THEN 0 ELSE 1 END
		   OR l.open_member <> l.member_id OR l.pending_member <> l.member_id`},
	{"an account is due no later than its first lot", `
		SELECT l.member_id, l.id, a.due_at FROM points_lot l JOIN points_account a ON a.member_id = l.member_id
		WHERE (l.open_member > 0 AND a.due_at > l.expires_at) OR (l.pending_member > 0 AND a.due_at > l.active_at)`},
	{"a hold is the sum of its entries", `
		SELECT h.id, COALESCE(s.total, 0), h.remaining FROM points_hold h
		LEFT JOIN (SELECT e.account_id, SUM(e.amount) AS total FROM points_entry e WHERE e.account = 'hold' GROUP BY e.account_id) s
		ON s.account_id = h.id WHERE h.remaining <> COALESCE(s.total, 0)`},
	{"a hold's sums are within its amount, and what is left is open", `
		SELECT h.id, h.amount, h.confirmed + h.remaining FROM points_hold h
		WHERE h.confirmed < 0 OR h.remaining < 0 OR h.confirmed + h.remaining > h.amount
		   OR (h.state = 'open' AND (h.remaining = 0 OR h.confirmed + h.remaining <> h.amount))
		   OR (h.state <> 'open' AND h.remaining <> 0) OR (h.state = 'confirmed' AND h.confirmed <> h.amount)
		   OR h.state NOT IN ('open', 'confirmed', 'voided')`},
	{"what an account holds is the sum of its holds", `
		SELECT a.member_id, COALESCE(s.total, 0), a.held FROM points_account a
		LEFT JOIN (SELECT h.member_id, SUM(h.remaining) AS total FROM points_hold h GROUP BY h.member_id) s
		ON s.member_id = a.member_id WHERE a.held <> COALESCE(s.total, 0)`},
	{"a reversal gives back what was redeemed", `
		SELECT r.id, COALESCE(s.total, 0), r.amount FROM points_posting r
		LEFT JOIN (
			SELECT p.ref_type, p.ref_id, SUM(e.amount) AS total FROM points_posting p JOIN points_entry e ON e.posting_id = p.id
			WHERE p.kind = 'spend' AND e.account = 'redeemed' GROUP BY p.ref_type, p.ref_id
			UNION ALL
			SELECT p.ref_type, p.ref_id, h.confirmed FROM points_posting p JOIN points_hold h ON h.id = p.id WHERE p.kind = 'hold'
		) s ON s.ref_type = r.ref_type AND s.ref_id = r.ref_id
		WHERE r.kind = 'reverse' AND r.amount <> COALESCE(s.total, 0)`},
	{"a posting says what its member gained", `
		SELECT p.id, s.total, p.amount FROM points_posting p
		JOIN (SELECT e.posting_id, SUM(e.amount) AS total FROM points_entry e WHERE e.account IN ('member', 'pending') GROUP BY e.posting_id) s
		ON s.posting_id = p.id WHERE p.amount <> s.total`},
	{"a reference is posted once for each kind", `
		SELECT MAX(p.id), 1, COUNT(*) FROM points_posting p WHERE p.ref_type IS NOT NULL
		GROUP BY p.ref_type, p.ref_id, p.kind HAVING COUNT(*) > 1`},
	{"a posting answers one request", `
		SELECT r.posting_id, 1, COUNT(DISTINCT r.request_id) FROM points_request r WHERE r.posting_id <> 0
		GROUP BY r.posting_id HAVING COUNT(DISTINCT r.request_id) > 1`},
	{"a request's posting exists", `
		SELECT r.posting_id, 1, 0 FROM points_request r
		WHERE r.refusal = '' AND NOT EXISTS (SELECT 1 FROM points_posting p WHERE p.id = r.posting_id)`},
	{"an account that was merged or closed is empty", `
		SELECT a.member_id, 0, a.balance + a.pending + a.held FROM points_account a
		WHERE (a.merged_into <> 0 OR a.closed_at <> 0) AND a.balance + a.pending + a.held <> 0`},
	{"an adjustment is not decided by its maker", `
		SELECT j.id, 0, j.checker_id FROM points_adjustment j WHERE j.checker_id = j.maker_id`},
	{"an adjustment is posted once, when it is, and as decided", `
		SELECT j.id, CASE WHEN j.state = 'posted' THEN j.amount ELSE 0 END, COALESCE(p.amount, 0) FROM points_adjustment j
		LEFT JOIN points_posting p ON p.kind = 'adjust' AND p.ref_type = 'points.adjustment' AND p.ref_id = CAST(j.id AS CHAR)
		WHERE CASE WHEN j.state = 'posted' THEN j.amount ELSE 0 END <> COALESCE(p.amount, 0)`},
	{"an accrual row was earned as it says", `
		SELECT c.member_id, c.points, COALESCE(p.amount, 0) FROM points_accrual c
		LEFT JOIN points_posting p ON p.kind = 'earn' AND p.ref_type = 'points.accrual' AND p.ref_id = c.row_key
		WHERE c.points <> COALESCE(p.amount, 0)`},
}

// Check proves every invariant of the ledger in SQL and returns the rows that
// break one, at most 100 a rule; none means that the ledger balances. It reads
// everything, so it is for the night and for a replica. Run it while nothing is
// written, or under a transaction of its own: each statement sees what is
// committed when it starts.
func (l *Ledger) Check(ctx context.Context) ([]Violation, error) {
	var found []Violation
	for _, rule := range rules {
		rows, err := l.checkRule(ctx, rule.name, rule.sql)
		if err != nil {
			return found, fmt.Errorf("check that %s: %w", rule.name, err)
		}
		found = append(found, rows...)
	}
	return found, nil
}

func (l *Ledger) checkRule(ctx context.Context, name, statement string) ([]Violation, error) {
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("%s LIMIT %d", statement, maxViolations))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []Violation
	for rows.Next() {
		v := Violation{Rule: name}
		if err := rows.Scan(&v.ID, &v.Want, &v.Got); err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, rows.Err()
}
