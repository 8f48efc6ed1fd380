package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
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

// game is one engine on stores of its own, behind HTTP.
type game struct {
	db     *sql.DB
	redis  redis.UniversalClient
	engine *redpacket.Engine
	row    redpacket.Game
	pots   []redpacket.PotID
	next   atomic.Int64
	width  int // pots that are filled side by side
	close  func()
}

// errStores tells how to run what needs real stores.
var errStores = errors.New("needs KMH_TEST_MYSQL_DSN and KMH_TEST_REDIS_ADDR: KMH_TEST_FLUSH=1 .ci/with-stores go run ./bench -run help")

// newGame opens a database and a Redis of its own and a game with pots in it.
func newGame(ctx context.Context, pots, helps, width int) (*game, error) {
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
	g := &game{width: width}
	if g.db, err = sqldb.Open(ctx, server[:strings.LastIndexByte(server, '/')+1]+name, sqldb.Options{MaxOpen: 128}); err != nil {
		return nil, err
	}
	if _, err = schema.Up(ctx, g.db); err != nil {
		return nil, err
	}
	if g.redis, err = redisdb.Open(ctx, redisdb.Options{Addrs: []string{addr}, DB: 1023}); err != nil {
		return nil, err
	}
	if err = g.redis.FlushDB(ctx).Err(); err != nil {
		return nil, err
	}
	if err = g.play(ctx, pots, helps); err != nil {
		return nil, err
	}
	g.close = func() {
		g.engine.Close()
		_ = g.redis.Close()
		_ = g.db.Close()
		_, _ = root.ExecContext(context.Background(), "DROP DATABASE "+name)
		_ = root.Close()
	}
	return g, nil
}

