package wechat

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

var (
	//go:embed token_store.lua
	storeLua string
	//go:embed token_drop.lua
	dropLua string
	//go:embed token_unlock.lua
	unlockLua string

	storeScript  = redis.NewScript(storeLua)
	dropScript   = redis.NewScript(dropLua)
	unlockScript = redis.NewScript(unlockLua)
)

const (
	// forceEvery is WeChat's own limit between two force_refresh.
	forceEvery = 30 * time.Second
	// badFor is how long a refused token is remembered: longer than any lives.
	badFor = 3 * time.Hour
	// storeTimeout bounds one step in Redis.
	storeTimeout = time.Second
)

// grant is an access_token and its times.
type grant struct {
	value   string
	expires time.Time
	renew   time.Time // from here on somebody asks for the next one
}

func (g grant) usable(now time.Time) bool { return g.value != "" && now.Before(g.expires) }
func (g grant) fresh(now time.Time) bool  { return g.usable(now) && now.Before(g.renew) }

// tokenStore is the part of the provider that all replicas share, in Redis. The
// three keys of an app share a hash tag. Nothing in it is the only copy of
// anything: WeChat gives the token again.
type tokenStore struct {
	redis redis.UniversalClient
	appID string
}

func (s tokenStore) key(what string) string { return fmt.Sprintf("wechat:{%s}:%s", s.appID, what) }

// read returns the shared token, whose value is empty when there is none, and the
// last one that WeChat refused.
func (s tokenStore) read(ctx context.Context) (g grant, bad string, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	fields, err := s.redis.HMGet(ctx, s.key("token"), "value", "expires", "renew", "bad").Result()
	if err != nil {
		return grant{}, "", err
	}
	text := func(i int) string { v, _ := fields[i].(string); return v }
	expires, errExpires := strconv.ParseInt(text(1), 10, 64)
	renew, errRenew := strconv.ParseInt(text(2), 10, 64)
	if errExpires != nil || errRenew != nil {
		return grant{}, text(3), nil // nothing stored, or nothing of use: fetch anew
	}
	return grant{value: text(0), expires: model.Millis(expires).Time(), renew: model.Millis(renew).Time()}, text(3), nil
}

// lock takes the right to renew, for at most life; false when somebody else has it.
func (s tokenStore) lock(ctx context.Context, owner string, life time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := s.redis.SetArgs(ctx, s.key("lock"), owner, redis.SetArgs{Mode: "NX", TTL: life}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}

func (s tokenStore) unlock(ctx context.Context, owner string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return unlockScript.Run(ctx, s.redis, []string{s.key("lock")}, owner).Err()
}

// write stores the token if the owner still has the lock.
func (s tokenStore) write(ctx context.Context, owner string, g grant, life time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return storeScript.Run(ctx, s.redis, []string{s.key("token"), s.key("lock")},
		owner, g.value, int64(model.At(g.expires)), int64(model.At(g.renew)), max(life, badFor).Milliseconds()).Err()
}

// drop removes the refused token if it is current: 1 dropped, 0 another one is
// current, -1 it was renewed by force within forceEvery and stays.
func (s tokenStore) drop(ctx context.Context, value string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return dropScript.Run(ctx, s.redis, []string{s.key("token"), s.key("forced")}, value).Int()
}

// mayForce takes the right to force_refresh, once in forceEvery for all replicas.
func (s tokenStore) mayForce(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := s.redis.SetArgs(ctx, s.key("forced"), "1", redis.SetArgs{Mode: "NX", TTL: forceEvery}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}
