package inbox_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/seal"
	"kaimenhong/service/inbox"
)

// phone is the user's side of customer-service messages.
type phone struct {
	mu   sync.Mutex
	got  []model.Content
	fail func(n int) error // of the nth call, from 1
	n    int
	came chan struct{}
}

func newPhone() *phone { return &phone{came: make(chan struct{}, 100)} }

func (p *phone) SendCustom(_ context.Context, _ model.OpenID, content model.Content) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	if p.fail != nil {
		if err := p.fail(p.n); err != nil {
			return err
		}
	}
	p.got = append(p.got, content)
	p.came <- struct{}{}
	return nil
}

func (p *phone) messages() []model.Content {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]model.Content(nil), p.got...)
}

// clock is a clock that a test sets.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().UnixMilli())
	return c
}
func (c *clock) now() time.Time          { return time.UnixMilli(c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Milliseconds()) }

// world is what two replicas share.
type world struct {
	t     *testing.T
	db    *sql.DB
	redis redis.UniversalClient
	phone *phone
	clock *clock
	seal  *seal.Sealer
	runs  atomic.Int64 // of the logic that DeliverDue runs
	while func()       // that runs, if any
	fails atomic.Int64 // how many of the next runs fail
}

func newWorld(t *testing.T, db *sql.DB, client redis.UniversalClient) *world {
	t.Helper()
	sealer, err := seal.New(map[int][]byte{1: make([]byte, seal.KeySize)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, db: db, redis: client, phone: newPhone(), clock: newClock(), seal: sealer}
}

// replica is a process of the application.
func (w *world) replica(opts inbox.Options) *inbox.Inbox {
	w.t.Helper()
	logic := func(_ context.Context, in model.Inbound) (model.Content, error) {
		w.runs.Add(1)
		if w.while != nil {
			w.while()
		}
		if w.fails.Add(-1) >= 0 {
			return model.Content{}, errAway
		}
		return model.Text("again: " + in.Text), nil
	}
	opts.Settle = cmp.Or(opts.Settle, time.Nanosecond)
	b := inbox.New(w.db, redisdb.Share(w.redis), w.phone, w.seal, logic, w.clock.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), opts)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.Drain(ctx); err != nil {
			w.t.Errorf("Drain = %v", err)
		}
	})
	return b
}

// said is a message that came in just now.
func (w *world) said(key, text string) model.Inbound {
	return model.Inbound{
		Key: model.RequestID(key), App: model.OfficialAccount, OpenID: "oUser", Kind: model.InText, Text: text,
		CreatedAt: model.At(w.clock.now()),
	}
}

// states are the rows by message key.
func (w *world) states() map[string]string {
	w.t.Helper()
	rows, err := w.db.QueryContext(w.t.Context(), "SELECT message_key, state FROM inbox_reply")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]string{}
	for rows.Next() {
		var key, state string
		if err := rows.Scan(&key, &state); err != nil {
			w.t.Fatal(err)
		}
		out[key] = state
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// within is a request's context: its answer is due after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func answers(content model.Content) func(context.Context) (model.Content, error) {
	return func(context.Context) (model.Content, error) { return content, nil }
}

var errNever = errors.New("the logic must not run here")

func never(context.Context) (model.Content, error) { return model.Content{}, errNever }

// stores runs the test on every pair of stores that differ.
func stores(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("sqlite and embedded", func(t *testing.T) { run(t, newWorld(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t))) })
	t.Run("mysql and redis", func(t *testing.T) { run(t, newWorld(t, dbtest.MySQL(t), dbtest.Redis(t))) })
}

func TestThreeTriesOnTwoReplicasRunOnce(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		replicas := []*inbox.Inbox{w.replica(inbox.Options{}), w.replica(inbox.Options{})}
		key := "k-" + fmt.Sprint(time.Now().UnixNano())
		in := w.said(key, "CXLL")
		var runs atomic.Int64
		begun, finish := make(chan struct{}), make(chan struct{})
		run := func(context.Context) (model.Content, error) {
			runs.Add(1)
			close(begun)
			<-finish
			return model.Text("还剩 3GB"), nil
		}
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() {
				if got, err := replicas[i%2].Do(within(t, 20*time.Second), in, run); err != nil || got.Text != "还剩 3GB" {
					t.Errorf("try %d = %+v, %v, want the answer", i, got, err)
				}
			})
		}
		<-begun
		close(finish)
		group.Wait()
		for i, b := range replicas {
			if got, err := b.Do(within(t, 20*time.Second), in, never); err != nil || got.Text != "还剩 3GB" {
				t.Errorf("a later try at replica %d = %+v, %v, want the same answer", i, got, err)
			}
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("the logic ran %d times, want once", n)
		}
		if rows := w.states(); len(rows) != 0 {
			t.Errorf("rows = %v, want none for a message answered in time", rows)
		}
	})
}

