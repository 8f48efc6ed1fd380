package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/inbox"
)

// hangs is logic of a process that died: it never returns on its own. quit ends its
// goroutine with the test.
func hangs(t *testing.T) (run func(context.Context) (model.Content, error), begun chan struct{}, quit func()) {
	t.Helper()
	begun, stop := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	quit = func() {
		if once.CompareAndSwap(false, true) {
			close(stop)
		}
	}
	t.Cleanup(quit)
	return func(context.Context) (model.Content, error) {
		close(begun)
		<-stop
		return model.Text("from the grave"), nil
	}, begun, quit
}

// The record of a process that died is what a claim by nobody alive leaves; that
// Redis lets the lease run out is played by deleting it.
func TestTheNextTryTakesOverFromADeadReplica(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		dead, alive := w.replica(inbox.Options{Lease: time.Hour}), w.replica(inbox.Options{})
		in := w.said("dead", "CXLL")
		run, begun, quit := hangs(t)
		lost := make(chan error, 1)
		go func() {
			_, err := dead.Do(within(t, 30*time.Second), in, run)
			lost <- err
		}()
		<-begun
		answered := make(chan model.Content, 1)
		go func() {
			got, err := alive.Do(within(t, 20*time.Second), in, answers(model.Text("还剩 3GB")))
			if err != nil {
				t.Errorf("the second try = %v", err)
			}
			answered <- got
		}()
		select {
		case got := <-answered:
			t.Fatalf("the second try = %+v while the first was running", got)
		case <-time.After(100 * time.Millisecond):
		}
		if err := w.redis.Del(t.Context(), "inbox:{dead}").Err(); err != nil {
			t.Fatal(err)
		}
		if got := <-answered; got.Text != "还剩 3GB" {
			t.Errorf("the second try = %+v, want the answer", got)
		}
		quit()
		<-lost
	})
}

// A process whose lease may be over writes its answer only where no other's stands.
func TestAnAnswerOfOneWhoWasTakenOverFromIsNotKept(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		slow := w.replica(inbox.Options{Lease: 200 * time.Millisecond, Redis: 300 * time.Millisecond})
		in, first := w.said("slow", "CXLL"), `a{"kind":"text","text":"还剩 3GB"}`
		_, err := slow.Do(within(t, 30*time.Second), in, func(ctx context.Context) (model.Content, error) {
			return model.Text("too late"), w.redis.Set(ctx, "inbox:{slow}", first, time.Hour).Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := slow.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.redis.Get(t.Context(), "inbox:{slow}").Val(); got != first {
			t.Errorf("the record is %s, want the answer that stood", got)
		}
	})
}

// abandon leaves a row that owes an answer, of a process that died after it said
// success.
func (w *world) abandon(key, text string) {
	w.t.Helper()
	dying := w.replica(inbox.Options{Margin: 5 * time.Second, RunLimit: 50 * time.Millisecond})
	run, _, quit := hangs(w.t)
	got, err := dying.Do(within(w.t, 5050*time.Millisecond), w.said(key, text), run)
	if err != nil || got.Kind != model.NoContent {
		w.t.Fatalf("Do = %+v, %v, want success", got, err)
	}
	if err := dying.Drain(w.t.Context()); err != nil { // the goroutine is given up, as death would
		w.t.Fatal(err)
	}
	quit()
	if rows := w.states(); rows[key] != "pending" {
		w.t.Fatalf("rows = %v, want %s pending", rows, key)
	}
}

func TestWhatADeadProcessOwesIsTakenUpOnce(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		w.abandon("owed", "CXYE")
		a, b := w.replica(inbox.Options{}), w.replica(inbox.Options{})
		if err := a.DeliverDue(t.Context()); err != nil || w.runs.Load() != 0 {
			t.Fatalf("DeliverDue = %v, %d runs, want none before the lease ends", err, w.runs.Load())
		}
		w.clock.advance(time.Minute)
		errs := make(chan error, 2)
		for _, replica := range []*inbox.Inbox{a, b} {
			go func() { errs <- replica.DeliverDue(t.Context()) }()
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		sent := w.phone.messages()
		if len(sent) != 1 || sent[0].Text != "again: CXYE" || w.runs.Load() != 1 {
			t.Errorf("the user got %+v after %d runs, want one answer of one run", sent, w.runs.Load())
		}
		if rows := w.states(); rows["owed"] != "sent" {
			t.Errorf("rows = %v, want sent", rows)
		}
	})
}

