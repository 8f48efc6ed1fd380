package redpacket

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/maypok86/otter/v2"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

// Game is one campaign's envelopes.
type Game struct {
	ID         GameID
	Rules      Rules
	StoppedAt  model.Millis // 0 while it runs
	StoppedWhy string       // for operators
	CreatedAt  model.Millis

	joins joins
}

// The slices of a budget: enough for openings not to queue, few enough that each
// holds many pots.
const (
	maxSlices    = 16
	potsPerSlice = 64
)

// CreateGame makes a game with its budget, for demonstrations and the command line;
// operators draft one, and another approves it (DraftGame). The rules are checked; what
// is wrong is said in the fault's text.
func (e *Engine) CreateGame(ctx context.Context, rules Rules) (Game, error) {
	if err := rules.Validate(); err != nil {
		return Game{}, err
	}
	game := Game{ID: GameID(e.ids.Next()), Rules: rules, CreatedAt: model.At(e.now())}
	err := sqldb.InTx(ctx, e.db, func(tx *sql.Tx) error { return insertGame(ctx, e.q.WithTx(tx), game) })
	return game, err
}

// insertGame writes a game and its budget.
func insertGame(ctx context.Context, q *db.Queries, game Game) error {
	rules := game.Rules
	text, err := json.Marshal(rules)
	if err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	err = q.InsertGame(ctx, db.InsertGameParams{
		ID: int64(game.ID), Name: rules.Name, StartsAt: int64(rules.StartsAt), EndsAt: int64(rules.EndsAt),
		Budget: int64(rules.Budget), Rules: string(text), CreatedAt: int64(game.CreatedAt),
	})
	if err != nil {
		return fmt.Errorf("insert the game: %w", err)
	}
	slices := sliceCount(rules)
	for i := range slices {
		amount := rules.Budget / model.Fen(slices)
		if i == 0 {
			amount += rules.Budget % model.Fen(slices)
		}
		err := q.InsertSlice(ctx, db.InsertSliceParams{GameID: int64(game.ID), Slice: int32(i), Amount: int64(amount)})
		if err != nil {
			return fmt.Errorf("insert a slice: %w", err)
		}
	}
	return nil
}

func sliceCount(r Rules) int {
	return int(min(max(r.Budget/(potsPerSlice*r.largest()), 1), maxSlices))
}

// Game returns a game; its kill switch is at most Options.GameFresh, and the time of one
// reading, old.
func (e *Engine) Game(ctx context.Context, id GameID) (Game, error) {
	return e.games.Get(ctx, id, otter.LoaderFunc[GameID, Game](e.loadGame))
}

func (e *Engine) loadGame(ctx context.Context, id GameID) (Game, error) {
	row, err := e.q.Game(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Game{}, ErrUnknownGame
	}
	if err != nil {
		return Game{}, fmt.Errorf("read game %s: %w", id, err)
	}
	game, err := gameOf(row)
	if err != nil {
		return Game{}, err
	}
	game.joins, err = e.joinsOf(ctx, id)
	return game, err
}

func gameOf(row db.GameRow) (Game, error) {
	game := Game{
		ID: GameID(row.ID), StoppedAt: model.Millis(row.StoppedAt),
		StoppedWhy: row.StoppedWhy, CreatedAt: model.Millis(row.CreatedAt),
	}
	if err := json.Unmarshal([]byte(row.Rules), &game.Rules); err != nil {
		return Game{}, fmt.Errorf("read the rules of game %s: %w", game.ID, err)
	}
	return game, nil
}

// collect makes a list of rows, or says which cannot be read.
func collect[R, T any](rows []R, one func(R) (T, error)) ([]T, error) {
	list := make([]T, 0, len(rows))
	for _, row := range rows {
		made, err := one(row)
		if err != nil {
			return nil, err
		}
		list = append(list, made)
	}
	return list, nil
}

// maxRunning bounds the list of games.
const maxRunning = 50

// Running lists the games that run now, the one that ends last first; 50 at most.
func (e *Engine) Running(ctx context.Context) ([]Game, error) {
	rows, err := e.q.RunningGames(ctx, db.RunningGamesParams{Now: int64(model.At(e.now())), Limit: maxRunning})
	if err != nil {
		return nil, fmt.Errorf("list the running games: %w", err)
	}
	return collect(rows, func(row db.RunningGamesRow) (Game, error) { return gameOf(db.GameRow(row)) })
}