func TestSlowLogicIsAnsweredLateOnce(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		a, b := w.replica(inbox.Options{Margin: 5 * time.Second}), w.replica(inbox.Options{})
		in := w.said("slow", "CXYE")
		finish := make(chan struct{})
		got, err := a.Do(within(t, 5200*time.Millisecond), in, func(context.Context) (model.Content, error) {
			<-finish
			return model.Text("余额 12 元"), nil
		})
		if err != nil || got.Kind != model.NoContent {
			t.Fatalf("Do = %+v, %v, want success", got, err)
		}
		if rows := w.states(); rows["slow"] != "pending" {
			t.Fatalf("rows = %v, want the answer owed before success was said", rows)
		}
		for name, replica := range map[string]*inbox.Inbox{"same": a, "other": b} {
			if got, err := replica.Do(within(t, 5*time.Second), in, never); err != nil || got.Kind != model.NoContent {
				t.Errorf("a retry at the %s replica = %+v, %v, want success", name, got, err)
			}
		}
		if err := b.DeliverDue(t.Context()); err != nil { // not due: a is alive
			t.Fatal(err)
		}
		close(finish)
		<-w.phone.came
		if err := a.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Hour)
		if err := b.DeliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent := w.phone.messages(); len(sent) != 1 || sent[0].Text != "余额 12 元" {
			t.Errorf("the user got %+v, want the answer once", sent)
		}
		if rows := w.states(); rows["slow"] != "sent" || w.runs.Load() != 0 {
			t.Errorf("rows = %v, %d runs more, want sent and none", rows, w.runs.Load())
		}
	})
}

func TestAnErrorIsASentenceAndAPanicIsSilence(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t))
	b := w.replica(inbox.Options{})
	for _, tt := range []struct {
		name string
		run  func(context.Context) (model.Content, error)
		want model.Content
	}{
		{"a fault's text is said", func(context.Context) (model.Content, error) {
			return model.Content{}, fmt.Errorf("ask: %w", fault.New(fault.Unavailable, "carrier.down", "查询暂时不可用"))
		}, model.Text("查询暂时不可用")},
		{"a panic is success", func(context.Context) (model.Content, error) { panic("ouch") }, model.Content{}},
		{"an empty text is success", answers(model.Text(" \n")), model.Content{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := w.said(tt.name[:9], "x")
			in.Key = model.RequestID(fmt.Sprintf("k%x", tt.name))[:20]
			for range 2 {
				got, err := b.Do(t.Context(), in, tt.run)
				if err != nil || got.Kind != tt.want.Kind || got.Text != tt.want.Text {
					t.Errorf("Do = %+v, %v, want %+v", got, err, tt.want)
				}
			}
		})
	}
}

var errAway = fault.New(fault.Unavailable, "test.away", "系统繁忙，请稍后再试")

// TestWhoFollowsIsNotedLaterWhenItFails lets the logic of the one event fail that nobody
// sends again: it runs until it does what it is for, and then greets.
func TestWhoFollowsIsNotedLaterWhenItFails(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		a, b := w.replica(inbox.Options{}), w.replica(inbox.Options{})
		in := w.said("follow-"+fmt.Sprint(time.Now().UnixNano()), "welcome")
		in.Kind = model.InSubscribe
		fails := func(context.Context) (model.Content, error) { return model.Content{}, fmt.Errorf("note: %w", errAway) }
		for _, try := range []func(context.Context) (model.Content, error){fails, never} { // WeChat's second try is one of the same
			if got, err := a.Do(within(t, 20*time.Second), in, try); err != nil || got.Kind != model.NoContent {
				t.Fatalf("Do = %+v, %v, want success for now", got, err)
			}
		}
		w.fails.Store(2)
		for runs := range int64(3) {
			if err := b.DeliverDue(t.Context()); err != nil || w.runs.Load() != runs {
				t.Fatalf("%v, %d runs, want %d before its time", err, w.runs.Load(), runs)
			}
			w.clock.advance(time.Minute)
			if err := b.DeliverDue(t.Context()); err != nil || w.runs.Load() != runs+1 {
				t.Fatalf("%v, %d runs after a minute, want %d", err, w.runs.Load(), runs+1)
			}
		}
		w.clock.advance(time.Hour)
		if err := b.DeliverDue(t.Context()); err != nil || w.runs.Load() != 3 {
			t.Errorf("%v, %d runs, want no more", err, w.runs.Load())
		}
		if sent := w.phone.messages(); len(sent) != 1 || sent[0].Text != "again: welcome" {
			t.Errorf("he got %+v, want the greeting alone", sent)
		}
	})
}
