package redpacket

import (
	"context"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// Played is what one member's pots of a game came to.
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

// Played tells what the pots of each of at most 1,000 members came to; who opened none
// is missing.
func (e *Engine) Played(ctx context.Context, game GameID, owners []model.MemberID) (map[model.MemberID]Played, error) {
	if len(owners) == 0 || len(owners) > maxPlayers {
		return nil, nil
	}
	ids := make([]int64, len(owners))
	for i, o := range owners {
		ids[i] = int64(o)
	}
	pots, err := e.q.PotsOpened(ctx, db.PotsOpenedParams{Owners: ids, GameID: int64(game), Limit: maxPots})
	if err != nil {
		return nil, fmt.Errorf("read the pots of game %s: %w", model.ID(game), err)
	}
	all, owner := make(map[model.MemberID]Played, len(pots)), make(map[int64]model.MemberID, len(pots))
	for _, p := range pots {
		o := model.MemberID(p.OwnerID)
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
		if err := e.helped(ctx, game, in, owner, all); err != nil {
			return nil, fmt.Errorf("read the helps of game %s: %w", model.ID(game), err)
		}
	}
	return all, nil
}

// helped adds the helps of some pots.
func (e *Engine) helped(ctx context.Context, game GameID, pots []int64, owner map[int64]model.MemberID, all map[model.MemberID]Played) error {
	helps, err := e.q.HelpersOf(ctx, db.HelpersOfParams{Pots: pots, Limit: maxHelpers})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(helps, helpPart) {
		in := make([]int64, len(part))
		for i, h := range part {
			in[i] = h.HelperID
		}
		rows, err := e.q.FirstHelps(ctx, db.FirstHelpsParams{Helpers: in, GameID: int64(game)})
		if err != nil {
			return err
		}
		first := make(map[int64]int64, len(rows))
		for _, r := range rows {
			first[r.HelperID] = r.FirstAt
		}
		for _, h := range part {
			o := owner[h.PotID]
			one := all[o]
			one.Helps++
			if h.CreatedAt == first[h.HelperID] {
				one.Brought = append(one.Brought, model.MemberID(h.HelperID))
			}
			all[o] = one
		}
	}
	return nil
}
