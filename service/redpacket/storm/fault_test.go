package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"kaimenhong/model"
)

// child is a replica's process.
type child struct {
	settings
	shift time.Duration // of its clock, when nothing disturbs it
	http  *http.Client
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// newChild prepares a replica; the second one's clock is two minutes ahead.
func (s *storm) newChild(i int) *child {
	c := &child{shift: s.shift + time.Duration(i)*apart}
	c.settings = settings{
		Socket: filepath.Join(filepath.Dir(s.redis.Socket), fmt.Sprintf("replica%d.sock", i)),
		MySQL:  s.proxy.socket, Redis: s.redis.Socket,
	}
	c.http = &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.Socket)
		},
		MaxIdleConnsPerHost: players,
	}}
	return c
}

func (c *child) start(t *testing.T) {
	t.Helper()
	c.settings.Shift = c.shift
	text, err := json.Marshal(c.settings)
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), replicaEnv+"="+string(text))
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9.
func (c *child) kill() {
	if c.cmd != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		c.cmd = nil
	}
}

// askFor bounds how long a request is repeated until it is answered.
const askFor = 12 * time.Second

// ask repeats a request at this replica until it is answered.
func (c *child) ask(ctx context.Context, path string, in order) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	for {
		out, err := c.once(ctx, path, in)
		if err == nil || ctx.Err() != nil {
			return out, err
		}
		rest(ctx, 20*time.Millisecond)
	}
}

// rest waits, less when the context ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// once asks one time; an error means that nobody knows what came of it.
func (c *child) once(ctx context.Context, path string, in order) (out reply, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://replica"+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return out, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		panic("a replica does not understand: " + path)
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return out, err
	}
	switch out.Code {
	case "redpacket.busy", "sql.busy", "sql.commit_unknown":
		return out, fmt.Errorf("answered %s", out.Code)
	}
	if path != "/help" && path != "/open" && out.Code != "ok" {
		return out, fmt.Errorf("answered %s", out.Code)
	}
	return out, nil
}

// play is one client until the time is over: it opens pots, helps, looks and repeats
// what it or another one asked before.
func (s *storm) play(ctx context.Context, r *rand.Rand) {
	every(ctx, 12*time.Millisecond, func() {
		o, ok := s.draw(r)
		if !ok {
			return
		}
		o.call = time.Since(s.begin)
		for time.Since(s.begin)-o.call < askFor {
			said, err := s.replicas[r.IntN(2)].once(s.t.Context(), "/"+o.what, o.order)
			if err == nil {
				o.answered, o.said, o.end = true, said, time.Since(s.begin)
				break
			}
			rest(ctx, 10*time.Millisecond)
		}
		s.record(o)
	})
}

// recent is how many of the newest games and pots are played with.
const (
	recentGames = 8
	recentPots  = 200
	helpers     = 700
	owners      = 300
)

// draw decides what a client does next.
func (s *storm) draw(r *rand.Rand) (op, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dice := r.IntN(100)
	request := model.RequestID(fmt.Sprintf("r-%d", r.IntN(3)))
	if len(s.pots) == 0 || dice < 12 {
		if len(s.games) == 0 {
			return op{}, false
		}
		game := s.games[len(s.games)-1-r.IntN(min(len(s.games), recentGames))]
		request = model.RequestID(fmt.Sprintf("o-%s-%d", game, r.IntN(4)))
		return op{what: "open", order: order{Game: game, Member: model.MemberID(1 + r.IntN(owners)), Request: request}}, true
	}
	if dice < 25 && len(s.ops) > 0 {
		if old := s.ops[r.IntN(len(s.ops))]; old.what != "view" {
			return op{what: old.what, order: old.order}, true
		}
	}
	id := s.pots[len(s.pots)-1-r.IntN(min(len(s.pots), recentPots))]
	o := op{what: "help", order: order{Pot: id, Member: model.MemberID(1 + r.IntN(helpers)), Request: request}}
	if dice < 32 {
		o.what, o.known = "view", len(s.granted[id])
	}
	return o, true
}

// record notes an operation and what is known from its answer.
func (s *storm) record(o op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, o)
	if !o.answered || o.said.Code != "ok" {
		return
	}
	switch o.what {
	case "open":
		if s.granted[o.said.Pot] == nil {
			s.granted[o.said.Pot] = map[model.MemberID]bool{}
			s.pots = append(s.pots, o.said.Pot)
		}
	case "help":
		s.granted[o.order.Pot][o.order.Member] = true
	}
}

// mishap is something that befalls the game.
type mishap struct {
	name string
	run  func(ctx context.Context, r *rand.Rand)
}

