package redpacket

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// Played is what the pots of a game that one member opened within a time came to by its
// end.
type Played struct {
	Pots  int64
	Helps int64
	// Brought are the friends whose very first help in the game was for him: each is
	// brought by one member alone.
	Brought []model.MemberID
}

// The bounds of one question.
const (
	maxPlayers = 1000
	maxPots    = 100_000
	maxHelpers = 1_000_000
	helpPart   = 1000
)

// Played tells what the pots came to that each of at most 1,000 members opened from since
// until before until; who opened none is missing. What somebody did before he became one
// of them is that member's.
func (e *Engine) Played(ctx context.Context, id GameID, owners []model.MemberID, since, until model.Millis) (map[model.MemberID]Played, error) {
	if len(owners) == 0 || len(owners) > maxPlayers {
		return nil, nil
	}
	game, err := e.Game(ctx, id)
	if errors.Is(err, ErrUnknownGame) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	was, ids := everyID(game.joins, owners)
	pots, err := e.q.PotsOpened(ctx, db.PotsOpenedParams{
		Owners: ids, GameID: int64(id), Since: int64(since), Before: int64(until), Limit: maxPots,
	})
	if err != nil {
		return nil, fmt.Errorf("read the pots of game %s: %w", id, err)
	}
	all, owner := make(map[model.MemberID]Played, len(pots)), make(map[int64]model.MemberID, len(pots))
	for _, p := range pots {
		o := was[model.MemberID(p.OwnerID)]
		owner[p.ID] = o
		one := all[o]
		one.Pots++
		all[o] = one
	}
	for part := range slices.Chunk(pots, helpPart) {
		in := make([]int64, len(part))
		for i, p := range part {
			in[i] = p.ID
		}
		if err := e.helped(ctx, &game, in, until, owner, all); err != nil {
			return nil, fmt.Errorf("read the helps of game %s: %w", id, err)
		}
	}
	return all, nil
}

// everyID lists the ids that members played under, and whose each is.
func everyID(j joins, members []model.MemberID) (whose map[model.MemberID]model.MemberID, ids []int64) {
	whose = make(map[model.MemberID]model.MemberID, len(members))
	for _, m := range members {
		whose[m] = m
	}
	for _, m := range members {
		for _, id := range j.all(m) {
			if id != m && whose[id] != 0 {
				continue // asked for by himself
			}
			whose[id], ids = m, append(ids, int64(id))
		}
	}
	return whose, ids
}

// helped adds the helps of some pots until then.
func (e *Engine) helped(ctx context.Context, game *Game, pots []int64, until model.Millis, owner map[int64]model.MemberID, all map[model.MemberID]Played) error {
	helps, err := e.q.HelpersOf(ctx, db.HelpersOfParams{Pots: pots, Before: int64(until), Limit: maxHelpers})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(helps, helpPart) {
		friends := make([]model.MemberID, len(part))
		for i, h := range part {
			friends[i] = game.joins.who(model.MemberID(h.HelperID))
		}
		first, err := e.firstHelps(ctx, game, friends)
		if err != nil {
			return err
		}
		for i, h := range part {
			o := owner[h.PotID]
			one := all[o]
			one.Helps++
			if h.CreatedAt == first[friends[i]] {
				one.Brought = append(one.Brought, friends[i])
			}
			all[o] = one
		}
	}
	return nil
}

// firstHelps tells when friends first helped in a game, as whomever.
func (e *Engine) firstHelps(ctx context.Context, game *Game, friends []model.MemberID) (map[model.MemberID]int64, error) {
	once := slices.Compact(slices.Sorted(slices.Values(friends)))
	whose, ids := everyID(game.joins, once)
	rows, err := e.q.FirstHelps(ctx, db.FirstHelpsParams{Helpers: ids, GameID: int64(game.ID)})
	if err != nil {
		return nil, err
	}
	first := make(map[model.MemberID]int64, len(rows))
	for _, r := range rows {
		friend := whose[model.MemberID(r.HelperID)]
		if at, seen := first[friend]; !seen || r.FirstAt < at {
			first[friend] = r.FirstAt
		}
	}
	return first, nil
}
