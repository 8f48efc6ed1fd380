package redisdb

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

// Inspect says what is wrong with Redis: its version, and an eviction policy that
// throws keys away. The embedded one has neither and nothing to inspect; where INFO
// or CONFIG is forbidden, as on some hosted services, that is a finding too.
func Inspect(ctx context.Context, client redis.UniversalClient) ([]model.Finding, error) {
	info, err := client.InfoMap(ctx, "server", "memory").Result()
	if err != nil {
		return []model.Finding{{What: "Redis does not answer INFO", Fix: "allow INFO to the user, or make sure that maxmemory-policy is noeviction"}}, nil
	}
	var findings []model.Finding
	if version := info["Server"]["redis_version"]; version != "" {
		major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
		if err != nil || major < 6 {
			findings = append(findings, model.Finding{What: "Redis is " + version, Fix: "use Redis 6 or later, or Valkey", Fatal: true})
		}
	}
	if policy := info["Memory"]["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		findings = append(findings, model.Finding{
			What: fmt.Sprintf("Redis evicts keys (maxmemory-policy %s)", policy),
			Fix:  "CONFIG SET maxmemory-policy noeviction, and in redis.conf; alert on memory instead", Fatal: true,
		})
	}
	return findings, nil
}