// faults come in a shuffled order, each as often as the others.
func (s *storm) faults(ctx context.Context, r *rand.Rand) {
	all := []mishap{
		{"FLUSHALL", func(ctx context.Context, _ *rand.Rand) { s.client.FlushAll(ctx) }},
		{"older snapshot", s.restore},
		{"Redis kill -9", s.killRedis},
		{"CLIENT PAUSE", func(ctx context.Context, r *rand.Rand) {
			s.client.Do(ctx, "CLIENT", "PAUSE", 300+r.IntN(1200), "ALL")
		}},
		{"keys deleted", s.deleteKeys},
		{"MariaDB kill -9", s.killMySQL},
		{"cut at COMMIT", func(_ context.Context, r *rand.Rand) { s.proxy.armed.Store(int64(10 + r.IntN(30))) }},
		{"replica kill -9", s.killReplica},
		{"replica stopped", s.stopReplica},
		{"both close", s.bothClose},
	}
	for ctx.Err() == nil {
		for _, i := range r.Perm(len(all)) {
			rest(ctx, 500*time.Millisecond+time.Duration(r.Int64N(int64(2*time.Second))))
			if ctx.Err() != nil {
				return
			}
			all[i].run(ctx, r)
			s.mu.Lock()
			s.hits[all[i].name]++
			s.mu.Unlock()
		}
	}
}

// restore brings Redis back to what it held half a second to two seconds ago.
func (s *storm) restore(ctx context.Context, r *rand.Rand) {
	keys, err := s.client.Keys(ctx, "redpacket:*").Result()
	if err != nil {
		return
	}
	old := make(map[string]string, len(keys))
	pipe := s.client.Pipeline()
	for _, key := range keys {
		pipe.Dump(ctx, key)
	}
	answers, _ := pipe.Exec(ctx) // a key that has gone meanwhile is left out
	for i, a := range answers {
		if dump, ok := a.(interface{ Result() (string, error) }); ok {
			if text, err := dump.Result(); err == nil {
				old[keys[i]] = text
			}
		}
	}
	rest(ctx, 500*time.Millisecond+time.Duration(r.Int64N(int64(1500*time.Millisecond))))
	tx := s.client.TxPipeline()
	tx.FlushAll(ctx)
	for key, text := range old {
		tx.Restore(ctx, key, 0, text)
	}
	_, _ = tx.Exec(ctx) // a Redis that is away has lost them anyway
}

func (s *storm) deleteKeys(ctx context.Context, r *rand.Rand) {
	keys, err := s.client.Keys(ctx, "redpacket:*").Result()
	if err != nil {
		return
	}
	pipe := s.client.Pipeline()
	for _, key := range keys {
		if r.IntN(2) == 0 {
			pipe.Del(ctx, key)
		}
	}
	_, _ = pipe.Exec(ctx)
}

// away is how long something is gone: seconds, and in a long run sometimes a minute.
func away(r *rand.Rand) time.Duration {
	if *duration >= 5*time.Minute && r.IntN(10) == 0 {
		return time.Minute
	}
	return 500*time.Millisecond + time.Duration(r.Int64N(int64(3*time.Second)))
}

func (s *storm) killRedis(ctx context.Context, r *rand.Rand) {
	s.redis.Kill()
	rest(ctx, away(r))
	if err := s.redis.Start(s.t.Context()); err != nil {
		s.t.Error(err)
	}
}

func (s *storm) killMySQL(ctx context.Context, r *rand.Rand) {
	s.mysql.Kill()
	rest(ctx, time.Duration(r.Int64N(int64(time.Second))))
	if err := s.mysql.Start(s.t.Context()); err != nil {
		s.t.Error(err)
	}
}

func (s *storm) killReplica(ctx context.Context, r *rand.Rand) {
	c := s.replicas[r.IntN(2)]
	c.kill()
	rest(ctx, time.Duration(r.Int64N(int64(time.Second))))
	c.start(s.t)
}

func (s *storm) stopReplica(ctx context.Context, r *rand.Rand) {
	c := s.replicas[r.IntN(2)]
	_ = c.cmd.Process.Signal(syscall.SIGSTOP)
	rest(ctx, away(r))
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
}

// bothClose lets both clocks jump three minutes ahead, so that both replicas close
// the same pots at once, and sets them right again.
func (s *storm) bothClose(ctx context.Context, _ *rand.Rand) {
	each := func(path string, shift func(*child) time.Duration) {
		var wait sync.WaitGroup
		for _, c := range s.replicas {
			wait.Go(func() {
				_, _ = c.once(ctx, path, order{Shift: shift(c)}) // a replica that is down closes nothing
			})
		}
		wait.Wait()
	}
	own := func(c *child) time.Duration { return c.shift }
	each("/clock", func(*child) time.Duration { return s.shift + apart + 30*time.Second })
	each("/close", own)
	rest(ctx, 300*time.Millisecond)
	each("/clock", own)
}
