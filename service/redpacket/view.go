package redpacket

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/maypok86/otter/v2"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/redpacket/internal/db"
)

// PotView is a pot as one visitor sees it.
type PotView struct {
	Opened
	Owner     model.MemberID
	State     State
	Helped    int       // helps that stand
	Collected model.Fen // their shares together
	DoneAt    model.Millis
	Left      time.Duration // until the end, 0 when over
	Shown     []Helper      // those who agreed to be shown; 50 at most
	Mine      *Help         // the visitor's own help
	IsOwner   bool
	WhyNot    error // why the visitor cannot help now; nil when he can
}

// Helper is somebody who helped and agreed to be shown.
type Helper struct {
	Member model.MemberID
	K      int
	Share  model.Fen
	At     model.Millis
}

const maxShown = 50

// View shows a pot to a visitor: its progress, who helped, what he can do and why
// not.
func (e *Engine) View(ctx context.Context, id PotID, who Visitor) (PotView, error) {
	opened, err := e.openedOf(ctx, id)
	if err != nil {
		return PotView{}, orUnavailable(err)
	}
	f, err := e.pot(ctx, id)
	if err != nil {
		return PotView{}, orUnavailable(err)
	}
	game, err := e.Game(ctx, f.game)
	if err != nil {
		return PotView{}, orUnavailable(err)
	}
	row, err := e.q.Pot(ctx, int64(id))
	if err != nil {
		return PotView{}, fmt.Errorf("read pot %s: %w", id, err)
	}
	progress, err := e.q.Progress(ctx, int64(id))
	if err != nil {
		return PotView{}, fmt.Errorf("read the progress of pot %s: %w", id, err)
	}
	v := PotView{
		Opened: opened, Owner: f.owner, State: State(row.State), Helped: int(progress.Helps),
		Collected: model.Fen(progress.Collected), DoneAt: model.Millis(row.DoneAt),
		Left: max(f.ends.Time().Sub(e.now()), 0), IsOwner: game.joins.who(f.owner) == who.Member.ID,
	}
	shown, err := e.q.ShownHelps(ctx, db.ShownHelpsParams{PotID: int64(id), Limit: maxShown})
	if err != nil {
		return PotView{}, fmt.Errorf("read the helpers of pot %s: %w", id, err)
	}
	for _, s := range shown {
		v.Shown = append(v.Shown, Helper{model.MemberID(s.HelperID), int(s.K), model.Fen(s.Share), model.Millis(s.CreatedAt)})
	}
	own, err := e.own(ctx, id, game.joins.all(who.Member.ID)...)
	if err != nil {
		return PotView{}, err
	}
	if own != nil {
		v.Mine = &Help{Pot: id, K: own.k, N: f.n(), Share: own.share}
	}
	v.WhyNot, err = e.whyNot(ctx, &game, f, v, who)
	return v, err
}

// whyNot is the refusal that a help would meet now.
func (e *Engine) whyNot(ctx context.Context, game *Game, f *facts, v PotView, who Visitor) (refusal, err error) {
	switch {
	case v.IsOwner:
		return ErrOwnPot, nil
	case v.Mine != nil:
		return ErrAlreadyHelped, nil
	case v.Helped >= f.n():
		return ErrFull, nil
	case v.State == Closed, v.Left == 0:
		return ErrEnded, nil
	case game.StoppedAt != 0:
		return ErrStopped, nil
	}
	if refusal := game.Rules.Help.admits(who, game); refusal != nil {
		return refusal, nil
	}
	held := 0
	for _, id := range game.joins.all(who.Member.ID) {
		day, err := e.dayOf(ctx, id, f.game, model.DayOf(e.now()))
		if err != nil {
			return nil, err
		}
		held += len(day)
	}
	if held >= game.Rules.HelpsPerDay {
		return ErrDayLimit, nil
	}
	return nil, nil
}

// MayOpen tells why the visitor cannot open a pot of the game now; nil when he can,
// unless others are quicker to the last of the budget.
func (e *Engine) MayOpen(ctx context.Context, id GameID, who Visitor) (refusal, err error) {
	game, err := e.Game(ctx, id)
	if err != nil {
		return nil, orUnavailable(err)
	}
	if refusal := game.open(model.At(e.now())); refusal != nil {
		return refusal, nil
	}
	if refusal := game.Rules.Open.admits(who, &game); refusal != nil {
		return refusal, nil
	}
	held, err := e.q.CountPotsOfOwner(ctx, db.CountPotsOfOwnerParams{
		Owners: rawMembers(game.joins.all(who.Member.ID)), GameID: int64(id),
	})
	if err != nil {
		return nil, fmt.Errorf("count the member's pots: %w", err)
	}
	if held >= int64(game.Rules.PotsEach) {
		return ErrPotsLimit, nil
	}
	budget, err := e.Budget(ctx, id)
	if err != nil {
		return nil, err
	}
	if budget.Amount-budget.Reserved-budget.Spent < game.Rules.smallest() {
		return ErrBudget, nil
	}
	return nil, nil
}

// PotLine is a pot in its owner's list. Helped is final once the pot has ended, and
// counted while it is open.
type PotLine struct {
	Pot       PotID
	Game      GameID
	Owner     model.MemberID
	Helps     int
	Helped    int
	Target    model.Fen
	State     State
	EndsAt    model.Millis
	CreatedAt model.Millis
	DoneAt    model.Millis
}

