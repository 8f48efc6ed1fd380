package dbtest

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model/redisdb"
)

// startLimit bounds how long a private server may take to answer.
const startLimit = 10 * time.Second

// PrivateRedis starts a Redis for this test alone, with extra settings, for a test
// that changes or kills it. It ends with the test.
func PrivateRedis(t testing.TB, args ...string) redis.UniversalClient {
	t.Helper()
	need(t, "KMH_TEST_REDIS_ADDR", "Redis")
	dir := t.TempDir()
	socket := filepath.Join(dir, "redis.sock")
	server := exec.Command("redis-server", append([]string{"--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir}, args...)...)
	if err := server.Start(); err != nil {
		t.Fatalf("start a private Redis: %v", err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		client, err := redisdb.Open(ctx, redisdb.Options{Addrs: []string{socket}})
		if err == nil {
			t.Cleanup(func() { _ = client.Close() })
			return client
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the private Redis does not answer: %v", err)
		case <-ticker.C:
		}
	}
}
