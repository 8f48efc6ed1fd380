package account_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/service/account"
)

// carrier answers what the test says. A gate, where there is one, holds every call
// until it is opened; began tells that a call waits there.
type carrier struct {
	mu        sync.Mutex
	now       model.Clock
	available model.Fen
	err       error
	gate      chan struct{}
	began     chan struct{}
	calls     atomic.Int64
	used      atomic.Int64 // of the data
}

func (c *carrier) set(available model.Fen, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.available, c.err = available, err
}

func (c *carrier) answer(ctx context.Context) (model.Fen, model.Millis, error) {
	c.calls.Add(1)
	c.mu.Lock()
	available, err, gate, began := c.available, c.err, c.gate, c.began
	c.mu.Unlock()
	if gate != nil {
		began <- struct{}{}
		select {
		case <-gate:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	return available, model.At(c.now()), err
}

func (c *carrier) Balance(ctx context.Context, _ model.Phone) (model.Balance, error) {
	fen, at, err := c.answer(ctx)
	return model.Balance{Available: fen, AsOf: at}, err
}

func (c *carrier) Usage(ctx context.Context, _ model.Phone) (model.Usage, error) {
	fen, at, err := c.answer(ctx)
	return model.Usage{Allowances: []model.Allowance{{Kind: model.Data, Name: "国内流量", Left: int64(fen), Used: c.used.Load()}}, AsOf: at}, err
}

func (c *carrier) Plan(ctx context.Context, _ model.Phone) (model.Plan, error) {
	fen, at, err := c.answer(ctx)
	return model.Plan{Main: model.Product{Name: "青春卡", Fee: fen}, AsOf: at}, err
}

func (c *carrier) Bills(ctx context.Context, _ model.Phone) (model.Bills, error) {
	fen, at, err := c.answer(ctx)
	return model.Bills{Bills: []model.Bill{{ID: "b", Total: fen}}, AsOf: at}, err
}

func (c *carrier) Customer(ctx context.Context, _ model.Phone) (model.Customer, error) {
	_, _, err := c.answer(ctx)
	return model.Customer{HolderID: "h"}, err
}

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time       { return time.UnixMilli(c.at.Load()) }
func (c *clock) move(d time.Duration) { c.at.Add(d.Milliseconds()) }

type rig struct {
	*account.Service
	carrier *carrier
	clock   *clock
	reg     *prometheus.Registry
	stop    func() // ends Run and waits until everything is written
}

var down = fault.New(fault.Unavailable, "test.down", "")

func number(t testing.TB) model.Phone {
	t.Helper()
	p, err := model.ParsePhone("13800138001")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newSealer(t testing.TB) *seal.Sealer {
	t.Helper()
	s, err := seal.New(map[int][]byte{1: make([]byte, seal.KeySize)}, make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRig(t testing.TB, db *sql.DB, client redis.UniversalClient, opts account.Options) *rig {
	t.Helper()
	r := &rig{clock: &clock{}, reg: prometheus.NewRegistry()}
	r.clock.at.Store(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixMilli())
	r.carrier = &carrier{now: r.clock.now, available: 100}
	sealer := newSealer(t)
	stores := account.Stores{DB: db, Redis: client, Sealer: sealer, Index: func(p model.Phone) string { return sealer.IndexText(p.Digits(), "phone") }}
	heard := &listens{Handler: slog.DiscardHandler, yes: make(chan struct{})}
	var err error
	if r.Service, err = account.New(r.carrier, r.carrier, stores, r.clock.now, slog.New(heard), r.reg, opts); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	<-heard.yes // a new subscription empties the memory: not in the midst of a test
	return r
}

// listens is a log that tells when the service has subscribed.
type listens struct {
	slog.Handler
	once sync.Once
	yes  chan struct{}
}

func (l *listens) Enabled(context.Context, slog.Level) bool { return true }

func (l *listens) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "account listens to other replicas" {
		l.once.Do(func() { close(l.yes) })
	}
	return nil
}

// engines runs the test on every SQL engine with an embedded Redis.
func engines(t *testing.T, run func(t *testing.T, db *sql.DB, client redis.UniversalClient)) {
	t.Helper()
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) { run(t, db, dbtest.EmbeddedRedis(t)) })
}

func TestANumberIsNeverOlderThanItSays(t *testing.T) {
	r := newRig(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), account.Options{})
	for _, step := range []struct {
		name      string
		after     time.Duration
		err       error
		available model.Fen // what the carrier says
		want      model.Fen
		stale     bool
		calls     int64
	}{
		{"the first asks the carrier", 0, nil, 100, 100, false, 1},
		{"within 45 s it is remembered", 44 * time.Second, nil, 200, 100, false, 1},
		{"then it is asked for again", time.Second, nil, 200, 200, false, 2},
		{"while the carrier is down the last is told as such", 50 * time.Second, down, 0, 200, true, 3},
		{"and the carrier is left alone for 5 s", 4 * time.Second, nil, 300, 200, true, 3},
		{"then asked", time.Second, nil, 300, 300, false, 4},
	} {
		r.clock.move(step.after)
		r.carrier.set(step.available, step.err)
		got, err := r.Balance(t.Context(), number(t))
		if err != nil || got.Available != step.want || got.Stale != step.stale {
			t.Errorf("%s: %+v, %v; want %d, stale %v", step.name, got, err, step.want, step.stale)
		}
		if age := r.clock.now().Sub(got.AsOf.Time()); !got.Stale && age > time.Minute {
			t.Errorf("%s: %s old and not said to be", step.name, age)
		}
		if calls := r.carrier.calls.Load(); calls != step.calls {
			t.Errorf("%s: %d calls, want %d", step.name, calls, step.calls)
		}
	}
}

func TestTheLastKnownValueOutlivesTheProcess(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		first := newRig(t, db, client, account.Options{})
		all := func(r *rig) [4]error {
			var errs [4]error
			var b model.Balance
			var u model.Usage
			var p model.Plan
			var l model.Bills
			b, errs[0] = r.Balance(t.Context(), number(t))
			u, errs[1] = r.Usage(t.Context(), number(t))
			p, errs[2] = r.Plan(t.Context(), number(t))
			l, errs[3] = r.Bills(t.Context(), number(t))
			for i, ok := range []bool{b.Available == 100, len(u.Allowances) == 1 && u.Allowances[0].Left == 100, p.Main.Fee == 100, len(l.Bills) == 1 && l.Bills[0].Total == 100} {
				if errs[i] == nil && !ok {
					t.Errorf("value %d came back changed: %+v %+v %+v %+v", i, b, u, p, l)
				}
			}
			if r != first && errs[0] == nil && !(b.Stale && u.Stale && p.Stale && l.Stale) {
				t.Error("an old value does not say so")
			}
			return errs
		}
		if errs := all(first); errs != [4]error{} {
			t.Fatal(errs)
		}
		first.stop()

		second := newRig(t, db, client, account.Options{})
		second.carrier.set(0, down)
		second.clock.move(7*24*time.Hour - time.Second)
		if errs := all(second); errs != [4]error{} {
			t.Errorf("a week later: %v", errs)
		}
		if _, err := second.Customer(t.Context(), number(t)); !errors.Is(err, account.ErrUnavailable) {
			t.Errorf("the holder from before = %v, want %v", err, account.ErrUnavailable)
		}
		second.clock.move(6 * time.Second)
		for i, err := range all(second) {
			if !errors.Is(err, account.ErrUnavailable) {
				t.Errorf("value %d, too old = %v, want %v", i, err, account.ErrUnavailable)
			}
		}
		if n, err := second.Prune(t.Context(), 100); n != 4 || err != nil {
			t.Errorf("Prune = %d, %v; want 4", n, err)
		}
	})
}

