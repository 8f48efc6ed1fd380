package wechat

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"kaimenhong/model"
)

// Limits of what WeChat may answer to stable_token.
const (
	maxToken     = 4096 // bytes; WeChat asks to leave room for 512
	maxTokenLife = 24 * time.Hour
	// renewEarly is when the platform renews by itself; both tokens then work.
	renewEarly = 5 * time.Minute
	// failurePause is how long a failed fetch is answered without a new one.
	failurePause = time.Second
)

// errWaited is ErrToken for those who waited in vain for another replica.
var errWaited = ErrToken.Saying("微信接口凭证正在更新，请稍后再试")

// fetchToken asks WeChat for a token and how long it lives.
type fetchToken func(ctx context.Context, force bool) (value string, life time.Duration, err error)

// tokens provides one app's access_token to every caller of every replica.
//
// The token lives in Redis and as a local copy. Near its end one replica renews
// it behind a short lock while all go on with the old one; without any, callers
// wait, at most wait. While Redis is down the local copy serves, and then
// stable_token itself, which gives every replica the same token. A refused token
// is dropped only if it is still the current one; WeChat is made to replace it
// (force_refresh) only when it hands out the very one that was refused.
type tokens struct {
	app   model.App
	store tokenStore
	fetch fetchToken
	now   model.Clock
	log   *slog.Logger
	wait  time.Duration // for a token, when there is none
	poll  time.Duration // between two looks for another replica's
	count *prometheus.CounterVec

	group singleflight.Group

	mu     sync.Mutex
	local  grant
	bad    string    // the last that WeChat refused here
	forced time.Time // by this process
	failed error     // the last fetch's, until retry
	retry  time.Time
	down   bool // Redis did not answer last time
}

// Token returns a token that is not known to be bad.
func (t *tokens) Token(ctx context.Context) (string, error) {
	now := t.now()
	t.mu.Lock()
	local := t.local
	t.mu.Unlock()
	if local.fresh(now) {
		return local.value, nil
	}
	done := t.group.DoChan("renew", t.renewShared(ctx))
	if local.usable(now) {
		return local.value, nil // it is renewed behind his back
	}
	select {
	case <-ctx.Done():
		return "", ErrToken.With(ctx.Err())
	case result := <-done:
		if result.Err != nil {
			return "", result.Err
		}
		value, ok := result.Val.(string)
		if !ok {
			return "", ErrToken
		}
		return value, nil
	}
}

// renewShared is renew for everyone who waits: the first one's going away does
// not end it, the provider's own time does.
func (t *tokens) renewShared(ctx context.Context) func() (any, error) {
	return func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.wait)
		defer cancel()
		value, err := t.renew(ctx)
		if err == nil {
			return value, nil
		}
		if old := t.postponed(); old != "" {
			t.log.WarnContext(ctx, "wechat token was not renewed, serving the old one", "app", t.app, "error", err)
			return old, nil
		}
		return "", err
	}
}

// postponed returns the old token while it still serves, and puts off the next try
// to renew it.
func (t *tokens) postponed() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if !t.local.usable(now) {
		return ""
	}
	t.local.renew = now.Add(failurePause)
	return t.local.value
}

// renew takes the shared token if it is fresh, and otherwise becomes the one who
// fetches the next or waits for him.
func (t *tokens) renew(ctx context.Context) (string, error) {
	owner := rand.Text()
	for {
		shared, bad, err := t.store.read(ctx)
		if ctx.Err() != nil {
			return "", errWaited.With(ctx.Err())
		}
		t.redisState(ctx, err)
		if err != nil {
			return t.alone(ctx)
		}
		now := t.now()
		if shared.usable(now) {
			t.keep(shared) // it serves, should renewing fail
		}
		if shared.fresh(now) {
			t.count.WithLabelValues(string(t.app), "shared").Inc()
			return shared.value, nil
		}
		locked, err := t.store.lock(ctx, owner, t.wait/2)
		switch {
		case ctx.Err() != nil:
			return "", errWaited.With(ctx.Err())
		case err != nil:
			return t.alone(ctx)
		case locked:
			return t.fetchLocked(ctx, owner, bad)
		case shared.usable(now):
			shared.renew = now.Add(failurePause) // another replica renews it; look again then
			t.keep(shared)
			return shared.value, nil
		}
		timer := time.NewTimer(t.poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return "", errWaited.With(ctx.Err())
		case <-timer.C:
		}
	}
}

