package redpacket

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

// liar is a Redis that cannot be trusted: it loses keys, answers and whole
// databases, does things twice, brings back an older state and makes things up.
type liar struct {
	inner  sequencer
	client redis.UniversalClient
	lies   *atomic.Int64

	mu   sync.Mutex
	rand *rand.Rand
	old  map[string]map[string]string
}

func newLiar(e *Engine, client redis.UniversalClient, seed uint64, lies *atomic.Int64) *liar {
	return &liar{inner: e.redis, client: client, lies: lies, rand: rand.New(rand.NewPCG(seed, 1))}
}

func (l *liar) draw(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rand.IntN(n)
}

func (l *liar) run(ctx context.Context, s *script, key string, args ...any) (any, error) {
	switch l.draw(60) {
	case 0: // never arrives
	case 1: // arrives, the answer is lost
		_, _ = l.inner.run(ctx, s, key, args...)
	case 2: // arrives twice
		_, _ = l.inner.run(ctx, s, key, args...)
		return l.inner.run(ctx, s, key, args...)
	case 3, 4, 5, 6:
		l.lies.Add(1)
		return l.invent(s), nil
	case 7:
		l.lies.Add(1)
		l.client.FlushDB(ctx)
		return l.inner.run(ctx, s, key, args...)
	case 8:
		l.lies.Add(1)
		l.client.Del(ctx, key)
		return l.inner.run(ctx, s, key, args...)
	case 9:
		l.snapshot(ctx)
		return l.inner.run(ctx, s, key, args...)
	case 10:
		l.lies.Add(1)
		l.restore(ctx)
		return l.inner.run(ctx, s, key, args...)
	default:
		return l.inner.run(ctx, s, key, args...)
	}
	l.lies.Add(1)
	return nil, errAway
}

// invent answers what the script might have answered, and more.
func (l *liar) invent(s *script) any {
	switch s {
	case dayScript:
		return int64(l.draw(6) - 1)
	case slotScript, tellScript:
		day := model.DayOf(newClock().now())
		return []any{
			"MISSING", "FULL", "ENDED", fmt.Sprint("OK|", l.draw(8)), fmt.Sprintf("AGAIN|%d|%d|r-%d", l.draw(8), int(day)-1+l.draw(3), l.draw(20)),
			"nonsense", "OK|", "AGAIN|1", int64(7), nil,
		}[l.draw(10)]
	case heldScript:
		return []any{"1|1", nil, "-3|3|0|", fmt.Sprintf("%d|%d|99999999|zz", 1+l.draw(9), l.draw(9))}
	}
	return int64(l.draw(2))
}

func (l *liar) snapshot(ctx context.Context) {
	keys, _ := l.client.Keys(ctx, "redpacket:*").Result()
	old := make(map[string]map[string]string)
	for _, key := range keys {
		old[key], _ = l.client.HGetAll(ctx, key).Result()
	}
	l.mu.Lock()
	l.old = old
	l.mu.Unlock()
}

func (l *liar) restore(ctx context.Context) {
	l.mu.Lock()
	old := l.old
	l.mu.Unlock()
	for key, fields := range old {
		l.client.Del(ctx, key)
		if len(fields) > 0 {
			l.client.HSet(ctx, key, fields)
		}
	}
}

// errLost is a connection that breaks after or before the server has acted.
var errLost = errors.New("the connection was lost")

// shaky opens the same database over connections that sometimes break at the
// moment of the commit, so that nobody knows whether it stands.
type shaky struct {
	db    *sql.DB
	odds  int // one in so many
	count *atomic.Int64
}

func (s shaky) Driver() driver.Driver { return s.db.Driver() }

func (s shaky) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var raw driver.Conn
	err = conn.Raw(func(c any) error { raw = c.(driver.Conn); return nil })
	return &shakyConn{raw, conn, s}, err
}

type shakyConn struct {
	driver.Conn
	held *sql.Conn
	s    shaky
}

func (c *shakyConn) Close() error { return c.held.Close() }

