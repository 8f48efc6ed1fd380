// Package story tells stories on the whole application: it starts one or more
// replicas on a pair of stores beside the sandbox, over real HTTP on this machine,
// and lets people act. A story is a test of a few lines:
//
//	story.Everywhere(t, func(t *testing.T, s story.Stores) {
//		w := story.Begin(t, s)
//		w.Replica()
//		zhang := w.Person("ordinary")
//		zhang.Follows().Hears("欢迎")
//		zhang.Says("查话费").Hears("先绑定手机号")
//	})
//
// Invariants, checked at the end of every story: no log line, of any replica, and
// no metric holds a phone number, an openid, a token or a key; no error was logged
// that the story did not ask for with Forgives. Nothing waits by the clock: a
// story goes on when the sandbox is idle or when something happened.
package story

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/redisdb"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/faults"
)

// patience bounds every wait of a story.
const patience = time.Minute

// closing bounds how long a replica may take to stop.
const closing = 15 * time.Second

// Stores are where the replicas of a story keep their state.
type Stores struct {
	Name  string
	DSN   string // migrated
	Redis redisdb.Options
	// OneReplica tells that a second one cannot share the Redis, which is within
	// the process.
	OneReplica bool
}

// Embedded is SQLite in a file and the Redis within the process.
func Embedded(t testing.TB) Stores {
	t.Helper()
	return Stores{Name: "embedded", DSN: dbtest.SQLiteDSN(t), Redis: redisdb.Options{Addrs: []string{config.EmbeddedRedis}}, OneReplica: true}
}

// Servers is MariaDB or MySQL and a real Redis, both empty.
func Servers(t testing.TB) Stores {
	t.Helper()
	dsn, opts := dbtest.MySQLDSN(t), dbtest.RedisOptions(t)
	client, err := redisdb.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return Stores{Name: "servers", DSN: dsn, Redis: opts}
}

// Everywhere tells the story once on each pair of stores, at the same time.
func Everywhere(t *testing.T, tell func(t *testing.T, s Stores)) {
	t.Helper()
	t.Parallel()
	for name, stores := range map[string]func(testing.TB) Stores{"embedded": Embedded, "servers": Servers} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(t, stores(t))
		})
	}
}

// World is the outside world and the replicas that serve it.
type World struct {
	Sandbox *sandbox.Sandbox
	Logs    *Logs
	// Settings change the environment of the replicas that are started after it.
	Settings map[string]string

	t       testing.TB
	stores  Stores
	base    string // of the front
	front   front
	ahead   atomic.Int64
	panicIn atomic.Pointer[[]string]
	happen  happenings
	end     context.CancelFunc
	wait    sync.WaitGroup

	children children

	writesMu sync.Mutex
	writes   []string // of operators, done
}

// Base is the address of the front, where all replicas and the sandbox are reached.
func (w *World) Base() string { return w.base }

// Begin makes the outside world and the front before the replicas: an address that
// passes each callback to the next replica. It ends with the test.
func Begin(t testing.TB, s Stores, change ...func(*sandbox.Options)) *World {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	w := &World{
		Logs: &Logs{}, Settings: map[string]string{}, t: t, stores: s, base: "http://" + listener.Addr().String(), end: end,
	}
	w.ahead.Store(int64(start(time.Now())))
	opts := sandbox.Options{
		CallbackURL: w.base + "/wechat/callback", PublicURL: w.base + "/sandbox", CarrierToken: "story-carrier-token-4f1d",
		Customers: 60, Now: w.Now, Log: w.Logs.logger("sandbox"),
	}
	for _, c := range change {
		c(&opts)
	}
	if w.Sandbox, err = sandbox.New(opts); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/sandbox/", w.happen.around(http.StripPrefix("/sandbox", w.Sandbox.Handler())))
	mux.Handle("/", w.happen.around(&w.front))
	w.wait.Go(func() {
		if err := app.Serve(ctx, listener, mux, time.Second); err != nil && ctx.Err() == nil {
			t.Errorf("the front ended: %v", err)
		}
	})
	w.wait.Go(func() { w.happen.follow(ctx, w.base+"/sandbox/control/events") })
	t.Cleanup(w.close)
	return w
}

// aStory is how long a story may take by itself.
const aStory = 10 * time.Minute

// start is how far ahead a story begins: one that might end on another day in China than
// it began, unasked, begins with that day.
func start(now time.Time) time.Duration {
	year, month, day := now.In(model.Shanghai).Date()
	left := time.Date(year, month, day+1, 0, 0, 0, 0, model.Shanghai).Sub(now)
	if left > aStory {
		return 0
	}
	return left + time.Second
}

// close ends the story and checks what always holds.
func (w *World) close() {
	for _, r := range w.front.all() {
		r.Stop()
	}
	if err := w.Sandbox.Close(); err != nil {
		w.t.Errorf("close the sandbox: %v", err)
	}
	w.end()
	w.wait.Wait()
	w.checkLogs()
}

// PanicIn makes the clock panic when one of these functions asks it; none ends that.
func (w *World) PanicIn(functions ...string) { w.panicIn.Store(&functions) }

// Now is the time of this story, for the sandbox and for replicas within the
// process.
func (w *World) Now() time.Time {
	if in := w.panicIn.Load(); in != nil && len(*in) > 0 {
		if at, _, _, ok := runtime.Caller(1); ok && slices.Contains(*in, runtime.FuncForPC(at).Name()) {
			panic("the story asked for it")
		}
	}
	return time.Now().Add(time.Duration(w.ahead.Load()))
}

// Passes moves the time of the story ahead.
func (w *World) Passes(d time.Duration) { w.children.tell(w.ahead.Add(int64(d))) }

// Idle waits until WeChat has nothing more to deliver.
func (w *World) Idle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Sandbox.Idle(ctx); err != nil {
		w.t.Fatalf("WeChat is not idle after %s", patience)
	}
}

// Until waits until something holds; it looks whenever something happened.
func (w *World) Until(what string, holds func() bool) {
	w.t.Helper()
	w.UntilWithin(patience, what, holds)
}

// UntilWithin is Until for what takes longer, as a lease of a replica that was killed.
func (w *World) UntilWithin(patience time.Duration, what string, holds func() bool) {
	w.t.Helper()
	limit, look := time.NewTimer(patience), time.NewTicker(100*time.Millisecond) // not all that happens wakes
	defer limit.Stop()
	defer look.Stop()
	for {
		next := w.happen.next()
		if holds() {
			return
		}
		select {
		case <-next:
		case <-look.C:
		case <-limit.C:
			w.t.Fatalf("not within %s: %s\n%s", patience, what, w.Logs.tail())
		}
	}
}

// Fault makes a point of the sandbox misbehave until the story ends it with none.
func (w *World) Fault(point string, list ...faults.Fault) {
	w.t.Helper()
	if err := w.Sandbox.Faults.Put(point, list...); err != nil {
		w.t.Fatal(err)
	}
}

// Begun counts the calls to the sandbox, whose path contains part, that have begun.
func (w *World) Begun(part string) int { return w.happen.count(part) }

// Carrier is the balance that the carrier's own books show for a phone.
func (w *World) Carrier(phone string) model.Fen {
	w.t.Helper()
	line, err := w.Sandbox.Carrier.Look(phone)
	if err != nil {
		w.t.Fatal(err)
	}
	return model.Fen(line.Balance)
}
