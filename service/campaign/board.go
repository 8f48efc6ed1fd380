package campaign

import (
	"context"
	"sync"
	"time"

	"kaimenhong/model"
)

// Board tells the progress of campaigns to pages that ask for it again and again. The
// deliveries of a million take the database seconds to count, so a campaign is counted
// once at a time, whoever asks and whether he waits or not; meanwhile the others are told
// what was counted last, unless that is old. A count that took slow or more is told again
// for ten times as long as it took. Progress.CountedAt says how old it is. It is safe for
// concurrent use.
type Board struct {
	*Campaigns

	mu   sync.Mutex
	kept map[model.ID]count
	runs map[model.ID]*counting // under way
}

// slow is how long a count takes at least that is kept.
const slow = time.Second

// keptFor is how many times as long as it took a count is kept, keptMost how long at most.
const (
	keptFor  = 10
	keptMost = 5 * time.Minute
)

// countLimit bounds one count.
const countLimit = 10 * time.Minute

// maxKept bounds the counts that are remembered.
const maxKept = 1000

// count is what was counted, when, and until when it is told again.
type count struct {
	tally []Tally
	at    model.Millis
	until time.Time
}

// counting is a count under way. What came of it is written before done is closed.
type counting struct {
	done  chan struct{}
	tally []Tally
	at    model.Millis
	err   error
}

// NewBoard returns a board of c.
func NewBoard(c *Campaigns) *Board {
	return &Board{Campaigns: c, kept: map[model.ID]count{}, runs: map[model.ID]*counting{}}
}

// Progress is that of Campaigns but for the age of the tally, which the caller must not
// change. Errors: ErrUnknown.
func (b *Board) Progress(ctx context.Context, id model.ID) (Progress, error) {
	return b.progress(ctx, id, b.count)
}

func (b *Board) count(ctx context.Context, id model.ID) ([]Tally, model.Millis, error) {
	b.mu.Lock()
	kept, there := b.kept[id]
	run, under := b.runs[id]
	now := b.Now()
	if there && (now.Before(kept.until) || under && now.Before(kept.until.Add(keptMost))) {
		b.mu.Unlock()
		return kept.tally, kept.at, nil
	}
	if !under {
		run = &counting{done: make(chan struct{})}
		b.runs[id] = run
		go b.run(context.WithoutCancel(ctx), id, run)
	}
	b.mu.Unlock()
	select {
	case <-run.done:
		return run.tally, run.at, run.err
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

// run counts, also when nobody waits for it any more: who asks next is told.
func (b *Board) run(ctx context.Context, id model.ID, run *counting) {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	began := b.Now()
	run.err = model.Guarded(func() (err error) {
		run.tally, run.at, err = b.Campaigns.count(ctx, id)
		return err
	})
	took := b.Now().Sub(began)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.runs, id)
	if run.err == nil {
		delete(b.kept, id)
	}
	if run.err == nil && took >= slow {
		if len(b.kept) >= maxKept {
			clear(b.kept)
		}
		b.kept[id] = count{run.tally, run.at, began.Add(took + min(keptFor*took, keptMost))}
	}
	close(run.done)
}