func TestWhatBecomesOfASend(t *testing.T) {
	busy := fault.New(fault.Unavailable, "wechat.busy", "忙")
	for _, tt := range []struct {
		name  string
		fail  func(n int) error
		state string // after the first try and what follows within a day
		sent  int
		calls int
	}{
		{"taken", func(int) error { return nil }, "sent", 1, 1},
		{"refused for good", func(int) error { return fault.New(fault.Conflict, "wechat.window_shut", "超时") }, "refused", 0, 1},
		{"unknown is never repeated", func(int) error { return fault.New(fault.Internal, "wechat.unknown_outcome", "未知") }, "unknown", 0, 1},
		{"an unclassified error is unknown", func(int) error { return errors.New("reset by peer") }, "unknown", 0, 1},
		{"a panic over the answer is unknown", func(int) error { panic("nobody thought of that") }, "unknown", 0, 1},
		{"busy is tried again", func(n int) error {
			if n < 3 {
				return busy
			}
			return nil
		}, "sent", 1, 3},
		{"credentials that a person mends meanwhile", func(n int) error {
			if n < 3 {
				return fault.New(fault.Internal, "wechat.credentials", "白名单")
			}
			return nil
		}, "sent", 1, 3},
		{"busy for ever is given up", func(int) error { return busy }, "refused", 0, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t))
			w.phone.fail = tt.fail
			b := w.replica(inbox.Options{})
			card := model.Content{Kind: model.CardContent, Title: "充值", AppID: "wx1", Page: "p", ThumbID: "m"}
			for range 2 {
				if got, err := b.Do(t.Context(), w.said("card", "充值"), answers(card)); err != nil || got.Kind != model.NoContent {
					t.Fatalf("Do = %+v, %v, want success: a card is no passive reply", got, err)
				}
			}
			if err := b.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 12 {
				w.clock.advance(time.Hour)
				if err := b.DeliverDue(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if rows := w.states(); rows["card"] != tt.state || len(w.phone.messages()) != tt.sent || w.phone.n != tt.calls {
				t.Errorf("rows = %v, %d messages, %d calls, want %s, %d, %d", rows, len(w.phone.messages()), w.phone.n, tt.state, tt.sent, tt.calls)
			}
			if w.runs.Load() != 0 {
				t.Error("the logic ran again though its answer was kept")
			}
		})
	}
}

func TestAProcessThatEndsFinishesWhatItSendsAndLeavesTheRest(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ends  func(w *world, end func())
		state string // when the process has ended
		runs  int64  // in all, until it was sent
	}{
		{"in the middle of the call", func(w *world, end func()) { w.phone.fail = func(int) error { end(); return nil } }, "sent", 1},
		{"in the middle of the logic", func(w *world, end func()) { w.while = end }, "pending", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stores(t, func(t *testing.T, w *world) {
				w.abandon("owed", "CXYE")
				w.clock.advance(time.Hour)
				ctx, end := context.WithCancel(t.Context())
				tt.ends(w, end)
				if err := w.replica(inbox.Options{}).DeliverDue(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("DeliverDue = %v, want that its process ended", err)
				}
				if rows := w.states(); rows["owed"] != tt.state {
					t.Errorf("rows = %v, want %s", rows, tt.state)
				}
				w.clock.advance(time.Hour)
				if err := w.replica(inbox.Options{}).DeliverDue(t.Context()); err != nil {
					t.Fatal(err)
				}
				if rows, got := w.states(), w.phone.messages(); rows["owed"] != "sent" || len(got) != 1 || got[0].Text != "again: CXYE" || w.runs.Load() != tt.runs {
					t.Errorf("rows = %v, messages %+v after %d runs, want the answer once after %d", rows, got, w.runs.Load(), tt.runs)
				}
			})
		})
	}
}

