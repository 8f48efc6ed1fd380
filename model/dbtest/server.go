package dbtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"kaimenhong/model/redisdb"
	"kaimenhong/model/sqldb"
)

// bootLimit bounds how long a server may take to answer after it was started; a
// MariaDB that was killed repairs itself first.
const bootLimit = 60 * time.Second

// Server is a store of one test alone, which the test may kill and start again on
// the same data. Its methods are not for several goroutines at once.
type Server struct {
	Socket  string // the path of its Unix socket, the same after a restart
	command func() *exec.Cmd
	answers func(ctx context.Context) error
	running *exec.Cmd
}

// RedisServer starts a Redis that keeps what it was told in an append-only file.
func RedisServer(t testing.TB, args ...string) *Server {
	t.Helper()
	need(t, "KMH_TEST_REDIS_ADDR", "Redis")
	dir := serverDir(t)
	s := &Server{Socket: filepath.Join(dir, "redis.sock")}
	s.command = func() *exec.Cmd {
		return exec.Command("redis-server", append([]string{
			"--port", "0", "--unixsocket", s.Socket, "--save", "", "--appendonly", "yes", "--dir", dir,
		}, args...)...)
	}
	s.answers = func(ctx context.Context) error {
		client, err := redisdb.Open(ctx, redisdb.Options{Addrs: []string{s.Socket}})
		if err == nil {
			err = client.Close()
		}
		return err
	}
	s.begin(t)
	return s
}

// MariaDBServer installs and starts a MariaDB with durable settings: what was
// committed survives Kill. Its user is root without a password.
func MariaDBServer(t testing.TB, args ...string) *Server {
	t.Helper()
	need(t, "KMH_TEST_MYSQL_DSN", "MariaDB or MySQL")
	server, err := exec.LookPath("mariadbd")
	if err != nil {
		server = "/usr/sbin/mariadbd" // which is not in everybody's PATH
	}
	dir := serverDir(t)
	data := filepath.Join(dir, "mysql")
	var user []string
	if os.Getuid() == 0 {
		user = []string{"--user=root"}
	}
	install := append([]string{"--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--datadir=" + data}, user...)
	if out, err := exec.Command("mariadb-install-db", install...).CombinedOutput(); err != nil {
		t.Fatalf("install a private MariaDB: %v: %s", err, out)
	}
	s := &Server{Socket: filepath.Join(dir, "mysql.sock")}
	s.command = func() *exec.Cmd {
		fixed := append([]string{
			"--no-defaults", "--datadir=" + data, "--socket=" + s.Socket, "--skip-networking", "--skip-log-bin",
			"--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin", "--max-connections=1000",
			"--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M",
		}, user...)
		return exec.Command(server, append(fixed, args...)...)
	}
	s.answers = func(ctx context.Context) error {
		db, err := sqldb.Open(ctx, "root@unix("+s.Socket+")/", sqldb.Options{})
		if err == nil {
			err = db.Close()
		}
		return err
	}
	s.begin(t)
	return s
}

// serverDir is a folder with a short name, for a socket's path has 107 bytes.
func serverDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kmh-server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *Server) begin(t testing.TB) {
	t.Helper()
	t.Cleanup(s.Kill)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server as a power cut does, kill -9; it is a no-op when it is down.
func (s *Server) Kill() {
	if s.running != nil {
		_ = s.running.Process.Kill()
		_ = s.running.Wait()
		s.running = nil
	}
}

// Start starts the server, which must be down, and returns when it answers.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	s.running = s.command()
	if err := s.running.Start(); err != nil {
		s.running = nil
		return fmt.Errorf("start a private server: %w", err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := s.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the private server at %s does not answer: %w", s.Socket, err)
		case <-ticker.C:
		}
	}
}
