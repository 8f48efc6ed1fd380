package redisdb

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model/gather"
)

// Sharing is a client whose small commands travel together: what several callers ask
// for at the same time goes to Redis in one pipeline, for a round trip costs far more
// than what is asked for in it. Get, SetNX, HMGet, Eval and EvalSha travel so;
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

// send lets a command travel. Whoever leaves early gets another one, for the first may
// be written to by then.
func send[C redis.Cmder](ctx context.Context, s *Sharing, command func(context.Context, ...any) C, args ...any) C {
	cmd := command(ctx, args...)
	_, _, err := s.together.Get(ctx, &passenger{ctx, cmd})
	if err == nil {
		return cmd
	}
	left := command(ctx, args...)
	left.SetErr(err)
	return left
}

// Get reads a string.
func (s *Sharing) Get(ctx context.Context, key string) *redis.StringCmd {
	return send(ctx, s, redis.NewStringCmd, "get", key)
}

// HMGet reads fields of a hash.
func (s *Sharing) HMGet(ctx context.Context, key string, fields ...string) *redis.SliceCmd {
	args := make([]any, 0, 2+len(fields))
	args = append(args, "hmget", key)
	for _, f := range fields {
		args = append(args, f)
	}
	return send(ctx, s, redis.NewSliceCmd, args...)
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
