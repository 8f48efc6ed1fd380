package inbox

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

// What Redis forgets, and why a message's logic still runs once.
//
// The key inbox:memory holds a name that was drawn when the key was found missing. As
// long as it stands, so do the records that were written after it. A replica that
// finds another name there, which Refresh looks for every second, writes its own
// records again: of what it runs and of what it answered within Options.Keep.
//
// A message that looks like a repeat asks for the name before its logic is run. While
// this replica has not known the name for Options.Settle, it waits; by then the others
// have written theirs, and its own claim gives way to them.
//
// What is left: a replica that is held up for longer than Options.Settle, the tries of
// one message that come within retryAge of it and on both sides of the loss, a
// failover that loses the last writes and keeps the name, and of a Cluster the nodes
// which do not hold the name.

const memoryKey = "inbox:memory"

// rewriteBatch is how many records go to Redis at a time.
const rewriteBatch = 200

//go:embed memory.lua
var rewriteSource string

var rewriteScript = redis.NewScript(rewriteSource)

// memory is what a replica knows of Redis' memory.
type memory struct {
	mu      sync.Mutex
	name    string
	since   time.Time // when this replica first saw the name
	written string    // the name under which its records were last written again
}

// recall reads the name, or gives one, and returns for how long this replica has
// known it.
func (b *Inbox) recall(ctx context.Context) (time.Duration, error) {
	var name string
	err := b.ask(ctx, func(ctx context.Context) (err error) {
		for range 2 { // the second time another replica's stands, or ours
			if name, err = b.redis.Get(ctx, memoryKey).Result(); !errors.Is(err, redis.Nil) {
				return err
			}
			if err := b.redis.SetNX(ctx, memoryKey, rand.Text(), memoryLife).Err(); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	b.memory.mu.Lock()
	defer b.memory.mu.Unlock()
	if name != b.memory.name {
		b.memory.name, b.memory.since = name, time.Now()
	}
	return time.Since(b.memory.since), nil
}

// forgot tells that Redis lost its memory so short a time ago that other replicas may
// not have written their records again. A replica that has just begun cannot know and
// takes it for so.
func (b *Inbox) forgot(ctx context.Context) bool {
	known, err := b.recall(ctx)
	return err == nil && known < b.opts.Settle
}

// memoryLife is how long a name lives. When it ends, repeats wait once for nothing.
const memoryLife = 7 * 24 * time.Hour

// Refresh writes this replica's records again if Redis lost its memory since it was
// last called. Run it every second on every replica. A Redis that is away, or slow, is
// no failure: there is nothing in it to write again, SQL decides meanwhile, and the
// next second looks anew.
func (b *Inbox) Refresh(ctx context.Context) error {
	if err := b.refresh(ctx); err != nil {
		b.log.WarnContext(ctx, "inbox records not compared with Redis", "error", err)
	}
	return nil
}

func (b *Inbox) refresh(ctx context.Context) error {
	if _, err := b.recall(ctx); err != nil {
		return err
	}
	b.memory.mu.Lock()
	name, written := b.memory.name, b.memory.written
	b.memory.mu.Unlock()
	if name == written {
		return nil
	}
	records := b.records()
	for part := range slices.Chunk(slices.Sorted(maps.Keys(records)), rewriteBatch) {
		err := b.ask(ctx, func(ctx context.Context) error {
			if err := rewriteScript.Load(ctx, b.redis).Err(); err != nil {
				return err
			}
			_, err := b.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, key := range part {
					r := records[key]
					rewriteScript.EvalSha(ctx, p, []string{redisKey(key)}, r.text, r.lives.Milliseconds())
				}
				return nil
			})
			return err
		})
		if err != nil {
			return fmt.Errorf("write the inbox records again: %w", err)
		}
	}
	b.memory.mu.Lock()
	b.memory.written = name
	b.memory.mu.Unlock()
	return nil
}

// record is what Redis is to know of a message.
type record struct {
	text  string
	lives time.Duration
}

// records are those of what this replica runs and of what it has answered.
func (b *Inbox) records() map[model.RequestID]record {
	b.mu.Lock()
	calls := slices.Collect(maps.Values(b.running))
	calls = slices.AppendSeq(calls, maps.Values(b.recent.old))
	calls = slices.AppendSeq(calls, maps.Values(b.recent.young))
	b.mu.Unlock()
	records := make(map[model.RequestID]record, len(calls))
	for _, c := range calls {
		if text, lives, ok := b.recordOf(c); ok {
			records[c.in.Key] = record{text, lives}
		}
	}
	return records
}

func (b *Inbox) recordOf(c *call) (text string, lives time.Duration, ok bool) {
	select {
	case <-c.done:
		raw, err := encode(c.content)
		return answeredMark + string(raw), b.opts.Keep, err == nil && c.err == nil
	default:
		return runningMark + c.token, b.opts.Lease, c.mine.Load()
	}
}
