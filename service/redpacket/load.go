package redpacket

import (
	"context"
	"fmt"
	"time"

	"kaimenhong/service/redpacket/internal/db"
)

const (
	loadPots  = 64 // pots in one SELECT at most
	loadLoops = 2  // SELECTs under way at once
)

// load is a pot whose rows somebody waits for.
type load struct {
	pot  PotID
	rows []db.StandingOfPotsRow
	err  error
	done chan struct{}
}

// loader reads the standing rows of many pots with one SELECT: after Redis lost its
// memory every pot is asked for at the same time.
type loader struct {
	q       *db.Queries
	queue   chan *load
	timeout time.Duration
}

func newLoader(q *db.Queries, opts Options) *loader {
	return &loader{q: q, queue: make(chan *load, opts.Queue), timeout: opts.Timeout}
}

// rows returns the standing rows of a pot in the order of k, as they were at some
// instant since the call.
func (l *loader) rows(ctx context.Context, pot PotID) ([]db.StandingOfPotsRow, error) {
	w := &load{pot: pot, done: make(chan struct{})}
	select {
	case l.queue <- w:
	default:
		return nil, ErrBusy
	}
	select {
	case <-w.done:
		return w.rows, w.err
	case <-ctx.Done():
		return nil, ErrBusy.With(ctx.Err())
	}
}

func (l *loader) loop(stop <-chan struct{}) {
	batch := make([]*load, 0, loadPots)
	for {
		batch = gather(l.queue, batch[:0], loadPots, stop)
		if len(batch) == 0 {
			return
		}
		l.read(batch)
	}
}

func (l *loader) read(batch []*load) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	ids := make([]int64, len(batch))
	for i, w := range batch {
		ids[i] = int64(w.pot)
	}
	rows, err := l.q.StandingOfPots(ctx, ids)
	if err != nil {
		err = fmt.Errorf("read the helps of %d pots: %w", len(ids), err)
	}
	parts := make(map[PotID][]db.StandingOfPotsRow, len(batch))
	for from, to := 0, 0; from < len(rows); from = to {
		for to = from; to < len(rows) && rows[to].PotID == rows[from].PotID; {
			to++
		}
		parts[PotID(rows[from].PotID)] = rows[from:to:to]
	}
	for _, w := range batch {
		w.rows, w.err = parts[w.pot], err
		close(w.done)
	}
}
