package sqldb

import (
	"context"
	"database/sql"
	"fmt"
)

// nodes is how many numbers there are: model.IDs has 13 bits for them.
const nodes = 8192

// Node takes the next node number, 0 to 8191, for a process that starts. Numbers
// go round, so two processes share one only if 8,191 others started while the
// first was living.
func Node(ctx context.Context, db *sql.DB) (int64, error) {
	var taken int64
	err := InTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE node_sequence SET taken = taken + 1 WHERE id = 1`); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT taken FROM node_sequence WHERE id = 1`).Scan(&taken)
	})
	if err != nil {
		return 0, fmt.Errorf("take a node number: %w", err)
	}
	return taken % nodes, nil
}
