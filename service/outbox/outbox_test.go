package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/outbox"
)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time          { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

func newOutbox(t *testing.T, db *sql.DB) (*outbox.Outbox, *clock) {
	t.Helper()
	c := &clock{t: time.Date(2026, 2, 16, 9, 0, 0, 0, model.Shanghai)}
	ids, err := model.NewIDs(1, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return outbox.New(db, ids, c.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), outbox.Options{Attempts: 3}), c
}

func promise(t *testing.T, db *sql.DB, o *outbox.Outbox, request model.RequestID, payload any) {
	t.Helper()
	if err := sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error {
		return o.AddTx(t.Context(), tx, "greet", request, payload)
	}); err != nil {
		t.Fatal(err)
	}
}

func deliver(t *testing.T, o *outbox.Outbox) int {
	t.Helper()
	kept, err := o.Deliver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestAPromiseIsKeptOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, _ := newOutbox(t, db)
		var got []string
		o.Handle("greet", func(_ context.Context, request model.RequestID, payload []byte) error {
			got = append(got, string(request)+string(payload))
			return nil
		})
		promise(t, db, o, "a", 1)
		promise(t, db, o, "a", 1)
		if kept := deliver(t, o) + deliver(t, o); kept != 1 || fmt.Sprint(got) != "[a1]" {
			t.Errorf("kept %d as %v, want once [a1]", kept, got)
		}
	})
}

func TestAPromiseOfAFailedTransactionIsNone(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, _ := newOutbox(t, db)
		want := errors.New("changed my mind")
		err := sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error {
			if err := o.AddTx(t.Context(), tx, "greet", "a", 1); err != nil {
				return err
			}
			return want
		})
		waiting, countErr := o.Waiting(t.Context())
		if !errors.Is(err, want) || countErr != nil || waiting != 0 {
			t.Errorf("InTx = %v, waiting = %d, %v, want %v and none", err, waiting, countErr, want)
		}
	})
}

func TestWhatBecomesOfAFailure(t *testing.T) {
	for _, tt := range []struct {
		name     string
		err      error
		attempts int
	}{
		{"unavailable is tried again, three times here", fault.New(fault.Unavailable, "x.down", ""), 3},
		{"unclassified is tried again", errors.New("boom"), 3},
		{"a refusal is final", fault.New(fault.Conflict, "x.gone", ""), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
				o, c := newOutbox(t, db)
				attempts := 0
				o.Handle("greet", func(context.Context, model.RequestID, []byte) error { attempts++; return tt.err })
				promise(t, db, o, "a", 1)
				for range 6 {
					deliver(t, o)
					c.advance(time.Hour)
				}
				waiting, err := o.Waiting(t.Context())
				if attempts != tt.attempts || waiting != 0 || err != nil {
					t.Errorf("attempts = %d, waiting = %d, %v, want %d and none", attempts, waiting, err, tt.attempts)
				}
			})
		})
	}
}

func TestADelivererThatDiesLeavesThePromiseToTheNext(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, c := newOutbox(t, db)
		ctx, die := context.WithCancel(t.Context())
		dying := true
		kept := 0
		o.Handle("greet", func(context.Context, model.RequestID, []byte) error {
			if dying {
				die()
				runtime.Goexit()
			}
			kept++
			return nil
		})
		promise(t, db, o, "a", 1)
		_, _ = o.Deliver(ctx)
		dying = false
		if deliver(t, o); kept != 0 {
			t.Fatal("the lease of the dead one was ignored")
		}
		c.advance(31 * time.Second)
		if deliver(t, o); kept != 1 {
			t.Errorf("kept %d times after the lease, want 1", kept)
		}
	})
}

func TestManyDeliverersKeepEachPromiseOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, _ := newOutbox(t, db)
		var mu sync.Mutex
		times := map[model.RequestID]int{}
		o.Handle("greet", func(_ context.Context, r model.RequestID, _ []byte) error {
			mu.Lock()
			defer mu.Unlock()
			times[r]++
			return nil
		})
		const promises = 40
		for i := range promises {
			promise(t, db, o, model.RequestID(fmt.Sprint(i)), i)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := o.Deliver(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for r, n := range times {
			if n != 1 {
				t.Errorf("promise %s was kept %d times, want 1", r, n)
			}
		}
		if len(times) != promises {
			t.Errorf("%d promises were kept, want %d", len(times), promises)
		}
	})
}

