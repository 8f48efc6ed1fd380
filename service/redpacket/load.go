package redpacket

import (
	"context"
	"errors"
	"fmt"

	"kaimenhong/model/gather"
	"kaimenhong/service/redpacket/internal/db"
)

// loadPots bounds the pots of one SELECT.
const loadPots = 64

// loads reads what many ask for at the same time with one SELECT: after Redis lost its
// memory, or a process began, every pot is asked for at once.
type loads struct {
	pots *gather.Group[PotID, db.Pot]
	rows *gather.Group[PotID, []db.StandingOfPotsRow] // in the order of k
}

func newLoads(q *db.Queries, opts Options) loads {
	// One SELECT is out at a time: the next takes all that came meanwhile, which a second
	// one beside it would carry off in smaller parts, at the price of each.
	bounds := gather.Options{InFlight: 1, Limit: loadPots, Waiting: opts.Queue, Timeout: opts.Timeout}
	return loads{
		pots: gather.New(func(ctx context.Context, ids []PotID) (map[PotID]db.Pot, error) {
			rows, err := q.PotsByID(ctx, rawIDs(ids))
			if err != nil {
				return nil, fmt.Errorf("read %d pots: %w", len(ids), err)
			}
			pots := make(map[PotID]db.Pot, len(rows))
			for _, row := range rows {
				pots[PotID(row.ID)] = row
			}
			return pots, nil
		}, bounds),
		rows: gather.New(func(ctx context.Context, ids []PotID) (map[PotID][]db.StandingOfPotsRow, error) {
			rows, err := q.StandingOfPots(ctx, rawIDs(ids))
			if err != nil {
				return nil, fmt.Errorf("read the helps of %d pots: %w", len(ids), err)
			}
			return byPot(rows), nil
		}, bounds),
	}
}

// byPot parts rows that are in the order of their pots.
func byPot(rows []db.StandingOfPotsRow) map[PotID][]db.StandingOfPotsRow {
	parts := make(map[PotID][]db.StandingOfPotsRow)
	for from, to := 0, 0; from < len(rows); from = to {
		for to = from; to < len(rows) && rows[to].PotID == rows[from].PotID; {
			to++
		}
		parts[PotID(rows[from].PotID)] = rows[from:to:to]
	}
	return parts
}

// loaded is what a group says of a pot, in this package's words.
func loaded[V any](ctx context.Context, g *gather.Group[PotID, V], id PotID) (value V, found bool, err error) {
	value, found, err = g.Get(ctx, id)
	if errors.Is(err, gather.ErrBusy) || err != nil && ctx.Err() != nil {
		err = ErrBusy.With(err)
	}
	return value, found, err
}
