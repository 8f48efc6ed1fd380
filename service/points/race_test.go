package points

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
)

// The size of the races.
const (
	raceWorkers = 32
	raceSteps   = 12
	raceMembers = 6
	crashes     = 3
	crashSteps  = 60 // acknowledged steps before each kill
)

// step does the nth operation of a seed. The same seed and n always ask for the
// same, so that a repeat is a repeat.
func step(ctx context.Context, l *Ledger, seed, n uint64) (string, error) {
	r := rand.New(rand.NewPCG(seed, n))
	member := model.MemberID(500 + r.IntN(raceMembers))
	amount := model.Points(1 + r.IntN(40))
	request := model.RequestID(fmt.Sprintf("%d-%d", seed, n))
	ref := bought(string(request))
	switch r.IntN(7) {
	case 0, 1, 2:
		source := []string{"month", "later", "ever"}[r.IntN(3)]
		got, err := l.Earn(ctx, member, source, 2*amount, ref, request)
		return fmt.Sprint("earned ", got), err
	case 3, 4:
		id, err := l.Spend(ctx, member, amount, ref, "", request)
		return fmt.Sprint("spent ", id), err
	case 5:
		if _, err := l.Spend(ctx, member, amount, ref, "", request); err != nil {
			return "", err
		}
		got, err := l.Reverse(ctx, ref, r.IntN(2), request)
		return fmt.Sprint("reversed ", got), err
	}
	hold, err := l.Hold(ctx, member, amount, 0, ref, "", request)
	if err != nil {
		return "", err
	}
	if err := l.Confirm(ctx, hold, 1+amount/2, request+"-c"); err != nil {
		return "", err
	}
	if err = l.Void(ctx, hold, 0, request+"-v"); errors.Is(err, ErrHoldClosed) { // all of it was confirmed
		err = nil
	}
	return fmt.Sprint("held ", hold), err
}

// answered is a step's answer as it must be again for ever, or "" when it was
// none: an outage.
func answered(answer string, err error) string {
	switch {
	case err == nil:
		return answer
	case errors.Is(err, ErrInsufficient):
		return ErrInsufficient.Code
	}
	return ""
}

func TestManyAtOnceStayBalanced(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		var wg sync.WaitGroup
		for worker := range raceWorkers {
			wg.Go(func() {
				for n := range raceSteps {
					answer, err := step(t.Context(), f.Ledger, uint64(worker), uint64(n))
					if answered(answer, err) == "" && !errors.Is(err, sqldb.ErrBusy) {
						t.Errorf("worker %d step %d = %v", worker, n, err)
					}
				}
			})
		}
		wg.Wait()
		f.wantClean(t)
	})
}

func TestOneRequestManyTimesAtOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		f.mustEarn(t, alice, "month", 100, "e")
		ids := make([]model.ID, 10)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				var err error
				if ids[i], err = f.Spend(t.Context(), alice, 60, bought("1"), "", "once"); err != nil {
					t.Errorf("copy %d = %v", i, err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("one request got the answers %v", ids)
			}
		}
		f.wantBalance(t, alice, 40)
		f.wantClean(t)
	})
}

func TestLastPointsAreSpentOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		f.mustEarn(t, alice, "month", 100, "e")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 10 {
			wg.Go(func() {
				_, err := f.Spend(t.Context(), alice, 100, bought(fmt.Sprint(i)), "", model.RequestID(fmt.Sprint("s", i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, ErrInsufficient) {
					t.Errorf("spending %d = %v", i, err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d of 10 spent the last points", won)
		}
		f.wantClean(t)
	})
}

// TestCommitWithoutAnAnswer repeats a change whose COMMIT was answered with
// silence, both when it stands and when it does not.
func TestCommitWithoutAnAnswer(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		f.mustEarn(t, alice, "month", 100, "e")
		for _, stands := range []bool{true, false} {
			tx, err := pool.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			request := model.RequestID(fmt.Sprint("s", stands))
			if _, err := f.SpendTx(t.Context(), tx, alice, 30, bought(string(request)), "", request); err != nil {
				t.Fatal(err)
			}
			end := tx.Rollback
			if stands {
				end = tx.Commit
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the caller knows nothing and repeats
				if _, err := f.Spend(t.Context(), alice, 30, bought(string(request)), "", request); err != nil {
					t.Errorf("the repeat (stands: %v) = %v", stands, err)
				}
			}
		}
		f.wantBalance(t, alice, 40)
		f.wantClean(t)
	})
}

// crashEnv holds the DSN and seed of the process that is going to be killed.
const crashEnv = "KMH_POINTS_CRASH"

// crashWorker is that process: it works off steps for ever and says each answer
// once it has it.
func crashWorker() {
	dsn, seed, _ := strings.Cut(os.Getenv(crashEnv), "|")
	ctx := context.Background()
	pool, err := sqldb.Open(ctx, dsn, sqldb.Options{})
	if err != nil {
		panic(err)
	}
	l := crashLedger(pool)
	var first uint64
	if _, err := fmt.Sscan(seed, &first); err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range uint64(4) {
		wg.Go(func() {
			for n := range uint64(100_000) {
				answer, err := step(ctx, l, first+worker, n)
				mu.Lock()
				fmt.Printf("%d %d %s\n", first+worker, n, answered(answer, err))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func crashLedger(pool *sql.DB) *Ledger {
	now := func() time.Time { return time.Now() }
	node, err := sqldb.Node(context.Background(), pool)
	if err != nil {
		panic(err)
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		panic(err)
	}
	l, err := New(pool, ids, now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), &memo{rows: map[string]string{}}, book{}, Options{Rules: testRules})
	if err != nil {
		panic(err)
	}
	return l
}

func TestKilledAtAnyMoment(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killed(t, dbtest.SQLiteDSN(t)) })
	t.Run("mysql", func(t *testing.T) { killed(t, dbtest.MySQLDSN(t)) })
}

func killed(t *testing.T, dsn string) {
	type said struct {
		seed, n uint64
		answer  string
	}
	var all []said
	for round := range uint64(crashes) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d", crashEnv, dsn, 1000*(round+1)))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, seen := bufio.NewScanner(out), 0
		for lines.Scan() {
			var s said
			if n, _ := fmt.Sscan(lines.Text(), &s.seed, &s.n); n < 2 {
				continue
			}
			if parts := strings.SplitN(lines.Text(), " ", 3); len(parts) == 3 && parts[2] != "" {
				s.answer = parts[2]
				all = append(all, s)
			}
			if seen++; seen == crashSteps {
				if err := cmd.Process.Kill(); err != nil { // SIGKILL; what was printed before is still read
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || seen < crashSteps {
			t.Fatalf("the process ended by itself after %d steps: %v", seen, err)
		}
	}
	pool, err := sqldb.Open(t.Context(), dsn, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	l := crashLedger(pool)
	clean(t, l, "after the kills")
	for _, s := range all {
		answer, err := step(t.Context(), l, s.seed, s.n)
		if got := answered(answer, err); got != s.answer {
			t.Errorf("step %d of %d was answered %q and its repeat %q (%v, %s)", s.n, s.seed, s.answer, got, err, fault.KindOf(err))
		}
	}
	clean(t, l, "after the repeats")
}

func clean(t *testing.T, l *Ledger, when string) {
	t.Helper()
	found, err := l.Check(t.Context())
	if err != nil || len(found) > 0 {
		t.Fatalf("%s: %v, %v", when, found, err)
	}
}
