package redpacket

import (
	"context"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// Violation is a broken invariant: which one, and where.
type Violation struct {
	Rule    string
	Subject string // pot, game or helper, by id
	Detail  string
}

// maxViolations bounds what one rule reports; the first ones show what is wrong.
const maxViolations = 20

// rule is an invariant as a query for what breaks it. Each is one statement, which
// sees one instant, so they hold while the game is played. A row is a subject's id
// and a number that explains it.
type rule struct{ name, breaks string }

var rules = []rule{
	{"slot.twice", `SELECT pot_id, k FROM pot_help GROUP BY pot_id, k HAVING COUNT(*) > 1`},
	{"helper.twice", `SELECT pot_id, helper_id FROM pot_help GROUP BY pot_id, helper_id HAVING COUNT(*) > 1`},
	{"number.twice", `SELECT helper_id, nth FROM pot_help WHERE nth IS NOT NULL
		GROUP BY helper_id, game_id, day, nth HAVING COUNT(*) > 1`},
	{"slot.range", `SELECT h.pot_id, h.k FROM pot_help h JOIN pot p ON p.id = h.pot_id WHERE h.k < 1 OR h.k > p.n`},
	{"slot.orphan", `SELECT h.pot_id, h.k FROM pot_help h LEFT JOIN pot p ON p.id = h.pot_id
		WHERE p.id IS NULL OR p.game_id <> h.game_id`},
	{"helper.own_pot", `SELECT h.pot_id, h.k FROM pot_help h JOIN pot p ON p.id = h.pot_id WHERE h.helper_id = p.owner_id`},
	{"void.form", `SELECT pot_id, k FROM pot_help WHERE (nth IS NULL AND (helper_id <> -k OR share <> 0 OR day IS NOT NULL))
		OR (nth IS NOT NULL AND (helper_id <= 0 OR share < 1 OR nth < 1 OR day IS NULL))`},
	{"open.void", `SELECT h.pot_id, h.k FROM pot_help h JOIN pot p ON p.id = h.pot_id WHERE p.state = 'open' AND h.nth IS NULL`},
	{"filled.helps", `SELECT p.id, p.helps FROM pot p WHERE p.state = 'filled'
		AND (p.helps <> p.n OR p.won <> p.target OR (SELECT COUNT(h.nth) FROM pot_help h WHERE h.pot_id = p.id) <> p.n)`},
	{"filled.sum", `SELECT p.id, p.target FROM pot p WHERE p.state = 'filled'
		AND (SELECT COALESCE(SUM(h.share), 0) FROM pot_help h WHERE h.pot_id = p.id) <> p.target`},
	{"closed.slots", `SELECT p.id, p.n FROM pot p WHERE p.state = 'closed'
		AND ((SELECT COUNT(*) FROM pot_help h WHERE h.pot_id = p.id) <> p.n
		  OR (SELECT COUNT(h.nth) FROM pot_help h WHERE h.pot_id = p.id) <> p.helps OR p.helps >= p.n)`},
	{"closed.won", `SELECT p.id, p.won FROM pot p WHERE p.state = 'closed' AND p.won <> 0
		AND (SELECT COALESCE(SUM(h.share), 0) FROM pot_help h WHERE h.pot_id = p.id) <> p.won`},
	{"pot.state", `SELECT id, won FROM pot WHERE state NOT IN ('open', 'filled', 'closed')
		OR (state = 'open' AND (won <> 0 OR done_at <> 0 OR helps <> 0))`},
	{"budget.overdrawn", `SELECT game_id, slice FROM redpacket_slice
		WHERE reserved < 0 OR spent < 0 OR amount < 0 OR reserved + spent > amount`},
	{"budget.whole", `SELECT g.id, g.budget FROM redpacket_game g
		WHERE (SELECT COALESCE(SUM(s.amount), 0) FROM redpacket_slice s WHERE s.game_id = g.id) <> g.budget`},
	{"budget.reserved", `SELECT s.game_id, s.slice FROM redpacket_slice s LEFT JOIN
		(SELECT game_id, slice, SUM(target) AS held FROM pot WHERE state = 'open' GROUP BY game_id, slice) p
		ON p.game_id = s.game_id AND p.slice = s.slice WHERE s.reserved <> COALESCE(p.held, 0)`},
	{"budget.spent", `SELECT s.game_id, s.slice FROM redpacket_slice s LEFT JOIN
		(SELECT game_id, slice, SUM(won) AS won FROM pot GROUP BY game_id, slice) p
		ON p.game_id = s.game_id AND p.slice = s.slice LEFT JOIN
		(SELECT game_id, slice, SUM(amount) AS back FROM pot_release GROUP BY game_id, slice) r
		ON r.game_id = s.game_id AND r.slice = s.slice WHERE s.spent <> COALESCE(p.won, 0) - COALESCE(r.back, 0)`},
	{"release.won", `SELECT r.pot_id, r.amount FROM pot_release r LEFT JOIN pot p ON p.id = r.pot_id WHERE p.id IS NULL OR p.won <> r.amount`},
}

// Check looks for the violation of every invariant, by SQL alone; an empty list means
// that all of them hold. It reads everything: run it at night.
func (e *Engine) Check(ctx context.Context) ([]Violation, error) {
	var found []Violation
	for _, r := range rules {
		rows, err := e.proofs.QueryContext(ctx, r.breaks+fmt.Sprintf(" LIMIT %d", maxViolations))
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", r.name, err)
		}
		for rows.Next() {
			var subject, detail int64
			if err := rows.Scan(&subject, &detail); err != nil {
				_ = rows.Close()
				return nil, fmt.Errorf("check %s: %w", r.name, err)
			}
			found = append(found, Violation{r.name, model.ID(subject).String(), fmt.Sprint(detail)})
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("check %s: %w", r.name, err)
		}
	}
	limits, err := e.checkGames(ctx)
	if err != nil {
		return nil, err
	}
	shares, err := e.checkShares(ctx)
	return slices.Concat(found, limits, shares), err
}

