package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
	"kaimenhong/service/outbox/internal/db"
)

// maxTopics bounds how many topics one call of Deliver looks at.
const maxTopics = 100

// Deliver attempts the promises that are due and returns how many were kept. Each topic
// has a lane of its own: a festival's hundred thousand messages keep no number that was
// bound meanwhile waiting. A lane begins attempts for Options.Turn and ends with the last
// of them. While one still waits for an outside that hangs, all others have further turns,
// for as long as a lease at most. Any number of replicas may call it at once. Its error is
// the store's; a handler's error is recorded with its promise.
func (o *Outbox) Deliver(ctx context.Context) (int, error) {
	l := lanes{Outbox: o, busy: map[string]bool{}, ended: make(chan ended)}
	failed := l.begin(ctx)
	next, last := time.NewTicker(o.opts.Turn), time.NewTimer(o.opts.Lease)
	defer next.Stop()
	defer last.Stop()
	for len(l.busy) > 0 {
		select {
		case e := <-l.ended:
			delete(l.busy, e.topic)
			failed = cmp.Or(failed, e.err)
		case <-next.C:
			if ctx.Err() == nil {
				failed = cmp.Or(failed, l.begin(ctx))
			}
		case <-last.C:
			next.Stop()
		}
	}
	return int(l.kept.Load()), failed
}

// lanes are those of one call of Deliver.
type lanes struct {
	*Outbox
	busy  map[string]bool // topics
	ended chan ended
	kept  atomic.Int64
}

// ended is a lane that ended; one that fails does not cut the others off.
type ended struct {
	topic string
	err   error
}

// begin gives a turn to each topic that waits and has none.
func (l *lanes) begin(ctx context.Context) error {
	topics, err := l.topics(ctx)
	if err != nil {
		return fmt.Errorf("list topics of due promises: %w", err)
	}
	for _, topic := range topics {
		if l.busy[topic] {
			continue
		}
		l.busy[topic] = true
		go func() {
			l.ended <- ended{topic, model.Guarded(func() error { return l.lane(ctx, topic, &l.kept) })}
		}()
	}
	return nil
}

// topics are those of which a promise is not kept yet, also those that nobody handles.
func (o *Outbox) topics(ctx context.Context) (all []string, err error) {
	queries, topic := db.New(o.db), ""
	for range maxTopics {
		topic, err = queries.NextTopic(ctx, topic)
		if errors.Is(err, sql.ErrNoRows) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, topic)
	}
	return all, nil
}

// maxBatches bounds what one lane takes on in its turn.
const maxBatches = 100

// lane attempts the promises of one topic for a turn, batch by batch.
func (o *Outbox) lane(ctx context.Context, topic string, kept *atomic.Int64) error {
	turn, end := context.WithTimeout(ctx, o.opts.Turn)
	defer end()
	for range maxBatches {
		now := int64(model.At(o.now()))
		ids, err := db.New(o.db).Due(ctx, db.DueParams{Topic: topic, Now: now, FreeAt: now, Limit: int32(o.opts.Batch)})
		if err != nil {
			return fmt.Errorf("list due promises of %s: %w", topic, err)
		}
		if err := o.batch(ctx, turn, ids, kept); err != nil {
			return err
		}
		if len(ids) < o.opts.Batch || turn.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// batch attempts some promises, and begins none when the turn is over.
func (o *Outbox) batch(ctx, turn context.Context, ids []int64, kept *atomic.Int64) error {
	var group errgroup.Group
	group.SetLimit(o.opts.AtOnce)
	for _, id := range ids {
		group.Go(func() error {
			return model.Guarded(func() error {
				if turn.Err() != nil {
					return nil
				}
				ok, err := o.attempt(ctx, id)
				if ok {
					kept.Add(1)
				}
				return err
			})
		})
	}
	return group.Wait()
}