func TestARowLeftSendingIsUnknownAndNeverSentAgain(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		w.abandon("half", "CXYE")
		if _, err := w.db.ExecContext(t.Context(), "UPDATE inbox_reply SET state = 'sending' WHERE message_key = 'half'"); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Hour)
		if err := w.replica(inbox.Options{}).DeliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rows := w.states(); rows["half"] != "unknown" || len(w.phone.messages()) != 0 {
			t.Errorf("rows = %v, %d messages, want unknown and none", rows, len(w.phone.messages()))
		}
	})
}

func TestMessagesAreSealedAndForgotten(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		w.abandon("secret", "绑定 13812345678")
		var inbound string
		if err := w.db.QueryRowContext(t.Context(), "SELECT inbound FROM inbox_reply").Scan(&inbound); err != nil {
			t.Fatal(err)
		}
		raw, err := w.seal.OpenText(inbound, []byte("inbox_reply.inbound\x00secret"))
		if err != nil || len(raw) == 0 {
			t.Errorf("the kept message does not open in its own row: %v", err)
		}
		if _, err := w.seal.OpenText(inbound, []byte("inbox_reply.inbound\x00other")); err == nil {
			t.Error("the kept message opens in another row")
		}
		b := w.replica(inbox.Options{})
		w.clock.advance(time.Minute)
		if err := b.DeliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Forget(t.Context()); err != nil || len(w.states()) != 1 {
			t.Fatalf("Forget = %v, rows %v, want a fresh row kept", err, w.states())
		}
		w.clock.advance(8 * 24 * time.Hour)
		if err := b.Forget(t.Context()); err != nil || len(w.states()) != 0 {
			t.Errorf("Forget = %v, rows %v, want none after a week", err, w.states())
		}
	})
}

// gate is a network to a real Redis that can be cut.
type gate struct {
	shut   atomic.Bool
	client redis.UniversalClient
}

func newGate(t *testing.T, to redis.UniversalClient) *gate {
	t.Helper()
	g := &gate{}
	opts := *to.(*redis.Client).Options()
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if g.shut.Load() {
			return nil, errors.New("the network is cut")
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return cuttable{conn, g}, err
	}
	g.client = redis.NewClient(&redis.Options{
		Network: opts.Network, Addr: opts.Addr, Username: opts.Username, Password: opts.Password, DB: opts.DB, Dialer: dial, MaxRetries: -1,
	})
	t.Cleanup(func() { _ = g.client.Close() })
	return g
}

// cuttable is a connection that fails while the gate is shut.
type cuttable struct {
	net.Conn
	g *gate
}

func (c cuttable) Read(b []byte) (int, error) {
	if c.g.shut.Load() {
		return 0, errors.New("the network is cut")
	}
	return c.Conn.Read(b)
}

func (c cuttable) Write(b []byte) (int, error) {
	if c.g.shut.Load() {
		return 0, errors.New("the network is cut")
	}
	return c.Conn.Write(b)
}

func TestWithoutRedisTheRecordIsInSQL(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		gate := newGate(t, w.redis)
		w.redis = gate.client
		gate.shut.Store(true)
		a, b := w.replica(inbox.Options{}), w.replica(inbox.Options{})
		in := w.said("nored", "CXLL")
		begun, finish := make(chan struct{}), make(chan struct{})
		got := make(chan model.Content, 3)
		try := func(replica *inbox.Inbox, run func(context.Context) (model.Content, error)) {
			content, err := replica.Do(within(t, 20*time.Second), in, run)
			if err != nil {
				t.Errorf("Do = %v", err)
			}
			got <- content
		}
		go try(a, func(context.Context) (model.Content, error) {
			close(begun)
			<-finish
			return model.Text("还剩 3GB"), nil
		})
		<-begun
		go try(a, never)
		go try(b, never)
		close(finish)
		for range 3 {
			if content := <-got; content.Text != "还剩 3GB" {
				t.Errorf("a try = %+v, want the answer", content)
			}
		}
		if err := a.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		gate.shut.Store(false) // Redis is back, and knows nothing
		w.clock.advance(2 * time.Second)
		c := w.replica(inbox.Options{})
		w.clock.advance(3 * time.Second)
		if content, err := c.Do(within(t, 20*time.Second), in, never); err != nil || content.Text != "还剩 3GB" {
			t.Errorf("a retry after Redis came back = %+v, %v, want the same answer", content, err)
		}
	})
}

