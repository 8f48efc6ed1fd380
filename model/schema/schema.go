// Package schema holds the numbered migrations of every domain and applies them.
//
// They run unchanged on every engine, forward only, one DDL statement each, and
// are valid before and after the deploy that brings them. A domain's numbers lie
// in a block of its own (see README.md), so that two people never meet.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
)

//go:embed *.sql
var files embed.FS

// ErrPending is returned by Check when the database is older than the program.
var ErrPending = fault.New(fault.Unavailable, "schema.pending", "数据库待升级")

// Up applies every migration that is missing and returns how many there were.
// Starters that race wait for each other.
func Up(ctx context.Context, db *sql.DB) (int, error) {
	p, err := provider(db)
	if err != nil {
		return 0, err
	}
	done, err := p.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate the database: %w", err)
	}
	return len(done), nil
}

// Check returns ErrPending, with the first missing migration named and what to do
// about it, unless every migration is applied.
func Check(ctx context.Context, db *sql.DB) error {
	p, err := provider(db)
	if err != nil {
		return err
	}
	states, err := p.Status(ctx)
	if err != nil {
		return fmt.Errorf("read the state of the migrations: %w", err)
	}
	for _, s := range states {
		if s.State == goose.StatePending {
			return ErrPending.With(fmt.Errorf("migration %s is pending: run `kaimenhong migrate`", s.Source.Path))
		}
	}
	return nil
}

func provider(db *sql.DB) (*goose.Provider, error) {
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption{goose.WithAllowOutofOrder(true)}
	if !sqldb.Embedded(db) {
		locker, err := lock.NewMySQLTableLocker(lock.WithTableLockTimeout(time.Second, 60))
		if err != nil {
			return nil, fmt.Errorf("make the migration lock: %w", err)
		}
		dialect, opts = goose.DialectMySQL, append(opts, goose.WithLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, files, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}
