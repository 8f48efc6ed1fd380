package sqldb

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// ErrSkipped says that the server left out rows of LoadTx, because their keys were
// there. The transaction must be rolled back.
var ErrSkipped = errors.New("rows were skipped: their keys were there")

// Loads tells whether the database takes rows by LOAD DATA LOCAL (LoadTx). SQLite
// does not, MySQL 8 only when its local_infile is on; MariaDB does by default.
func Loads(ctx context.Context, db *sql.DB) (bool, error) {
	if Embedded(db) {
		return false, nil
	}
	var on bool
	if err := db.QueryRowContext(ctx, "SELECT @@local_infile").Scan(&on); err != nil {
		return false, fmt.Errorf("ask for local_infile: %w", err)
	}
	return on, nil
}

// Lines are whole rows as the text that LoadTx sends, columns in the order of the
// table. Values are checked before: what does not fit its column is cut, not
// refused. The zero value is empty.
type Lines struct {
	text []byte
	rows int64
	open bool // within a row
}

// Grow makes room for so many bytes.
func (l *Lines) Grow(n int) { l.text = slices.Grow(l.text, n) }

// Rows is how many rows were ended.
func (l *Lines) Rows() int64 { return l.rows }

func (l *Lines) next() {
	if l.open {
		l.text = append(l.text, '\t')
	}
	l.open = true
}

// Int adds a number.
func (l *Lines) Int(n int64) {
	l.next()
	l.text = strconv.AppendInt(l.text, n, 10)
}

// Bool adds a truth.
func (l *Lines) Bool(b bool) {
	n := int64(0)
	if b {
		n = 1
	}
	l.Int(n)
}

// Text adds a text.
func (l *Lines) Text(s string) {
	l.next()
	if !strings.ContainsAny(s, special) {
		l.text = append(l.text, s...)
		return
	}
	l.text = append(l.text, escape.Replace(s)...)
}

// End ends a row.
func (l *Lines) End() {
	l.text = append(l.text, '\n')
	l.rows, l.open = l.rows+1, false
}

const special = "\\\t\n\x00\r"

var escape = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\x00", `\0`, "\r", `\r`)

// LoadTx inserts the rows by LOAD DATA LOCAL: it costs the server about half of an
// INSERT of many rows. They go straight from memory; no file is read.
// Errors: ErrSkipped.
func LoadTx(ctx context.Context, tx *sql.Tx, table string, lines *Lines) error {
	if lines.rows == 0 {
		return nil
	}
	name := rand.Text()
	mysql.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(lines.text) })
	defer mysql.DeregisterReaderHandler(name)
	result, err := tx.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE "+table+
		` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'`)
	if err != nil {
		return fmt.Errorf("load into %s: %w", table, err)
	}
	n, err := result.RowsAffected()
	if err == nil && n != lines.rows {
		err = fmt.Errorf("load into %s: %w", table, ErrSkipped)
	}
	return err
}