func TestOnlyWhatIsFreshAndWholeIsCached(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		r := newRig(t, db, client, account.Options{})
		if _, _, _, ok := r.Cached(number(t)); ok {
			t.Error("what nobody asked for is cached")
		}
		_, err1 := r.Balance(t.Context(), number(t))
		_, err2 := r.Usage(t.Context(), number(t))
		if _, _, _, ok := r.Cached(number(t)); ok || err1 != nil || err2 != nil {
			t.Errorf("without the plan it is whole (%v, %v)", err1, err2)
		}
		if _, err := r.Plan(t.Context(), number(t)); err != nil {
			t.Fatal(err)
		}
		r.carrier.set(0, down)
		if b, u, _, ok := r.Cached(number(t)); !ok || b.Available != 100 || len(u.Allowances) != 1 {
			t.Errorf("Cached = %+v, %+v, %v", b, u, ok)
		}
		if _, _, _, ok := r.Cached(model.Phone{}); ok {
			t.Error("no number has an account")
		}
		r.clock.move(45 * time.Second)
		if _, _, _, ok := r.Cached(number(t)); ok {
			t.Error("what is 45 s old is told without asking")
		}
	})
}

func TestWhatIsKnownIsToldWithoutAsking(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		first := newRig(t, db, client, account.Options{})
		if _, known := first.KnownBalance(t.Context(), number(t)); known {
			t.Error("a balance that nobody asked for is known")
		}
		for _, read := range []func() error{
			func() error { _, err := first.Balance(t.Context(), number(t)); return err },
			func() error { _, err := first.Usage(t.Context(), number(t)); return err },
		} {
			if err := read(); err != nil {
				t.Fatal(err)
			}
		}
		first.stop()

		second := newRig(t, db, client, account.Options{})
		second.carrier.set(0, down)
		if b, known := second.KnownBalance(t.Context(), number(t)); !known || b.Available != 100 || b.AsOf == 0 {
			t.Errorf("KnownBalance = %+v, %v", b, known)
		}
		if u, known := second.KnownUsage(t.Context(), number(t)); !known || len(u.Allowances) != 1 {
			t.Errorf("KnownUsage = %+v, %v", u, known)
		}
		second.clock.move(7*24*time.Hour + time.Second)
		if _, known := second.KnownBalance(t.Context(), number(t)); known {
			t.Error("a balance of more than a week ago is told")
		}
		if _, known := second.KnownBalance(t.Context(), model.Phone{}); known {
			t.Error("a balance of no number is known")
		}
	})
}

