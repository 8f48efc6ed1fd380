package member

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
)

// flaky is a Redis that can be away.
type flaky struct {
	redis.UniversalClient
	readsAway, writesAway atomic.Bool
	reads                 atomic.Int64
}

var errAway = errors.New("redis is away")

func (f *flaky) Get(ctx context.Context, key string) *redis.StringCmd {
	f.reads.Add(1)
	if f.readsAway.Load() {
		cmd := redis.NewStringCmd(ctx)
		cmd.SetErr(errAway)
		return cmd
	}
	return f.UniversalClient.Get(ctx, key)
}

// Pipeline reads the epochs of several members.
func (f *flaky) Pipeline() redis.Pipeliner {
	f.reads.Add(1)
	if f.readsAway.Load() {
		away := redis.NewClient(&redis.Options{MaxRetries: -1, Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, errAway }})
		return away.Pipeline()
	}
	return f.UniversalClient.Pipeline()
}

func (f *flaky) Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	if f.writesAway.Load() {
		return nil, errAway
	}
	return f.UniversalClient.Pipelined(ctx, fn)
}

func TestARebindOnOneReplicaIsSeenOnTheOther(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, dbtest.SQLite(t), client, Options{})
		other := w.replica(t, Options{})
		alice := w.touch(t, "oAlice")
		for i := range 20 {
			want(t, "bind", w.BindVerified(t.Context(), alice.ID, phone(i), model.RequestID(fmt.Sprintf("r%d", i))), nil)
			for range 2 { // read, then from the cache
				got, err := other.Touch(t.Context(), model.OfficialAccount, "oAlice")
				if err != nil || got.Phone != phone(i) {
					t.Fatalf("the other replica shows %v, %v, want %v", got.Phone, err, phone(i))
				}
			}
		}
	})
}

func TestNobodyReadsAnOldNumberWhileManyRead(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		other := w.replica(t, Options{})
		var answered atomic.Int64 // the highest number whose binding was answered
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					least := answered.Load()
					got, err := other.Touch(t.Context(), model.OfficialAccount, "oAlice")
					if err != nil {
						t.Errorf("Touch: %v", err)
						return
					}
					if least > 0 && got.Phone.Digits() < phone(int(least)).Digits() {
						t.Errorf("shown %v after %v was answered", got.Phone, phone(int(least)))
						return
					}
				}
			})
		}
		for i := 1; i <= 30; i++ {
			if err := w.BindVerified(t.Context(), alice.ID, phone(i), model.RequestID(fmt.Sprintf("r%d", i))); err != nil {
				t.Errorf("bind: %v", err)
			}
			answered.Store(int64(i))
		}
		close(stop)
		wg.Wait()
	})
}

func TestRedisAway(t *testing.T) {
	client := &flaky{UniversalClient: dbtest.EmbeddedRedis(t)}
	lifetime := 300 * time.Millisecond
	w := newWorld(t, dbtest.SQLite(t), client, Options{CacheLifetime: lifetime})
	w.Now = time.Now // ages are real here
	reader := w.replica(t, Options{CacheLifetime: lifetime})
	reader.Now = time.Now
	alice := w.touch(t, "oAlice")
	want(t, "bind", w.BindVerified(t.Context(), alice.ID, phone(1), "r1"), nil)
	if got, err := reader.Touch(t.Context(), model.OfficialAccount, "oAlice"); err != nil || got.Phone != phone(1) {
		t.Fatalf("Touch = %v, %v", got.Phone, err)
	}

	client.writesAway.Store(true)
	began := time.Now()
	want(t, "bind with Redis away for the writer", w.BindVerified(t.Context(), alice.ID, phone(2), "r2"), nil)
	if took := time.Since(began); took < lifetime {
		t.Errorf("answered after %v, want the entries dead first: %v", took, lifetime)
	}
	if got, err := reader.Touch(t.Context(), model.OfficialAccount, "oAlice"); err != nil || got.Phone != phone(2) {
		t.Errorf("the reader shows %v, %v, want %v", got.Phone, err, phone(2))
	}

	client.readsAway.Store(true)
	before := client.reads.Load()
	for range 10 {
		if got, err := reader.Touch(t.Context(), model.OfficialAccount, "oAlice"); err != nil || got.Phone != phone(2) {
			t.Errorf("with Redis away for the reader: %v, %v, want %v", got.Phone, err, phone(2))
		}
	}
	if n := client.reads.Load() - before; n != 1 {
		t.Errorf("Redis was asked %d times while away, want once", n)
	}
}