func TestOldPromisesAreForgottenAndOthersStay(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, c := newOutbox(t, db)
		o.Handle("greet", func(context.Context, model.RequestID, []byte) error { return nil })
		promise(t, db, o, "old", 1)
		deliver(t, o)
		c.advance(8 * 24 * time.Hour)
		promise(t, db, o, "new", 1)
		n, err := o.Forget(t.Context())
		waiting, countErr := o.Waiting(t.Context())
		if n != 1 || err != nil || waiting != 1 || countErr != nil {
			t.Errorf("Forget = %d, %v, waiting %d, %v, want 1 and 1", n, err, waiting, countErr)
		}
	})
}

func TestWhatTheTableCannotHoldIsRefused(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, _ := newOutbox(t, db)
		for _, tt := range []struct {
			topic   string
			request model.RequestID
			payload any
		}{
			{"", "a", 1}, {"greet", "", 1}, {"greet", "a b", 1}, {"greet", "a", string(make([]byte, 60_001))}, {"greet", "a", func() {}},
		} {
			err := sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error { return o.AddTx(t.Context(), tx, tt.topic, tt.request, tt.payload) })
			if !errors.Is(err, outbox.ErrPromise) {
				t.Errorf("AddTx(%q, %q) = %v, want %v", tt.topic, tt.request, err, outbox.ErrPromise)
			}
		}
	})
}

