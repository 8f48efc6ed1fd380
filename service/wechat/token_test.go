package wechat_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/wechat"
)

const (
	tokenPath = "/cgi-bin/stable_token"
	sendPath  = "/cgi-bin/message/custom/send"
	lockKey   = "wechat:{wxofficial}:lock"
)

func send(t *testing.T, c *wechat.Client) error {
	t.Helper()
	return c.SendCustom(t.Context(), "oAlice", model.Text("hi"))
}

func mustSend(t *testing.T, c *wechat.Client) {
	t.Helper()
	if err := send(t, c); err != nil {
		t.Fatalf("SendCustom = %v", err)
	}
}

func wantFetches(t *testing.T, p *platform, fetched, forced int) {
	t.Helper()
	if f, n := p.tokens(); f != fetched || n != forced {
		t.Errorf("WeChat was asked for a token %d times, %d by force; want %d, %d", f, n, fetched, forced)
	}
}

func TestTwoReplicasAskForOneToken(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
		p := newPlatform(t)
		a, b := p.replica(setup{rdb: rdb}), p.replica(setup{rdb: rdb})
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				c := a
				if i%2 == 1 {
					c = b
				}
				if err := c.SendCustom(t.Context(), "oAlice", model.Text("hi")); err != nil {
					t.Errorf("SendCustom = %v", err)
				}
			})
		}
		all.Wait()
		wantFetches(t, p, 1, 0)
	})
}

func TestATokenIsRenewedBeforeItEndsByOneOfTwoReplicas(t *testing.T) {
	for _, tt := range []struct {
		name string
		life int64 // seconds, as WeChat says
		used time.Duration
		want int // fetches in all
	}{
		{"in the middle of its life it stays", 7200, time.Hour, 1},
		{"five minutes before its end it is renewed", 7200, 2*time.Hour - 3*time.Minute, 2},
		{"a short one stays for its first half", 300, 2 * time.Minute, 1},
		{"a short one is renewed in its second half", 300, 4 * time.Minute, 2},
		{"an ended one is renewed", 7200, 3 * time.Hour, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
				p, clock := newPlatform(t), newClock()
				p.life = tt.life
				a, b := p.replica(setup{rdb: rdb, clock: clock}), p.replica(setup{rdb: rdb, clock: clock})
				mustSend(t, a)
				mustSend(t, b)
				clock.pass(tt.used)
				mustSend(t, a)
				for got := 0; got < tt.want; got, _ = p.tokens() { // the old one serves meanwhile
					if t.Context().Err() != nil {
						t.Fatalf("asked for %d tokens, want %d", got, tt.want)
					}
				}
				mustSend(t, b)
				mustSend(t, a)
				wantFetches(t, p, tt.want, 0)
			})
		})
	}
}

func TestTheOldTokenServesWhileTheNextIsFetched(t *testing.T) {
	p, clock := newPlatform(t), newClock()
	c := p.replica(setup{clock: clock})
	mustSend(t, c)
	clock.pass(2*time.Hour - time.Minute)
	asked, answer := make(chan struct{}), make(chan struct{})
	p.on(tokenPath, func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		_, _ = io.WriteString(w, `{"access_token":"next","expires_in":7200}`)
	}, refuses(45009))
	mustSend(t, c) // needs no answer from stable_token
	<-asked
	mustSend(t, c)
	close(answer)
	p.on(sendPath, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("access_token"); got != "next" {
			refuses(45011)(w, r)
			return
		}
		says(`{"errcode":0}`)(w, r)
	})
	for errors.Is(send(t, c), wechat.ErrMinuteQuota) { // until the next one has arrived
		if t.Context().Err() != nil {
			t.Fatal("the next token never came into use")
		}
	}
}

func TestARefusedTokenIsReplacedOnceForAllReplicas(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
		for _, tt := range []struct {
			name            string
			spoil           func(*platform)
			fetched, forced int
		}{
			{"another program fetched a new one", (*platform).kill, 2, 0},
			{"WeChat gives the refused one again", (*platform).rot, 3, 1},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if err := rdb.FlushDB(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				p := newPlatform(t)
				a, b := p.replica(setup{rdb: rdb}), p.replica(setup{rdb: rdb})
				mustSend(t, a)
				mustSend(t, b)
				tt.spoil(p)
				var all sync.WaitGroup
				for _, c := range []*wechat.Client{a, b, a, b, a, b} {
					all.Go(func() {
						if err := c.SendCustom(t.Context(), "oAlice", model.Text("hi")); err != nil {
							t.Errorf("SendCustom = %v", err)
						}
					})
				}
				all.Wait()
				wantFetches(t, p, tt.fetched, tt.forced)
			})
		}
	})
}

func TestALateRefusalDoesNotDropTheNewToken(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
		p := newPlatform(t)
		a, b := p.replica(setup{rdb: rdb}), p.replica(setup{rdb: rdb})
		mustSend(t, a)
		mustSend(t, b)
		p.kill()
		mustSend(t, a) // a has the new one, b still the old one
		mustSend(t, b) // is refused, finds a's
		mustSend(t, a)
		wantFetches(t, p, 2, 0)
	})
}

