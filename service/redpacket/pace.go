package redpacket

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// Paces are how often one may act in a minute; 0 takes the default.
type Paces struct {
	Member  int // default 30
	Device  int // default 60
	Address int // default 300: many people share one address of a mobile network
}

// RedisPace limits speeds by sliding counters in Redis, shared by all replicas. What
// it forgets costs nothing: the game's own limits are keys in SQL.
type RedisPace struct {
	limiter *redis_rate.Limiter
	paces   Paces
}

// NewRedisPace returns limits over the client; pass it in Options.Pace.
func NewRedisPace(client redis.UniversalClient, paces Paces) *RedisPace {
	if paces.Member == 0 {
		paces.Member = 30
	}
	if paces.Device == 0 {
		paces.Device = 60
	}
	if paces.Address == 0 {
		paces.Address = 300
	}
	return &RedisPace{redis_rate.NewLimiter(client), paces}
}

// Allow counts one action of the visitor; false means that one of the three limits
// is exceeded. An empty device or address is not counted.
func (p *RedisPace) Allow(ctx context.Context, action string, who Visitor) (bool, error) {
	var failed error
	for _, limit := range []struct {
		kind, name string
		perMinute  int
	}{
		{"member", who.Member.ID.String(), p.paces.Member},
		{"device", who.Device, p.paces.Device},
		{"address", who.Address, p.paces.Address},
	} {
		if limit.name == "" {
			continue
		}
		key := fmt.Sprintf("redpacket:pace:%s:%s:%s", action, limit.kind, limit.name)
		result, err := p.limiter.Allow(ctx, key, redis_rate.PerMinute(limit.perMinute))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if result.Allowed == 0 {
			return false, nil
		}
	}
	return failed == nil, failed
}
