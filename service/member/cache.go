package member

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/redisdb"
)

// The cache of a process, and why it never shows an old number.
//
// An entry holds a member and the epoch that Redis named before the member was
// read from SQL. It is used while it is younger than CacheLifetime and Redis still
// names the same epoch. A change names a new epoch after its commit and before it
// is answered; should Redis not take it, the change is answered only when
// CacheLifetime has passed, for then every entry of before is dead by age.
//
// So, once a change was answered:
//   - with Redis well: no replica shows what was before;
//   - with Redis away for the replica that reads: it reads SQL;
//   - with Redis away for the replica that writes: its answer came late enough.
//
// A process that dies between commit and epoch, or that lost the answer to its
// COMMIT, never answered; then, and when Redis loses an epoch by a flush or a
// failover, an entry lives on for at most CacheLifetime. The epoch needs to live only as long as an entry of before may,
// so Redis holds keys of the members who changed in the last seconds alone.

// cacheKey names a member by app and openid, or by id and the app whose openid is
// wanted. All entries of one id share an epoch.
type cacheKey struct {
	app    model.App
	openID model.OpenID
	id     model.MemberID
}

type cached struct {
	member model.Member
	epoch  string
	readAt time.Time // before anything of it was read
}

const (
	// epochWait bounds what a slow Redis can add to a read.
	epochWait = 50 * time.Millisecond
	// epochBumpWait bounds what it can add to a change before the change waits for
	// the entries to die.
	epochBumpWait = 500 * time.Millisecond
	// redisPause is how long Redis is left alone after it failed a read.
	redisPause = time.Second
	// epochSlack is how much longer an epoch lives than an entry, for clocks of
	// Redis and of this process that run at different speeds.
	epochSlack = 10 * time.Second
)

// redisKey is the epoch's key: a hash, so that no openid lies in Redis, and a tag,
// so that members spread over a Cluster.
func (k cacheKey) redisKey() string {
	name := "id:" + k.id.String()
	if k.id == 0 {
		name = string(k.app) + ":" + string(k.openID)
	}
	sum := sha256.Sum256([]byte(name))
	return "member:{" + hex.EncodeToString(sum[:12]) + "}:epoch"
}

// fresh returns the entry if it may still be shown. ok tells that epoch is known,
// so that what is read from SQL next may be kept under it.
func (m *Members) fresh(ctx context.Context, key cacheKey) (member model.Member, hit bool, epoch string, ok bool) {
	epoch, ok = m.epoch(ctx, key)
	if !ok {
		return model.Member{}, false, "", false
	}
	e, found := m.cache.GetIfPresent(key)
	age := m.Now().Sub(e.readAt)
	if !found || e.epoch != epoch || age < 0 || age >= m.opts.CacheLifetime {
		return model.Member{}, false, epoch, true
	}
	return e.member, true, epoch, true
}

// epoch asks Redis; no key is an epoch too. false: Redis is away.
func (m *Members) epoch(ctx context.Context, key cacheKey) (string, bool) {
	if time.Now().UnixMilli() < m.redisAwayUntil.Load() {
		return "", false
	}
	epoch, err := m.Redis.Get(redisdb.Within(ctx, epochWait), key.redisKey()).Result()
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return epoch, true
	case ctx.Err() == nil: // Redis' fault, not the caller's
		m.redisAwayUntil.Store(time.Now().Add(redisPause).UnixMilli())
	}
	m.epochFailures.Inc()
	return "", false
}

// keep stores what was read after the epoch was known.
func (m *Members) keep(key cacheKey, member model.Member, epoch string, readAt time.Time) {
	m.cache.Set(key, cached{member: member, epoch: epoch, readAt: readAt})
}

// changed lists the entries that a transaction makes old, and what it did to
// bindings (action, reason) for the metric.
type changed struct {
	keys   []cacheKey
	counts [][2]string
}

func (c *changed) add(keys ...cacheKey) { c.keys = append(c.keys, keys...) }

// publish makes every entry of the keys old everywhere; it is called after the
// commit and before the answer. An error is the caller's own deadline: the change
// stands, and its answer is unknown to him.
func (m *Members) publish(ctx context.Context, c *changed) error {
	if len(c.keys) == 0 {
		return nil
	}
	committed := time.Now()
	bump, cancel := context.WithTimeout(ctx, epochBumpWait)
	defer cancel()
	epoch := rand.Text()
	_, err := m.Redis.Pipelined(bump, func(p redis.Pipeliner) error {
		for _, key := range c.keys {
			p.Set(bump, key.redisKey(), epoch, m.opts.CacheLifetime+epochSlack)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	m.epochFailures.Inc()
	m.Log.WarnContext(ctx, "member epoch not published, waiting for the caches", "error", err)
	timer := time.NewTimer(time.Until(committed.Add(m.opts.CacheLifetime)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the caches: %w", ctx.Err())
	}
}
