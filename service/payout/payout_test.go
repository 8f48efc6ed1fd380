package payout_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/payout"
)

// quick does not make a test wait, though the clock is its own anyway.
var quick = payout.Options{Workers: 1, Batch: 1, Packs: map[int64]string{1024: "PACK-1G"}}

// run calls Due as the schedule does, in a process that may die.
func run(t interface{ Fatal(...any) }, p *payout.Payer) {
	done := make(chan error, 1)
	go func() {
		err := errors.New("died")
		defer func() { done <- err }()
		_, err = p.Due(context.Background())
	}()
	if err := <-done; err != nil && !strings.Contains(err.Error(), "could not be moved") && err.Error() != "died" {
		t.Fatal(err)
	}
}

func stateOf(t testing.TB, p *payout.Payer, pot model.ID) payout.Payout {
	t.Helper()
	v, err := p.Payout(t.Context(), pot)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWhatBecomesOfAPrize(t *testing.T) {
	type step struct {
		wait time.Duration
		want payout.State
	}
	for _, tt := range []struct {
		name    string
		kind    model.PrizeKind
		n       int64
		script  []act
		world   func(w *world)
		steps   []step
		effects int
		back    int
	}{
		{"credit arrives", model.PhoneCreditPrize, 500, nil, nil, []step{{0, payout.Paid}}, 1, 0},
		{"data arrives", model.DataPrize, 1024, nil, nil, []step{{0, payout.Paid}}, 1, 0},
		{"the carrier takes its time", model.PhoneCreditPrize, 500, []act{takes}, nil, []step{{0, payout.Paying}, {time.Minute, payout.Paying}, {time.Minute, payout.Paid}}, 1, 0},
		{"a lost answer is asked for", model.PhoneCreditPrize, 500, []act{takesCut}, nil, []step{{0, payout.Paying}, {time.Minute, payout.Paying}, {time.Minute, payout.Paid}}, 1, 0},
		{"what never arrived is sent again", model.PhoneCreditPrize, 500, []act{drops, drops}, nil, []step{{0, payout.Paying}, {time.Minute, payout.Paying}, {time.Minute, payout.Paid}}, 1, 0},
		{"a refusal at first is an end", model.PhoneCreditPrize, 500, []act{refuses}, nil, []step{{0, payout.Failed}}, 0, 0},
		{"and gives the budget back where the game says so", model.PhoneCreditPrize, 500, []act{refuses}, func(w *world) { w.release = true }, []step{{0, payout.Released}}, 0, 1},
		{"a refusal after an unknown try is none", model.PhoneCreditPrize, 500, []act{drops, refuses}, nil, []step{{0, payout.Paying}, {time.Minute, payout.Paying}, {time.Minute, payout.Paid}}, 1, 0},
		{"a bill that failed is an end", model.PhoneCreditPrize, 500, []act{rejects}, nil, []step{{0, payout.Failed}, {time.Hour, payout.Failed}}, 0, 0},
		{"who was not reached is tried later", model.PhoneCreditPrize, 500, []act{unsent, unsent}, nil, []step{{0, payout.Paying}, {time.Minute, payout.Paying}, {time.Minute, payout.Paid}}, 1, 0},
		{"a suspicious pot waits for a person", model.PhoneCreditPrize, 500, nil, func(w *world) { w.hold = "互助" }, []step{{0, payout.Held}, {time.Hour, payout.Held}}, 0, 0},
		{"who has no number is waited for", model.PhoneCreditPrize, 500, nil, func(w *world) { w.bound = false }, []step{{0, payout.Created}, {2 * time.Hour, payout.Created}}, 0, 0},
		{"not for ever", model.PhoneCreditPrize, 500, nil, func(w *world) { w.bound = false }, []step{{0, payout.Created}, {31 * 24 * time.Hour, payout.Failed}}, 0, 0},
		{"a pack of a size that is not sold", model.DataPrize, 7, nil, nil, []step{{0, payout.Failed}}, 0, 0},
		{"points arrive at once", model.PointsPrize, 50, nil, nil, []step{{0, payout.Paid}}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				w.script = tt.script
				if tt.world != nil {
					tt.world(w)
				}
				p := newPayer(t, pool, w, quick)
				prize := w.win(t, pool, tt.kind, tt.n)
				for i, s := range tt.steps {
					w.pass(s.wait)
					run(t, p)
					if got := stateOf(t, p, prize.Pot); got.State != s.want {
						t.Fatalf("after step %d: %s (%s), want %s", i, got.State, got.Why, s.want)
					}
				}
				if n := w.effects(prize.Pot); n != tt.effects {
					t.Errorf("the carrier delivered %d times, want %d", n, tt.effects)
				}
				if n := back(t, pool, prize.Pot); n != tt.back {
					t.Errorf("the budget came back %d times, want %d", n, tt.back)
				}
			})
		})
	}
}

