package payout_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/payout"
)

// act is what happens to one call of the carrier.
type act string

const (
	completes   act = "completes"
	takes       act = "takes"         // working now, delivered at the next question
	takesCut    act = "takes, cut"    // it has it, the answer is lost
	drops       act = "drops"         // lost on the way, nobody knows
	late        act = "late"          // lost, then arrives some calls later
	lateRefused act = "late, refused" // an earlier one is on its way, this one is refused
	rejects     act = "rejects"       // the bill ends failed
	refuses     act = "refuses"
	unsent      act = "unsent"
	halts       act = "halts"
	diesBefore  act = "dies before"
	diesAfter   act = "dies after"
	panics      act = "panics" // the courier, over an answer that nobody thought of
)

var acts = []act{completes, takes, takesCut, drops, late, lateRefused, rejects, refuses, unsent, halts, diesBefore, diesAfter}

// bill is what the carrier's book holds of one number.
type bill struct {
	goods payout.Goods
	state payout.Answer // Delivered, Working, Rejected
}

// world is everything around the payer.
type world struct {
	mu      sync.Mutex
	now     time.Time
	ids     *model.IDs
	script  []act // for the calls to come; then completes
	book    map[model.RequestID]*bill
	onWay   map[model.RequestID]payout.Goods // late ones
	prizes  []model.Prize
	bound   bool
	binds   func() // what happens when he binds a number once he was looked at
	became  map[model.MemberID]model.MemberID
	left    map[model.MemberID]bool // who closed his account
	hold    string
	release bool
	dies    map[string]int // where the process dies, how often
	settled []payout.Settled
	refused map[model.ID]bool // was refused at the first call, or rejected
	calls   int
	pool    *sql.DB
	asking  func(context.Context) // while the carrier is asked
	given   bool                  // his number is somebody else's by now
	silent  error                 // what the carrier says of holders instead
	asked   int                   // how often it was asked for one
}

