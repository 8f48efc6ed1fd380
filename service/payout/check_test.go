package payout_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/payout"
)

// planted are ways to break each rule of a payout that is paid, a failed one and one
// that was given up.
var planted = []struct{ rule, sql string }{
	{"payout.state", "UPDATE payout SET state = 'lost' WHERE pot_id = $paid"},
	{"payout.amount", "UPDATE payout SET value = 0 WHERE pot_id = $paid"},
	{"attempt.orphan", "DELETE FROM payout WHERE pot_id = $paid"},
	{"attempt.active", "UPDATE payout_attempt SET active = NULL WHERE pot_id = $paid"},
	{"attempt.alone", "UPDATE payout_attempt SET active = 1 WHERE pot_id = $failed"},
	{"attempt.bill", "UPDATE payout_attempt SET bill_no = 'P1-1'"},
	{"attempt.after_success", "UPDATE payout_attempt SET state = 'succeeded' WHERE pot_id = $failed AND n = 1"},
	{"paying.without_attempt", "UPDATE payout SET state = 'paying' WHERE pot_id = $given_up"},
	{"ended.with_attempt", "UPDATE payout SET state = 'released' WHERE pot_id = $paid"},
	{"paid.without_success", "DELETE FROM payout_attempt WHERE pot_id = $paid"},
	{"success.not_paid", "UPDATE payout SET state = 'failed' WHERE pot_id = $paid"},
	{"review.orphan", "INSERT INTO payout_review (id, pot_id, decision, decided_by, why, decided_at) VALUES (1, 1, 'pay', 'li', 'x', 1)"},
	{"won.not_booked", "DELETE FROM payout WHERE pot_id = $failed"},
	{"returned.not_released", "UPDATE payout SET state = 'failed' WHERE pot_id = $given_up"},
	{"released.not_returned", "DELETE FROM pot_release WHERE pot_id = $given_up"},
	{"returned.otherwise", "UPDATE pot_release SET amount = amount + 1 WHERE pot_id = $given_up"},
}

func TestEachBrokenRuleOfPayoutsIsFound(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		withoutKeys(t, pool)
		for _, tt := range planted {
			t.Run(tt.rule, func(t *testing.T) {
				wipe(t, pool)
				w := newWorld()
				p := newPayer(t, pool, w, payout.Options{Workers: 1})
				ids := map[string]model.ID{}
				for name, script := range map[string][]act{"paid": {completes}, "given_up": {rejects}, "failed": {rejects, rejects}} {
					w.script = script
					ids[name] = w.win(t, pool, model.PhoneCreditPrize, 500).Pot
					run(t, p)
					if name == "failed" {
						decide(t, p, ids[name], payout.Pay) // a second attempt, which fails too
						run(t, p)
					}
				}
				decide(t, p, ids["given_up"], payout.GiveUp)
				if found, err := p.Check(t.Context()); err != nil || len(found) != 0 {
					t.Fatalf("Check before = %v, %v, want nothing", found, err)
				}
				query := tt.sql
				for name, id := range ids {
					query = strings.ReplaceAll(query, "$"+name, id.String())
				}
				if _, err := pool.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
				found, err := p.Check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range found {
					if d.Rule == tt.rule {
						return
					}
				}
				t.Errorf("Check found %v, want %s among them", found, tt.rule)
			})
		}
	})
}

func decide(t *testing.T, p *payout.Payer, pot model.ID, v payout.Verdict) {
	t.Helper()
	if err := p.Review(t.Context(), pot, payout.Decision{Verdict: v, By: "li", Why: "x"}); err != nil {
		t.Fatalf("Review = %v", err)
	}
}

func wipe(t *testing.T, pool *sql.DB) {
	t.Helper()
	for _, table := range []string{"payout", "payout_attempt", "payout_review", "pot_release"} {
		if _, err := pool.ExecContext(context.Background(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
}

// withoutKeys takes away the keys that make some violations impossible, until the test
// ends.
func withoutKeys(t *testing.T, pool *sql.DB) {
	t.Helper()
	for index, columns := range map[string]string{"payout_attempt_bill": "bill_no", "payout_attempt_active": "pot_id, active"} {
		drop := "DROP INDEX " + index
		if !sqldb.Embedded(pool) {
			drop += " ON payout_attempt"
		}
		if _, err := pool.ExecContext(t.Context(), drop); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // the database is used again by other tests
			wipe(t, pool)
			if _, err := pool.ExecContext(context.Background(), "CREATE UNIQUE INDEX "+index+" ON payout_attempt ("+columns+")"); err != nil {
				t.Error(err)
			}
		})
	}
}
