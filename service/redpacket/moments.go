package redpacket

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// Ended is a pot that has just ended.
type Ended struct {
	Pot    PotID          `json:"pot"`
	Game   GameID         `json:"game"`
	Owner  model.MemberID `json:"owner"`
	State  State          `json:"state"`
	Helps  int            `json:"helps"` // that stand
	N      int            `json:"n"`
	Target model.Fen      `json:"target"`
	Won    model.Fen      `json:"won"` // 0: nothing
}

// moments is told of ended pots within the transaction that ends them.
type moments interface {
	EndedTx(ctx context.Context, tx *sql.Tx, pots []Ended) error
}

// tellTx tells of ended pots, where somebody listens.
func (e *Engine) tellTx(ctx context.Context, tx *sql.Tx, ends []ending) error {
	if e.opts.Moments == nil {
		return nil
	}
	pots := make([]Ended, len(ends))
	for i, end := range ends {
		pots[i] = Ended{
			PotID(end.pot.ID), GameID(end.pot.GameID), model.MemberID(end.pot.OwnerID), end.state, end.helps, int(end.pot.N),
			model.Fen(end.pot.Target), end.won,
		}
	}
	if err := e.opts.Moments.EndedTx(ctx, tx, pots); err != nil {
		return fmt.Errorf("tell of ended pots: %w", err)
	}
	return nil
}

// When the owner of an open pot is reminded: two hours before its end, and half-way of
// one that lives so briefly that this would be right after it was opened.
const (
	remindBefore = 2 * time.Hour
	briefPot     = 3 * time.Hour
	maxEnding    = 1000 // in one page
)

// EndingSoon lists the open pots whose owners are to be reminded now, or were within the
// time back, by their ends and ids from the one after the given, at most 1,000. All pots
// of a game may end at one instant: a page goes on in the index where the one before it
// ended, first among those of its last instant and then after it. No engine has a
// comparison of both at once that all of them look up.
func (e *Engine) EndingSoon(ctx context.Context, back time.Duration, after PotLine, limit int) ([]PotLine, error) {
	limit = min(max(limit, 1), maxEnding)
	now := model.At(e.now())
	lines, err := e.ending(ctx, now, back, limit, "p.ends_at = ? AND p.ends_at > ? AND p.id > ?", after.EndsAt, now, after.Pot)
	if err != nil || len(lines) == limit {
		return lines, err
	}
	later, err := e.ending(ctx, now, back, limit-len(lines), "p.ends_at > ?", max(now, after.EndsAt))
	return append(lines, later...), err
}

// ending lists those of the open pots of a part of the index whose owners are reminded.
func (e *Engine) ending(ctx context.Context, now model.Millis, back time.Duration, limit int, part string, args ...any) ([]PotLine, error) {
	from, to, soon, brief := int64(now.Add(-back)), int64(now), int64(now.Add(remindBefore)), briefPot.Milliseconds()
	rows, err := e.db.QueryContext(ctx, `SELECT p.id, p.game_id, p.owner_id, p.n, p.target, p.ends_at, p.created_at,
		(SELECT COUNT(h.nth) FROM pot_help h WHERE h.pot_id = p.id)
		FROM pot p /*! FORCE INDEX (pot_ending) */ WHERE p.state = 'open' AND `+part+` AND p.ends_at < ?
		AND (p.ends_at - p.created_at >= ? AND p.ends_at >= ?
		  OR p.ends_at - p.created_at < ? AND p.ends_at + p.created_at > ? AND p.ends_at + p.created_at <= ?)
		ORDER BY p.ends_at, p.id LIMIT ?`,
		append(args, soon, brief, soon-back.Milliseconds(), brief, 2*from, 2*to, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list the pots that end soon: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var lines []PotLine
	for rows.Next() {
		line := PotLine{State: Open}
		err := rows.Scan(&line.Pot, &line.Game, &line.Owner, &line.Helps, &line.Target, &line.EndsAt, &line.CreatedAt, &line.Helped)
		if err != nil {
			return nil, fmt.Errorf("read a pot that ends soon: %w", err)
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}

// Helpers lists who helped a pot, in the order of their slots, at most limit from the
// slot after the given.
func (e *Engine) Helpers(ctx context.Context, id PotID, after, limit int) ([]model.MemberID, error) {
	rows, err := e.q.RealHelps(ctx, db.RealHelpsParams{PotID: int64(id), K: int32(after), Limit: int32(min(max(limit, 1), scoreHelpers))})
	if err != nil {
		return nil, fmt.Errorf("list the helpers of pot %s: %w", id, err)
	}
	ids := make([]model.MemberID, len(rows))
	for i, r := range rows {
		ids[i] = model.MemberID(r.HelperID)
	}
	return slices.Compact(ids), nil
}
