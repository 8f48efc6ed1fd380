// Package redisdb opens Redis: a single server, a Cluster, or the one embedded in
// the process. Redis never holds the only copy of anything that was promised.
package redisdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say which Redis.
type Options struct {
	Addrs    []string // host:port or a socket's path; several make a Cluster
	Username string
	Password string
	DB       int  // of a single server
	Cluster  bool // also with one address
	PoolSize int  // connections; go-redis' default when 0
}

// Open connects and makes sure that Redis answers.
func Open(ctx context.Context, opts Options) (redis.UniversalClient, error) {
	if len(opts.Addrs) == 0 {
		return nil, errors.New("redis: no address is set")
	}
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: opts.Addrs, Username: opts.Username, Password: opts.Password, DB: opts.DB,
		IsClusterMode: opts.Cluster, PoolSize: opts.PoolSize,
		DialTimeout: 2 * time.Second, ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second,
		PoolTimeout: 2 * time.Second, MaxRetries: 1, ContextTimeoutEnabled: true,
		// Nothing here needs the third protocol, whose push messages are looked for
		// before and after each command.
		Protocol: 2, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if err := client.Ping(ctx).Err(); err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("redis does not answer: %w", err)
	}
	return client, nil
}

// Embedded starts a Redis in this process, on a loopback port behind a random
// password, and connects to it. It keeps nothing over a restart. stop ends both.
func Embedded(ctx context.Context) (client redis.UniversalClient, stop func(), err error) {
	server := miniredis.NewMiniRedis()
	password := rand.Text()
	server.RequireAuth(password)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	client, err = Open(ctx, Options{Addrs: []string{server.Addr()}, Password: password})
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	done := make(chan struct{})
	go tick(server, done)
	return client, func() {
		close(done)
		_ = client.Close()
		server.Close()
	}, nil
}

// tick drives the embedded server's clock, which stands still by itself, so that
// keys expire.
func tick(server *miniredis.Miniredis, done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			server.FastForward(time.Second)
		}
	}
}
