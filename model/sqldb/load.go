package sqldb

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
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

// LoadTx inserts whole rows, columns in the order of the table, by LOAD DATA LOCAL:
// it costs the server about half of an INSERT of many rows. Values are int64, bool
// and string, already checked: what does not fit its column is cut, not refused.
// The rows go straight from memory; no file is read. Errors: ErrSkipped.
func LoadTx(ctx context.Context, tx *sql.Tx, table string, columns int, args []any) error {
	if len(args) == 0 {
		return nil
	}
	text, err := tabbed(columns, args)
	if err != nil {
		return err
	}
	name := rand.Text()
	mysql.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(text) })
	defer mysql.DeregisterReaderHandler(name)
	result, err := tx.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE "+table+
		` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'`)
	if err != nil {
		return fmt.Errorf("load into %s: %w", table, err)
	}
	n, err := result.RowsAffected()
	if err == nil && n != int64(len(args)/columns) {
		err = fmt.Errorf("load into %s: %w", table, ErrSkipped)
	}
	return err
}

var escape = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\x00", `\0`, "\r", `\r`)

func tabbed(columns int, args []any) ([]byte, error) {
	out := make([]byte, 0, 8*len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case int64:
			out = strconv.AppendInt(out, v, 10)
		case bool:
			out = append(out, '0')
			if v {
				out[len(out)-1] = '1'
			}
		case string:
			out = append(out, escape.Replace(v)...)
		default:
			return nil, fmt.Errorf("a %T cannot be loaded", arg)
		}
		if (i+1)%columns == 0 {
			out = append(out, '\n')
		} else {
			out = append(out, '\t')
		}
	}
	return out, nil
}
