package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/campaign/internal/db"
)

// The bounds of one call of Watch, which the schedule gives ten minutes.
const (
	watchers   = 4               // steps that one replica watches at a time
	watchTurn  = time.Minute     // of one step; the page that it is at is ended
	watchTime  = 8 * time.Minute // within which steps are begun
	maxWatched = 10_000          // steps
)

// watched is a step that waits for an event.
type watched struct {
	v *Version
	s Step
}

// Watch looks for what the events of running campaigns wait for: everybody in turn,
// members who join a segment or pay each hour, all else each day from 8:00. It goes on where
// the last call stopped, on any replica. Each step has a minute, beginning with the one
// whose last is longest ago, so that none waits for the slow carrier of another; what
// fails for one is told and leaves the others. It returns to how many something happened.
func (c *Campaigns) Watch(ctx context.Context) (int, error) {
	list, err := c.watched(ctx)
	happened, failed := 0, []error{err}
	var mu sync.Mutex
	var all sync.WaitGroup
	free, began := make(chan struct{}, watchers), c.Now()
	for _, w := range list {
		free <- struct{}{}
		if ctx.Err() != nil || c.Now().Sub(began) >= watchTime {
			break // the next call begins with it
		}
		all.Go(func() {
			n := 0
			err := model.Guarded(func() (err error) {
				n, err = c.watchStep(ctx, w.v, w.s)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if happened += n; err != nil {
				failed = append(failed, fmt.Errorf("watch for step %s of campaign %s: %w", w.s.ID, w.v.Campaign, err))
			}
			c.hadTurn(w.s.ID)
			<-free
		})
	}
	all.Wait()
	return happened, errors.Join(failed...)
}

// watched lists the steps that wait for an event now, those first whose turn on this
// replica is longest ago.
func (c *Campaigns) watched(ctx context.Context) (list []watched, err error) {
	var failed []error
	after, now := int64(0), model.At(c.Now())
	for len(list) < maxWatched {
		page, err := c.q.Moving(ctx, db.MovingParams{After: after, Limit: int32(c.opts.Batch)})
		if err != nil {
			failed = append(failed, fmt.Errorf("list campaigns that move: %w", err))
			break
		}
		for _, r := range page {
			after = r.ID
			v, err := c.Version(ctx, model.ID(r.ID), int(r.LiveVersion))
			if err != nil {
				failed = append(failed, err)
				continue
			}
			if now < v.Plan.StartsAt || now >= v.Plan.EndsAt {
				continue
			}
			for _, s := range v.Plan.Steps {
				if s.When.Kind == OnEvent {
					list = append(list, watched{&v, s})
				}
			}
		}
		if len(page) < c.opts.Batch {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(list, func(x, y watched) int { return cmp.Compare(c.turns[x.s.ID], c.turns[y.s.ID]) })
	return list, errors.Join(failed...)
}

// hadTurn notes that a step had its turn.
func (c *Campaigns) hadTurn(step model.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.turns) >= maxWatched {
		clear(c.turns)
	}
	c.last++
	c.turns[step] = c.last
}

// sayWatches tells of each step that waits for an event what its watch could not find out.
func (c *Campaigns) sayWatches(ctx context.Context, p *Plan, now model.Millis) (map[model.ID]string, error) {
	var steps []int64
	for _, s := range p.Steps {
		if s.When.Kind == OnEvent {
			steps = append(steps, int64(s.ID))
		}
	}
	if len(steps) == 0 {
		return nil, nil
	}
	rows, err := c.q.WatchesOf(ctx, steps)
	if err != nil {
		return nil, fmt.Errorf("read the watches: %w", err)
	}
	words := map[model.ID]string{}
	for _, w := range rows {
		said := ""
		if w.Unheard > 0 {
			said = fmt.Sprintf("%s起的这一轮有%d人没有查到，下一轮再查。", shortTime(model.Millis(w.RoundAt), now), w.Unheard)
		}
		if w.CutAt > 0 {
			said += fmt.Sprintf("%s起的那一轮没有查完，没查到的人在下一轮先查。", shortTime(model.Millis(w.CutAt), now))
		}
		words[model.ID(w.StepID)] = said
	}
	return words, nil
}
