// Package sqldb opens the book of record and runs transactions on it. The same
// SQL runs on SQLite (the embedded default), MariaDB, MySQL and TiDB; what
// differs between them is here and nowhere else.
package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite" // registers "sqlite"
)

// Options bound the connection pool.
type Options struct {
	MaxOpen int           // connections at most; default 64 (SQLite: 8)
	Timeout time.Duration // of dialling, reading and writing one packet; default 10 s
	Answer  time.Duration // until a statement begins to answer, whatever the DSN says; default what that says, or Timeout
}

// sqlitePrefix marks a DSN that names a file; anything else is MySQL's form.
const sqlitePrefix = "sqlite:"

// Open opens the database behind the DSN and makes sure that it answers.
//
// The DSN is "sqlite:PATH" or user:password@net(address)/name as the MySQL driver
// writes it. What the code relies on (found rows, utf8mb4_bin, READ COMMITTED,
// UTC) is set here and overrides the DSN. Errors never repeat the DSN, for it
// holds the password.
func Open(ctx context.Context, dsn string, opts Options) (*sql.DB, error) {
	if path, ok := strings.CutPrefix(dsn, sqlitePrefix); ok {
		return openSQLite(ctx, path, opts)
	}
	return openMySQL(ctx, strings.TrimPrefix(dsn, "mysql://"), opts)
}

func openSQLite(ctx context.Context, path string, opts Options) (*sql.DB, error) {
	if path == "" {
		return nil, fmt.Errorf("the database DSN names no file: write sqlite:PATH")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the database's folder: %w", err)
	}
	query := url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+query.Encode())
	if err != nil {
		return nil, fmt.Errorf("open the SQLite database: %w", err)
	}
	limit := cmp.Or(opts.MaxOpen, 8)
	db.SetMaxOpenConns(limit)
	db.SetMaxIdleConns(limit)
	return ping(ctx, db)
}

func openMySQL(ctx context.Context, dsn string, opts Options) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		// The driver's error may quote the DSN.
		return nil, fmt.Errorf("the database DSN cannot be read: write sqlite:PATH or user:password@tcp(host:3306)/name")
	}
	timeout := cmp.Or(opts.Timeout, 10*time.Second)
	cfg.ClientFoundRows = true
	cfg.Collation = "utf8mb4_bin"
	cfg.InterpolateParams = true
	cfg.ParseTime = true // goose's lock needs it
	cfg.Loc = time.UTC
	cfg.Timeout = cmp.Or(cfg.Timeout, timeout)
	cfg.ReadTimeout = cmp.Or(opts.Answer, cfg.ReadTimeout, timeout)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, timeout)
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("the database DSN cannot be used: user, network, address and TLS must be valid")
	}
	db := sql.OpenDB(session{connector})
	limit := cmp.Or(opts.MaxOpen, 64)
	db.SetMaxOpenConns(limit)
	db.SetMaxIdleConns(limit)
	db.SetConnMaxLifetime(30 * time.Minute)
	return ping(ctx, db)
}

func ping(ctx context.Context, db *sql.DB) (*sql.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("the database does not answer: %w", err)
	}
	return db, nil
}

// session sets a new connection's mode once, so that no transaction pays a round
// trip for it.
type session struct{ driver.Connector }

const sessionSQL = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

const sessionMode = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"

func (s session) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{sessionSQL, sessionMode} {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, statement, nil); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// Embedded tells whether the database is SQLite.
func Embedded(db *sql.DB) bool {
	_, ok := db.Driver().(*mysql.MySQLDriver)
	return !ok
}
