package campaign

import (
	"context"
	"sync"
	"time"

	"kaimenhong/model"
)

// Board tells the progress of campaigns to pages that ask for it again and again. The
// deliveries of a million take the database seconds to count, so a count that took slow
// or more is told again for ten times as long as it took. Progress.CountedAt says how
// old it is. It is safe for concurrent use.
type Board struct {
	*Campaigns

	mu   sync.Mutex
	kept map[model.ID]count
}

// slow is how long a count takes at least that is kept.
const slow = time.Second

// keptFor is how many times as long as it took a count is kept, keptMost how long at most.
const (
	keptFor  = 10
	keptMost = 5 * time.Minute
)

// maxKept bounds the counts that are remembered.
const maxKept = 1000

// count is what was counted, when, and until when it is told again.
type count struct {
	tally []Tally
	at    model.Millis
	until time.Time
}

// NewBoard returns a board of c.
func NewBoard(c *Campaigns) *Board { return &Board{Campaigns: c, kept: map[model.ID]count{}} }

// Progress is that of Campaigns but for the age of the tally, which the caller must not
// change. Errors: ErrUnknown.
func (b *Board) Progress(ctx context.Context, id model.ID) (Progress, error) {
	return b.progress(ctx, id, b.count)
}

func (b *Board) count(ctx context.Context, id model.ID) ([]Tally, model.Millis, error) {
	began := b.Now()
	b.mu.Lock()
	kept, there := b.kept[id]
	b.mu.Unlock()
	if there && began.Before(kept.until) {
		return kept.tally, kept.at, nil
	}
	tally, at, err := b.Campaigns.count(ctx, id)
	took := b.Now().Sub(began)
	if err != nil || took < slow {
		return tally, at, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept) >= maxKept {
		clear(b.kept)
	}
	b.kept[id] = count{tally, at, began.Add(took + min(keptFor*took, keptMost))}
	return tally, at, nil
}
