package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/payout/internal/db"
)

// rules are invariants, each as one statement for what breaks it, which sees one
// instant: a row is a pot's id.
var rules = []struct{ name, breaks string }{
	{"payout.state", `SELECT pot_id FROM payout WHERE state NOT IN ('created', 'held', 'approved', 'paying', 'paid', 'failed', 'frozen', 'released')`},
	{"payout.amount", `SELECT pot_id FROM payout WHERE value < 1 OR quantity < 1`},
	{"attempt.orphan", `SELECT a.pot_id FROM payout_attempt a LEFT JOIN payout p ON p.pot_id = a.pot_id WHERE p.pot_id IS NULL`},
	{"attempt.active", `SELECT pot_id FROM payout_attempt WHERE (state = 'failed') <> (active IS NULL)`},
	{"attempt.alone", `SELECT pot_id FROM payout_attempt WHERE active IS NOT NULL GROUP BY pot_id HAVING COUNT(*) > 1`},
	{"attempt.bill", `SELECT MIN(pot_id) FROM payout_attempt GROUP BY bill_no HAVING COUNT(*) > 1`},
	{"attempt.after_success", `SELECT a.pot_id FROM payout_attempt a JOIN payout_attempt s ON s.pot_id = a.pot_id AND s.n < a.n WHERE s.state = 'succeeded'`},
	{"paying.without_attempt", `SELECT p.pot_id FROM payout p WHERE p.state IN ('paying', 'frozen')
		AND NOT EXISTS (SELECT 1 FROM payout_attempt a WHERE a.pot_id = p.pot_id AND a.active IS NOT NULL)`},
	{"ended.with_attempt", `SELECT p.pot_id FROM payout p JOIN payout_attempt a ON a.pot_id = p.pot_id
		WHERE a.active IS NOT NULL AND p.state IN ('created', 'held', 'approved', 'failed', 'released')`},
	{"paid.without_success", `SELECT p.pot_id FROM payout p LEFT JOIN payout_attempt a ON a.pot_id = p.pot_id AND a.state = 'succeeded'
		WHERE p.state = 'paid' AND p.kind <> 'points' AND a.pot_id IS NULL`},
	{"success.not_paid", `SELECT p.pot_id FROM payout p JOIN payout_attempt a ON a.pot_id = p.pot_id WHERE a.state = 'succeeded' AND p.state <> 'paid'`},
	{"review.orphan", `SELECT r.pot_id FROM payout_review r LEFT JOIN payout p ON p.pot_id = r.pot_id WHERE p.pot_id IS NULL`},
}

// Check proves what must hold of payouts by SQL alone: each rule, that what was won is
// what is booked, and that what was given up is what the budget has back. An empty
// list means that all of it holds.
func (p *Payer) Check(ctx context.Context) ([]Discrepancy, error) {
	var found []Discrepancy
	for _, r := range rules {
		broken, err := p.broken(ctx, r.name, r.breaks)
		if err != nil {
			return found, err
		}
		found = append(found, broken...)
	}
	for _, compare := range []func(context.Context) ([]Discrepancy, error){p.compareWins, p.compareReturned} {
		more, err := compare(ctx)
		if found = append(found, more...); err != nil {
			return found, err
		}
	}
	return found, nil
}

// maxBroken bounds what one rule reports; the first ones show what is wrong.
const maxBroken = 20

func (p *Payer) broken(ctx context.Context, rule, query string) ([]Discrepancy, error) {
	rows, err := cmp.Or(p.Proofs, p.SQL).QueryContext(ctx, query+fmt.Sprintf(" LIMIT %d", maxBroken))
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", rule, err)
	}
	defer func() { _ = rows.Close() }()
	var found []Discrepancy
	for rows.Next() {
		var pot int64
		if err := rows.Scan(&pot); err != nil {
			return nil, fmt.Errorf("check %s: %w", rule, err)
		}
		found = append(found, Discrepancy{Rule: rule, Pot: model.ID(pot)})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("check %s: %w", rule, err)
	}
	return found, nil
}

// compareReturned compares the budget's list of what came back with the payouts that
// were given up, both ways. The two change in one transaction.
func (p *Payer) compareReturned(ctx context.Context) ([]Discrepancy, error) {
	var found []Discrepancy
	returned, released := &pages[model.Prize]{key: func(b model.Prize) model.ID { return b.Pot }, read: func(after model.ID) ([]model.Prize, error) {
		return p.Wins.Returned(ctx, after, checkPage)
	}}, &pages[Payout]{key: func(v Payout) model.ID { return v.Pot }, read: func(after model.ID) ([]Payout, error) {
		rows, err := p.q.InState(ctx, db.InStateParams{State: string(Released), After: int64(after), Limit: checkPage})
		return payoutsOf(rows), err
	}}
	for len(found) < maxFindings {
		b, more, err := returned.peek()
		if err != nil {
			return found, fmt.Errorf("read what came back: %w", err)
		}
		v, moreReleased, err := released.peek()
		if err != nil {
			return found, fmt.Errorf("read what was given up: %w", err)
		}
		switch {
		case !more && !moreReleased:
			return found, nil
		case !moreReleased || more && b.Pot < v.Pot:
			// It may have been given up between the two reads; it is looked for alone.
			fresh, err := p.Payout(ctx, b.Pot)
			if err != nil && !errors.Is(err, ErrUnknownPayout) {
				return found, err
			}
			if fresh.State != Released {
				found = append(found, Discrepancy{"returned.not_released", b.Pot, b.Value.String()})
			}
			returned.next()
		case !more || v.Pot < b.Pot:
			fresh, err := p.Wins.Returned(ctx, v.Pot-1, 1)
			if err != nil {
				return found, fmt.Errorf("read what came back: %w", err)
			}
			if len(fresh) == 0 || fresh[0].Pot != v.Pot {
				found = append(found, Discrepancy{"released.not_returned", v.Pot, v.Value.String()})
			}
			released.next()
		default:
			if b.Value != v.Value {
				found = append(found, Discrepancy{"returned.otherwise", v.Pot, fmt.Sprintf("came back %s, given up %s", b.Value, v.Value)})
			}
			returned.next()
			released.next()
		}
	}
	return found, nil
}
