package mall

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

// lines is an audit that remembers.
type lines []model.AuditEntry

func (l *lines) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	*l = append(*l, e)
	return nil
}

const boss = model.ID(9)

// stuckIn is a redemption of 100 of alice's 1000 points that was tried at 10:00 of the
// day after, with this answer.
func stuckIn(t *testing.T, f fixture, out Outcome) (Gift, Stuck) {
	t.Helper()
	f.carrier.answers = []Outcome{{State: Unknown}, out}
	g := f.shelve(func(*Gift) {})
	r, err := f.Redeem(t.Context(), f.order(alice, g, "a"))
	for _, wait := range []time.Duration{0, 24 * time.Hour} {
		*f.at = f.at.Add(wait)
		if err == nil {
			_, err = f.FulfilDue(t.Context())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := f.StuckNow(t.Context(), 0, "", 10)
	if err != nil || len(list) != 1 || list[0].ID != r.ID || !strings.HasPrefix(list[0].Order, "redemption-") {
		t.Fatalf("StuckNow = %+v, %v, want the redemption with its order's number", list, err)
	}
	return g, list[0]
}

func TestAnOperatorSettlesWhatIsStuck(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		for _, tt := range []struct {
			name   string
			state  State
			wait   time.Duration
			d      Decision
			want   error
			is     State
			points int64
			told   int
		}{
			{"the carrier says given", Unknown, 0, Decision{Verdict: Given, Number: "T-8"}, nil, Fulfilled, 900, 0},
			{"the carrier says never", Unknown, stray, Decision{Verdict: Refund}, nil, Failed, 1000, 1},
			{"the last try may still arrive", Unknown, stray - time.Millisecond, Decision{Verdict: Refund}, ErrAskedAgain, Unknown, 900, 0},
			{"in work for ever", Working, 0, Decision{Verdict: Refund}, nil, Failed, 1000, 1},
			{"asked again since", Unknown, stray, Decision{Verdict: Refund, Attempts: 1}, ErrAskedAgain, Unknown, 900, 0},
			{"no reason", Unknown, stray, Decision{Verdict: Refund, Why: "  没有 "}, ErrVerdict, Unknown, 900, 0},
			{"no verdict", Unknown, stray, Decision{}, ErrVerdict, Unknown, 900, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f, audit := newMall(t, pool), &lines{}
				g, stuck := stuckIn(t, f, Outcome{State: tt.state})
				f.Audit = audit
				*f.at = f.at.Add(tt.wait)
				if tt.d.Attempts == 0 {
					tt.d.Attempts = stuck.Attempts
				}
				if tt.d.Why == "" {
					tt.d.Why = "运营商工单0231"
				}
				got, err := f.SettleStuck(t.Context(), boss, stuck.ID, tt.d)
				if !errors.Is(err, tt.want) || err == nil && (got.State != tt.is || tt.d.Number != got.CarrierNo) {
					t.Fatalf("SettleStuck = %+v, %v, want %s, %v", got, err, tt.is, tt.want)
				}
				f.want(alice, tt.points, g, 9+(tt.points-900)/100)
				if r, err := f.Redemption(t.Context(), alice, stuck.ID); err != nil || r.State != tt.is || len(f.outbox.rows) != tt.told {
					t.Errorf("it is %s, %v, and %q was promised; want %s and %d", r.State, err, f.outbox.rows, tt.is, tt.told)
				}
				if (len(*audit) == 1) != (tt.want == nil) || len(*audit) == 1 && (*audit)[0].Operator != boss {
					t.Errorf("the audit has %+v", *audit)
				}
				if _, err := f.SettleStuck(t.Context(), boss, stuck.ID, tt.d); tt.want == nil && !errors.Is(err, ErrState) {
					t.Errorf("settled twice: %v, want %v", err, ErrState)
				}
				f.want(alice, tt.points, g, 9+(tt.points-900)/100)
				if _, err := pool.ExecContext(t.Context(), "DELETE FROM mall_redemption"); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

func TestAVerdictWaitsUntilSomethingIsStuckAndNobodyAsks(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		_, stuck := stuckIn(t, f, Outcome{State: Unknown})
		*f.at = f.at.Add(45 * time.Minute)
		d := Decision{Verdict: Refund, Attempts: stuck.Attempts, Why: "运营商工单0231"}
		exec := func(statement string, args ...any) {
			t.Helper()
			if _, err := pool.ExecContext(t.Context(), statement, append(args, int64(stuck.ID))...); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(want error) {
			t.Helper()
			if _, err := f.SettleStuck(t.Context(), boss, stuck.ID, d); !errors.Is(err, want) {
				t.Errorf("SettleStuck = %v, want %v", err, want)
			}
		}
		exec("UPDATE mall_redemption SET state = 'submitting', next_at = ? WHERE id = ?", f.millis()+1)
		refused(ErrAskedAgain) // it is being asked about
		exec("UPDATE mall_redemption SET state = 'unknown', created_at = ? WHERE id = ?", f.millis()-1000)
		refused(ErrNotStuck)
		exec("UPDATE mall_redemption SET state = 'accepted', created_at = 1, next_at = ? WHERE id = ?", int64(toShip))
		refused(ErrState) // a parcel
		exec("UPDATE mall_redemption SET kind = 'coupon', next_at = ? WHERE id = ?", f.millis())
		d.Verdict = Given
		refused(ErrNoCode)
		if _, err := f.SettleStuck(t.Context(), boss, 5, d); !errors.Is(err, ErrNoRedemption) {
			t.Errorf("a verdict on nothing: %v", err)
		}
		if text := fault.Of(ErrNoCode).Text; !strings.Contains(text, "导入券码") {
			t.Errorf("the refusal says %q, not what to do", text)
		}
	})
}