// fetchLocked renews for all replicas. It reads once more first, for the lock's
// last owner may have stored one just before.
func (t *tokens) fetchLocked(ctx context.Context, owner, bad string) (string, error) {
	defer func() {
		if err := t.store.unlock(context.WithoutCancel(ctx), owner); err != nil {
			t.redisState(ctx, err) // it ends by itself
		}
	}()
	if shared, nowBad, err := t.store.read(ctx); err == nil {
		if bad = nowBad; shared.fresh(t.now()) {
			t.keep(shared)
			return shared.value, nil
		}
	}
	g, err := t.fetchGood(ctx, bad, t.store.mayForce)
	if err != nil {
		return "", err
	}
	if err := t.store.write(ctx, owner, g, g.expires.Sub(t.now())); err != nil {
		t.redisState(ctx, err) // the local copy serves
	}
	return g.value, nil
}

// alone is renew while Redis is down.
func (t *tokens) alone(ctx context.Context) (string, error) {
	now := t.now()
	t.mu.Lock()
	local := t.local
	t.mu.Unlock()
	if local.fresh(now) {
		return local.value, nil
	}
	g, err := t.fetchGood(ctx, "", func(context.Context) (bool, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.now().Sub(t.forced) >= forceEvery, nil
	})
	return g.value, err
}

// fetchGood asks WeChat for a token, by force when it gives one again that it
// refused here or (bad) elsewhere.
func (t *tokens) fetchGood(ctx context.Context, bad string, mayForce func(context.Context) (bool, error)) (grant, error) {
	if err := t.resting(); err != nil {
		return grant{}, err
	}
	g, err := t.fetchOnce(ctx, false)
	t.mu.Lock()
	badHere := t.bad
	t.mu.Unlock()
	if err == nil && (g.value == bad || g.value == badHere) {
		if may, errForce := mayForce(ctx); may && errForce == nil {
			g, err = t.fetchOnce(ctx, true)
			t.mu.Lock()
			t.forced = t.now()
			t.mu.Unlock()
		}
	}
	if err != nil {
		return grant{}, err
	}
	t.keep(g)
	return g, nil
}

func (t *tokens) fetchOnce(ctx context.Context, force bool) (grant, error) {
	value, life, err := t.fetch(ctx, force)
	result := map[bool]string{false: "fetched", true: "forced"}[force]
	if err == nil && (value == "" || len(value) > maxToken || life <= 0) {
		err = ErrAnswer.With(fmt.Errorf("stable_token: token of %d bytes for %s", len(value), life))
	}
	if err != nil {
		result = "failed"
		t.mu.Lock()
		t.failed, t.retry = err, t.now().Add(failurePause)
		t.mu.Unlock()
	}
	t.count.WithLabelValues(string(t.app), result).Inc()
	expires := t.now().Add(min(life, maxTokenLife))
	return grant{value: value, expires: expires, renew: t.renewAt(expires)}, err
}

// resting returns the last failure while it is too early to ask again.
func (t *tokens) resting() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed != nil && t.now().Before(t.retry) {
		return t.failed
	}
	t.failed = nil
	return nil
}

// renewAt is when a token that expires then should be renewed: within WeChat's
// last five minutes, at half of what is left of a shorter one; spread over a
// fifth of that, so that replicas do not all come at once.
func (t *tokens) renewAt(expires time.Time) time.Time {
	early := min(renewEarly, expires.Sub(t.now())/2)
	if early <= 0 {
		return expires
	}
	return expires.Add(-early + mathrand.N(early/5+1))
}

func (t *tokens) keep(g grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.local = g
}

// Refused says that WeChat refused this very token. It tells whether asking Token
// again may give another one: not when this one was had by force a moment ago,
// for then WeChat has yet to catch up with itself.
func (t *tokens) Refused(ctx context.Context, value string) bool {
	t.count.WithLabelValues(string(t.app), "refused").Inc()
	dropped, err := t.store.drop(ctx, value)
	t.redisState(ctx, err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if dropped < 0 || err != nil && t.local.value == value && t.now().Sub(t.forced) < forceEvery {
		return false
	}
	t.bad = value
	if t.local.value == value {
		t.local = grant{}
	}
	return true
}

// redisState logs when Redis goes and when it comes back, not every call between.
func (t *tokens) redisState(ctx context.Context, err error) {
	t.mu.Lock()
	was := t.down
	t.down = err != nil
	t.mu.Unlock()
	if err != nil {
		t.count.WithLabelValues(string(t.app), "redis_down").Inc()
	}
	switch {
	case err != nil && !was:
		t.log.WarnContext(ctx, "wechat token store is down, serving the local copy", "app", t.app, "error", err)
	case err == nil && was:
		t.log.InfoContext(ctx, "wechat token store is back", "app", t.app)
	}
}