func TestWithoutRedisADeadReplicaIsTakenOverFrom(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		gate := newGate(t, w.redis)
		w.redis = gate.client
		gate.shut.Store(true)
		dead, alive := w.replica(inbox.Options{Lease: time.Hour}), w.replica(inbox.Options{})
		in := w.said("dead2", "CXLL")
		run, begun, quit := hangs(t)
		lost := make(chan struct{})
		go func() {
			_, _ = dead.Do(within(t, 30*time.Second), in, run) // what a dead process returns does not matter
			close(lost)
		}()
		<-begun
		w.clock.advance(2 * time.Hour) // its lease ends
		if got, err := alive.Do(within(t, 20*time.Second), in, answers(model.Text("还剩 3GB"))); err != nil || got.Text != "还剩 3GB" {
			t.Errorf("the next try = %+v, %v, want the answer", got, err)
		}
		quit()
		<-lost
	})
}

func TestAFlushedRedisLosesNoPromise(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		a, b := w.replica(inbox.Options{}), w.replica(inbox.Options{Margin: 5 * time.Second})
		inTime := w.said("intime", "CXLL")
		if _, err := a.Do(t.Context(), inTime, answers(model.Text("还剩 3GB"))); err != nil {
			t.Fatal(err)
		}
		slow := w.said("late", "CXLL")
		finish := make(chan struct{})
		if got, err := b.Do(within(t, 5100*time.Millisecond), slow, func(context.Context) (model.Content, error) {
			<-finish
			return model.Text("余额 12 元"), nil
		}); err != nil || got.Kind != model.NoContent {
			t.Fatalf("Do = %+v, %v, want success", got, err)
		}
		if err := w.redis.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(5 * time.Second) // WeChat's retry
		if got, err := a.Do(t.Context(), inTime, never); err != nil || got.Text != "还剩 3GB" {
			t.Errorf("a retry at the same replica = %+v, %v, want the same answer", got, err)
		}
		for name, replica := range map[string]*inbox.Inbox{"other": a, "new": w.replica(inbox.Options{})} {
			if got, err := replica.Do(t.Context(), slow, never); err != nil || got.Kind != model.NoContent {
				t.Errorf("a retry of the late one at the %s replica = %+v, %v, want success", name, got, err)
			}
		}
		close(finish)
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent := w.phone.messages(); len(sent) != 1 {
			t.Errorf("the user got %+v, want one late answer", sent)
		}
	})
}

func TestNothingIsSaidThatCannotBePromised(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t))
	dead, err := sql.Open("sqlite", "file:"+t.TempDir()+"/none.db") // no table
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dead.Close() })
	w.db = dead
	b := w.replica(inbox.Options{Margin: 5 * time.Second})
	in := w.said("lost", "CXLL")
	finish := make(chan struct{})
	got, err := b.Do(within(t, 5100*time.Millisecond), in, func(context.Context) (model.Content, error) {
		<-finish
		return model.Text("余额 12 元"), nil
	})
	if !errors.Is(err, inbox.ErrNotReady) {
		t.Fatalf("Do = %+v, %v, want an error, so that WeChat tries again", got, err)
	}
	close(finish)
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Do(t.Context(), in, never); err != nil || got.Text != "余额 12 元" {
		t.Errorf("WeChat's next try = %+v, %v, want the answer", got, err)
	}
}

func TestTheWorkIsBounded(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t))
	b := w.replica(inbox.Options{MaxRunning: 1})
	finish := make(chan struct{})
	begun := make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := b.Do(within(t, 20*time.Second), w.said("one", "x"), func(context.Context) (model.Content, error) {
			close(begun)
			<-finish
			return model.Text("x"), nil
		})
		first <- err
	}()
	<-begun
	if _, err := b.Do(t.Context(), w.said("two", "x"), never); !errors.Is(err, inbox.ErrFull) {
		t.Errorf("a message too many = %v, want %v", err, inbox.ErrFull)
	}
	close(finish)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
