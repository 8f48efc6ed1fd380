// Package storm plays the game on two processes, a real Redis and a real MariaDB
// while a seeded schedule of faults befalls all four, and then compares every answer
// that was given with what stands in SQL.
//
// A minute of it is part of every test run. A longer one:
//
//	.ci/with-stores go test ./service/redpacket/storm -run Storm -v -storm.duration 10m -storm.seed 7 -timeout 20m
package storm

import (
	"cmp"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/schema"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket"
)

var (
	duration = flag.Duration("storm.duration", time.Minute, "how long faults befall the game")
	seed     = flag.Uint64("storm.seed", 0, "of the clients and the faults; 0 draws one")
)

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(log.New(io.Discard, "", 0)) // connections break all the time here
	redis.SetLogger(silent{})
	if text := os.Getenv(replicaEnv); text != "" {
		if err := runReplica(text); err != nil {
			fmt.Fprintln(os.Stderr, "replica:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// silent keeps the client's complaints about a Redis that is away out of the report.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// apart is how far the replicas' clocks differ.
const apart = 2 * time.Minute

// storm is one run.
type storm struct {
	t        *testing.T
	seed     uint64
	begin    time.Time
	shift    time.Duration // of the first replica's clock: midnight comes during the run
	mysql    *dbtest.Server
	redis    *dbtest.Server
	proxy    *proxy
	db       *sql.DB // past the proxy, for the judge
	client   redis.UniversalClient
	umpire   *redpacket.Engine
	replicas [2]*child

	mu      sync.Mutex
	games   []redpacket.GameID
	pots    []redpacket.PotID
	granted map[redpacket.PotID]map[model.MemberID]bool // the helps that were acknowledged
	ops     []op
	hits    map[string]int // faults that came
	scans   int            // looks at the budget
}

func TestTheGameSurvivesTheStorm(t *testing.T) {
	begin := time.Now()
	s := newStorm(t)
	t.Logf("seed %d; the stores stand after %s", s.seed, time.Since(begin).Round(time.Second))
	s.rage()
	calm := time.Now()
	s.settle()
	t.Logf("the storm took %s, the peace after it %s", calm.Sub(s.begin).Round(time.Second), time.Since(calm).Round(time.Second))
	s.repeat()
	s.judge()
	t.Logf("all of it took %s", time.Since(begin).Round(time.Second))
}

func newStorm(t *testing.T) *storm {
	t.Helper()
	s := &storm{t: t, seed: *seed, granted: map[redpacket.PotID]map[model.MemberID]bool{}, hits: map[string]int{}}
	if s.seed == 0 {
		s.seed = rand.Uint64N(1 << 32)
	}
	s.mysql, s.redis = dbtest.MariaDBServer(t), dbtest.RedisServer(t)
	s.proxy = newProxy(t, s.mysql.Socket)
	root, err := sqldb.Open(t.Context(), "root@unix("+s.mysql.Socket+")/", sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if _, err := root.ExecContext(t.Context(), "CREATE DATABASE storm CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		t.Fatal(err)
	}
	dsn := "root@unix(" + s.mysql.Socket + ")/storm"
	if s.db, err = sqldb.Open(t.Context(), dsn, sqldb.Options{MaxOpen: 8}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if _, err := schema.Up(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	if s.client, err = redisdb.Open(t.Context(), redisdb.Options{Addrs: []string{s.redis.Socket}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.client.Close() })
	s.begin = time.Now()
	s.shift = time.Until(model.DayOf(s.begin).Start().Add(24*time.Hour - 20*time.Second))
	stores, ids, err := openStores(t.Context(), dsn, s.redis.Socket, s.now)
	if err != nil {
		t.Fatal(err)
	}
	s.umpire = redpacket.New(stores, ids, s.now, slog.New(slog.DiscardHandler), nil, redpacket.Options{})
	t.Cleanup(s.umpire.Close)
	for i := range s.replicas {
		s.replicas[i] = s.newChild(i)
		s.replicas[i].start(t)
		t.Cleanup(s.replicas[i].kill)
	}
	s.newGame(rand.New(rand.NewPCG(s.seed, 1)))
	return s
}

// now is the umpire's clock, and the first replica's.
func (s *storm) now() time.Time { return time.Now().Add(s.shift) }

// newGame begins a game. Most end within a minute on the clock of the second replica,
// which is ahead; the others have ended there before they begin.
func (s *storm) newGame(r *rand.Rand) {
	now := model.At(s.now())
	life := 10*time.Second + time.Duration(r.Int64N(int64(20*time.Second)))
	if r.IntN(4) > 0 {
		life += apart
	}
	rules := redpacket.Rules{
		Name: "风暴", Title: "新春红包", Complaint: "拨打 10086", StartsAt: now.Add(-time.Hour), EndsAt: now.Add(life),
		Amounts: []redpacket.Amount{{Target: 1000, Weight: 2}, {Target: 777, Weight: 1}}, Helps: potHelps,
		Split: redpacket.DoubleMean, PotHours: 24, PotsEach: potsEach, HelpsPerDay: dayHelps,
		Prize:    redpacket.PrizeRule{Kind: model.PhoneCreditPrize},
		Unfilled: []redpacket.Unfilled{redpacket.Nothing, redpacket.Collected}[r.IntN(2)],
		Budget:   []model.Fen{300_000, 10_000_000}[r.IntN(2)], Surface: redpacket.MiniProgram,
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	game, err := s.umpire.CreateGame(ctx, rules)
	if err != nil {
		return // MariaDB is down: the next one will be made
	}
	s.mu.Lock()
	s.games = append(s.games, game.ID)
	s.mu.Unlock()
}

const players = 24

// rage lets the clients play and the faults come until the time is over.
func (s *storm) rage() {
	ctx, cancel := context.WithTimeout(s.t.Context(), *duration)
	defer cancel()
	var wait sync.WaitGroup
	for i := range players {
		wait.Go(func() { s.play(ctx, rand.New(rand.NewPCG(s.seed, uint64(100+i)))) })
	}
	wait.Go(func() { s.faults(ctx, rand.New(rand.NewPCG(s.seed, 2))) })
	wait.Go(func() {
		r := rand.New(rand.NewPCG(s.seed, 3))
		every(ctx, 4*time.Second, func() { s.newGame(r) })
	})
	wait.Go(func() { every(ctx, 100*time.Millisecond, func() { s.watchBudget(ctx) }) })
	wait.Wait()
}

// every runs work at an interval until the context ends.
func every(ctx context.Context, interval time.Duration, work func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			work()
		}
	}
}

// watchBudget looks for a slice that is overdrawn at this instant.
func (s *storm) watchBudget(ctx context.Context) {
	var wrong int
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM redpacket_slice
		WHERE reserved < 0 OR spent < 0 OR amount < 0 OR reserved + spent > amount`).Scan(&wrong)
	if err != nil {
		return // MariaDB is down
	}
	if wrong != 0 {
		s.t.Errorf("%d slices are overdrawn", wrong)
	}
	s.mu.Lock()
	s.scans++
	s.mu.Unlock()
}

// settle lets every pot end.
func (s *storm) settle() {
	for _, c := range s.replicas {
		c.shift = s.shift + time.Hour
		if _, err := c.ask(s.t.Context(), "/clock", order{Shift: c.shift}); err != nil {
			s.t.Fatalf("a replica does not come back: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	open := -1
	for open != 0 && ctx.Err() == nil {
		for _, c := range s.replicas {
			_, _ = c.ask(ctx, "/close", order{}) // what is left open is counted
		}
		if err := s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM pot WHERE state = 'open'").Scan(&open); err != nil {
			s.t.Fatal(err)
		}
	}
}

// repeats is how many answered requests are asked once more in the end.
const repeats = 1500

// repeat asks again: what was granted, or refused for ever, is answered the same.
func (s *storm) repeat() {
	r := rand.New(rand.NewPCG(s.seed, 4))
	forever := map[string]bool{"ok": true, "redpacket.already_helped": true, "redpacket.full": true, "redpacket.ended": true}
	asked := 0
	for _, i := range r.Perm(len(s.ops)) {
		o := s.ops[i]
		if !o.answered || !forever[o.said.Code] || o.what == "view" || asked >= repeats {
			continue
		}
		asked++
		said, err := s.replicas[r.IntN(2)].ask(s.t.Context(), "/"+o.what, o.order)
		if err != nil || said.Code != o.said.Code || said.Pot != o.said.Pot || said.K != o.said.K || said.Share != o.said.Share {
			s.t.Errorf("%s %+v: answered %+v, then %+v, %v", o.what, o.order, o.said, said, err)
		}
	}
	s.t.Logf("%d requests were asked again after the storm", asked)
}

// judge checks all invariants and prints the counts.
func (s *storm) judge() {
	found, err := s.umpire.Check(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range found {
		s.t.Errorf("violation: %+v", v)
	}
	state := s.standing()
	for _, a := range accusations(s.ops, state) {
		s.t.Errorf("violation: %s", a)
	}
	good, undecided, bad := linearizable(s.ops, max(*duration/5, 10*time.Second))
	for _, id := range bad {
		s.t.Errorf("violation: the history of pot %s is not one after another", id)
	}
	said := map[string]int{}
	for _, o := range s.ops {
		if !o.answered {
			o.said.Code = "unanswered"
		}
		said[o.what+" "+o.said.Code]++
	}
	s.t.Logf("answers: %s", list(said))
	s.t.Logf("faults: %s; cut before COMMIT %d, after %d", list(s.hits), s.proxy.before.Load(), s.proxy.after.Load())
	states, rows := map[string]int{}, 0
	for id, p := range state.pots {
		states[string(p.state)]++
		rows += len(state.rows[id])
	}
	s.t.Logf("pots: %s; %d rows; %d histories linearizable, %d undecided; the budget held at %d looks", list(states), rows, good, undecided, s.scans)
	for _, must := range []string{"help ok", "help redpacket.full", "help redpacket.ended", "help redpacket.day_limit", "open ok"} {
		if said[must] == 0 {
			s.t.Errorf("nobody was told %q: the storm tests too little", must)
		}
	}
}

func list(counts map[string]int) (text string) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		text += fmt.Sprintf(" %s %d,", name, counts[name])
	}
	return text
}

// standing reads everything that SQL holds.
func (s *storm) standing() standing {
	s.t.Helper()
	state := standing{map[redpacket.PotID]pot{}, map[redpacket.PotID]map[model.MemberID]row{}}
	s.each(`SELECT p.id, p.game_id, p.owner_id, p.request_id, p.n, p.state, p.commitment, p.target, p.won, COUNT(o.pot_id), COALESCE(SUM(o.value), 0)
		FROM pot p LEFT JOIN payout o ON o.pot_id = p.id GROUP BY p.id`, func(rows *sql.Rows) error {
		var id redpacket.PotID
		var p pot
		err := rows.Scan(&id, &p.game, &p.owner, &p.request, &p.n, &p.state, &p.commitment, &p.target, &p.won, &p.payouts, &p.paid)
		state.pots[id], state.rows[id] = p, map[model.MemberID]row{}
		return err
	})
	s.each("SELECT pot_id, helper_id, k, request_id, share, COALESCE(day, 0) FROM pot_help", func(rows *sql.Rows) error {
		var id redpacket.PotID
		var member model.MemberID
		var r row
		err := rows.Scan(&id, &member, &r.k, &r.request, &r.share, &r.day)
		if err != nil || state.rows[id] == nil {
			return cmp.Or(err, fmt.Errorf("a help of pot %s, which is not there", id))
		}
		state.rows[id][member] = r
		return nil
	})
	return state
}

func (s *storm) each(query string, scan func(*sql.Rows) error) {
	s.t.Helper()
	rows, err := s.db.QueryContext(s.t.Context(), query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
}