func newWorld() *world {
	w := &world{
		now: time.Date(2026, 2, 17, 12, 0, 0, 0, model.Shanghai), book: map[model.RequestID]*bill{}, onWay: map[model.RequestID]payout.Goods{},
		bound: true, dies: map[string]int{},
		refused: map[model.ID]bool{},
	}
	ids, err := model.NewIDs(1, time.Now)
	if err != nil {
		panic(err)
	}
	w.ids = ids
	return w
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// die ends the goroutine, as a killed process ends: what is not committed is gone.
func (w *world) die(where string) {
	w.mu.Lock()
	n := w.dies[where]
	if n > 0 {
		w.dies[where]--
	}
	w.mu.Unlock()
	if n > 0 {
		runtime.Goexit()
	}
}

func potOf(b model.RequestID) model.ID {
	var pot, n int64
	if _, err := fmt.Sscanf(string(b), "P%d-%d", &pot, &n); err != nil {
		panic(err)
	}
	return model.ID(pot)
}

func (w *world) Deliver(ctx context.Context, g payout.Goods, b model.RequestID, again bool) payout.Outcome {
	if again {
		if out := w.Ask(ctx, g, b); out.Answer != payout.Missing {
			return out
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	what := completes
	if len(w.script) > 0 {
		what, w.script = w.script[0], w.script[1:]
	}
	land := func(state payout.Answer) {
		if w.book[b] == nil { // the carrier honours the number
			w.book[b] = &bill{g, state}
		}
	}
	switch what {
	case completes:
		land(payout.Delivered)
		return payout.Outcome{Answer: w.book[b].state, Receipt: "R"}
	case takes:
		land(payout.Working)
		return payout.Outcome{Answer: w.book[b].state, Receipt: "R"}
	case takesCut:
		land(payout.Working)
	case late:
		w.onWay[b] = g
	case lateRefused:
		if again {
			w.onWay[b] = g
			return payout.Outcome{Answer: payout.Refused, Why: "carrier.refused"}
		}
	case rejects:
		land(payout.Rejected)
		w.refused[potOf(b)] = true
		return payout.Outcome{Answer: w.book[b].state, Why: "carrier.failed"}
	case refuses:
		w.refused[potOf(b)] = w.refused[potOf(b)] || !again
		return payout.Outcome{Answer: payout.Refused, Why: "carrier.refused"}
	case unsent:
		return payout.Outcome{Answer: payout.Unsent, Why: "carrier.busy"}
	case halts:
		return payout.Outcome{Answer: payout.Halted, Why: "carrier.denied"}
	case diesAfter:
		land(payout.Delivered)
		runtime.Goexit()
	case diesBefore:
		runtime.Goexit()
	case panics:
		panic("nobody thought of that")
	}
	return payout.Outcome{Answer: payout.Unclear, Why: "carrier.unknown_outcome"}
}

func (w *world) Ask(ctx context.Context, g payout.Goods, b model.RequestID) payout.Outcome {
	if w.asking != nil {
		w.asking(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.book[b]
	if known == nil {
		return payout.Outcome{Answer: payout.Missing}
	}
	if known.goods != g {
		return payout.Outcome{Answer: payout.Contradicted}
	}
	if known.state == payout.Working {
		known.state = payout.Delivered
		return payout.Outcome{Answer: payout.Working}
	}
	return payout.Outcome{Answer: known.state, Receipt: "R"}
}

// arrive lets what was on its way reach the carrier.
func (w *world) arrive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for b, g := range w.onWay {
		if w.book[b] == nil {
			w.book[b] = &bill{g, payout.Delivered}
		}
	}
	clear(w.onWay)
}

// effects counts the deliveries of a pot, whatever their number.
func (w *world) effects(pot model.ID) int {
	n := 0
	for b, known := range w.book {
		if potOf(b) == pot && known.state != payout.Rejected {
			n++
		}
	}
	return n
}

func (w *world) EarnTx(ctx context.Context, tx *sql.Tx, member model.MemberID, source string, amount model.Points, _ model.Ref, _ model.RequestID) (model.Points, error) {
	if source != payout.SourcePoints {
		return 0, fault.New(fault.Invalid, "points.source", "")
	}
	// A row beside the ledger shows whether the transaction stands.
	_, err := tx.ExecContext(ctx, `INSERT INTO points_account (member_id, balance, pending, held, due_at, version, merged_into, closed_at, created_at) VALUES (?, ?, 0, 0, 0, 0, 0, 0, 0)`, int64(member), int64(amount))
	return amount, err
}

// GivenAway unbinds a number that was given away.
func (w *world) GivenAway(ctx context.Context, phone model.Phone) (bool, error) {
	w.die("holders")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if _, bounded := ctx.Deadline(); !bounded || phone.IsZero() {
		return false, errors.New("asked without a deadline, or about no number")
	}
	if w.silent != nil {
		return false, w.silent
	}
	if w.given {
		w.bound = false
	}
	return w.given, nil
}

var errLeft = fault.New(fault.NotFound, "member.unknown", "")

func (w *world) Current(_ context.Context, id model.MemberID, _ model.App) (model.Member, error) {
	w.die("people")
	if w.left[id] {
		return model.Member{}, errLeft
	}
	m := model.Member{ID: id, OpenID: "o"}
	if now, ok := w.became[id]; ok {
		m.ID = now
	}
	if w.bound {
		m.Phone, _ = model.ParsePhone("13812345678")
	}
	if binds := w.binds; binds != nil {
		w.binds, w.bound = nil, true
		binds()
	}
	return m, nil
}

func (w *world) Hold(context.Context, model.ID) (bool, string, error) {
	w.die("judge")
	return w.hold != "", w.hold, nil
}

func (w *world) ReleaseTx(ctx context.Context, tx *sql.Tx, prize model.Prize) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO pot_release (pot_id, game_id, slice, amount, released_at) VALUES (?, 1, 0, ?, 1)`, int64(prize.Pot), int64(prize.Value))
	return err
}

// back counts how often a budget came back.
func back(t testing.TB, pool *sql.DB, pot model.ID) int {
	t.Helper()
	var n int
	if err := pool.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pot_release WHERE pot_id = ?`, int64(pot)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) ReleasesFailed(context.Context, model.ID) (bool, error) { return w.release, nil }

// Returned is what the budget's list says, of the pots of this world alone.
func (w *world) Returned(ctx context.Context, after model.ID, limit int) ([]model.Prize, error) {
	rows, err := w.pool.QueryContext(ctx, `SELECT pot_id, amount FROM pot_release WHERE pot_id > ? ORDER BY pot_id LIMIT ?`, int64(after), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []model.Prize
	for rows.Next() {
		var prize model.Prize
		if err := rows.Scan(&prize.Pot, &prize.Value); err != nil {
			return nil, err
		}
		out = append(out, prize)
	}
	return out, rows.Err()
}

func (w *world) Prizes(_ context.Context, after model.ID, limit int) ([]model.Prize, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []model.Prize
	for _, p := range w.prizes {
		if p.Pot > after && len(out) < limit {
			out = append(out, p)
		}
	}
	return out, nil
}

func (w *world) AddTx(_ context.Context, _ *sql.Tx, _ string, _ model.RequestID, payload any) error {
	w.die("outbox")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled = append(w.settled, payload.(payout.Settled))
	return nil
}

func newPayer(t testing.TB, pool *sql.DB, w *world, opts payout.Options) *payout.Payer {
	t.Helper()
	w.pool = pool
	sealer, err := seal.New(map[int][]byte{1: make([]byte, 32)}, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return payout.New(payout.Needs{
		SQL: pool, Courier: w, Ledger: w, People: w, Holders: w, Judge: w, Budget: w, Wins: w, Outbox: w, Sealer: sealer, IDs: w.ids,
		Now: w.clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, opts)
}

// win books a prize as the game does.
func (w *world) win(t interface {
	Helper()
	Fatal(...any)
}, pool *sql.DB, kind model.PrizeKind, quantity int64) model.Prize {
	t.Helper()
	prize := model.Prize{Pot: w.ids.Next(), Game: 1, Member: model.MemberID(w.ids.Next()), Kind: kind, Value: 500, Quantity: quantity, At: model.At(w.clock())}
	err := sqldb.InTx(context.Background(), pool, func(tx *sql.Tx) error {
		return payout.NewBook().CreateTx(context.Background(), tx, []model.Prize{prize})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prizes = append(w.prizes, prize)
	slices.SortFunc(w.prizes, func(a, b model.Prize) int { return int(a.Pot - b.Pot) })
	return prize
}