// MyPots lists the pots of a member, newest first; cursor is "" or the one that came
// with the page before. Errors: page.ErrCursor.
func (e *Engine) MyPots(ctx context.Context, owner model.MemberID, cursor string, limit int) (lines []PotLine, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	ids, err := e.formersOf(ctx, owner)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := e.q.PotsOfOwner(ctx, db.PotsOfOwnerParams{Owners: ids, ID: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list a member's pots: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.PotsOfOwnerRow) string { return page.Cursor(r.ID) })
	lines = make([]PotLine, len(rows))
	var open []int64
	for i, r := range rows {
		lines[i] = PotLine{
			PotID(r.ID), GameID(r.GameID), owner, int(r.N), int(r.Helps), model.Fen(r.Target), State(r.State),
			model.Millis(r.EndsAt), model.Millis(r.CreatedAt), model.Millis(r.DoneAt),
		}
		if lines[i].State == Open {
			open = append(open, r.ID)
		}
	}
	if len(open) == 0 {
		return lines, next, nil
	}
	counts, err := e.q.Fullness(ctx, open)
	if err != nil {
		return nil, "", fmt.Errorf("count the helps of a member's pots: %w", err)
	}
	for _, c := range counts {
		for i := range lines {
			if lines[i].Pot == PotID(c.PotID) {
				lines[i].Helped = int(c.Held - c.Voids)
			}
		}
	}
	return lines, next, nil
}

// HelpLine is a help in its helper's list.
type HelpLine struct {
	Help
	Game   GameID
	Owner  model.MemberID
	State  State
	Target model.Fen
	EndsAt model.Millis
	At     model.Millis
}

// MyHelps lists the helps of a member, newest first; cursor is "" or the one that came
// with the page before. Errors: page.ErrCursor.
func (e *Engine) MyHelps(ctx context.Context, helper model.MemberID, cursor string, limit int) (lines []HelpLine, next string, err error) {
	at, pot := int64(math.MaxInt64), int64(math.MaxInt64)
	if cursor != "" {
		if at, pot, err = page.Pair(cursor); err != nil {
			return nil, "", err
		}
	}
	ids, err := e.formersOf(ctx, helper)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := e.q.HelpsOfHelper(ctx, db.HelpsOfHelperParams{Helpers: ids, At: at, Pot: pot, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list a member's helps: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.HelpsOfHelperRow) string { return page.Cursor(r.CreatedAt, r.PotID) })
	lines = make([]HelpLine, len(rows))
	for i, r := range rows {
		lines[i] = HelpLine{
			Help: Help{PotID(r.PotID), int(r.K), int(r.N), model.Fen(r.Share)}, Game: GameID(r.GameID),
			Owner: model.MemberID(r.OwnerID), State: State(r.State), Target: model.Fen(r.Target),
			EndsAt: model.Millis(r.EndsAt), At: model.Millis(r.CreatedAt),
		}
	}
	return lines, next, nil
}

// Ranking is what a leaderboard orders by.
type Ranking string

// The rankings, both over filled pots.
const (
	Fastest    Ranking = "fastest"     // the shortest time from opening to filled
	MostHelped Ranking = "most_helped" // the most helps over all pots of an owner
)

// Rank is one line of a leaderboard. Pot and Took are of Fastest.
type Rank struct {
	Owner model.MemberID
	Pot   PotID
	Took  time.Duration
	Helps int
}

// Board is a leaderboard as it was at an instant.
type Board struct {
	Ranks []Rank
	AsOf  model.Millis
}

type boardKey struct {
	game GameID
	by   Ranking
}

const (
	boardFresh = 30 * time.Second // how old a leaderboard may be
	boardRanks = 50
)

// Leaderboard returns the first fifty of a game's filled pots, at most 30 s old.
func (e *Engine) Leaderboard(ctx context.Context, game GameID, by Ranking) (Board, error) {
	if _, err := e.Game(ctx, game); err != nil {
		return Board{}, orUnavailable(err)
	}
	if by != Fastest {
		by = MostHelped
	}
	return e.boards.Get(ctx, boardKey{game, by}, otter.LoaderFunc[boardKey, Board](e.loadBoard))
}

func (e *Engine) loadBoard(ctx context.Context, key boardKey) (Board, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	board := Board{AsOf: model.At(e.now())}
	if key.by == Fastest {
		rows, err := e.q.Fastest(ctx, db.FastestParams{GameID: int64(key.game), Limit: boardRanks})
		if err != nil {
			return Board{}, fmt.Errorf("rank the fastest pots: %w", err)
		}
		for _, r := range rows {
			took := time.Duration(r.Took) * time.Millisecond
			board.Ranks = append(board.Ranks, Rank{model.MemberID(r.Player), PotID(r.ID), took, int(r.Helps)})
		}
		return board, nil
	}
	rows, err := e.q.MostHelped(ctx, db.MostHelpedParams{GameID: int64(key.game), Limit: boardRanks})
	if err != nil {
		return Board{}, fmt.Errorf("rank the most helped owners: %w", err)
	}
	for _, r := range rows {
		board.Ranks = append(board.Ranks, Rank{Owner: model.MemberID(r.Player), Helps: int(r.Helps)})
	}
	return board, nil
}
