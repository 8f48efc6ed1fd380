package idempotency_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	"kaimenhong/service/idempotency"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) tell() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); c.now = c.now.Add(d); c.mu.Unlock() }

func newKeeper(t *testing.T, db *sql.DB, c *clock) *idempotency.Keeper {
	t.Helper()
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := idempotency.New(db, sealer, c.tell, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), idempotency.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newClock() *clock { return &clock{now: time.Date(2026, 2, 17, 0, 0, 0, 0, time.UTC)} }

func request(member model.MemberID, route, key, body string) idempotency.Request {
	return idempotency.Request{Member: member, Route: route, Key: model.RequestID(key), Body: sha256.Sum256([]byte(body))}
}

// worker answers with a status and how often it was asked.
type worker struct {
	status int
	runs   atomic.Int32
}

func (w *worker) run(context.Context) idempotency.Answer {
	n := w.runs.Add(1)
	return idempotency.Answer{Status: w.status, Body: []byte(strings.Repeat("x", int(n)))}
}

func TestTheRepeatOfAWrite(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		c := newClock()
		a, b := newKeeper(t, db, c), newKeeper(t, db, c)
		first := &worker{status: 201}
		if _, kept, err := a.Do(t.Context(), request(1, "POST /x", "k", "body"), first.run); kept || err != nil {
			t.Fatalf("Do = %v, %v", kept, err)
		}
		for _, tt := range []struct {
			name string
			r    idempotency.Request
			kept bool
			want error
		}{
			{"gets the first answer, on another replica", request(1, "POST /x", "k", "body"), true, nil},
			{"with another body is refused", request(1, "POST /x", "k", "other"), false, idempotency.ErrReused},
			{"of another member runs", request(2, "POST /x", "k", "body"), false, nil},
			{"of another route runs", request(1, "POST /y", "k", "body"), false, nil},
			{"without a key is refused", request(1, "POST /x", "", "body"), false, idempotency.ErrKey},
			{"with a key of 65 is refused", request(1, "POST /x", strings.Repeat("k", 65), "body"), false, idempotency.ErrKey},
			{"with a key with a space is refused", request(1, "POST /x", "a b", "body"), false, idempotency.ErrKey},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := &worker{status: 418}
				got, kept, err := b.Do(t.Context(), tt.r, w.run)
				if !errors.Is(err, tt.want) || kept != tt.kept {
					t.Fatalf("Do = kept %v, %v, want %v, %v", kept, err, tt.kept, tt.want)
				}
				if kept && (got.Status != 201 || string(got.Body) != "x" || w.runs.Load() != 0) {
					t.Errorf("answer %d %q after %d runs, want the first one", got.Status, got.Body, w.runs.Load())
				}
			})
		}
		c.pass(7*24*time.Hour + time.Second)
		again := &worker{status: 200}
		if _, kept, err := b.Do(t.Context(), request(1, "POST /x", "k", "other"), again.run); kept || err != nil {
			t.Errorf("after 7 days = kept %v, %v, want a new run", kept, err)
		}
	})
}

func TestAnAnswerThatSaysLaterIsNotKept(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		k := newKeeper(t, db, newClock())
		for status, kept := range map[int]bool{200: true, 204: true, 404: true, 409: true, 429: false, 500: false, 503: false} {
			w := &worker{status: status}
			r := request(model.MemberID(status), "POST /x", "k", "")
			for range 2 {
				if _, _, err := k.Do(t.Context(), r, w.run); err != nil {
					t.Fatal(err)
				}
			}
			want := int32(2)
			if kept {
				want = 1
			}
			if w.runs.Load() != want {
				t.Errorf("%d: ran %d times, want %d", status, w.runs.Load(), want)
			}
		}
	})
}

func TestOfManyAtOnceOneRuns(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		c := newClock()
		keepers := []*idempotency.Keeper{newKeeper(t, db, c), newKeeper(t, db, c)}
		started, release := make(chan struct{}), make(chan struct{})
		var runs atomic.Int32
		slow := func(context.Context) idempotency.Answer {
			runs.Add(1)
			close(started)
			<-release
			return idempotency.Answer{Status: 200, Body: []byte("done")}
		}
		done := make(chan error, 1)
		go func() { _, _, err := keepers[0].Do(t.Context(), request(1, "POST /x", "k", ""), slow); done <- err }()
		<-started
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				_, _, err := keepers[i%2].Do(t.Context(), request(1, "POST /x", "k", ""), slow)
				if !errors.Is(err, idempotency.ErrRunning) {
					t.Errorf("Do = %v, want ErrRunning", err)
				}
			})
		}
		wait.Wait()
		close(release)
		if err := <-done; err != nil || runs.Load() != 1 {
			t.Errorf("Do = %v after %d runs, want nil after 1", err, runs.Load())
		}
		if got, kept, err := keepers[1].Answered(t.Context(), request(1, "POST /x", "k", "")); !kept || err != nil || string(got.Body) != "done" {
			t.Errorf("Answered = %q, %v, %v, want the answer", got.Body, kept, err)
		}
	})
}