func TestForceIsUsedOnceInThirtySeconds(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
		p := newPlatform(t)
		a, b := p.replica(setup{rdb: rdb}), p.replica(setup{rdb: rdb})
		p.on(sendPath, refuses(40001)) // whatever the token
		for range 5 {
			for _, c := range []*wechat.Client{a, b} {
				if err := send(t, c); !errors.Is(err, wechat.ErrToken) {
					t.Fatalf("SendCustom = %v, want %v", err, wechat.ErrToken)
				}
			}
		}
		if _, forced := p.tokens(); forced != 1 {
			t.Errorf("force_refresh %d times, want 1", forced)
		}
		if err := rdb.Del(t.Context(), "wechat:{wxofficial}:forced").Err(); err != nil { // 30 s later
			t.Fatal(err)
		}
		_ = send(t, a)
		if _, forced := p.tokens(); forced != 2 {
			t.Errorf("force_refresh %d times after 30 s, want 2", forced)
		}
	})
}

func TestWithoutRedisTheTokenStillServes(t *testing.T) {
	rdb := dbtest.EmbeddedRedis(t)
	p, clock := newPlatform(t), newClock()
	c := p.replica(setup{rdb: rdb, clock: clock})
	mustSend(t, c)
	if err := rdb.Close(); err != nil {
		t.Fatal(err)
	}
	mustSend(t, c)
	wantFetches(t, p, 1, 0) // the local copy
	clock.pass(3 * time.Hour)
	mustSend(t, c)
	wantFetches(t, p, 2, 0) // stable_token, alone
	for range 20 {
		mustSend(t, c)
	}
	wantFetches(t, p, 2, 0) // not once a call
	p.kill()
	mustSend(t, c) // refused, renewed, repeated
	wantFetches(t, p, 3, 0)
	p.rot()
	mustSend(t, c)
	wantFetches(t, p, 5, 1)
	fresh := p.replica(setup{rdb: rdb, clock: clock})
	mustSend(t, fresh) // one that starts without Redis
}

func TestRedisThatLostEverythingCostsOneFetch(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
		p, clock := newPlatform(t), newClock()
		a, b := p.replica(setup{rdb: rdb, clock: clock}), p.replica(setup{rdb: rdb, clock: clock})
		mustSend(t, a)
		mustSend(t, b)
		if err := rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		mustSend(t, a)
		mustSend(t, b)
		wantFetches(t, p, 1, 0)
		mustSend(t, p.replica(setup{rdb: rdb, clock: clock}))
		wantFetches(t, p, 2, 0)
	})
}

func TestWaitingForADeadReplicasLockIsBounded(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, rdb redis.UniversalClient) {
		p := newPlatform(t)
		c := p.replica(setup{rdb: rdb, opts: wechat.Options{TokenWait: 500 * time.Millisecond}})
		if err := rdb.Set(t.Context(), lockKey, "somebody", time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		if err := send(t, c); !errors.Is(err, wechat.ErrToken) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SendCustom = %v, want %v at the deadline", err, wechat.ErrToken)
		}
		if err := rdb.Del(t.Context(), lockKey).Err(); err != nil {
			t.Fatal(err)
		}
		mustSend(t, c)
	})
}

func TestAWrongSecretIsSaidAndNotTriedAtEveryCall(t *testing.T) {
	p, clock := newPlatform(t), newClock()
	c := p.replica(setup{clock: clock})
	p.on(tokenPath, refuses(40125))
	for range 10 {
		if err := send(t, c); !errors.Is(err, wechat.ErrCredentials) {
			t.Fatalf("SendCustom = %v, want %v", err, wechat.ErrCredentials)
		}
	}
	if got := p.count(tokenPath); got != 1 {
		t.Errorf("asked %d times within a second, want 1", got)
	}
	clock.pass(2 * time.Second)
	p.on(tokenPath)
	mustSend(t, c)
}

func TestATokenThatMakesNoSenseIsNotTaken(t *testing.T) {
	for _, answer := range []string{
		`{}`, `{"access_token":"","expires_in":7200}`, `{"access_token":"x","expires_in":0}`, `{"access_token":"x","expires_in":-5}`,
		`{"access_token":"` + strings.Repeat("x", 5000) + `","expires_in":7200}`, `<html>`, ``,
	} {
		p := newPlatform(t)
		c := p.replica(setup{})
		p.on(tokenPath, says(answer))
		if err := send(t, c); !errors.Is(err, wechat.ErrAnswer) {
			t.Errorf("stable_token says %.40s: SendCustom = %v, want %v", answer, err, wechat.ErrAnswer)
		}
	}
}

func TestAFailedRenewalKeepsTheOldToken(t *testing.T) {
	p, clock, rdb := newPlatform(t), newClock(), dbtest.EmbeddedRedis(t)
	c := p.replica(setup{clock: clock, rdb: rdb})
	mustSend(t, c)
	clock.pass(2*time.Hour - time.Minute)
	p.on(tokenPath, refuses(-1))
	for range 10 {
		mustSend(t, c)
	}
	mustSend(t, p.replica(setup{clock: clock, rdb: rdb})) // also one that has just started
	clock.pass(30 * time.Second)
	p.on(tokenPath)
	mustSend(t, c)
}