func (c *shakyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *shakyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// breaks tells whether the connection breaks now, and whether before the server
// acts.
func (c *shakyConn) breaks() (now, before bool) {
	if rand.IntN(c.s.odds) != 0 {
		return false, false
	}
	c.s.count.Add(1)
	return true, rand.IntN(2) == 0
}

func (c *shakyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	now, before := false, false
	if strings.HasPrefix(query, "INSERT INTO pot_help") {
		now, before = c.breaks()
	}
	if now && before {
		return nil, errLost
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if now && err == nil {
		return nil, errLost
	}
	return result, err
}

func (c *shakyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return &shakyTx{tx, c}, err
}

type shakyTx struct {
	driver.Tx
	conn *shakyConn
}

func (t *shakyTx) Commit() error {
	now, before := t.conn.breaks()
	if now && before {
		_ = t.Rollback()
		return errLost
	}
	if err := t.Tx.Commit(); err != nil || !now {
		return err
	}
	return errLost
}

// told is an answer that a helper got.
type told struct {
	pot     PotID
	helper  int
	request string
	help    Help
	err     error
}

// storm lets many helpers ask at the same time, each until he gets an answer that
// says something, half of them again with the same request, and returns what all
// were told.
func storm(t *testing.T, engines []*Engine, pots []Opened, helpers, seed int, disturb func(i int)) []told {
	t.Helper()
	const workers = 16
	var mu sync.Mutex
	var answers []told
	var count atomic.Int64
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(uint64(seed), uint64(w)))
			for range helpers {
				pot, helper := pots[r.IntN(len(pots))], 100+r.IntN(3*helpers)
				request := fmt.Sprint("r-", r.IntN(2))
				for range 1 + r.IntN(2) {
					a := told{pot: pot.Pot, helper: helper, request: request}
					for range 30 { // a client that repeats what failed
						disturb(int(count.Add(1)))
						a.help, a.err = helpAs(t, engines[r.IntN(len(engines))], pot.Pot, helper, request)
						if !errors.Is(a.err, ErrBusy) {
							break
						}
					}
					mu.Lock()
					answers = append(answers, a)
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	return answers
}

// honest checks every answer against what SQL holds in the end.
func honest(t *testing.T, e *Engine, answers []told) {
	t.Helper()
	said := map[error]int{}
	for _, a := range answers {
		own, err := e.own(t.Context(), a.pot, model.MemberID(a.helper))
		if err != nil {
			t.Fatal(err)
		}
		f, err := e.pot(t.Context(), a.pot)
		if err != nil {
			t.Fatal(err)
		}
		f.complete.Store(nil)
		state, err := e.complete(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case a.err == nil:
			said[nil]++
			if own == nil || own.k != a.help.K || string(own.request) != a.request || own.share != a.help.Share {
				t.Errorf("%+v was acknowledged, SQL holds %+v", a, own)
			}
		case errors.Is(a.err, ErrAlreadyHelped):
			said[ErrAlreadyHelped]++
			if own == nil || own.k != a.help.K || string(own.request) == a.request {
				t.Errorf("%+v was told he helped already, SQL holds %+v", a, own)
			}
		case errors.Is(a.err, ErrFull):
			said[ErrFull]++
			if state != Filled || own != nil {
				t.Errorf("%+v was told it is full: %s, his row %+v", a, state, own)
			}
		case errors.Is(a.err, ErrEnded):
			said[ErrEnded]++
			if state != Closed || own != nil {
				t.Errorf("%+v was told it has ended: %s, his row %+v", a, state, own)
			}
		case errors.Is(a.err, ErrDayLimit):
			said[ErrDayLimit]++
			day, err := e.dayOf(t.Context(), model.MemberID(a.helper), f.game, model.DayOf(e.now()))
			if err != nil || len(day) < 3 || own != nil {
				t.Errorf("%+v was told his day is full: %d helps, his row %+v, %v", a, len(day), own, err)
			}
		case errors.Is(a.err, ErrBusy):
			said[ErrBusy]++
		default:
			t.Errorf("%+v: an answer that must not be", a)
		}
	}
	t.Logf("%d answers: %d helps, %d already, %d full, %d ended, %d day limit, %d busy", len(answers),
		said[nil], said[ErrAlreadyHelped], said[ErrFull], said[ErrEnded], said[ErrDayLimit], said[ErrBusy])
	if said[nil] == 0 {
		t.Error("nobody could help: the storm tests nothing")
	}
}

func stormPots(t *testing.T, h *house, e *Engine, pots int) (Game, []Opened) {
	t.Helper()
	game := h.game(t, e, func(r *Rules) { r.Helps = 7 })
	var opened []Opened
	for i := range pots {
		opened = append(opened, open(t, e, game, 1+i))
	}
	return game, opened
}

// finish ends the game and checks every invariant.
func finish(t *testing.T, h *house, e *Engine) {
	t.Helper()
	h.clock.advance(25 * time.Hour)
	for range 20 {
		settle(t, e)
		if n, err := e.CloseDue(t.Context(), 1000); err == nil && n == 0 {
			break
		}
	}
	sound(t, e)
}

func TestALyingRedisBreaksNoRule(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		var lies atomic.Int64
		engines := []*Engine{h.engine(t, Options{}), h.engine(t, Options{})}
		for i, e := range engines {
			e.redis = newLiar(e, h.redis, uint64(i), &lies)
		}
		_, pots := stormPots(t, h, engines[0], 12)
		answers := storm(t, engines, pots, 20, 1, func(int) {})
		if lies.Load() == 0 {
			t.Error("Redis told the truth: nothing was tested")
		}
		honest(t, engines[0], answers)
		finish(t, h, engines[0])
	})
}

func TestAFlushedRedisLosesNothing(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		engines := []*Engine{h.engine(t, Options{}), h.engine(t, Options{Committers: 2})}
		_, pots := stormPots(t, h, engines[0], 12)
		answers := storm(t, engines, pots, 30, 2, func(i int) {
			if i%40 == 0 {
				h.redis.FlushDB(context.Background())
			}
		})
		honest(t, engines[0], answers)
		finish(t, h, engines[0])
	})
}