func TestAProcessThatDiedIsTakenOver(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		c := newClock()
		dying, k := newKeeper(t, db, c), newKeeper(t, db, c)
		r := request(1, "POST /x", "k", "")
		func() {
			defer func() { _ = recover() }() // as far as the store sees, the process is gone
			_, _, err := dying.Do(t.Context(), r, func(context.Context) idempotency.Answer { panic("kill -9") })
			t.Errorf("Do returned %v, want a panic", err)
		}()
		w := &worker{status: 200}
		if _, _, err := k.Do(t.Context(), r, w.run); !errors.Is(err, idempotency.ErrRunning) {
			t.Fatalf("at once = %v, want ErrRunning", err)
		}
		c.pass(21 * time.Second)
		if _, kept, err := k.Do(t.Context(), r, w.run); kept || err != nil || w.runs.Load() != 1 {
			t.Errorf("after the lease = kept %v, %v, %d runs, want a run", kept, err, w.runs.Load())
		}
		if _, kept, err := k.Do(t.Context(), r, w.run); !kept || err != nil {
			t.Errorf("then = kept %v, %v, want the answer", kept, err)
		}
	})
}

func TestAnswersAreSealedForgottenAndPurged(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		c := newClock()
		k := newKeeper(t, db, c)
		secret := func(context.Context) idempotency.Answer {
			return idempotency.Answer{Status: 200, Body: []byte("收货地址")}
		}
		bare := &worker{status: 204}
		for _, key := range []string{"a", "b"} {
			if _, _, err := k.Do(t.Context(), request(1, "POST /x", key, ""), secret); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := k.Do(t.Context(), request(1, "DELETE /me", "c", ""), func(ctx context.Context) idempotency.Answer {
			bare.run(ctx)
			return idempotency.Answer{Status: 204}
		}); err != nil {
			t.Fatal(err)
		}
		var kept string
		if err := db.QueryRowContext(t.Context(), "SELECT answer FROM idempotency WHERE request_id = 'a'").Scan(&kept); err != nil || strings.Contains(kept, "收货") {
			t.Errorf("the store holds %q (%v), want it sealed", kept, err)
		}
		if err := k.Forget(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if _, kept, err := k.Answered(t.Context(), request(1, "POST /x", "a", "")); kept || err != nil {
			t.Errorf("after Forget = %v, %v, want nothing", kept, err)
		}
		if _, kept, err := k.Answered(t.Context(), request(1, "DELETE /me", "c", "")); !kept || err != nil {
			t.Errorf("an answer that tells nothing = %v, %v, want it kept", kept, err)
		}
		c.pass(8 * 24 * time.Hour)
		if n, err := k.Purge(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("Purge = %d, %v, want 1", n, err)
		}
	})
}

func TestPurgeDeletesManyRowsByOneStatement(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		c := newClock()
		k := newKeeper(t, db, c)
		old, young := c.now.Add(-8*24*time.Hour).UnixMilli(), c.now.UnixMilli()
		for from := range 12 {
			var args []any
			for i := range 500 {
				at := young
				if from < 2 {
					at = old + int64(i)
				}
				args = append(args, strconv.Itoa(from*500+i), at)
			}
			const row = "('member/1', ?, 1, '', '', 0, 200, '', ?)"
			if _, err := db.ExecContext(t.Context(), "INSERT INTO idempotency (scope, request_id, member_id, body_hash, token, leased_until, status, answer, created_at) VALUES "+
				row+strings.Repeat(", "+row, 499), args...); err != nil {
				t.Fatal(err)
			}
		}
		purge := func() (n int) {
			n, err := k.Purge(t.Context(), 500)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := purge(); n != 500 {
			t.Errorf("Purge = %d, want 500", n)
		}
		statements := dbtest.Statements(t, db, func() {
			if a, b := purge(), purge(); a != 500 || b != 0 {
				t.Errorf("Purge = %d, then %d, want 500 and none", a, b)
			}
		})
		if statements > 4 {
			t.Errorf("500 rows took %d statements, want few", statements)
		}
	})
}