func TestASlowPromiseHoldsUpFew(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, _ := newOutbox(t, db)
		others := make(chan struct{}, 2)
		o.Handle("greet", func(ctx context.Context, request model.RequestID, _ []byte) error {
			if request != "slow" {
				others <- struct{}{}
				return nil
			}
			for range 2 { // it ends after those behind it
				select {
				case <-others:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		for _, r := range []model.RequestID{"slow", "second", "third"} {
			promise(t, db, o, r, nil)
		}
		if kept := deliver(t, o); kept != 3 {
			t.Errorf("%d promises were kept, want all three", kept)
		}
	})
}

// A topic that is slow, or of which there are many, keeps no other waiting: each of these
// ends when the promise that was made last, of another topic, is kept.
func TestManySlowPromisesOfATopicHoldUpNoOther(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, _ := newOutbox(t, db)
		kept := make(chan struct{})
		o.Handle("greet", func(ctx context.Context, _ model.RequestID, _ []byte) error {
			select {
			case <-kept:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		o.Handle("another", func(context.Context, model.RequestID, []byte) error { close(kept); return nil })
		const slow = 5 // more than are attempted at a time
		for i := range slow {
			promise(t, db, o, model.RequestID(fmt.Sprint(i)), nil)
		}
		if err := sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error { return o.AddTx(t.Context(), tx, "another", "last", nil) }); err != nil {
			t.Fatal(err)
		}
		if n := deliver(t, o); n != slow+1 {
			t.Errorf("%d promises were kept, want all %d", n, slow+1)
		}
	})
}

// It keeps none waiting either that is made while its attempts are under way: these end
// when the promise of another topic is kept, or fail.
func TestWhatIsPromisedWhileATopicHangsIsKeptMeanwhile(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		ids, err := model.NewIDs(1, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		o := outbox.New(db, ids, time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), outbox.Options{Turn: 20 * time.Millisecond})
		kept := make(chan struct{})
		o.Handle("greet", func(ctx context.Context, _ model.RequestID, _ []byte) error {
			if err := sqldb.InTx(ctx, db, func(tx *sql.Tx) error { return o.AddTx(ctx, tx, "another", "meanwhile", nil) }); err != nil {
				return err
			}
			select {
			case <-kept:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		o.Handle("another", func(context.Context, model.RequestID, []byte) error { close(kept); return nil })
		promise(t, db, o, "hangs", nil)
		if n := deliver(t, o); n != 2 {
			t.Errorf("%d promises were kept, want both", n)
		}
	})
}

// One turn takes more than a batch, and begins nothing when it is over.
func TestATurnTakesWhatThereIsTimeFor(t *testing.T) {
	for _, tt := range []struct {
		turn time.Duration
		want int
	}{{time.Hour, 30}, {time.Nanosecond, 0}} {
		dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
			ids, err := model.NewIDs(1, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			o := outbox.New(db, ids, time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), outbox.Options{Batch: 10, Turn: tt.turn})
			o.Handle("greet", func(context.Context, model.RequestID, []byte) error { return nil })
			for i := range 30 {
				promise(t, db, o, model.RequestID(fmt.Sprint(i)), nil)
			}
			if n := deliver(t, o); n != tt.want {
				t.Errorf("a turn of %s kept %d, want %d", tt.turn, n, tt.want)
			}
		})
	}
}

// One replica has listed a promise; another fails with it meanwhile. The pause after the
// failure is the first one's too.
func TestThePauseAfterAFailureHoldsForAllReplicas(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		c := &clock{t: time.Date(2026, 2, 16, 9, 0, 0, 0, model.Shanghai)}
		ids, err := model.NewIDs(1, c.now)
		if err != nil {
			t.Fatal(err)
		}
		replica := func() *outbox.Outbox {
			return outbox.New(db, ids, c.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), outbox.Options{AtOnce: 1})
		}
		one, other := replica(), replica()
		var tries []string
		fails := func(who string) outbox.Handler {
			return func(ctx context.Context, request model.RequestID, _ []byte) error {
				if who == "one" && request == "first" {
					_, err := other.Deliver(ctx)
					return err
				}
				tries = append(tries, who)
				return errors.New("not now")
			}
		}
		one.Handle("greet", fails("one"))
		other.Handle("greet", fails("other"))
		promise(t, db, one, "first", nil)
		promise(t, db, one, "second", nil)
		deliver(t, one)
		if len(tries) != 1 || tries[0] != "other" {
			t.Errorf("tried by %v, want the other alone", tries)
		}
		c.advance(time.Minute)
		if deliver(t, one); len(tries) != 2 || tries[1] != "one" {
			t.Errorf("a minute later tried by %v, want once more", tries)
		}
	})
}

// A topic that nobody handles any more is not forgotten in silence.
func TestWhatNobodyHandlesIsGivenUpWithAnError(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o, c := newOutbox(t, db)
		promise(t, db, o, "a", nil)
		for range 4 {
			deliver(t, o)
			c.advance(time.Hour)
		}
		var said string
		if err := db.QueryRowContext(t.Context(), "SELECT error FROM outbox WHERE done_at > 0").Scan(&said); err != nil || !strings.Contains(said, "nobody handles") {
			t.Errorf("it says %q, %v, want that nobody handles it", said, err)
		}
	})
}

func TestAPromiseThatAlwaysFailsIsGivenUpWhateverItsError(t *testing.T) {
	for name, fail := range map[string]func() error{
		"an error that is cut within a character": func() error { return errors.New(strings.Repeat("错", 100)) },
		"an error that is no text":                func() error { return errors.New("answered \xff\xfe") },
		"a panic":                                 func() error { panic("nobody thought of that") },
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
				o, c := newOutbox(t, db)
				tries := 0
				o.Handle("greet", func(context.Context, model.RequestID, []byte) error { tries++; return fail() })
				promise(t, db, o, "a", 1)
				for range 6 {
					if kept, err := o.Deliver(t.Context()); kept != 0 || err != nil {
						t.Errorf("Deliver = %d, %v, want the failure with its promise", kept, err)
					}
					c.advance(time.Hour)
				}
				if waiting, err := o.Waiting(t.Context()); tries != 3 || waiting != 0 || err != nil {
					t.Errorf("%d tries and %d promises wait, %v, want it given up after 3", tries, waiting, err)
				}
			})
		})
	}
}