// checkGames compares the numbers of days and pots with the limits of each game.
func (e *Engine) checkGames(ctx context.Context) ([]Violation, error) {
	var found []Violation
	after := int64(0)
	for {
		games, err := e.q.GamesAfter(ctx, db.GamesAfterParams{ID: after, Limit: scanPage})
		if err != nil {
			return nil, fmt.Errorf("check the limits: %w", err)
		}
		if len(games) == 0 {
			return found, nil
		}
		for _, row := range games {
			after = row.ID
			game, err := gameOf(db.GameRow(row))
			if err != nil {
				return nil, err
			}
			for _, limit := range []struct {
				rule, query string
				most        int
			}{
				{"helper.day_limit", "SELECT helper_id, nth FROM pot_help WHERE game_id = ? AND nth > ? LIMIT 1", game.Rules.HelpsPerDay},
				{"owner.pots_limit", "SELECT owner_id, nth FROM pot WHERE game_id = ? AND nth > ? LIMIT 1", game.Rules.PotsEach},
			} {
				v, err := e.checkLimit(ctx, limit.rule, limit.query, game.ID, limit.most)
				if err != nil {
					return nil, err
				}
				found = append(found, v...)
			}
		}
	}
}

func (e *Engine) checkLimit(ctx context.Context, rule, query string, game GameID, most int) ([]Violation, error) {
	rows, err := e.proofs.QueryContext(ctx, query, int64(game), most)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", rule, err)
	}
	defer func() { _ = rows.Close() }()
	var found []Violation
	for rows.Next() {
		var who, nth int64
		if err := rows.Scan(&who, &nth); err != nil {
			return nil, fmt.Errorf("check %s: %w", rule, err)
		}
		found = append(found, Violation{rule, model.ID(who).String(), fmt.Sprintf("number %d of game %s", nth, game)})
	}
	return found, rows.Err()
}

// checkShares compares every pot's commitment, and every row's share, with the seed.
func (e *Engine) checkShares(ctx context.Context) ([]Violation, error) {
	var found []Violation
	after := int64(0)
	for len(found) < maxViolations {
		pots, err := e.q.PotsAfter(ctx, db.PotsAfterParams{ID: after, Limit: scanPage})
		if err != nil {
			return nil, fmt.Errorf("check the shares: %w", err)
		}
		if len(pots) == 0 {
			break
		}
		for part := range slices.Chunk(pots, 100) {
			v, err := e.checkSharesOf(ctx, part)
			if err != nil {
				return nil, err
			}
			found = append(found, v...)
		}
		after = pots[len(pots)-1].ID
	}
	return found, nil
}

func (e *Engine) checkSharesOf(ctx context.Context, pots []db.Pot) ([]Violation, error) {
	var found []Violation
	known := make(map[int64]*facts, len(pots))
	ids := make([]int64, len(pots))
	for i, row := range pots {
		ids[i] = row.ID
		f, err := e.factsOf(row)
		if err != nil {
			found = append(found, Violation{"proof.seed", PotID(row.ID).String(), err.Error()})
			continue
		}
		known[row.ID] = f
		if commitmentOf(f.id, f.n(), f.target, f.split, f.seed) != f.commitment {
			found = append(found, Violation{"proof.commitment", f.id.String(), f.commitment})
		}
	}
	rows, err := e.q.HelpsOfPots(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("check the shares: %w", err)
	}
	for _, row := range rows {
		f := known[row.PotID]
		if f != nil && row.Nth.Valid && f.has(int(row.K)) && f.share(int(row.K)) != model.Fen(row.Share) {
			found = append(found, Violation{"proof.share", f.id.String(), fmt.Sprintf("slot %d holds %s", row.K, model.Fen(row.Share))})
		}
	}
	return found, nil
}

// Won lists what pots have won, by pot from the one after the given, for whoever
// compares it with the payouts; limit is at most 1,000.
func (e *Engine) Won(ctx context.Context, after PotID, limit int) ([]model.Prize, error) {
	rows, err := e.q.WonAfter(ctx, db.WonAfterParams{ID: int64(after), Limit: int32(min(max(limit, 1), scanPage))})
	if err != nil {
		return nil, fmt.Errorf("list what was won: %w", err)
	}
	prizes := make([]model.Prize, 0, len(rows))
	for _, r := range rows {
		game, err := e.Game(ctx, GameID(r.GameID))
		if err != nil {
			return nil, err
		}
		prizes = append(prizes, model.Prize{
			Pot: model.ID(r.ID), Game: model.ID(r.GameID), Member: model.MemberID(r.OwnerID), Kind: game.Rules.Prize.Kind,
			Value: model.Fen(r.Won), Quantity: game.Rules.Prize.quantity(model.Fen(r.Won)), At: model.Millis(r.DoneAt),
		})
	}
	return prizes, nil
}