func TestWhatIsKeptCannotBeRead(t *testing.T) {
	db := dbtest.SQLite(t)
	r := newRig(t, db, dbtest.EmbeddedRedis(t), account.Options{})
	if _, err := r.Plan(t.Context(), number(t)); err != nil {
		t.Fatal(err)
	}
	r.stop()
	var key, sealed string
	if err := db.QueryRowContext(t.Context(), `SELECT phone_key, sealed FROM account_snapshot`).Scan(&key, &sealed); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(key, "13800138001") || strings.Contains(sealed, "青春卡") {
		t.Errorf("the row says %s %s", key, sealed)
	}
	// A row that was moved to another kind opens for nobody.
	if _, err := db.ExecContext(t.Context(), `UPDATE account_snapshot SET kind = 'balance'`); err != nil {
		t.Fatal(err)
	}
	again := newRig(t, db, dbtest.EmbeddedRedis(t), account.Options{})
	again.carrier.set(0, down)
	if got, err := again.Balance(t.Context(), number(t)); !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("Balance of a plan's row = %+v, %v", got, err)
	}
}

func TestAThousandAskersMakeOneCall(t *testing.T) {
	r := newRig(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), account.Options{})
	r.carrier.gate, r.carrier.began = make(chan struct{}), make(chan struct{}, 1)
	gone, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := r.Balance(gone, number(t)); first <- err }()
	<-r.carrier.began
	var wait sync.WaitGroup
	var ready sync.WaitGroup
	for range 1000 {
		ready.Add(1)
		wait.Go(func() {
			ready.Done()
			if got, err := r.Balance(t.Context(), number(t)); err != nil || got.Available != 100 {
				t.Errorf("Balance = %+v, %v", got, err)
			}
		})
	}
	ready.Wait()
	leave() // the one who began the call leaves; the others still get its answer
	if err := <-first; !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("the one who left = %v", err)
	}
	close(r.carrier.gate)
	wait.Wait()
	if n := r.carrier.calls.Load(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestWhoCannotWaitGetsTheOldValue(t *testing.T) {
	r := newRig(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), account.Options{})
	if _, err := r.Balance(t.Context(), number(t)); err != nil {
		t.Fatal(err)
	}
	r.clock.move(time.Minute)
	r.carrier.mu.Lock()
	r.carrier.gate, r.carrier.began = make(chan struct{}), make(chan struct{}, 1)
	r.carrier.mu.Unlock()
	defer close(r.carrier.gate)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := r.Balance(ctx, number(t)); err != nil || !got.Stale || got.Available != 100 {
		t.Errorf("Balance = %+v, %v; want the old one, marked", got, err)
	}
}

func TestNobodyGetsWhatWasFetchedBeforeForget(t *testing.T) {
	r := newRig(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), account.Options{})
	if _, err := r.Balance(t.Context(), number(t)); err != nil {
		t.Fatal(err)
	}
	r.carrier.set(200, nil)
	r.Forget(t.Context(), number(t))
	if got, err := r.Balance(t.Context(), number(t)); err != nil || got.Available != 200 {
		t.Errorf("after Forget = %+v, %v; want 200", got, err)
	}

	// A call that is under way while the number is forgotten leaves nothing behind.
	r.Forget(t.Context(), number(t))
	gate := make(chan struct{})
	r.carrier.mu.Lock()
	r.carrier.gate, r.carrier.began = gate, make(chan struct{}, 1)
	r.carrier.mu.Unlock()
	before := make(chan model.Balance, 1)
	go func() { b, _ := r.Balance(t.Context(), number(t)); before <- b }()
	<-r.carrier.began
	r.carrier.mu.Lock()
	r.carrier.gate, r.carrier.available = nil, 300
	r.carrier.mu.Unlock()
	r.Forget(t.Context(), number(t))
	if got, err := r.Balance(t.Context(), number(t)); err != nil || got.Available != 300 {
		t.Errorf("beside a call from before = %+v, %v; want 300", got, err)
	}
	close(gate)
	if got := <-before; got.Available != 200 {
		t.Errorf("who asked before = %+v, want 200", got)
	}
	if got, err := r.Balance(t.Context(), number(t)); err != nil || got.Available != 300 {
		t.Errorf("after both = %+v, %v; want 300", got, err)
	}
}

func TestOtherReplicasForgetToo(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		db := dbtest.SQLite(t)
		a, b := newRig(t, db, client, account.Options{}), newRig(t, db, client, account.Options{})
		balance := func() model.Fen {
			got, err := b.Balance(t.Context(), number(t))
			if err != nil {
				t.Fatal(err)
			}
			return got.Available
		}
		if got := balance(); got != 100 {
			t.Fatalf("balance = %d", got)
		}
		b.carrier.set(200, nil)
		a.Forget(t.Context(), number(t))
		waitFor(t, func() bool { return balance() == 200 })
	})
}

// waitFor asks until ok says yes, at most a minute.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not happen within a minute")
		case <-ticker.C:
		}
	}
}