func TestTroubleWithOurAccountStopsTheQueueNotTheItems(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.script = []act{halts}
		p := newPayer(t, pool, w, payout.Options{Workers: 1, Batch: 100})
		var prizes []model.Prize
		for range 5 {
			prizes = append(prizes, w.win(t, pool, model.PhoneCreditPrize, 500))
		}
		run(t, p)
		run(t, p)
		if w.calls != 1 {
			t.Errorf("%d calls while the account is in trouble, want 1", w.calls)
		}
		w.pass(6 * time.Minute)
		run(t, p)
		for _, prize := range prizes {
			if got := stateOf(t, p, prize.Pot); got.State != payout.Paid || w.effects(prize.Pot) != 1 {
				t.Errorf("afterwards %s is %s with %d deliveries, want paid once", prize.Pot, got.State, w.effects(prize.Pot))
			}
		}
	})
}

func TestAPersonDecides(t *testing.T) {
	yes := payout.Decision{Verdict: payout.Pay, By: "1", Why: "是一家人"}
	no := payout.Decision{Verdict: payout.GiveUp, By: "1", Why: "刷单"}
	for _, tt := range []struct {
		name     string
		script   []act
		hold     string
		decision payout.Decision
		want     error
		state    payout.State
		effects  int
	}{
		{"a held prize goes on", nil, "x", yes, nil, payout.Paid, 1},
		{"a held prize is given up", nil, "x", no, nil, payout.Released, 0},
		{"a failed bill is repeated under a new number", []act{rejects}, "", yes, nil, payout.Paid, 1},
		{"a paid prize is not paid again", nil, "", yes, payout.ErrState, payout.Paid, 1},
		{"an unknown one is no failed one", []act{takesCut}, "", yes, payout.ErrState, payout.Paid, 1},
		{"but a person may know", []act{drops}, "", payout.Decision{Verdict: payout.WasPaid, By: "1", Why: "客服确认"}, nil, payout.Paid, 0},
		{"also of what the carrier has and never ends", []act{takes}, "", payout.Decision{Verdict: payout.WasPaid, By: "1", Why: "客服确认"}, nil, payout.Paid, 1},
		{"nobody answers for it", nil, "x", payout.Decision{Verdict: payout.Pay, Why: "y"}, payout.ErrDecision, payout.Held, 0},
		{"a blank is no reason", nil, "x", payout.Decision{Verdict: payout.GiveUp, By: "1", Why: " \u3000\n"}, payout.ErrDecision, payout.Held, 0},
		{"no such verdict", nil, "x", payout.Decision{Verdict: "maybe", By: "1", Why: "y"}, payout.ErrDecision, payout.Held, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				w.script, w.hold = tt.script, tt.hold
				p := newPayer(t, pool, w, quick)
				prize := w.win(t, pool, model.PhoneCreditPrize, 500)
				run(t, p)
				if err := p.Review(t.Context(), prize.Pot, tt.decision); !errors.Is(err, tt.want) {
					t.Fatalf("Review = %v, want %v", err, tt.want)
				}
				for range 5 {
					w.pass(time.Minute)
					run(t, p)
				}
				if got := stateOf(t, p, prize.Pot); got.State != tt.state || w.effects(prize.Pot) != tt.effects {
					t.Errorf("it is %s with %d deliveries, want %s with %d", got.State, w.effects(prize.Pot), tt.state, tt.effects)
				}
			})
		})
	}
}

