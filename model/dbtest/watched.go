package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
)

// Trip is one round trip to a database.
type Trip struct {
	N         int    // from 1
	Statement string // its SQL, or BEGIN, COMMIT, ROLLBACK
	Args      []driver.NamedValue
	Query     bool // it answers rows
	Done      bool // the database has acted, and its answer is on the way
}

// WatchedBy opens the same database over connections that call meet before each round
// trip and after it. When meet returns an error the caller gets it instead of the
// answer, and the connection breaks, so that what was not committed is rolled back.
// A meet that does not return, because it kills the process, is fine too.
func WatchedBy(db *sql.DB, meet func(Trip) error) *sql.DB {
	return sql.OpenDB(&watcher{db: db, meet: meet})
}

type watcher struct {
	db    *sql.DB
	meet  func(Trip) error
	trips atomic.Int64
}

// Driver is the database's own, by which sqldb tells the engines apart.
func (w *watcher) Driver() driver.Driver { return w.db.Driver() }

// Connect borrows a connection.
func (w *watcher) Connect(ctx context.Context) (driver.Conn, error) {
	held, err := w.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &watchedConn{held: held, watcher: w}
	return c, held.Raw(func(raw any) error { c.Conn = raw.(driver.Conn); return nil })
}

type watchedConn struct {
	driver.Conn
	held    *sql.Conn
	watcher *watcher
	reading driver.Rows // that nobody has got yet
	broken  bool
}

// trip runs do between the two meetings.
func (c *watchedConn) trip(at Trip, do func() error) error {
	at.N = int(c.watcher.trips.Add(1))
	if err := c.watcher.meet(at); err != nil {
		return c.cut(err)
	}
	if err := do(); err != nil {
		return err
	}
	at.Done = true
	if err := c.watcher.meet(at); err != nil {
		return c.cut(err)
	}
	return nil
}

// cut breaks the connection: the pool that lent it closes it.
func (c *watchedConn) cut(why error) error {
	c.broken = true
	if c.reading != nil { // an open statement would keep SQLite's lock
		_ = c.reading.Close()
	}
	_ = c.held.Raw(func(any) error { return driver.ErrBadConn })
	return why
}

// IsValid keeps the pool from using a broken connection again.
func (c *watchedConn) IsValid() bool { return !c.broken }

func (c *watchedConn) Close() error {
	if c.broken {
		return nil
	}
	return c.held.Close()
}

func (c *watchedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.trip(Trip{Statement: query, Args: args, Query: true}, func() error {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
		c.reading = rows
		return err
	})
	c.reading = nil // it is the caller's to close
	return rows, err
}

func (c *watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.trip(Trip{Statement: query, Args: args}, func() error {
		result, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
		return err
	})
	return result, err
}

func (c *watchedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (tx driver.Tx, err error) {
	err = c.trip(Trip{Statement: "BEGIN"}, func() error {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
		return err
	})
	return &watchedTx{tx, c}, err
}

type watchedTx struct {
	driver.Tx
	conn *watchedConn
}

func (t *watchedTx) Commit() error { return t.conn.trip(Trip{Statement: "COMMIT"}, t.Tx.Commit) }

func (t *watchedTx) Rollback() error {
	if t.conn.broken {
		return nil // the database rolled back when the connection broke
	}
	return t.conn.trip(Trip{Statement: "ROLLBACK"}, t.Tx.Rollback)
}
