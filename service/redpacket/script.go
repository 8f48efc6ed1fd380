package redpacket

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

// A script is one atomic step in Redis; what it takes and returns stands in its
// file.
type script struct{ *redis.Script }

//go:embed script/day.lua
var dayLua string

//go:embed script/release.lua
var releaseLua string

//go:embed script/dayload.lua
var dayLoadLua string

//go:embed script/slot.lua
var slotLua string

//go:embed script/merge.lua
var mergeLua string

//go:embed script/unissue.lua
var unissueLua string

//go:embed script/held.lua
var heldLua string

//go:embed script/tell.lua
var tellLua string

var (
	dayScript     = &script{redis.NewScript(dayLua)}
	releaseScript = &script{redis.NewScript(releaseLua)}
	dayLoadScript = &script{redis.NewScript(dayLoadLua)}
	slotScript    = &script{redis.NewScript(slotLua)}
	mergeScript   = &script{redis.NewScript(mergeLua)}
	unissueScript = &script{redis.NewScript(unissueLua)}
	heldScript    = &script{redis.NewScript(heldLua)}
	tellScript    = &script{redis.NewScript(function("merge", mergeLua) + function("slot", slotLua) + tellLua)}
)

// function makes a script a function of another one.
func function(name, lua string) string {
	return "local function " + name + "(KEYS, ARGV)\n" + lua + "\nend\n"
}

// slotsKey holds what a pot has handed out.
func (id PotID) slotsKey() string { return "redpacket:{" + id.String() + "}:slots" }

// dayKey holds the numbers of a helper's day in a game.
func dayKey(helper model.MemberID, game GameID, day model.Day) string {
	return fmt.Sprintf("redpacket:{%d}:day:%d:%d", helper, game, day)
}

// sequencer runs a script on one key. Nothing it answers is believed until SQL has
// said the same.
type sequencer interface {
	run(ctx context.Context, s *script, key string, args ...any) (any, error)
}

// errAway says that Redis does not answer, or not usefully: SQL decides alone.
var errAway = errors.New("redis is away")

const (
	scriptLoops = 2   // round trips under way at once
	scriptBatch = 256 // scripts in one round trip
)

// call is a script that waits for its answer.
type call struct {
	script *script
	key    string
	args   []any
	out    any
	err    error
	done   chan struct{}
}

// scripts sends the scripts of many requests to Redis together.
type scripts struct {
	client  redis.UniversalClient
	queue   chan *call
	timeout time.Duration
	pause   time.Duration
	met     *metrics
	born    time.Time
	away    atomic.Int64 // until when Redis is left alone, since born
}

func newScripts(client redis.UniversalClient, opts Options, met *metrics) *scripts {
	return &scripts{
		client: client, queue: make(chan *call, opts.Queue), timeout: opts.RedisTimeout,
		pause: opts.RedisPause, met: met, born: time.Now(),
	}
}

// run answers errAway while Redis is away, and ErrBusy when too many wait.
func (s *scripts) run(ctx context.Context, script *script, key string, args ...any) (any, error) {
	if time.Since(s.born) < time.Duration(s.away.Load()) {
		return nil, errAway
	}
	c := &call{script: script, key: key, args: args, done: make(chan struct{})}
	select {
	case s.queue <- c:
	default:
		return nil, ErrBusy
	}
	select {
	case <-c.done:
		return c.out, c.err
	case <-ctx.Done():
		return nil, ErrBusy.With(ctx.Err())
	}
}

func (s *scripts) loop(stop <-chan struct{}) {
	batch := make([]*call, 0, scriptBatch)
	for {
		batch = queued(s.queue, batch[:0], scriptBatch, stop)
		if len(batch) == 0 {
			return
		}
		s.send(batch)
	}
}

// queued waits for the first of a queue and takes what else is there, up to the
// limit. It returns none when the engine stops and nothing waits.
func queued[T any](queue <-chan T, batch []T, limit int, stop <-chan struct{}) []T {
	select {
	case first := <-queue:
		batch = append(batch, first)
	default:
		select {
		case first := <-queue:
			batch = append(batch, first)
		case <-stop:
			return batch
		}
	}
	for len(batch) < limit {
		select {
		case next := <-queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// send runs the batch in one round trip; scripts that Redis does not know yet are
// sent whole in a second one.
func (s *scripts) send(batch []*call) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	s.met.scripts.Observe(float64(len(batch)))
	unknown := s.pipeline(ctx, batch, func(p redis.Pipeliner, c *call) *redis.Cmd {
		return c.script.EvalSha(ctx, p, []string{c.key}, c.args...)
	})
	if len(unknown) > 0 {
		s.pipeline(ctx, unknown, func(p redis.Pipeliner, c *call) *redis.Cmd {
			return c.script.Eval(ctx, p, []string{c.key}, c.args...)
		})
	}
	for _, c := range batch {
		close(c.done)
	}
}

// pipeline fills in the answers and returns the calls whose script Redis does not
// know.
func (s *scripts) pipeline(ctx context.Context, batch []*call, add func(redis.Pipeliner, *call) *redis.Cmd) []*call {
	pipe := s.client.Pipeline()
	commands := make([]*redis.Cmd, len(batch))
	for i, c := range batch {
		commands[i] = add(pipe, c)
	}
	_, _ = pipe.Exec(ctx) // each command carries its own error
	var unknown []*call
	for i, c := range batch {
		c.out, c.err = commands[i].Result()
		switch {
		case c.err == nil:
		case redis.HasErrorPrefix(c.err, "NOSCRIPT"):
			unknown = append(unknown, c)
			c.err = errAway
		default:
			s.failed(c)
		}
	}
	return unknown
}

// failed turns an error into errAway. When Redis itself did not answer, it is left
// alone for a while, so that not every help waits for it; an answer about one key
// says nothing about the others.
func (s *scripts) failed(c *call) {
	var said redis.Error
	if !errors.As(c.err, &said) || strings.HasPrefix(said.Error(), "LOADING") {
		s.away.Store(int64(time.Since(s.born) + s.pause))
		s.met.redis.WithLabelValues("away").Inc()
	}
	c.err = fmt.Errorf("%w: %w", errAway, c.err)
}
