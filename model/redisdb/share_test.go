package redisdb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model/dbtest"
	"kaimenhong/model/redisdb"
)

func TestWhatTravelsTogetherKeepsItsOwnAnswerAndItsOwnError(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, shared := t.Context(), redisdb.Share(client)
		if err := client.HSet(ctx, "hash", "a", "1", "c", "3").Err(); err != nil {
			t.Fatal(err)
		}
		script := redis.NewScript("return KEYS[1] .. ARGV[1]") // unknown to Redis at first
		var winners atomic.Int32
		var wait sync.WaitGroup
		for i := range 64 {
			key := fmt.Sprint("key", i)
			wait.Go(func() {
				if _, err := shared.Get(ctx, key).Result(); !errors.Is(err, redis.Nil) {
					t.Errorf("what is not there is %v, want Nil", err)
				}
				if first, err := shared.SetNX(ctx, key, i, time.Minute).Result(); !first || err != nil {
					t.Errorf("SetNX = %v, %v, want it first", first, err)
				}
				if got, err := shared.Get(ctx, key).Int(); got != i || err != nil {
					t.Errorf("Get = %d, %v, want %d", got, err, i)
				}
				if first, err := shared.SetNX(ctx, "one", i, time.Minute).Result(); err != nil {
					t.Error(err)
				} else if first {
					winners.Add(1)
				}
				if err := shared.Get(ctx, "hash").Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
					t.Errorf("a hash read as a string is %v", err)
				}
				if got, err := shared.HMGet(ctx, "hash", "a", "b", "c").Result(); err != nil || fmt.Sprint(got) != "[1 <nil> 3]" {
					t.Errorf("HMGet = %v, %v", got, err)
				}
				if got, err := script.Run(ctx, shared, []string{key}, "!").Text(); got != key+"!" || err != nil {
					t.Errorf("the script says %q, %v", got, err)
				}
			})
		}
		wait.Wait()
		if winners.Load() != 1 {
			t.Errorf("%d callers were the first, want 1", winners.Load())
		}
		if ttl := client.TTL(ctx, "one").Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("what was written lives for %s, want a minute", ttl)
		}
	})
}

func TestWhoLeavesDoesNotWaitForARedisThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	client := redis.NewClient(&redis.Options{Addr: listener.Addr().String(), MaxRetries: -1, ContextTimeoutEnabled: true})
	defer func() { _ = client.Close() }()
	shared := redisdb.Share(client)
	if err := shared.Get(redisdb.Within(t.Context(), 20*time.Millisecond), "key").Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who said how long he waits gets %v", err)
	}
	asked := redisdb.HMGetAhead(t.Context(), shared, 20*time.Millisecond, "hash", "a")
	if err := asked().Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who asked ahead gets %v", err)
	}
	stays := make(chan error, 1)
	go func() { stays <- shared.Get(context.Background(), "key").Err() }()
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := shared.Get(left, "key").Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("who left gets %v", err)
	}
	if err := <-stays; err == nil {
		t.Error("who stays is answered by a Redis that hangs")
	}
}

func TestACommandSetsOutAheadOfItsWait(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		for name, c := range map[string]redis.UniversalClient{"alone": client, "shared": redisdb.Share(client)} {
			if err := c.Set(t.Context(), "answer", "42", time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
			if ttl := client.TTL(t.Context(), "answer").Val(); ttl <= 0 || ttl > time.Minute {
				t.Errorf("%s: what was set lives for %s, want a minute", name, ttl)
			}
			if err := client.HSet(t.Context(), name, "a", "1").Err(); err != nil {
				t.Fatal(err)
			}
			if got, err := redisdb.HMGetAhead(t.Context(), c, time.Minute, name, "a", "b")().Result(); err != nil || fmt.Sprint(got) != "[1 <nil>]" {
				t.Errorf("%s: HMGetAhead = %v, %v", name, got, err)
			}
		}
	})
}

func TestADeadlineWithoutATimer(t *testing.T) {
	outer, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	near, far := redisdb.Within(outer, time.Minute), redisdb.Within(outer, 2*time.Hour)
	until, _ := outer.Deadline()
	if at, ok := near.Deadline(); !ok || time.Until(at) > time.Minute || near.Err() != nil {
		t.Errorf("the deadline is %s, %v, %v", at, ok, near.Err())
	}
	if at, ok := far.Deadline(); !ok || !at.Equal(until) {
		t.Errorf("the deadline is %s, %v, want the outer one", at, ok)
	}
	if err := redisdb.Within(outer, -time.Second).Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past the deadline the context says %v", err)
	}
	cancel()
	if err := far.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("of an ended outer one it says %v", err)
	}
}
