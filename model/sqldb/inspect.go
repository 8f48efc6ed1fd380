package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"kaimenhong/model"
)

// wanted are the server's variables on which promises rest. Losing the tail of the
// log or of the binlog loses help and points that were acknowledged.
var wanted = []struct{ name, value, why string }{
	{"innodb_flush_log_at_trx_commit", "1", "a crash of the machine loses acknowledged changes"},
	{"sync_binlog", "1", "a crash of the machine loses what replicas should get"},
	{"innodb_doublewrite", "ON", "a crash can tear a page"},
}

// Inspect says what is wrong with the database: its version, character set,
// tables of another character set, and settings that lose acknowledged changes.
// SQLite is opened as it must be and has nothing to inspect.
func Inspect(ctx context.Context, db *sql.DB) ([]model.Finding, error) {
	if Embedded(db) {
		return nil, nil
	}
	var findings []model.Finding
	version, name, charset, collation := "", sql.NullString{}, "", ""
	err := db.QueryRowContext(ctx, `SELECT VERSION(), DATABASE(), @@character_set_database, @@collation_database`).Scan(&version, &name, &charset, &collation)
	if err != nil {
		return nil, fmt.Errorf("inspect the database: %w", err)
	}
	if old := tooOld(version); old != "" {
		findings = append(findings, model.Finding{What: "the database is " + version, Fix: "use " + old, Fatal: true})
	}
	if !name.Valid {
		return append(findings, model.Finding{What: "the DSN names no database", Fix: "end it with /kmh", Fatal: true}), nil
	}
	if collation != "utf8mb4_bin" {
		findings = append(findings, model.Finding{
			What: fmt.Sprintf("the database's character set is %s (%s)", charset, collation),
			Fix:  "ALTER DATABASE " + name.String + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", Fatal: true,
		})
	}
	tables, err := foreignTables(ctx, db)
	if err != nil {
		return nil, err
	}
	findings = append(findings, tables...)
	settings, err := looseSettings(ctx, db)
	return append(findings, settings...), err
}

// tooOld names what is supported when the version is not: MariaDB 10.6, MySQL 8.0.
func tooOld(version string) string {
	parts := strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if len(parts) < 2 {
		return ""
	}
	major, _ := strconv.Atoi(parts[0]) // digits only, by the split
	minor, _ := strconv.Atoi(parts[1])
	if strings.Contains(version, "MariaDB") {
		if major < 10 || major == 10 && minor < 6 {
			return "MariaDB 10.6 or later"
		}
		return ""
	}
	if major < 8 {
		return "MySQL 8.0 or later"
	}
	return ""
}

// maxTablesTold bounds how many wrong tables are named.
const maxTablesTold = 20

func foreignTables(ctx context.Context, db *sql.DB) (findings []model.Finding, err error) {
	rows, err := db.QueryContext(ctx, `SELECT table_name, table_collation FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_collation <> 'utf8mb4_bin' ORDER BY table_name LIMIT ?`, maxTablesTold)
	if err != nil {
		return nil, fmt.Errorf("inspect the tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table, collation string
		if err := rows.Scan(&table, &collation); err != nil {
			return nil, fmt.Errorf("inspect the tables: %w", err)
		}
		findings = append(findings, model.Finding{
			What: fmt.Sprintf("the table %s has the collation %s", table, collation),
			Fix:  "ALTER TABLE " + table + " CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", Fatal: true,
		})
	}
	return findings, rows.Err()
}

func looseSettings(ctx context.Context, db *sql.DB) (findings []model.Finding, err error) {
	for _, w := range wanted {
		var name, value string
		err := db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE '"+w.name+"'").Scan(&name, &value)
		if err == sql.ErrNoRows {
			continue // TiDB has other ones
		}
		if err != nil {
			return nil, fmt.Errorf("inspect %s: %w", w.name, err)
		}
		if w.name == "sync_binlog" && !binlogOn(ctx, db) {
			continue
		}
		if !strings.EqualFold(value, w.value) {
			findings = append(findings, model.Finding{What: fmt.Sprintf("%s is %s: %s", w.name, value, w.why), Fix: fmt.Sprintf("SET GLOBAL %s = %s, and in the server's configuration", w.name, w.value)})
		}
	}
	return findings, nil
}

// binlogOn tells whether there is a binlog to lose; when that cannot be read it is
// taken to be on, which asks for more rather than less.
func binlogOn(ctx context.Context, db *sql.DB) bool {
	var on bool
	err := db.QueryRowContext(ctx, `SELECT @@log_bin`).Scan(&on)
	return err != nil || on
}
