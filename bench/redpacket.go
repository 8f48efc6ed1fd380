package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/schema"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

// house is one engine on stores of its own.
type house struct {
	dsn    string
	db     *sql.DB
	redis  redis.UniversalClient
	engine *redpacket.Engine
	close  func()
}

// errStores tells how to run what needs real stores.
var errStores = errors.New("needs KMH_TEST_MYSQL_DSN and KMH_TEST_REDIS_ADDR: KMH_TEST_FLUSH=1 .ci/with-stores go run ./bench -run help")

// gcPercent is what serve runs with.
const gcPercent = 200

// asServe collects garbage as seldom as serve does, on either side of a comparison.
func asServe() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// newHouse opens a database and a Redis of its own.
func newHouse(ctx context.Context) (*house, error) {
	asServe()
	server, addr := os.Getenv("KMH_TEST_MYSQL_DSN"), os.Getenv("KMH_TEST_REDIS_ADDR")
	if server == "" || addr == "" {
		return nil, errStores
	}
	root, err := sqldb.Open(ctx, server, sqldb.Options{})
	if err != nil {
		return nil, err
	}
	name := "kmh_bench_" + strings.ToLower(rand.Text())
	if _, err := root.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return nil, err
	}
	h := &house{dsn: server[:strings.LastIndexByte(server, '/')+1] + name}
	if h.db, err = sqldb.Open(ctx, h.dsn, sqldb.Options{MaxOpen: 128}); err != nil {
		return nil, err
	}
	if _, err = schema.Up(ctx, h.db); err != nil {
		return nil, err
	}
	if h.redis, err = redisdb.Open(ctx, redisdb.Options{Addrs: []string{addr}, DB: benchDB}); err != nil {
		return nil, err
	}
	if err = h.redis.FlushDB(ctx).Err(); err != nil {
		return nil, err
	}
	if err = h.start(ctx); err != nil {
		return nil, err
	}
	h.close = func() {
		h.engine.Close()
		_ = h.redis.FlushDB(context.Background()).Err()
		_ = h.redis.Close()
		_ = h.db.Close()
		_, _ = root.ExecContext(context.Background(), "DROP DATABASE "+name)
		_ = root.Close()
	}
	return h, nil
}

// benchDB is the number of Redis' database that the bench may empty.
const benchDB = 1023

func (h *house) start(ctx context.Context) error {
	node, err := sqldb.Node(ctx, h.db)
	if err != nil {
		return err
	}
	ids, err := model.NewIDs(node, time.Now)
	if err != nil {
		return err
	}
	key := make([]byte, seal.KeySize)
	_, _ = rand.Read(key) // never fails
	sealer, err := seal.New(map[int][]byte{1: key}, nil)
	if err != nil {
		return err
	}
	stores := redpacket.Stores{SQL: h.db, Redis: h.redis, Sealer: sealer, Payouts: payout.NewBook()}
	h.engine = redpacket.New(stores, ids, time.Now, slog.New(slog.DiscardHandler), nil, redpacket.Options{
		Timeout: 30 * time.Second, Queue: 16_384, Pots: 1_200_000,
	})
	return nil
}

// table is a game with open pots, whose seats are taken one after another.
type table struct {
	game  redpacket.GameID
	pots  []redpacket.PotID
	helps int // of a pot
	width int // pots that are filled side by side
	next  int // the first seat that nobody has
}

// lay makes a game and opens its pots.
func (h *house) lay(ctx context.Context, pots, helps, width int) (*table, error) {
	now := model.At(time.Now())
	game, err := h.engine.CreateGame(ctx, redpacket.Rules{
		Name: "压测", Title: "新春红包", Complaint: "10086", StartsAt: now.Add(-time.Hour), EndsAt: now.Add(240 * time.Hour),
		Amounts: []redpacket.Amount{{Target: model.Fen(100 * helps), Weight: 1}}, Helps: helps, Split: redpacket.DoubleMean,
		PotHours: 24, PotsEach: 1, HelpsPerDay: 10, Prize: redpacket.PrizeRule{Kind: model.PhoneCreditPrize},
		Unfilled: redpacket.Nothing, Budget: redpacket.MaxBudget, Surface: redpacket.MiniProgram,
	})
	if err != nil {
		return nil, err
	}
	t := &table{game: game.ID, pots: make([]redpacket.PotID, pots), helps: helps, width: width}
	return t, parallel(256, pots, func(i int) error {
		pot, err := h.engine.Open(ctx, redpacket.OpenRequest{Game: game.ID, Who: visitor(1 + i), Request: model.RequestID("open-" + game.ID.String())})
		t.pots[i] = pot.Pot
		return err
	})
}

func visitor(id int) redpacket.Visitor {
	return redpacket.Visitor{Member: model.Member{ID: model.MemberID(id)}}
}

// parallel runs work for 0 to n-1 by so many at once and returns the first error.
func parallel(workers, n int, work func(i int) error) error {
	var next atomic.Int64
	var wait sync.WaitGroup
	failed := make(chan error, workers)
	for range workers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := work(i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wait.Wait()
	close(failed)
	return <-failed
}

// helper is one of the versions that are compared.
type helper interface {
	Help(ctx context.Context, in redpacket.HelpRequest) (redpacket.Help, error)
}

// serve answers POST / with a help or, where the body names a game, with an opening,
// as the product's own handlers do: decode, one call, encode.
func (h *house) serve(version helper) (addr string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Game    redpacket.GameID `json:"game"`
			Pot     redpacket.PotID  `json:"pot"`
			Helper  model.MemberID   `json:"helper"`
			Request model.RequestID  `json:"request"`
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var answer any
		var err error
		if in.Game != 0 {
			answer, err = h.engine.Open(r.Context(), redpacket.OpenRequest{Game: in.Game, Who: visitor(int(in.Helper)), Request: in.Request})
		} else {
			answer, err = version.Help(r.Context(), redpacket.HelpRequest{Pot: in.Pot, Who: visitor(int(in.Helper)), Request: in.Request})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// cpu is the processor time so far of this process, Redis and MariaDB, without the
// load, which is a process of its own. A server that does not tell counts as nothing.
func (h *house) cpu() time.Duration {
	var own syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &own)
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	info, _ := h.redis.Info(context.Background(), "cpu").Result()
	for line := range strings.Lines(info) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if text, ok := strings.CutPrefix(line, name); ok {
				seconds, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
				sum += time.Duration(seconds * float64(time.Second))
			}
		}
	}
	var file string
	_ = h.db.QueryRow("SELECT @@pid_file").Scan(&file)
	pid, _ := os.ReadFile(file)
	stat, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
	if _, rest, ok := strings.Cut(string(stat), ") "); ok {
		if fields := strings.Fields(rest); len(fields) > 12 {
			user, _ := strconv.ParseInt(fields[11], 10, 64)
			system, _ := strconv.ParseInt(fields[12], 10, 64)
			sum += time.Duration(user+system) * 10 * time.Millisecond // a tick is 1/100 s on Linux
		}
	}
	return sum
}
