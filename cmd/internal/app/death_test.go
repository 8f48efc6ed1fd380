package app_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall"
	"kaimenhong/service/points"
)

// deathEnv tells a process of this test that it is the one to die.
const deathEnv = "KMH_TEST_DEATH"

// TestMain lets this binary be the process that redeems and is killed.
func TestMain(m *testing.M) {
	text := os.Getenv(deathEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	var d death
	err := json.Unmarshal([]byte(text), &d)
	if err == nil {
		err = d.meet(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// death is one redemption whose process dies at a round trip to the database.
type death struct {
	DSN     string
	Member  model.MemberID
	Gift    model.ID
	At      int  // the round trip; before the database acts, or
	Done    bool // after
	Refuses bool // the carrier does
	Book    string
}

// ledgerOfCarrier is the carrier: it notes in a file what it was asked for.
type ledgerOfCarrier struct {
	book    string
	refuses bool
}

// Deliver does what it is asked for once for each request.
func (c ledgerOfCarrier) Deliver(_ context.Context, _ mall.Goods, request model.RequestID, _ bool) (mall.Outcome, error) {
	if c.refuses {
		return mall.Outcome{State: mall.Failed, Reason: "号码状态异常"}, nil
	}
	file, err := os.OpenFile(c.book, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return mall.Outcome{State: mall.Unknown}, err
	}
	_, err = fmt.Fprintln(file, request)
	return mall.Outcome{State: mall.Fulfilled, Number: "C-1"}, errors.Join(err, file.Close())
}

// meet redeems and hands over, and is killed at the round trip.
func (d death) meet(ctx context.Context) error {
	plain, err := sqldb.Open(ctx, d.DSN, sqldb.Options{})
	if err != nil {
		return err
	}
	return d.redeem(ctx, dbtest.WatchedBy(plain, func(trip dbtest.Trip) error {
		if trip.N == d.At && trip.Done == d.Done {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it arrives
		}
		return nil
	}), plain)
}

// redeem redeems once over watched, whose round trips count from the beginning of the
// redemption, and hands over what is due.
func (d death) redeem(ctx context.Context, watched, plain *sql.DB) error {
	defer func() { _ = watched.Close() }()
	m, _, err := counter(ctx, plain, ledgerOfCarrier{d.Book, d.Refuses}, time.Now)
	if err != nil {
		return err
	}
	dying := *m
	dying.DB = watched
	phone, err := model.ParsePhone("13800000001")
	if err != nil {
		return err
	}
	r, err := dying.Redeem(ctx, mall.Order{Member: d.Member, Gift: d.Gift, Phone: phone, Request: "r"})
	if err != nil {
		return err
	}
	return dying.Fulfil(ctx, r.ID)
}

// judged is what must hold after a death, however the redemption stood.
type judged struct {
	*testing.T
	pool   *sql.DB
	mall   *mall.Mall
	ledger *points.Ledger
	gift   model.ID
	book   string
	left   int64 // of the gift, before
	total  int   // deaths
	begun  int   // deaths after which the redemption stood
}

const purse = 30 // points of each member; the gift costs 25

func judge(t *testing.T, pool *sql.DB, refuses bool) *judged {
	t.Helper()
	_, _, g := shop(t, pool, 10_000)
	j := &judged{T: t, pool: pool, gift: g.ID, book: filepath.Join(t.TempDir(), "carrier"), left: g.Left}
	later := func() time.Time { return time.Now().Add(2 * time.Minute) } // whatever the dead one had leased is free
	var err error
	if j.mall, j.ledger, err = counter(t.Context(), pool, ledgerOfCarrier{j.book, refuses}, later); err != nil {
		t.Fatal(err)
	}
	return j
}

// newcomer is a member with points.
func (j *judged) newcomer() model.MemberID {
	j.Helper()
	j.total++
	member := model.MemberID(1000 + j.total)
	if _, err := j.ledger.Earn(j.Context(), member, points.SourceCarrier, purse, model.Ref{}, "e"); err != nil {
		j.Fatal(err)
	}
	return member
}

// state is what stands of the member's redemption: its state, his points, and how many
// of the gift are left.
func (j *judged) state(member model.MemberID) (state string, has model.Points, left int64) {
	j.Helper()
	page, _, err := j.mall.Redemptions(j.Context(), member, "", 10)
	if err != nil || len(page) > 1 {
		j.Fatalf("the member's redemptions are %+v, %v", page, err)
	}
	if len(page) == 1 {
		state = string(page[0].State)
	}
	b, err := j.ledger.PointsBalance(j.Context(), member)
	if err != nil {
		j.Fatal(err)
	}
	g, err := j.mall.Gift(j.Context(), j.gift)
	if err != nil {
		j.Fatal(err)
	}
	return state, b.Available, g.Left
}

// after judges one death: done, or not begun; and after the repeat of the request by
// somebody who lives, done once.
func (j *judged) after(what string, d death) {
	j.Helper()
	state, has, left := j.state(d.Member)
	switch state {
	case "", string(mall.Failed):
		if has != purse || left != j.left {
			j.Errorf("%s: the redemption is %q, but %d points are left and %d gifts of %d", what, state, has, left, j.left)
		}
	default:
		if has != purse-25 || left != j.left-1 {
			j.Errorf("%s: the redemption is %q, but %d points are left and %d gifts of %d", what, state, has, left, j.left)
		}
	}
	if state != "" {
		j.begun++
	}
	phone, err := model.ParsePhone("13800000001")
	if err != nil {
		j.Fatal(err)
	}
	r, err := j.mall.Redeem(j.Context(), mall.Order{Member: d.Member, Gift: d.Gift, Phone: phone, Request: "r"})
	if err != nil {
		j.Fatalf("%s: the repeat is answered %v", what, err)
	}
	if _, err := j.mall.FulfilDue(j.Context()); err != nil {
		j.Fatalf("%s: %v", what, err)
	}
	state, has, left = j.state(d.Member)
	if d.Refuses {
		if state != string(mall.Failed) || has != purse || left != j.left {
			j.Errorf("%s, in the end: %s, %d points, %d left of %d; want all back", what, state, has, left, j.left)
		}
		return
	}
	j.left--
	if state != string(mall.Fulfilled) || has != purse-25 || left != j.left {
		j.Errorf("%s, in the end: %s, %d points, %d left; want it handed over once", what, state, has, left)
	}
	book, err := os.ReadFile(j.book)
	if want := "redemption-" + r.ID.String() + "-deliver"; err != nil || !strings.Contains(string(book), want) {
		j.Errorf("%s: the carrier was never asked for %s: %v", what, want, err)
	}
}

// clean proves the ledger, and that the carrier was asked under one name for each.
func (j *judged) clean() {
	j.Helper()
	if found, err := j.ledger.Check(j.Context()); err != nil || len(found) > 0 {
		j.Errorf("ledger: %v, %v", found, err)
	}
	if j.begun == 0 || j.begun == j.total {
		j.Errorf("after %d of %d deaths the redemption stood: the deaths miss something", j.begun, j.total)
	}
}

// TestAKilledRedemptionIsDoneOrNotBegun kills the process that redeems at each of its
// round trips to the database, from the first read to the record of the carrier's
// answer.
func TestAKilledRedemptionIsDoneOrNotBegun(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteDSN, "mysql": dbtest.MySQLDSN} {
		for _, refuses := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/refused=%v", name, refuses), func(t *testing.T) {
				t.Parallel()
				at := dsn(t)
				pool, err := sqldb.Open(t.Context(), at, sqldb.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = pool.Close() }()
				j := judge(t, pool, refuses)
				for n := 1; ; n++ {
					// Killed after a statement is killed before the next one, but for COMMIT,
					// after which the transaction stands: the next trip's death shows that.
					d := death{DSN: at, Member: j.newcomer(), Gift: j.gift, At: n, Refuses: refuses, Book: j.book}
					killed := d.process(t)
					j.after(fmt.Sprintf("killed before round trip %d", n), d)
					if !killed {
						t.Logf("killed at %d round trips", n-1)
						break
					}
				}
				j.clean()
			})
		}
	}
}

// process runs the redemption in a process of its own and tells whether it was killed.
func (d death) process(t *testing.T) bool {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), deathEnv+"="+string(text))
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("the redemption in the process: %v\n%s", err, out)
	}
	return false
}

var errCut = errors.New("the connection was cut")

// TestACutConnectionLeavesNoHalf cuts the connection at each round trip, before the
// database acts and after it, COMMIT included, and lets the same process go on.
func TestACutConnectionLeavesNoHalf(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
			j := judge(t, pool, refuses)
			for n := 1; ; n++ {
				reached := false
				for _, done := range []bool{false, true} {
					d := death{Member: j.newcomer(), Gift: j.gift, Refuses: refuses, Book: j.book}
					err := d.redeem(t.Context(), dbtest.WatchedBy(pool, func(trip dbtest.Trip) error {
						if trip.N == n && trip.Done == done {
							reached = true
							return errCut
						}
						return nil
					}), pool)
					j.after(fmt.Sprintf("cut at round trip %d, done %v (%v)", n, done, err), d)
				}
				if !reached {
					break
				}
			}
			j.clean()
		})
	}
}