// All lists the games, also those that are over or stopped, the newest first; cursor is
// "" or the one that came with the page before. Errors: page.ErrCursor.
func (e *Engine) All(ctx context.Context, cursor string, limit int) (games []Game, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := e.q.GamesBefore(ctx, db.GamesBeforeParams{ID: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list the games: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.GamesBeforeRow) string { return page.Cursor(r.ID) })
	games, err = collect(rows, func(row db.GamesBeforeRow) (Game, error) { return gameOf(db.GameRow(row)) })
	return games, next, err
}

// Stop is the kill switch: no pot is opened and no help is taken from now on, here
// at once, on other replicas within Options.GameFresh. Pots that are full are still
// paid, and ended ones closed. by is the operator, 0 for the command line. The first to
// stop a game says when and why. Errors: ErrUnknownGame, ErrStoppedBefore, ErrRules.
func (e *Engine) Stop(ctx context.Context, by model.ID, id GameID, why string) error {
	if utf8.RuneCountInString(why) > 200 || !utf8.ValidString(why) {
		return ErrRules.Saying("原因不能超过 200 个字")
	}
	return e.setStopped(ctx, by, id, model.At(e.now()), why)
}

// Resume undoes Stop.
func (e *Engine) Resume(ctx context.Context, by model.ID, id GameID) error {
	return e.setStopped(ctx, by, id, 0, "")
}

// setStopped writes the switch and who turned it, in one transaction.
func (e *Engine) setStopped(ctx context.Context, by model.ID, id GameID, at model.Millis, why string) error {
	err := sqldb.InTx(ctx, e.db, func(tx *sql.Tx) error {
		if err := turn(ctx, e.q.WithTx(tx), id, at, why); err != nil {
			return err
		}
		if e.opts.Audit == nil {
			return nil
		}
		entry := model.AuditEntry{Operator: by, Action: "redpacket.resume", Target: model.Ref{Type: "redpacket", ID: id.String()}}
		if at != 0 {
			entry.Action, entry.Detail = "redpacket.stop", map[string]string{"why": why}
		}
		return e.opts.Audit.RecordTx(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("stop or resume game %s: %w", id, err)
	}
	e.games.Invalidate(id)
	return nil
}

// turn turns the switch of a game.
func turn(ctx context.Context, q *db.Queries, id GameID, at model.Millis, why string) error {
	var n int64
	var err error
	if at == 0 {
		n, err = q.ResumeGame(ctx, int64(id))
	} else {
		n, err = q.StopGame(ctx, db.StopGameParams{StoppedAt: int64(at), StoppedWhy: why, ID: int64(id)})
	}
	if err != nil || n > 0 {
		return err
	}
	row, err := q.Game(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return ErrUnknownGame
	}
	if err != nil {
		return err
	}
	return ErrStoppedBefore.Saying("这个活动已在 %s 停止，原因：%s", model.Millis(row.StoppedAt).Time().Format("1月2日 15:04"), row.StoppedWhy)
}

// open tells why the game takes no part in anything now, or nil.
func (g *Game) open(now model.Millis) error {
	switch {
	case g.StoppedAt != 0:
		return ErrStopped
	case now < g.Rules.StartsAt:
		return ErrNotBegun
	case now >= g.Rules.EndsAt:
		return ErrGameEnded
	}
	return nil
}

// Budget is how much of a game's money is where.
type Budget struct {
	Amount   model.Fen
	Reserved model.Fen // by open pots
	Spent    model.Fen // on prizes
}

// Budget reads where a game's money is.
func (e *Engine) Budget(ctx context.Context, id GameID) (Budget, error) {
	rows, err := e.q.Slices(ctx, int64(id))
	if err != nil {
		return Budget{}, fmt.Errorf("read the budget of game %s: %w", id, err)
	}
	if len(rows) == 0 {
		return Budget{}, ErrUnknownGame
	}
	var b Budget
	for _, row := range rows {
		b.Amount += model.Fen(row.Amount)
		b.Reserved += model.Fen(row.Reserved)
		b.Spent += model.Fen(row.Spent)
	}
	return b, nil
}
