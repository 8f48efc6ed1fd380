package payout_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/payout"
)

func TestAPrizeOfANumberThatWasGivenAwayWaitsForAnotherOne(t *testing.T) {
	for _, kind := range []model.PrizeKind{model.PhoneCreditPrize, model.DataPrize} {
		t.Run(string(kind), func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				w.given = true
				p := newPayer(t, pool, w, quick)
				prize := w.win(t, pool, kind, 1024)
				for range 2 {
					run(t, p)
					if v := stateOf(t, p, prize.Pot); v.State != payout.Created || !v.NeedsPhone() || w.effects(prize.Pot) != 0 {
						t.Fatalf("it is %s (%s) with %d deliveries, want it to wait for a number", v.State, v.Why, w.effects(prize.Pot))
					}
					w.pass(2 * time.Hour)
				}
				w.given, w.bound = false, true
				if err := p.Hasten(t.Context(), []model.MemberID{prize.Member}); err != nil {
					t.Fatal(err)
				}
				run(t, p)
				if v := stateOf(t, p, prize.Pot); v.State != payout.Paid || w.effects(prize.Pot) != 1 {
					t.Errorf("with a number of his own it is %s with %d deliveries, want paid once", v.State, w.effects(prize.Pot))
				}
			})
		})
	}
}

// What the carrier does not say now it says another time, however late: the prize is
// neither sent nor given up, though its game gives up what cannot be handed over.
func TestAPrizeWaitsWhileNobodyKnowsWhoseTheNumberIs(t *testing.T) {
	for _, hold := range []string{"", "互助"} { // created, and approved by a person
		t.Run(hold, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				w.silent, w.release, w.hold = errors.New("away"), true, hold
				p := newPayer(t, pool, w, quick)
				prize, want := w.win(t, pool, model.PhoneCreditPrize, 500), payout.Created
				if hold != "" {
					run(t, p)
					decide(t, p, prize.Pot, payout.Pay)
					want = payout.Approved
				}
				for _, wait := range []time.Duration{0, time.Hour, 40 * 24 * time.Hour} {
					w.pass(wait)
					if moved, err := p.Due(t.Context()); moved != 0 || err != nil {
						t.Errorf("Due = %d, %v, want nothing moved and nothing wrong", moved, err)
					}
					if v := stateOf(t, p, prize.Pot); v.State != want || v.NeedsPhone() || w.calls != 0 {
						t.Fatalf("it is %s (%s) after %d orders, want it to wait for the carrier's word", v.State, v.Why, w.calls)
					}
				}
				w.silent = nil
				w.pass(time.Minute)
				run(t, p)
				if v := stateOf(t, p, prize.Pot); v.State != payout.Paid || w.effects(prize.Pot) != 1 {
					t.Errorf("it is %s with %d deliveries, want paid once", v.State, w.effects(prize.Pot))
				}
			})
		})
	}
}

// What may have reached the carrier is settled by its bill alone, whoever has the number
// by now; and points need no number.
func TestNobodyIsAskedWhoseTheNumberOfASentPrizeIs(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.script = []act{takesCut}
		p := newPayer(t, pool, w, quick)
		prize := w.win(t, pool, model.PhoneCreditPrize, 500)
		run(t, p)
		w.given, w.silent = true, errors.New("away")
		w.win(t, pool, model.PointsPrize, 10)
		for range 3 {
			w.pass(time.Minute)
			run(t, p)
		}
		if v := stateOf(t, p, prize.Pot); v.State != payout.Paid || w.effects(prize.Pot) != 1 || w.asked != 1 {
			t.Errorf("it is %s with %d deliveries after %d questions, want paid once after one", v.State, w.effects(prize.Pot), w.asked)
		}
	})
}

// A carrier that refuses our account says nothing about anybody: the queue stands, as it
// does when it refuses an order for that.
func TestTheQueueStandsWhenTheCarrierRefusesToSayWhoHoldsANumber(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.silent = payout.ErrDenied
		p := newPayer(t, pool, w, quick)
		first := w.win(t, pool, model.PhoneCreditPrize, 500)
		run(t, p)
		asked := w.asked
		w.win(t, pool, model.DataPrize, 1024)
		run(t, p)
		if asked == 0 || w.asked != asked || w.calls != 0 {
			t.Errorf("the carrier was asked %d times, then %d more, and got %d orders; want it left alone", asked, w.asked-asked, w.calls)
		}
		w.silent = nil
		for range 10 {
			w.pass(time.Minute)
			run(t, p)
		}
		if v := stateOf(t, p, first.Pot); v.State != payout.Paid || w.effects(first.Pot) != 1 {
			t.Errorf("it is %s with %d deliveries, want paid once", v.State, w.effects(first.Pot))
		}
	})
}

// The promise of a binding may come while the payer looks, when nothing is noted to wait
// for it.
func TestWhoBindsWhileHeIsLookedAtWaitsForNoOtherLook(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.bound = false
		p := newPayer(t, pool, w, quick)
		prize := w.win(t, pool, model.PhoneCreditPrize, 500)
		w.binds = func() {
			if err := p.Hasten(t.Context(), []model.MemberID{prize.Member}); err != nil {
				t.Error(err)
			}
		}
		run(t, p)
		run(t, p) // no time has passed
		if v := stateOf(t, p, prize.Pot); v.State != payout.Paid || w.effects(prize.Pot) != 1 {
			t.Errorf("it is %s (%s) with %d deliveries, want paid by the next round", v.State, v.Why, w.effects(prize.Pot))
		}
	})
}