func TestNobodySaysTooEarlyThatAPrizeWillNotArrive(t *testing.T) {
	not := payout.Decision{Verdict: payout.WasNot, By: "1", Why: "运营商工单0231"}
	pay := payout.Decision{Verdict: payout.Pay, By: "1", Why: "再发一次"}
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.script = []act{late}
		p := newPayer(t, pool, w, quick)
		prize := w.win(t, pool, model.PhoneCreditPrize, 500)
		decide := func(d payout.Decision, want error) {
			t.Helper()
			if err := p.Review(t.Context(), prize.Pot, d); !errors.Is(err, want) {
				t.Fatalf("%s = %v, want %v", d.Verdict, err, want)
			}
		}
		run(t, p)
		decide(not, payout.ErrEarly) // it is on its way
		for range 26 {
			w.script = []act{drops}
			w.pass(time.Hour)
			run(t, p)
		}
		decide(not, payout.ErrEarly) // so is what was sent just now
		w.pass(31 * time.Minute)
		decide(not, nil)
		clear(w.onWay)
		decide(pay, nil)
		w.script = []act{late}
		run(t, p)
		w.pass(31 * time.Minute)
		decide(not, payout.ErrEarly) // who saw the first bill says nothing of the second
		w.arrive()
		w.pass(time.Hour)
		run(t, p)
		if got := stateOf(t, p, prize.Pot); got.State != payout.Paid || w.effects(prize.Pot) != 1 {
			t.Errorf("it is %s with %d deliveries, want paid once", got.State, w.effects(prize.Pot))
		}
	})
}

// TestExactlyOnce lets the carrier and the process do their worst, then leaves them
// in peace: every prize is delivered once, or was refused and is not.
func TestExactlyOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		rapid.Check(t, func(rt *rapid.T) {
			w := newWorld()
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(rt, "start")) * time.Hour)
			w.release = rapid.Bool().Draw(rt, "release")
			w.script = rapid.SliceOfN(rapid.SampledFrom(acts), 0, 8).Draw(rt, "script")
			for _, where := range []string{"judge", "people", "holders", "outbox"} {
				w.dies[where] = rapid.IntRange(0, 1).Draw(rt, where)
			}
			replicas := []*payout.Payer{newPayer(t, pool, w, quick), newPayer(t, pool, w, quick)}
			var prizes []model.Prize
			for range rapid.IntRange(1, 2).Draw(rt, "pots") {
				prizes = append(prizes, w.win(t, pool, rapid.SampledFrom([]model.PrizeKind{model.PhoneCreditPrize, model.DataPrize}).Draw(rt, "kind"), 1024))
			}
			for range rapid.IntRange(1, 8).Draw(rt, "steps") {
				run(rt, replicas[rapid.IntRange(0, 1).Draw(rt, "replica")])
				w.pass(time.Duration(rapid.IntRange(0, 60).Draw(rt, "wait")) * time.Second)
				if rapid.Bool().Draw(rt, "arrive") {
					w.arrive()
				}
				for _, prize := range prizes {
					if n := w.effects(prize.Pot); n > 1 {
						rt.Fatalf("pot %s was delivered %d times", prize.Pot, n)
					}
				}
			}
			calm(t, rt, pool, w, replicas[0], prizes)
		})
	})
}

// calm lets everything come to its end and looks at it.
func calm(t *testing.T, rt *rapid.T, pool *sql.DB, w *world, p *payout.Payer, prizes []model.Prize) {
	w.script, w.dies = nil, map[string]int{}
	for range 6 {
		w.pass(2 * time.Hour)
		run(rt, p)
	}
	w.arrive() // even the latest
	for _, prize := range prizes {
		v, n, returned := stateOf(t, p, prize.Pot), w.effects(prize.Pot), back(t, pool, prize.Pot)
		switch {
		case v.State == payout.Paid && n == 1 && returned == 0:
		case v.State == payout.Failed && n == 0 && w.refused[prize.Pot] && !w.release && returned == 0:
		case v.State == payout.Released && n == 0 && w.refused[prize.Pot] && w.release && returned == 1:
		default:
			rt.Fatalf("pot %s ended %s with %d deliveries, refused %v, given back %d times", prize.Pot, v.State, n, w.refused[prize.Pot], returned)
		}
	}
}

func TestWhoTheWinnerBecameClaimsHisPrize(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.bound = false
		p := newPayer(t, pool, w, quick)
		prize := w.win(t, pool, model.PhoneCreditPrize, 500)
		run(t, p)
		other := prize.Member + 1
		if _, err := p.Claim(t.Context(), other, prize.Pot); !errors.Is(err, payout.ErrNotWon) {
			t.Errorf("Claim of somebody else's prize = %v, want %v", err, payout.ErrNotWon)
		}
		w.became, w.bound = map[model.MemberID]model.MemberID{prize.Member: other}, true
		if v, err := p.Claim(t.Context(), other, prize.Pot); err != nil || v.Pot != prize.Pot {
			t.Errorf("Claim by who the winner became = %+v, %v, want his prize", v, err)
		}
		run(t, p)
		if v, err := p.Payout(t.Context(), prize.Pot); err != nil || v.State != payout.Paid {
			t.Errorf("the prize is %s, %v, want it paid", v.State, err)
		}
	})
}

