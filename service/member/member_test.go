package member

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
)

// world is one replica with everything around it.
type world struct {
	*Members
	db      *sql.DB
	redis   redis.UniversalClient
	clock   *clock
	sms     *phoneBox
	carrier *holders
	outbox  *promises
	log     *bytes.Buffer
	ids     *model.IDs
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// phoneBox is every phone's SMS inbox.
type phoneBox struct {
	mu   sync.Mutex
	sent map[string][]string // by digits, the texts
	err  error
}

func (b *phoneBox) SendSMS(_ context.Context, to model.Phone, text string, _ model.RequestID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.sent[to.Digits()] = append(b.sent[to.Digits()], text)
	return nil
}

func (b *phoneBox) count(p model.Phone) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sent[p.Digits()])
}

var sixDigits = regexp.MustCompile(`\d{6}`)

// code is the newest code in the phone's inbox.
func (b *phoneBox) code(t testing.TB, p model.Phone) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	texts := b.sent[p.Digits()]
	if len(texts) == 0 {
		t.Fatalf("no SMS came to %s", p)
	}
	return sixDigits.FindString(texts[len(texts)-1])
}

// holders is the carrier's word on who has a number.
type holders struct {
	mu     sync.Mutex
	ids    map[string]string
	silent map[string]bool
	err    error
	asked  int
	two    *sync.WaitGroup // answers nobody before two ask at the same time; nil: does
}

func (h *holders) Customer(ctx context.Context, p model.Phone) (model.Customer, error) {
	if h.two != nil {
		both := make(chan struct{})
		h.two.Done()
		go func() {
			h.two.Wait()
			close(both)
		}()
		select {
		case <-both:
		case <-ctx.Done():
			return model.Customer{}, ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if h.err != nil {
		return model.Customer{}, h.err
	}
	if h.silent[p.Digits()] {
		return model.Customer{}, context.DeadlineExceeded
	}
	id := h.ids[p.Digits()]
	if id == "" {
		id = "holder-1"
	}
	return model.Customer{HolderID: id}, nil
}

func (h *holders) give(p model.Phone, holder string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids[p.Digits()] = holder
}

// hush makes the carrier silent about one number.
func (h *holders) hush(p model.Phone) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent[p.Digits()] = true
}

func (h *holders) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

// promises writes real outbox rows, so that a rollback takes them back.
type promises struct{ ids *model.IDs }

func (o *promises) AddTx(ctx context.Context, tx *sql.Tx, topic string, request model.RequestID, payload any) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO outbox (id, topic, request_id, payload, attempts, next_at, lease_token, leased_until, done_at, error, created_at)
		VALUES (?, ?, ?, ?, 0, 0, '', 0, 0, '', 0)`, int64(o.ids.Next()), topic, string(request), fmt.Sprintf("%+v", payload))
	return err
}

func testSealer(t testing.TB, versions ...int) *seal.Sealer {
	t.Helper()
	keys := map[int][]byte{}
	for _, v := range versions {
		keys[v] = bytes.Repeat([]byte{byte(v)}, seal.KeySize)
	}
	s, err := seal.New(keys, bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var nodes struct {
	sync.Mutex
	n int64
}

func newIDs(t testing.TB, now model.Clock) *model.IDs {
	t.Helper()
	nodes.Lock()
	nodes.n++
	n := nodes.n % 8192
	nodes.Unlock()
	ids, err := model.NewIDs(n, now)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu *sync.Mutex
	w  io.Writer
}

func (b lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.w.Write(p)
}

func newWorld(t testing.TB, db *sql.DB, redis redis.UniversalClient, opts Options, joiners ...joiner) *world {
	t.Helper()
	w := &world{
		db: db, redis: redis, clock: &clock{at: time.Date(2026, 2, 17, 9, 0, 0, 0, model.Shanghai)},
		sms: &phoneBox{sent: map[string][]string{}}, carrier: &holders{ids: map[string]string{}, silent: map[string]bool{}}, log: &bytes.Buffer{},
	}
	w.ids = newIDs(t, w.clock.Now)
	w.outbox = &promises{w.ids}
	w.Members = w.replica(t, opts, joiners...)
	return w
}

// replica is another process on the same stores.
func (w *world) replica(t testing.TB, opts Options, joiners ...joiner) *Members {
	t.Helper()
	if opts.CacheLifetime == 0 {
		opts.CacheLifetime = time.Hour // the clock stands still: age never hides a lost epoch
	}
	m, err := New(Deps{
		DB: w.db, Redis: w.redis, Sealer: testSealer(t, 1), Outbox: w.outbox, SMS: w.sms, Carrier: w.carrier,
		IDs: newIDs(t, w.clock.Now), Now: w.clock.Now,
		Log:     slog.New(slog.NewJSONHandler(lockedBuffer{&sync.Mutex{}, w.log}, nil)),
		Metrics: prometheus.NewRegistry(),
	}, opts, joiners...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// engines runs the test on every SQL engine, with an embedded Redis.
func engines(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) { run(t, newWorld(t, db, dbtest.EmbeddedRedis(t), Options{})) })
}

func phone(n int) model.Phone {
	p, err := model.ParsePhone(fmt.Sprintf("138%08d", n))
	if err != nil {
		panic(err)
	}
	return p
}

func (w *world) touch(t testing.TB, openID string) model.Member {
	t.Helper()
	got, err := w.Touch(t.Context(), model.OfficialAccount, model.OpenID(openID))
	if err != nil {
		t.Fatalf("Touch(%s): %v", openID, err)
	}
	return got
}

// bind binds by an SMS code.
func (w *world) bind(t testing.TB, id model.MemberID, p model.Phone, request string) {
	t.Helper()
	if err := w.SendCode(t.Context(), id, p, model.RequestID(request+"-send")); err != nil {
		t.Fatalf("SendCode: %v", err)
	}
	got, err := w.Confirm(t.Context(), id, w.sms.code(t, p), model.RequestID(request))
	if err != nil || got != p {
		t.Fatalf("Confirm = %v, %v, want %v", got, err, p)
	}
	w.clock.forward(time.Minute)
}

func want(t testing.TB, name string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: %v, want %v", name, got, want)
	}
}