// play starts the engine and opens the pots.
func (g *game) play(ctx context.Context, pots, helps int) error {
	node, err := sqldb.Node(ctx, g.db)
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
	stores := redpacket.Stores{SQL: g.db, Redis: g.redis, Sealer: sealer, Payouts: payout.NewBook()}
	g.engine = redpacket.New(stores, ids, time.Now, slog.New(slog.DiscardHandler), nil, redpacket.Options{Timeout: 30 * time.Second})
	now := model.At(time.Now())
	g.row, err = g.engine.CreateGame(ctx, redpacket.Rules{
		Name: "压测", Title: "新春红包", Complaint: "10086", StartsAt: now.Add(-time.Hour), EndsAt: now.Add(240 * time.Hour),
		Amounts: []redpacket.Amount{{Target: model.Fen(100 * helps), Weight: 1}}, Helps: helps, Split: redpacket.DoubleMean,
		PotHours: 24, PotsEach: 1, HelpsPerDay: 10, Prize: redpacket.PrizeRule{Kind: model.PhoneCreditPrize},
		Unfilled: redpacket.Nothing, Budget: redpacket.MaxBudget, Surface: redpacket.MiniProgram,
	})
	if err != nil {
		return err
	}
	g.pots = make([]redpacket.PotID, pots)
	return parallel(128, pots, func(i int) error {
		pot, err := g.engine.Open(ctx, redpacket.OpenRequest{Game: g.row.ID, Who: visitor(1 + i), Request: "open"})
		g.pots[i] = pot.Pot
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

// seat is the next free place: pot, helper; ok is false when none is left.
func (g *game) seat() (pot redpacket.PotID, helper int, ok bool) {
	i := int(g.next.Add(1)) - 1
	helps := g.row.Rules.Helps
	block, within := i/(g.width*helps), i%(g.width*helps)
	at := block*g.width + within%g.width
	if at >= len(g.pots) {
		return 0, 0, false
	}
	return g.pots[at], 10_000_000 + i, true
}

// helper is one of the versions that are compared.
type helper interface {
	Help(ctx context.Context, in redpacket.HelpRequest) (redpacket.Help, error)
}

// serve answers POST / with a help, as the product's own handler does: decode, one
// call, encode.
func serve(h helper) (addr string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Pot     redpacket.PotID `json:"pot"`
			Helper  model.MemberID  `json:"helper"`
			Request model.RequestID `json:"request"`
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		help, err := h.Help(r.Context(), redpacket.HelpRequest{Pot: in.Pot, Who: visitor(int(in.Helper)), Request: in.Request})
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(help)
	})}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// outcome is what one side of a comparison did.
type outcome struct {
	rate float64 // helps a second
	cpu  float64 // µs of application, load, Redis and MariaDB a help
}

// load lets the connections help for the duration; a definite refusal or a failure
// ends the measure, for every seat is free.
func (g *game) load(h helper, connections int, duration time.Duration) (outcome, error) {
	addr, stop, err := serve(h)
	if err != nil {
		return outcome{}, err
	}
	defer stop()
	before, begin := g.cpu(), time.Now()
	var done atomic.Int64
	err = parallel(connections, connections, func(int) error {
		return g.friend(addr, begin.Add(duration), &done)
	})
	took, n := time.Since(begin), float64(done.Load())
	return outcome{n / took.Seconds(), float64((g.cpu() - before).Microseconds()) / n}, err
}

// friend helps over one connection until the end. It writes and reads bare HTTP, for
// the load's own cost would hide the difference between the sides.
func (g *game) friend(addr string, end time.Time, done *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(end.Add(30 * time.Second)); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	var out []byte
	for time.Now().Before(end) {
		pot, who, ok := g.seat()
		if !ok {
			return errors.New("all seats are taken: open more pots")
		}
		body := fmt.Sprintf(`{"pot":"%d","helper":"%d","request":"h-%d"}`, pot, who, who)
		out = fmt.Appendf(out[:0], "POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if _, err := conn.Write(out); err != nil {
			return err
		}
		if err := readOK(in); err != nil {
			return err
		}
		done.Add(1)
	}
	return nil
}

// readOK reads one answer with a Content-Length and fails unless it is a 200.
func readOK(in *bufio.Reader) error {
	status, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line == "\r\n" {
			break
		}
		if text, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, err = strconv.Atoi(strings.TrimSpace(text))
			if err != nil || length > 4096 {
				return fmt.Errorf("an answer of %s bytes", text)
			}
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	if !strings.Contains(status, " 200 ") {
		return fmt.Errorf("a help was answered %s: %s", strings.TrimSpace(status), body)
	}
	return nil
}

// cpu is the processor time so far of this process, Redis and MariaDB; a server that
// does not tell counts as nothing.
func (g *game) cpu() time.Duration {
	var own syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &own)
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	info, _ := g.redis.Info(context.Background(), "cpu").Result()
	for line := range strings.Lines(info) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if text, ok := strings.CutPrefix(line, name); ok {
				seconds, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
				sum += time.Duration(seconds * float64(time.Second))
			}
		}
	}
	var file string
	_ = g.db.QueryRow("SELECT @@pid_file").Scan(&file)
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

// measureHelp compares a durable help with the scripts alone and with the plain row
// lock, over many pots and on one hot pot, at 64 and 256 connections.
func measureHelp(e env) ([]Figure, error) {
	var figures []Figure
	for _, shape := range []struct {
		name               string
		pots, helps, width int
		lock               float64
	}{{"many", 4000, 50, 1000, 6}, {"hot", 60, 5000, 1, 12}} {
		for _, connections := range []int{64, 256} {
			results := map[string]outcome{}
			for _, peer := range []string{"scripts", "durable", "rowlock"} {
				g, err := newGame(context.Background(), shape.pots, shape.helps, shape.width)
				if err != nil {
					return nil, err
				}
				sides := map[string]helper{"scripts": redpacket.NewScriptsOnly(g.engine), "durable": g.engine, "rowlock": redpacket.NewRowLock(g.engine)}
				results[peer], err = g.load(sides[peer], connections, e.duration)
				g.close()
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", shape.name, peer, err)
				}
			}
			durable, scripts, lock := results["durable"], results["scripts"], results["rowlock"]
			name := fmt.Sprintf("help.durable.%s.%d", shape.name, connections)
			figures = append(figures,
				against(name, "helps/s", durable.rate, "scripts alone", scripts.rate, "≥", 0.65),
				against(name, "helps/s", durable.rate, "row lock", lock.rate, "≥", shape.lock),
				against(name, "µs of processor a help", durable.cpu, "scripts alone", scripts.cpu, "≤", 1.7),
				against(name, "µs of processor a help", durable.cpu, "row lock", lock.cpu, "≤", 1/shape.lock))
		}
	}
	return figures, nil
}