func TestBooksThatAgreeMakeAnEmptyReport(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.script = []act{completes, rejects, takes}
		p := newPayer(t, pool, w, payout.Options{Workers: 1})
		for range 3 {
			w.win(t, pool, model.PhoneCreditPrize, 500)
		}
		w.win(t, pool, model.PointsPrize, 10)
		for range 3 {
			run(t, p)
			w.pass(2 * time.Hour)
		}
		for range 2 { // the second time there is nothing left to ask
			if found, err := p.Reconcile(t.Context()); err != nil || len(found) != 0 {
				t.Fatalf("Reconcile = %v, %v, want nothing", found, err)
			}
		}
	})
}

// TestBooksThatDisagree plants what each comparison is there to find.
func TestBooksThatDisagree(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		plant func(t *testing.T, pool *sql.DB, w *world, pot model.ID)
	}{
		{"won.not_booked", func(t *testing.T, pool *sql.DB, w *world, pot model.ID) {
			change(t, pool, `DELETE FROM payout WHERE pot_id = ?`, pot)
		}},
		{"booked.not_won", func(_ *testing.T, _ *sql.DB, w *world, _ model.ID) { w.prizes = nil }},
		{"booked.otherwise", func(_ *testing.T, _ *sql.DB, w *world, _ model.ID) { w.prizes[0].Value++ }},
		{"paid.without_success", func(t *testing.T, pool *sql.DB, _ *world, pot model.ID) {
			change(t, pool, `DELETE FROM payout_attempt WHERE pot_id = ?`, pot)
		}},
		{"success.not_paid", func(t *testing.T, pool *sql.DB, _ *world, pot model.ID) {
			change(t, pool, `UPDATE payout SET state = 'failed' WHERE pot_id = ?`, pot)
		}},
		{"paid.not_delivered", func(_ *testing.T, _ *sql.DB, w *world, _ model.ID) { clear(w.book) }},
		{"failed.delivered", func(t *testing.T, pool *sql.DB, _ *world, pot model.ID) {
			change(t, pool, `UPDATE payout_attempt SET state = 'failed', active = NULL WHERE pot_id = ?`, pot)
		}},
		{"ended.still_working", func(_ *testing.T, _ *sql.DB, w *world, _ model.ID) {
			for _, b := range w.book {
				b.state = payout.Working
			}
		}},
		{"bill.other_goods", func(_ *testing.T, _ *sql.DB, w *world, _ model.ID) {
			for _, b := range w.book {
				b.goods.Credit++
			}
		}},
		{"bill.unreadable", func(t *testing.T, pool *sql.DB, _ *world, pot model.ID) {
			change(t, pool, `UPDATE payout_attempt SET body_hash = 'x' WHERE pot_id = ?`, pot)
		}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				p := newPayer(t, pool, w, quick)
				prize := w.win(t, pool, model.PhoneCreditPrize, 500)
				run(t, p)
				w.pass(2 * time.Hour)
				tt.plant(t, pool, w, prize.Pot)
				found, err := p.Reconcile(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range found {
					if d.Rule == tt.rule && d.Pot == prize.Pot {
						return
					}
				}
				t.Errorf("Reconcile = %v, want %s of pot %s", found, tt.rule, prize.Pot)
			})
		})
	}
}

func change(t *testing.T, pool *sql.DB, query string, pot model.ID) {
	t.Helper()
	if _, err := pool.ExecContext(t.Context(), query, int64(pot)); err != nil {
		t.Fatal(err)
	}
}

func TestAPanicOverOnePrizeKeepsNoneOfTheOthers(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.script = []act{panics}
		p := newPayer(t, pool, w, payout.Options{Workers: 1, FirstGap: time.Second, LongGap: time.Minute, Timeout: time.Second})
		first, second := w.win(t, pool, model.PhoneCreditPrize, 500), w.win(t, pool, model.PhoneCreditPrize, 500)
		if _, err := p.Due(t.Context()); err == nil {
			t.Error("Due = nil, want it said that one was not moved")
		}
		for range 5 {
			w.pass(time.Minute)
			run(t, p)
		}
		for _, prize := range []model.Prize{first, second} {
			if got := stateOf(t, p, prize.Pot); got.State != payout.Paid || w.effects(prize.Pot) != 1 {
				t.Errorf("it is %s with %d deliveries, want it paid once", got.State, w.effects(prize.Pot))
			}
		}
	})
}

