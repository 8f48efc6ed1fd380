package dbtest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model/redisdb"
)

const (
	clusterNodes = 3
	clusterSlots = 16_384
	// clusterLimit bounds how long the nodes may take until each knows all.
	clusterLimit = 30 * time.Second
)

// RedisCluster starts a Cluster of three nodes for this test alone, with a third of the
// slots each and without copies. What one server takes and a Cluster does not, such as a
// script on keys of two slots, fails there.
func RedisCluster(t testing.TB) redisdb.Options {
	t.Helper()
	need(t, "KMH_TEST_REDIS_ADDR", "Redis")
	ctx, cancel := context.WithTimeout(t.Context(), clusterLimit)
	defer cancel()
	var opts redisdb.Options
	var nodes []*redis.Client
	first := ""
	for i := range clusterNodes {
		ports := freePorts(t)
		opts.Addrs = append(opts.Addrs, "127.0.0.1:"+ports[0])
		node := clusterNode(t, ports)
		nodes = append(nodes, node)
		eventually(ctx, t, "a node answers", func() bool { return node.Ping(ctx).Err() == nil })
		from, to := clusterSlots*i/clusterNodes, clusterSlots*(i+1)/clusterNodes-1
		steps := [][]any{{"CLUSTER", "SET-CONFIG-EPOCH", i + 1}, {"CLUSTER", "ADDSLOTSRANGE", from, to}}
		if first == "" {
			first = strings.Join(ports[:], " ")
		} else {
			port, bus, _ := strings.Cut(first, " ")
			steps = append(steps, []any{"CLUSTER", "MEET", "127.0.0.1", port, bus})
		}
		for _, step := range steps {
			if err := node.Do(ctx, step...).Err(); err != nil {
				t.Fatalf("%v: %v", step, err)
			}
		}
	}
	for _, node := range nodes {
		eventually(ctx, t, "a node knows all others", func() bool {
			info := node.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d", clusterSlots))
		})
	}
	return opts
}

// clusterNode starts a node on two ports, its own and the one for the others.
func clusterNode(t testing.TB, ports [2]string) *redis.Client {
	t.Helper()
	server := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", ports[0], "--cluster-port", ports[1],
		"--cluster-enabled", "yes", "--cluster-node-timeout", "60000", // a busy machine is no dead node
		"--save", "", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatalf("start a node of a Redis Cluster: %v", err)
	}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + ports[0]})
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	return client
}

// freePorts are two that nobody listens on now.
func freePorts(t testing.TB) (ports [2]string) {
	t.Helper()
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // when both are known
		ports[i] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// eventually waits until something holds.
func eventually(ctx context.Context, t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-ticker.C:
		}
	}
}
