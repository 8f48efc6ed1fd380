package redpacket

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
)

// ReleaseTx gives back the budget of a prize that cannot be handed over, within the
// transaction that gives it up. A pot's prize comes back once: the second time is a
// duplicate key. The pot stays what it was and the help in it stands.
func (e *Engine) ReleaseTx(ctx context.Context, tx *sql.Tx, prize model.Prize) error {
	now := int64(model.At(e.now()))
	n, err := execCount(ctx, tx, `INSERT INTO pot_release (pot_id, game_id, slice, amount, released_at)
		SELECT p.id, p.game_id, p.slice, p.won, ? FROM pot p WHERE p.id = ? AND p.won = ? AND p.won > 0`,
		now, int64(prize.Pot), int64(prize.Value))
	if err != nil {
		return fmt.Errorf("note a released prize: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("pot %s has not won %s", prize.Pot, prize.Value)
	}
	n, err = execCount(ctx, tx, `UPDATE redpacket_slice SET spent = spent - ?
		WHERE game_id = ? AND slice = (SELECT p.slice FROM pot p WHERE p.id = ?) AND spent >= ?`,
		int64(prize.Value), int64(prize.Game), int64(prize.Pot), int64(prize.Value))
	if err != nil {
		return fmt.Errorf("give back a budget: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("game %s has not spent what pot %s won", prize.Game, prize.Pot)
	}
	return nil
}

// Returned lists the prizes whose budget came back, by pot from the one after the
// given: pot, game and value; limit is at most 1,000.
func (e *Engine) Returned(ctx context.Context, after PotID, limit int) ([]model.Prize, error) {
	rows, err := e.db.QueryContext(ctx, `SELECT pot_id, game_id, amount FROM pot_release WHERE pot_id > ? ORDER BY pot_id LIMIT ?`,
		int64(after), min(max(limit, 1), scanPage))
	if err != nil {
		return nil, fmt.Errorf("list what came back: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var prizes []model.Prize
	for rows.Next() {
		var prize model.Prize
		if err := rows.Scan(&prize.Pot, &prize.Game, &prize.Value); err != nil {
			return nil, fmt.Errorf("read what came back: %w", err)
		}
		prizes = append(prizes, prize)
	}
	return prizes, rows.Err()
}