func TestManyReadAtOnceAndEachSeesHimself(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		redises := &flaky{UniversalClient: client}
		w := newWorld(t, dbtest.SQLite(t), redises, Options{})
		other := w.replica(t, Options{})
		const many, rounds = 16, 5
		ids := make([]model.MemberID, many)
		for i := range ids {
			ids[i] = w.touch(t, fmt.Sprintf("o%d", i)).ID
		}
		for round := range rounds {
			redises.readsAway.Store(round == rounds-1)
			var wg sync.WaitGroup
			for i, id := range ids {
				own := phone(round*many + i)
				want(t, "bind", w.BindVerified(t.Context(), id, own, model.RequestID(fmt.Sprintf("r%d-%d", round, i))), nil)
				for range 2 {
					wg.Go(func() {
						if got, err := other.Touch(t.Context(), model.OfficialAccount, model.OpenID(fmt.Sprintf("o%d", i))); err != nil || got.Phone != own {
							t.Errorf("Touch shows member %d as %v, %v, want %v", i, got.Phone, err, own)
						}
					})
					wg.Go(func() {
						if got, err := other.Get(t.Context(), id, model.OfficialAccount); err != nil || got.Phone != own {
							t.Errorf("Get shows member %d as %v, %v, want %v", i, got.Phone, err, own)
						}
					})
				}
			}
			wg.Wait()
		}
	})
}

func TestWhatTheCachesHaveNotHeardOfIsCurrent(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), Options{})
	alice := w.touch(t, "oAlice")
	remembered, err := w.Get(t.Context(), alice.ID, model.OfficialAccount)
	want(t, "get", err, nil)
	// As between the commit of a change and its being published.
	_, err = w.DB.ExecContext(t.Context(), "UPDATE member SET follows = NOT follows WHERE id = ?", int64(alice.ID))
	want(t, "change", err, nil)
	if got, err := w.Get(t.Context(), alice.ID, model.OfficialAccount); err != nil || got != remembered {
		t.Fatalf("Get = %+v, %v, want the remembered %+v", got, err, remembered)
	}
	if got, err := w.Current(t.Context(), alice.ID, model.OfficialAccount); err != nil || got.ID != alice.ID || got.Follows == remembered.Follows {
		t.Errorf("Current = %+v, %v, want what SQL says", got, err)
	}
	if _, err := w.Current(t.Context(), alice.ID+1, model.OfficialAccount); !errors.Is(err, ErrUnknown) {
		t.Errorf("Current of nobody = %v, want %v", err, ErrUnknown)
	}
}

func TestRedisThatForgetsHarmsNothing(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), Options{CacheLifetime: 2 * time.Second})
	other := w.replica(t, Options{CacheLifetime: 2 * time.Second})
	alice := w.touch(t, "oAlice")
	for i := range 5 {
		if _, err := other.Touch(t.Context(), model.OfficialAccount, "oAlice"); err != nil {
			t.Fatal(err)
		}
		want(t, "bind", w.BindVerified(t.Context(), alice.ID, phone(i), model.RequestID(fmt.Sprintf("r%d", i))), nil)
		want(t, "flush", w.redis.FlushDB(t.Context()).Err(), nil)
		w.clock.forward(2 * time.Second) // the bound that cache.go states
		if got, err := other.Touch(t.Context(), model.OfficialAccount, "oAlice"); err != nil || got.Phone != phone(i) {
			t.Fatalf("shown %v, %v, want %v", got.Phone, err, phone(i))
		}
	}
}

func TestANumberMovedToAnotherRowIsRefused(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice, mallory := w.touch(t, "oAlice"), w.touch(t, "oMallory")
		w.bind(t, alice.ID, phone(1), "r1")
		w.bind(t, mallory.ID, phone(2), "r2")
		if _, err := w.db.Exec("UPDATE member_phone SET phone_sealed = (SELECT s FROM (SELECT phone_sealed AS s FROM member_phone WHERE member_id = ?) AS other) WHERE member_id = ?", int64(alice.ID), int64(mallory.ID)); err != nil {
			t.Fatal(err)
		}
		fresh := w.replica(t, Options{})
		_, err := fresh.Touch(t.Context(), model.OfficialAccount, "oMallory")
		want(t, "Touch", err, seal.ErrRefused)
	})
}