func TestAPrizeThatCannotBeMovedKeepsNoneOfTheOthers(t *testing.T) {
	for name, batch := range map[string]int{"of another state": 100, "of its own state": 1} {
		t.Run(name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				w.hold, w.release = "互助", true
				p := newPayer(t, pool, w, payout.Options{Workers: 1, Batch: batch})
				stuck := w.win(t, pool, model.DataPrize, 7) // of no pack, and its budget does not take it back
				if _, err := pool.ExecContext(t.Context(), `INSERT INTO pot_release (pot_id, game_id, slice, amount, released_at) VALUES (?, 1, 0, 1, 1)`, int64(stuck.Pot)); err != nil {
					t.Fatal(err)
				}
				run(t, p)
				decide(t, p, stuck.Pot, payout.Pay)
				if batch == 1 {
					other := w.win(t, pool, model.PhoneCreditPrize, 500)
					run(t, p)
					decide(t, p, other.Pot, payout.Pay)
				}
				w.hold = ""
				w.script = []act{takes}
				fresh := w.win(t, pool, model.PhoneCreditPrize, 500)
				for range 3 {
					run(t, p)
					w.pass(time.Minute)
				}
				if v := stateOf(t, p, fresh.Pot); v.State != payout.Paid {
					t.Errorf("a new prize beside one that cannot be moved is %s, want it paid", v.State)
				}
			})
		})
	}
}

// A prize that was held and let go on waits for a number like any other.
func TestAnApprovedPrizeWaitsForANumberInTheOpen(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.hold, w.bound = "互助", false
		p := newPayer(t, pool, w, quick)
		prize := w.win(t, pool, model.PhoneCreditPrize, 500)
		run(t, p)
		if v := stateOf(t, p, prize.Pot); v.State != payout.Held || v.NeedsPhone() {
			t.Fatalf("it is %s, needs a phone %v, want it held", v.State, v.NeedsPhone())
		}
		decide(t, p, prize.Pot, payout.Pay)
		run(t, p)
		if v := stateOf(t, p, prize.Pot); v.State != payout.Approved || !v.NeedsPhone() {
			t.Fatalf("it is %s (%s), needs a phone %v, want it to wait for one", v.State, v.Why, v.NeedsPhone())
		}
		w.bound = true
		if _, err := p.Claim(t.Context(), prize.Member, prize.Pot); err != nil {
			t.Fatalf("Claim = %v", err)
		}
		run(t, p)
		if v := stateOf(t, p, prize.Pot); v.State != payout.Paid {
			t.Errorf("after the claim it is %s (%s), want it paid", v.State, v.Why)
		}
	})
}

func TestBillsForgetTheNumberOfWhoClosedHisAccount(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		w.script = []act{rejects, completes, completes}
		p := newPayer(t, pool, w, payout.Options{Workers: 1})
		prizes := []model.Prize{w.win(t, pool, model.PhoneCreditPrize, 500), w.win(t, pool, model.PhoneCreditPrize, 500), w.win(t, pool, model.PointsPrize, 10)}
		winners := []model.MemberID{prizes[0].Member, prizes[1].Member, prizes[2].Member}
		named := func() (n int) {
			t.Helper()
			if err := pool.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM payout_attempt WHERE body <> '' OR body_hash <> ''`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for range 3 {
			run(t, p)
			w.pass(2 * time.Hour)
		}
		bills := named()
		if err := p.Close(t.Context(), winners); err != nil || named() != bills || bills < 2 {
			t.Fatalf("Close before the books were compared = %v, %d of %d bills name a number, want all: they are still needed", err, named(), bills)
		}
		w.left = map[model.MemberID]bool{winners[0]: true, winners[2]: true}
		for night := range 2 {
			if found, err := p.Reconcile(t.Context()); err != nil || len(found) != 0 {
				t.Fatalf("Reconcile = %v, %v, want nothing", found, err)
			}
			if n := named(); n != 1 {
				t.Errorf("after night %d %d bills name a number, want that of who is still there", night+1, n)
			}
		}
		for range 2 {
			if err := p.Close(t.Context(), winners); err != nil || named() != 0 {
				t.Errorf("Close = %v, %d bills name a number, want none", err, named())
			}
		}
		if found, err := p.Check(t.Context()); err != nil || len(found) != 0 {
			t.Errorf("Check = %v, %v, want nothing", found, err)
		}
	})
}
