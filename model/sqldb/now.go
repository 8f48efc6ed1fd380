package sqldb

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
)

// Now is the database's time: one for all replicas, whatever their own clocks say.
// Leases are measured by it.
func Now(ctx context.Context, db *sql.DB) (model.Millis, error) {
	text := "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
	if Embedded(db) {
		text = "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
	}
	var now int64
	if err := db.QueryRowContext(ctx, text).Scan(&now); err != nil {
		return 0, fmt.Errorf("ask the database for its time: %w", err)
	}
	return model.Millis(now), nil
}
