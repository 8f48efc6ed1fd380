// Package dbtest gives a test a fresh store: SQLite in a temporary file and, where
// one is there, a database of a real server; an embedded Redis and a real one.
//
// `make test` starts the servers and names them in KMH_TEST_MYSQL_DSN (root, no
// database) and KMH_TEST_REDIS_ADDR. Where they are missing a test fails in CI
// and skips, loudly, elsewhere.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model/redisdb"
	"kaimenhong/model/schema"
	"kaimenhong/model/sqldb"
)

// Engines runs the test once on every SQL engine, on an empty database with every
// migration applied.
func Engines(t *testing.T, run func(t *testing.T, db *sql.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, SQLite(t)) })
	t.Run("mysql", func(t *testing.T) { run(t, MySQL(t)) })
}

// template is a migrated SQLite file, made once a process and copied for a test.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "kmh-schema-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "schema.db")
	ctx := context.Background()
	db, err := sqldb.Open(ctx, "sqlite:"+path, sqldb.Options{})
	if err != nil {
		return nil, err
	}
	if _, err := schema.Up(ctx, db); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// SQLite returns an empty database in a file of its own.
func SQLite(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), SQLiteDSN(t), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// SQLiteDSN is SQLite for a test that opens the database itself.
func SQLiteDSN(t testing.TB) string {
	t.Helper()
	content, err := template()
	if err != nil {
		t.Fatalf("make the SQLite template: %v", err)
	}
	path := filepath.Join(t.TempDir(), "kmh.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// idle are the databases that earlier tests of this process left behind, emptied.
var idle = make(chan string, 64)

// MySQL returns an empty database of the server under test.
func MySQL(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), MySQLDSN(t), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// MySQLDSN is MySQL for a test that opens the database itself.
func MySQLDSN(t testing.TB) string {
	t.Helper()
	server := need(t, "KMH_TEST_MYSQL_DSN", "MariaDB or MySQL")
	slash := strings.LastIndexByte(server, '/')
	var name string
	select {
	case name = <-idle:
	default:
		name = "kmh_" + strings.ToLower(rand.Text())
		create(t, server, server[:slash+1]+name, name)
	}
	dsn := server[:slash+1] + name
	t.Cleanup(func() {
		if empty(t, dsn) {
			select {
			case idle <- name:
			default:
			}
		}
	})
	return dsn
}

func create(t testing.TB, server, dsn, name string) {
	t.Helper()
	root, err := sqldb.Open(t.Context(), server, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if _, err := root.ExecContext(t.Context(), "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(t.Context(), dsn, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := schema.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
}

// empty brings the database back to what the migrations left; false when it
// cannot, so that it is not used again.
func empty(t testing.TB, dsn string) bool {
	ctx := context.Background() // the test's own context has ended
	db, err := sqldb.Open(ctx, dsn, sqldb.Options{})
	if err != nil {
		t.Logf("empty the test's database: %v", err)
		return false
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
	if err != nil {
		t.Logf("list the test's tables: %v", err)
		return false
	}
	defer func() { _ = rows.Close() }()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return false
		}
		tables = append(tables, table)
	}
	if rows.Err() != nil {
		return false
	}
	for _, table := range tables {
		if kept[table] {
			continue
		}
		if _, err := db.ExecContext(ctx, "DELETE FROM "+table); err != nil {
			t.Logf("empty %s: %v", table, err)
			return false
		}
	}
	return true
}

// kept are the tables whose rows the migrations made.
var kept = map[string]bool{"goose_db_version": true, "goose_lock": true, "node_sequence": true, "chat_rule_version": true}

// Redises runs the test once on the embedded Redis and once on a real one, both
// empty.
func Redises(t *testing.T, run func(t *testing.T, client redis.UniversalClient)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { run(t, EmbeddedRedis(t)) })
	t.Run("redis", func(t *testing.T) { run(t, Redis(t)) })
}

// EmbeddedRedis returns an empty Redis within the test's process.
func EmbeddedRedis(t testing.TB) redis.UniversalClient {
	t.Helper()
	client, stop, err := redisdb.Embedded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return client
}

// redisDBs is how many numbered databases `make test` gives its Redis; number 0
// counts which are taken.
const redisDBs = 1024

// Redis returns an empty database of the real server under test.
func Redis(t testing.TB) redis.UniversalClient {
	t.Helper()
	client, err := redisdb.Open(t.Context(), RedisOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// RedisOptions is Redis for a test that connects itself.
func RedisOptions(t testing.TB) redisdb.Options {
	t.Helper()
	addr := need(t, "KMH_TEST_REDIS_ADDR", "Redis")
	counter, err := redisdb.Open(t.Context(), redisdb.Options{Addrs: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = counter.Close() }()
	n, err := counter.Incr(t.Context(), "kmh:test:db").Result()
	if err != nil {
		t.Fatal(err)
	}
	return redisdb.Options{Addrs: []string{addr}, DB: int(n%(redisDBs-1)) + 1}
}

func need(t testing.TB, name, what string) string {
	t.Helper()
	value := os.Getenv(name)
	if value != "" {
		return value
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not set: CI tests on a real %s", name, what)
	}
	t.Skipf("SKIPPED: no %s to test on; run `make test`, which starts one, or set %s", what, name)
	return ""
}
