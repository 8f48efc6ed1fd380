package redisdb

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model/gather"
)

// Sharing is a client whose small commands travel together: what several callers ask
// for at the same time goes to Redis in one pipeline, for a round trip costs far more
// than what is asked for in it. Get, Set, SetNX, HMGet, Eval and EvalSha travel so;
// everything else goes alone.
//
// A command keeps its own answer and its own error, and its caller his own deadline:
// one who leaves gets his context's error and what he asked for may still be done, as
// with any client. What was answered before a command was sent is seen by it. In a
// Cluster a pipeline waits for all nodes that it asks, so that one which hangs holds
// up the others' answers for shareLimit at most.
type Sharing struct {
	redis.UniversalClient
	together *gather.Group[*passenger, struct{}]
}

// Bounds of a pipeline. Those who share have deadlines of their own, none above the
// limit. One pipeline is out at a time: the next one then takes all that comes
// meanwhile, which a second one beside it would carry off in smaller parts.
const (
	shareLimit    = 500 * time.Millisecond
	shareCommands = 128
	shareInFlight = 1
)

// passenger is a command and its caller.
type passenger struct {
	ctx context.Context // tells whether he still waits
	cmd redis.Cmder
}

// within is a context with a deadline that nobody is woken at.
type within struct {
	context.Context
	until time.Time
}

// Within bounds commands by d without a timer: the client cuts them off by the deadline
// that it reads from the context, and what travels together waits no longer. It is for
// commands alone; whatever waits for ctx.Done hears of ctx only.
func Within(ctx context.Context, d time.Duration) context.Context {
	return within{ctx, time.Now().Add(d)}
}

// Deadline is the earlier of the two.
func (w within) Deadline() (time.Time, bool) {
	if outer, ok := w.Context.Deadline(); ok && outer.Before(w.until) {
		return outer, true
	}
	return w.until, true
}

// Err is also DeadlineExceeded after the deadline.
func (w within) Err() error {
	if err := w.Context.Err(); err != nil {
		return err
	}
	if time.Now().Before(w.until) {
		return nil
	}
	return context.DeadlineExceeded
}

// limit is how long a caller waits by a deadline that his context does not wake him at;
// 0: there is none.
func limit(ctx context.Context) time.Duration {
	if w, ok := ctx.(within); ok {
		return max(time.Until(w.until), 1)
	}
	return 0
}

// Share returns such a client over another, which stays the caller's to close.
func Share(client redis.UniversalClient) *Sharing {
	s := &Sharing{UniversalClient: client}
	s.together = gather.New(s.travel, gather.Options{InFlight: shareInFlight, Limit: shareCommands, Timeout: shareLimit})
	return s
}

// travel sends the commands of those who still wait. Each holds its own error.
func (s *Sharing) travel(ctx context.Context, all []*passenger) (map[*passenger]struct{}, error) {
	pipe := s.Pipeline()
	for _, p := range all {
		if err := p.ctx.Err(); err != nil {
			p.cmd.SetErr(err)
			continue
		}
		_ = pipe.Process(ctx, p.cmd) // queues it, which cannot fail
	}
	_, _ = pipe.Exec(ctx) // the first error among the commands, which hold theirs
	return nil, nil
}

// ahead lets a command set out, and returns what waits for its answer. Whoever leaves
// early gets another command, for the first may be written to by then.
func ahead[C redis.Cmder](ctx context.Context, s *Sharing, command func(context.Context, ...any) C, args ...any) func() C {
	cmd := command(ctx, args...)
	asked := s.together.Ask(&passenger{ctx, cmd})
	return func() C {
		_, _, err := asked.Wait(ctx, limit(ctx))
		if err == nil {
			return cmd
		}
		left := command(ctx, args...)
		left.SetErr(err)
		return left
	}
}

// send is ahead for who has nothing else to ask.
func send[C redis.Cmder](ctx context.Context, s *Sharing, command func(context.Context, ...any) C, args ...any) C {
	return ahead(ctx, s, command, args...)()
}

// Get reads a string.
func (s *Sharing) Get(ctx context.Context, key string) *redis.StringCmd {
	return send(ctx, s, redis.NewStringCmd, "get", key)
}

// HMGet reads fields of a hash.
func (s *Sharing) HMGet(ctx context.Context, key string, fields ...string) *redis.SliceCmd {
	return send(ctx, s, redis.NewSliceCmd, hmget(key, fields)...)
}

// HMGetAhead is HMGet in two halves where the client shares: it sets out at once, and
// what is returned waits for the answer. With any other client it is asked then. It is
// bounded by d from when it is asked.
func HMGetAhead(ctx context.Context, client redis.UniversalClient, d time.Duration, key string, fields ...string) func() *redis.SliceCmd {
	if s, ok := client.(*Sharing); ok {
		return ahead(Within(ctx, d), s, redis.NewSliceCmd, hmget(key, fields)...)
	}
	return func() *redis.SliceCmd { return client.HMGet(Within(ctx, d), key, fields...) }
}

func hmget(key string, fields []string) []any {
	args := make([]any, 0, 2+len(fields))
	args = append(args, "hmget", key)
	for _, f := range fields {
		args = append(args, f)
	}
	return args
}

// Set writes a value for ttl, which is at least a millisecond.
func (s *Sharing) Set(ctx context.Context, key string, value any, ttl time.Duration) *redis.StatusCmd {
	return send(ctx, s, redis.NewStatusCmd, "set", key, value, "px", ttl.Milliseconds())
}

// SetNX writes what is not there, for ttl, which is at least a millisecond.
func (s *Sharing) SetNX(ctx context.Context, key string, value any, ttl time.Duration) *redis.BoolCmd {
	return send(ctx, s, redis.NewBoolCmd, "set", key, value, "px", ttl.Milliseconds(), "nx")
}

// Eval runs a script.
func (s *Sharing) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return send(ctx, s, redis.NewCmd, scriptArgs("eval", script, keys, args)...)
}

// EvalSha runs a script that Redis knows by its hash.
func (s *Sharing) EvalSha(ctx context.Context, hash string, keys []string, args ...any) *redis.Cmd {
	return send(ctx, s, redis.NewCmd, scriptArgs("evalsha", hash, keys, args)...)
}

func scriptArgs(command, script string, keys []string, args []any) []any {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, command, script, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	return append(all, args...)
}