func TestRotation(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		for i := range 5 {
			w.bind(t, w.touch(t, fmt.Sprintf("o%d", i)).ID, phone(i), "r")
		}
		rotated := w.replica(t, Options{})
		rotated.Sealer = testSealer(t, 1, 2)
		for _, n := range []int{3, 2, 0} {
			if got, err := rotated.Reseal(t.Context(), 3); err != nil || got != n {
				t.Fatalf("Reseal = %d, %v, want %d", got, err, n)
			}
		}
		after := w.replica(t, Options{})
		after.Sealer = testSealer(t, 2)
		for i := range 5 {
			got, err := after.Touch(t.Context(), model.OfficialAccount, model.OpenID(fmt.Sprintf("o%d", i)))
			if err != nil || got.Phone != phone(i) {
				t.Fatalf("with the old key gone: %v, %v, want %v", got.Phone, err, phone(i))
			}
		}
		stranger, err := after.Touch(t.Context(), model.OfficialAccount, "oNew")
		want(t, "Touch", err, nil)
		want(t, "take over by the index", after.BindVerified(t.Context(), stranger.ID, phone(0), "r"), nil)
		if got, err := after.Touch(t.Context(), model.OfficialAccount, "o0"); err != nil || got.Bound() {
			t.Errorf("the index was lost in the rotation: %v, %v", got.Phone, err)
		}
	})
}

func TestNumbersThatCannotBeOpenedKeepNoOtherFromRotation(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		const broken, sound = 4, 3
		for i := range broken + sound {
			alice := w.touch(t, fmt.Sprintf("o%d", i))
			w.bind(t, alice.ID, phone(i), "r")
			if i < broken {
				_, err := w.db.Exec("UPDATE member_phone SET phone_sealed = 'xxxx', phone_index = ? WHERE member_id = ?", fmt.Sprintf("!%d", i), int64(alice.ID))
				want(t, "break", err, nil)
			}
		}
		rotated := w.replica(t, Options{})
		rotated.Sealer = testSealer(t, 1, 2)
		for _, n := range []int{2, 1, 0} {
			if got, err := rotated.Reseal(t.Context(), 2); err == nil || got != n {
				t.Fatalf("Reseal = %d, %v, want %d and what cannot be opened", got, err, n)
			}
		}
	})
}

// TestNothingPersonalIsLoggedOrSaid provokes every log line and collects every error.
func TestNothingPersonalIsLoggedOrSaid(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		client := &flaky{UniversalClient: w.Redis}
		w.Redis, w.opts.CacheLifetime = client, time.Millisecond
		alice := w.touch(t, "oSecretAlice")
		var said bytes.Buffer
		note := func(err error) { fmt.Fprintf(&said, "%v\n%+v\n", err, err) }
		number := phone(87654321)
		w.sms.err = fmt.Errorf("gateway: %s is not reachable", number.Digits())
		note(w.SendCode(t.Context(), alice.ID, number, "s1"))
		w.sms.err = nil
		w.carrier.fail(fmt.Errorf("GET /customer/%s: timeout", number.Digits()))
		client.writesAway.Store(true)
		note(w.BindVerified(t.Context(), alice.ID, number, "r1"))
		note(w.SendCode(t.Context(), alice.ID, number, "s2"))
		_, err := w.Confirm(t.Context(), alice.ID, "000000", "c")
		note(err)
		_, err = w.Join(t.Context(), model.OfficialAccount, "oSecretAlice", "uSecretAlice")
		note(err)
		_, err = w.Touch(t.Context(), model.OfficialAccount, "oSecretAlice'")
		note(err)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = w.Touch(ended, model.OfficialAccount, "oSecretBob")
		note(err)
		if _, err := w.db.Exec("UPDATE member_phone SET phone_sealed = 'xxxx'"); err != nil {
			t.Fatal(err)
		}
		_, err = w.replica(t, Options{}).Touch(t.Context(), model.OfficialAccount, "oSecretAlice")
		note(err)
		_, _, err = w.CheckHolders(t.Context(), -time.Hour, 10)
		note(err)
		for _, text := range []string{said.String(), w.log.String()} {
			for _, secret := range []string{number.Digits(), "87654321", "oSecret", "uSecret"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is told in:\n%s", secret, text)
				}
			}
		}
		if !strings.Contains(w.log.String(), "member bound without the carrier's word") || !strings.Contains(w.log.String(), "epoch not published") {
			t.Errorf("the log lines did not come: %s", w.log.String())
		}
	})
}

func BenchmarkTouch(b *testing.B) {
	for _, engine := range []struct {
		name string
		db   func(testing.TB) *sql.DB
	}{{"sqlite", dbtest.SQLite}, {"mysql", dbtest.MySQL}} {
		for _, lifetime := range []time.Duration{time.Hour, 1} { // from the cache, from SQL
			b.Run(fmt.Sprintf("%s/lifetime=%v", engine.name, lifetime), func(b *testing.B) {
				w := newWorld(b, engine.db(b), dbtest.Redis(b), Options{CacheLifetime: lifetime})
				w.Now = time.Now
				for i := range 100 {
					id := w.touch(b, fmt.Sprintf("o%d", i)).ID
					want(b, "bind", w.BindVerified(b.Context(), id, phone(i), "r"), nil)
				}
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						w.touch(b, fmt.Sprintf("o%d", i%100))
					}
				})
			})
		}
	}
}