func TestAnUnknownCommitIsNeverGuessed(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		var lost atomic.Int64
		shakyDB := sql.OpenDB(shaky{h.db, 6, &lost})
		defer func() { _ = shakyDB.Close() }()
		shakyDB.SetMaxOpenConns(4)
		calm := h.engine(t, Options{})
		weak := &house{shakyDB, h.redis, h.clock}
		game := h.game(t, calm, func(r *Rules) { r.Helps = 7; r.Budget = 20_000 })
		engines := []*Engine{replica(t, weak, h), replica(t, weak, h)}
		var pots []Opened
		for i := range 12 {
			for range 30 { // the same request until it is answered
				pot, err := engines[i%2].Open(t.Context(), OpenRequest{game.ID, visitor(1 + i), "open"})
				if err == nil {
					pots = append(pots, pot)
					break
				}
			}
		}
		if len(pots) != 12 {
			t.Fatalf("%d pots were opened, want 12", len(pots))
		}
		answers := storm(t, engines, pots, 20, 3, func(int) {})
		if lost.Load() == 0 {
			t.Error("no commit was lost: nothing was tested")
		}
		honest(t, calm, answers)
		for range 40 {
			_, _ = engines[0].FillDue(t.Context())
		}
		h.clock.advance(25 * time.Hour)
		for range 40 {
			_, _ = engines[1].CloseDue(t.Context(), 5)
		}
		finish(t, h, calm)
		if b, err := calm.Budget(t.Context(), game.ID); err != nil || b.Reserved != 0 || b.Spent > b.Amount {
			t.Errorf("Budget = %+v, %v, want nothing reserved", b, err)
		}
	})
}

// replica is an engine on shaky connections; its node number comes over calm ones.
func replica(t *testing.T, weak, calm *house) *Engine {
	t.Helper()
	e := calm.engine(t, Options{})
	e.Close()
	shaky := New(Stores{SQL: weak.db, Redis: weak.redis, Sealer: newSealer(t), Payouts: testPayouts{}}, e.ids, weak.clock.now, e.log, nil, Options{Timeout: 20 * time.Second})
	t.Cleanup(shaky.Close)
	return shaky
}

func TestReplicasThatEndTheSamePotsEndEachOnce(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		engines := []*Engine{h.engine(t, Options{}), h.engine(t, Options{})}
		game, pots := stormPots(t, h, engines[0], 30)
		for i, pot := range pots {
			for k := range i % 8 { // some full, some not, some empty
				if _, err := helpAs(t, engines[k%2], pot.Pot, 1000+100*i+k, "r"); err != nil {
					t.Fatal(err)
				}
			}
		}
		h.clock.advance(25 * time.Hour)
		var wait sync.WaitGroup
		for i, e := range engines {
			wait.Go(func() {
				if _, err := e.CloseDue(t.Context(), 1000); err != nil {
					t.Errorf("CloseDue = %v", err)
				}
			})
			wait.Go(func() {
				if _, err := e.FillDue(t.Context()); err != nil {
					t.Errorf("FillDue = %v", err)
				}
			})
			for k := range 10 {
				wait.Go(func() {
					_, err := helpAs(t, e, pots[k].Pot, 90_000+i, "late")
					if !errors.Is(err, ErrEnded) && !errors.Is(err, ErrFull) {
						t.Errorf("a late help = %v, want %v or %v", err, ErrEnded, ErrFull)
					}
				})
			}
		}
		wait.Wait()
		finish(t, h, engines[0])
		if b, err := engines[0].Budget(t.Context(), game.ID); err != nil || b.Reserved != 0 || b.Spent != 3*1000 {
			t.Errorf("Budget = %+v, %v, want 3 full pots spent and nothing reserved", b, err)
		}
	})
}
