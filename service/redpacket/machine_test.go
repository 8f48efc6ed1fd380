package redpacket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// oracle is the game as a person would play it on paper: one thing after another.
type oracle struct {
	limit, n, each int
	pots           []*paperPot
	days           map[paperDay]int
	stopped        bool
	left           model.Fen
	spent          model.Fen
	reserved       model.Fen
}

type paperPot struct {
	id      PotID
	owner   int
	request string
	ends    model.Millis
	helps   map[int]told // by helper
	state   State
	target  model.Fen
}

type paperDay struct {
	helper int
	day    model.Day
}

// refusals are the answers that are true for a help now; none: it is taken.
func (o *oracle) refusals(p *paperPot, helper int, now model.Millis) []error {
	if helper == p.owner {
		return []error{ErrOwnPot}
	}
	if o.stopped {
		return []error{ErrStopped}
	}
	var all []error
	if len(p.helps) == o.n {
		all = append(all, ErrFull)
	} else if now >= p.ends {
		all = append(all, ErrEnded)
	}
	if o.days[paperDay{helper, model.DayOf(now.Time())}] >= o.limit {
		all = append(all, ErrDayLimit)
	}
	return all
}

func (o *oracle) close(p *paperPot) {
	p.state, o.left, o.reserved = Closed, o.left+p.target, o.reserved-p.target
}

// table is a game under test beside its oracle.
type table struct {
	h       *house
	engines []*Engine
	plain   *RowLock
	game    Game
	o       *oracle
	plays   int
}

func newTable(t *testing.T, h *house) *table {
	engines := []*Engine{h.engine(t, Options{GameFresh: 1}), h.engine(t, Options{GameFresh: 1})}
	game := h.game(t, engines[0], func(r *Rules) { r.Helps = 3; r.HelpsPerDay = 2; r.PotsEach = 2; r.Budget = 4000 })
	return &table{h, engines, NewRowLock(engines[1]), game, &oracle{
		limit: 2, n: 3, each: 2, days: map[paperDay]int{}, left: 4000,
	}, 0}
}

func (tb *table) engine(t *rapid.T) *Engine {
	return tb.engines[rapid.IntRange(0, 1).Draw(t, "replica")]
}

func (tb *table) open(t *rapid.T) {
	owner, request := rapid.IntRange(1, 3).Draw(t, "owner"), rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "request")
	got, err := tb.engine(t).Open(context.Background(), OpenRequest{tb.game.ID, visitor(owner), model.RequestID(request)})
	mine := 0
	for _, p := range tb.o.pots {
		if p.owner != owner {
			continue
		}
		if mine++; p.request == request {
			if err != nil || got.Pot != p.id {
				t.Fatalf("a repeated opening = %v, %v, want pot %v", got.Pot, err, p.id)
			}
			return
		}
	}
	var want error
	switch {
	case tb.o.stopped:
		want = ErrStopped
	case mine >= tb.o.each:
		want = ErrPotsLimit
	case tb.o.left < 1000:
		want = ErrBudget
	}
	if !errors.Is(err, want) {
		t.Fatalf("Open = %v, want %v", err, want)
	}
	if want == nil {
		tb.o.left -= 1000
		tb.o.reserved += 1000
		tb.o.pots = append(tb.o.pots, &paperPot{
			id: got.Pot, owner: owner, request: request, ends: got.EndsAt, helps: map[int]told{}, state: Open, target: 1000,
		})
	}
}

func (tb *table) help(t *rapid.T) {
	if len(tb.o.pots) == 0 {
		t.Skip("no pot yet")
	}
	p := rapid.SampledFrom(tb.o.pots).Draw(t, "pot")
	helper, request := rapid.IntRange(1, 7).Draw(t, "helper"), rapid.SampledFrom([]string{"x", "y"}).Draw(t, "request")
	play := tb.engine(t).Help
	if rapid.IntRange(0, 3).Draw(t, "plain") == 0 {
		play = tb.plain.Help
	}
	got, err := play(context.Background(), HelpRequest{Pot: p.id, Who: visitor(helper), Request: model.RequestID(request)})
	defer tb.meet(t, p)
	if before, ok := p.helps[helper]; ok {
		want := error(nil)
		if before.request != request {
			want = ErrAlreadyHelped
		}
		if !errors.Is(err, want) || got != before.help {
			t.Fatalf("Help = %+v, %v, want %+v, %v", got, err, before.help, want)
		}
		return
	}
	now := model.At(tb.h.clock.now())
	refusals := tb.o.refusals(p, helper, now)
	if len(refusals) > 0 {
		if !slices.ContainsFunc(refusals, func(want error) bool { return errors.Is(err, want) }) {
			t.Fatalf("Help = %+v, %v, want one of %v", got, err, refusals)
		}
		return
	}
	if err != nil || got.K < 1 || got.K > tb.o.n {
		t.Fatalf("Help = %+v, %v, want it taken", got, err)
	}
	for _, other := range p.helps {
		if other.help.K == got.K {
			t.Fatalf("slot %d was given twice", got.K)
		}
	}
	p.helps[helper] = told{request: request, help: got}
	tb.o.days[paperDay{helper, model.DayOf(now.Time())}]++
}

