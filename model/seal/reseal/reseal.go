// Package reseal moves what stands sealed in the tables to the newest key, so that an
// older one can be taken out of use: one that was seen by whom it should not, or one
// whose time is over. Each service names its own columns.
package reseal

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
)

// Column is a column of sealed texts. Its names are constants of the program.
type Column struct {
	Table string
	Name  string
	// Key names a row: the primary key or another unique one, one or two columns in their
	// order.
	Key []string
	// Context is what a row's value is bound to.
	Context func(Row) []byte
	// Encoding is how the bytes are written; nil: as seal.SealText does.
	Encoding *base64.Encoding
	// Version is the column that tells the key's version beside the value; "" when
	// there is none.
	Version string
}

// String is the column's name with its table's.
func (c Column) String() string { return c.Table + "." + c.Name }

// Row is a row's primary key, as texts in the order of Column.Key.
type Row []string

// ID is a part of the key that is an id; 0, which binds nothing, when it is none.
func (r Row) ID(i int) int64 {
	n, err := strconv.ParseInt(r[i], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Bound is the context of what seal.Bind tied to a key of ids.
func Bound(column string) func(Row) []byte {
	return func(r Row) []byte {
		ids := make([]int64, len(r))
		for i := range r {
			ids[i] = r.ID(i)
		}
		return seal.Bind(column, ids...)
	}
}

// Count is what became of a column's values; an empty one is not sealed and counts
// nowhere.
type Count struct {
	Values int // that were read
	Moved  int // to the newest key
	Shut   int // that no key opens: they stay as they are
}

// page is how many rows are read, and changed in one transaction.
const page = 200

// Move seals every value of the column that an older key sealed with the newest one. A
// value that is changed meanwhile is left alone: who changed it sealed it. It may be
// stopped and run again, also beside replicas that serve, as long as all of them seal
// with the newest key.
//
// Errors: the store's; what was counted until then is done.
func Move(ctx context.Context, pool *sql.DB, sealer *seal.Sealer, c Column) (Count, error) {
	var all Count
	w := walk{pool: pool, sealer: sealer, Column: c, encoding: c.Encoding}
	if w.encoding == nil {
		w.encoding = base64.RawURLEncoding.Strict()
	}
	for {
		rows, err := w.read(ctx)
		if err != nil {
			return all, fmt.Errorf("read %s: %w", c, err)
		}
		changed, shut := w.seal(rows)
		moved, err := w.write(ctx, changed)
		if err != nil {
			return all, fmt.Errorf("change %s: %w", c, err)
		}
		all = Count{Values: all.Values + len(rows), Moved: all.Moved + moved, Shut: all.Shut + shut}
		if len(rows) < page {
			return all, nil
		}
		w.after = rows[len(rows)-1].key
	}
}

// walk goes over a column by its table's primary key.
type walk struct {
	Column

	pool     *sql.DB
	sealer   *seal.Sealer
	encoding *base64.Encoding
	after    Row
}

type value struct {
	key      Row
	was, now string
}

func (w *walk) read(ctx context.Context) (page []value, err error) {
	query, args := w.query()
	rows, err := w.pool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		v := value{key: make(Row, len(w.Key))}
		into := []any{&v.was}
		for i := range v.key {
			into = append(into, &v.key[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		page = append(page, v)
	}
	return page, rows.Err()
}

// query asks for the rows after the last one that was read. A pair is compared in its
// parts, for MariaDB seeks no index for a comparison of rows.
func (w *walk) query() (query string, args []any) {
	where := w.Name + " <> ''"
	if w.after != nil {
		first := w.Key[0]
		switch len(w.Key) {
		case 1:
			where += fmt.Sprintf(" AND %s > ?", first)
			args = []any{w.after[0]}
		default:
			where += fmt.Sprintf(" AND %s >= ? AND (%s > ? OR %s > ?)", first, first, w.Key[1])
			args = []any{w.after[0], w.after[0], w.after[1]}
		}
	}
	key := strings.Join(w.Key, ", ")
	return fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s ORDER BY %s LIMIT %d", w.Name, key, w.Table, where, key, page), args
}

// seal returns what an older key sealed, sealed anew, and how many no key opens.
func (w *walk) seal(rows []value) (changed []value, shut int) {
	for _, v := range rows {
		raw, err := w.encoding.DecodeString(v.was)
		if err == nil && w.sealer.Version(raw) == w.sealer.Newest() {
			continue
		}
		var plain []byte
		if err == nil {
			plain, err = w.sealer.Open(raw, w.Context(v.key))
		}
		if err != nil {
			shut++
			continue
		}
		v.now = w.encoding.EncodeToString(w.sealer.Seal(plain, w.Context(v.key)))
		changed = append(changed, v)
	}
	return changed, shut
}

func (w *walk) write(ctx context.Context, changed []value) (moved int, err error) {
	if len(changed) == 0 {
		return 0, nil
	}
	set := w.Name + " = ?"
	if w.Version != "" {
		set += fmt.Sprintf(", %s = %d", w.Version, w.sealer.Newest())
	}
	statement := fmt.Sprintf("UPDATE %s SET %s WHERE %s = ? AND %s = ?", w.Table, set, strings.Join(w.Key, " = ? AND "), w.Name)
	err = sqldb.InTx(ctx, w.pool, func(tx *sql.Tx) error {
		moved = 0
		for _, v := range changed {
			args := []any{v.now}
			for _, part := range v.key {
				args = append(args, part)
			}
			result, err := tx.ExecContext(ctx, statement, append(args, v.was)...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			moved += int(n)
		}
		return nil
	})
	return moved, err
}