// meet takes over that a help closed its pot: whoever meets the end of a pot may, also
// one who is answered with what he did before or with another refusal. Before its end
// or full, nobody may.
func (tb *table) meet(t *rapid.T, p *paperPot) {
	var state string
	if err := tb.h.db.QueryRowContext(context.Background(), "SELECT state FROM pot WHERE id = ?", int64(p.id)).Scan(&state); err != nil {
		t.Fatal(err)
	}
	if p.state != Open || State(state) != Closed {
		return
	}
	if model.At(tb.h.clock.now()) < p.ends || len(p.helps) == tb.o.n {
		t.Fatalf("pot %v was closed by a help with %d helps, which its time did not end", p.id, len(p.helps))
	}
	tb.o.close(p)
}

// end closes and fills what is due, on paper and in the game.
func (tb *table) end(t *rapid.T) {
	e := tb.engine(t)
	if _, err := e.FillDue(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.CloseDue(context.Background(), 100); err != nil {
		t.Fatal(err)
	}
	for _, p := range tb.o.pots {
		switch {
		case p.state != Open:
			continue
		case len(p.helps) == tb.o.n:
			p.state, tb.o.spent, tb.o.reserved = Filled, tb.o.spent+p.target, tb.o.reserved-p.target
		case model.At(tb.h.clock.now()) >= p.ends:
			tb.o.close(p)
		}
		view, err := e.View(context.Background(), p.id, visitor(p.owner))
		if err != nil || view.State != p.state || view.Helped != len(p.helps) {
			t.Fatalf("View = %s with %d helps, %v, want %s with %d", view.State, view.Helped, err, p.state, len(p.helps))
		}
	}
	b, err := e.Budget(context.Background(), tb.game.ID)
	if err != nil || b.Spent != tb.o.spent || b.Reserved != tb.o.reserved {
		t.Fatalf("Budget = %+v, %v, want %v spent and %v reserved", b, err, tb.o.spent, tb.o.reserved)
	}
}

// stop turns the kill switch once no pot is left to fill: the filling after a last help
// reads the game as well, and a help that meets its reading is answered by what that
// reading saw, which may be from before.
func (tb *table) stop(t *rapid.T) {
	_, err := tb.engine(t).FillDue(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if tb.o.stopped = !tb.o.stopped; tb.o.stopped {
		err = tb.engine(t).Stop(context.Background(), 0, tb.game.ID, "test")
	} else {
		err = tb.engine(t).Resume(context.Background(), 0, tb.game.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (tb *table) forget(t *rapid.T) {
	keys, err := tb.h.redis.Keys(context.Background(), "redpacket:*").Result()
	if err != nil || len(keys) == 0 {
		t.Skip("nothing to forget")
	}
	tb.h.redis.Del(context.Background(), rapid.SampledFrom(keys).Draw(t, "key"))
}

func (tb *table) later(t *rapid.T) {
	step := time.Duration(rapid.IntRange(1, 15).Draw(t, "hours")) * time.Hour
	if model.At(tb.h.clock.now()).Add(step) >= tb.game.Rules.EndsAt {
		t.Skip("the game would be over")
	}
	tb.h.clock.advance(step)
}

func TestTheGameIsTheOneOnPaper(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		client := dbtest.Redis(t)
		rapid.Check(t, func(rt *rapid.T) {
			wipe(rt, db, client)
			tb := newTable(t, &house{db, client, newClock()})
			rt.Repeat(map[string]func(*rapid.T){
				"open": tb.open, "help": tb.help, "help again": tb.help, "help once more": tb.help,
				"end": tb.end, "stop": tb.stop, "forget": tb.forget, "later": tb.later,
			})
			tb.o.stopped = false
			tb.end(rt)
			for _, e := range tb.engines {
				e.Close()
			}
			found, err := tb.engines[0].Check(context.Background())
			if err != nil || len(found) > 0 {
				rt.Fatalf("Check = %+v, %v", found, err)
			}
		})
	})
}

func wipe(t rapid.TB, db *sql.DB, client redis.UniversalClient) {
	for _, table := range []string{"pot_help", "pot_release", "pot", "payout", "redpacket_slice", "redpacket_game"} {
		if _, err := db.ExecContext(context.Background(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
	client.FlushDB(context.Background())
}

func TestEachViolationIsFound(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		client := dbtest.EmbeddedRedis(t)
		e := (&house{db, client, newClock()}).engine(t, Options{})
		withoutKeys(t, db, client)
		for _, tt := range planted {
			t.Run(tt.rule, func(t *testing.T) {
				wipe(t, db, client)
				h := &house{db, client, newClock()}
				game := h.game(t, e, func(r *Rules) { r.Helps = 2 })
				filled, running, closed := open(t, e, game, 1), open(t, e, game, 2), open(t, e, game, 3)
				for i := range 2 {
					if _, err := helpAs(t, e, filled.Pot, 10+i, "r"); err != nil {
						t.Fatal(err)
					}
				}
				for _, pot := range []PotID{running.Pot, closed.Pot} {
					if _, err := helpAs(t, e, pot, 12, "r"); err != nil {
						t.Fatal(err)
					}
				}
				settle(t, e)
				if _, err := db.ExecContext(t.Context(), "UPDATE pot SET ends_at = 1 WHERE id = ?", int64(closed.Pot)); err != nil {
					t.Fatal(err)
				}
				if _, err := e.CloseDue(t.Context(), 10); err != nil {
					t.Fatal(err)
				}
				if found, err := e.Check(t.Context()); err != nil || len(found) != 0 {
					t.Fatalf("Check before = %+v, %v, want nothing", found, err)
				}
				plant(t, db, tt.sql, map[string]any{"filled": int64(filled.Pot), "open": int64(running.Pot), "closed": int64(closed.Pot), "game": int64(game.ID)})
				found, err := e.Check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				rules := map[string]bool{}
				for _, v := range found {
					rules[v.Rule] = true
				}
				if !rules[tt.rule] {
					t.Errorf("Check found %v, want %s among them", slices.Collect(maps.Keys(rules)), tt.rule)
				}
			})
		}
		covered := map[string]bool{}
		for _, tt := range planted {
			covered[tt.rule] = true
		}
		for _, r := range rules {
			if !covered[r.name] {
				t.Errorf("no planted violation for %s", r.name)
			}
		}
	})
}

// withoutKeys puts a table without any key in the place of the helps', until the test
// ends: the keys make some violations impossible.
func withoutKeys(t *testing.T, db *sql.DB, client redis.UniversalClient) {
	t.Helper()
	do := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(context.Background(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	wipe(t, db, client)
	do("ALTER TABLE pot_help RENAME TO pot_help_kept")
	do("CREATE TABLE pot_help AS SELECT * FROM pot_help_kept")
	t.Cleanup(func() { // the database is used again by other tests
		wipe(t, db, client)
		do("DROP TABLE pot_help")
		do("ALTER TABLE pot_help_kept RENAME TO pot_help")
	})
}

// planted are ways to break each rule; $name stands for an id.
var planted = []struct{ rule, sql string }{
	{"slot.twice", "UPDATE pot_help SET k = 1 WHERE pot_id = $filled AND k = 2"},
	{"helper.twice", "UPDATE pot_help SET helper_id = 10, nth = 2 WHERE pot_id = $filled AND k = 2"},
	{"number.twice", "UPDATE pot_help SET helper_id = 10, nth = 1 WHERE pot_id = $open AND k = 1"},
	{"slot.range", "UPDATE pot_help SET k = 3 WHERE pot_id = $open AND k = 1"},
	{"slot.orphan", "DELETE FROM pot WHERE id = $open"},
	{"helper.own_pot", "UPDATE pot SET owner_id = 10 WHERE id = $filled"},
	{"helper.day_limit", "UPDATE pot_help SET nth = 4 WHERE pot_id = $open AND k = 1"},
	{"owner.pots_limit", "UPDATE pot SET nth = 4 WHERE id = $open"},
	{"void.form", "UPDATE pot_help SET share = 1 WHERE pot_id = $closed AND k = 2"},
	{"open.void", "UPDATE pot_help SET nth = NULL WHERE pot_id = $open AND k = 1"},
	{"filled.helps", "DELETE FROM pot_help WHERE pot_id = $filled AND k = 2"},
	{"filled.sum", "UPDATE pot_help SET share = share + 1 WHERE pot_id = $filled AND k = 2"},
	{"closed.slots", "DELETE FROM pot_help WHERE pot_id = $closed AND k = 2"},
	{"closed.won", "UPDATE pot SET won = 999 WHERE id = $closed"},
	{"pot.state", "UPDATE pot SET won = 1 WHERE id = $open"},
	{"budget.overdrawn", "UPDATE redpacket_slice SET spent = amount + 1 WHERE game_id = $game"},
	{"budget.whole", "UPDATE redpacket_slice SET amount = amount + 1 WHERE game_id = $game AND slice = 0"},
	{"budget.reserved", "UPDATE redpacket_slice SET reserved = reserved + 1 WHERE game_id = $game AND slice = 0"},
	{"budget.spent", "UPDATE redpacket_slice SET spent = spent + 1 WHERE game_id = $game AND slice = 0"},
	{"release.won", "INSERT INTO pot_release (pot_id, game_id, slice, amount, released_at) VALUES ($open, $game, 0, 1, 1)"},
	{"proof.commitment", "UPDATE pot SET target = target + 1 WHERE id = $open"},
	{"proof.seed", "UPDATE pot SET seed_sealed = 'AAAA' WHERE id = $open"},
	{"proof.share", "UPDATE pot_help SET share = share + 1 WHERE pot_id = $open AND k = 1"},
}

func plant(t *testing.T, db *sql.DB, query string, ids map[string]any) {
	t.Helper()
	for name, id := range ids {
		query = strings.ReplaceAll(query, "$"+name, fmt.Sprint(id))
	}
	result, err := db.ExecContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s changed %d rows, %v", query, n, err)
	}
}
