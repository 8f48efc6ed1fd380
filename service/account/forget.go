package account

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

// channel is where replicas tell each other which number to forget, by its blind
// index.
const channel = "account:forget"

// Forget drops what is remembered of a number in every replica, after something
// changed it (a top-up, a pack). The last known value in SQL stays, dated as it is.
//
// What holds: in this process nobody who asks after Forget returns is answered
// with what was fetched before it. Other replicas are told through Redis, best
// effort: one that misses the message answers the old value, with its true AsOf,
// for at most Options.Fresh.
func (s *Service) Forget(ctx context.Context, phone model.Phone) {
	if phone.IsZero() {
		return
	}
	key := s.index(phone)
	s.forget(key)
	if err := s.redis.Publish(ctx, channel, key).Err(); err != nil {
		s.log.WarnContext(ctx, "account forget not told to other replicas", "phone", phone, "error", err)
	}
}

// Erase forgets a number and deletes its last known values from SQL: when it has
// changed hands, or its owner unbinds it. It is done before it returns; a fetch
// that another replica has under way may save its value once more, unless Redis
// tells it in time, and Erase may be called again.
func (s *Service) Erase(ctx context.Context, phone model.Phone) error {
	s.Forget(ctx, phone)
	if phone.IsZero() {
		return nil
	}
	return s.eraseRows(ctx, s.index(phone))
}

// eraseRows deletes what SQL keeps of a number.
func (s *Service) eraseRows(ctx context.Context, key string) error {
	if _, err := s.queries.EraseSnapshots(ctx, key); err != nil {
		return fmt.Errorf("erase account snapshots: %w", err)
	}
	if _, err := s.queries.EraseDays(ctx, key); err != nil {
		return fmt.Errorf("erase days of usage: %w", err)
	}
	return nil
}

// forget raises the epoch first: a fetch that ends now remembers nothing.
func (s *Service) forget(key string) {
	s.epochs.next(key)
	s.balance.forget(key)
	s.usage.forget(key)
	s.plan.forget(key)
	s.bills.forget(key)
	s.customer.forget(key)
}

// forgetAll empties the memory.
func (s *Service) forgetAll() {
	for i := range s.epochs.counts {
		s.epochs.counts[i].Add(1)
	}
	s.balance.cache.InvalidateAll()
	s.usage.cache.InvalidateAll()
	s.plan.cache.InvalidateAll()
	s.bills.cache.InvalidateAll()
	s.customer.cache.InvalidateAll()
}

// Run writes last known values and listens to the other replicas until ctx ends;
// then it writes what is still queued and returns. Start it once, before the first
// request.
func (s *Service) Run(ctx context.Context) {
	var wait sync.WaitGroup
	wait.Go(func() { s.writer.run(ctx) })
	s.listen(ctx)
	wait.Wait()
}

// listen forgets what other replicas say. Each time the subscription is made anew
// messages may have been missed: then everything is forgotten.
func (s *Service) listen(ctx context.Context) {
	sub := s.redis.Subscribe(ctx, channel)
	defer func() { _ = sub.Close() }()
	events := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-events:
			if !ok {
				return
			}
			switch event := event.(type) {
			case *redis.Subscription:
				s.forgetAll()
				s.log.InfoContext(ctx, "account listens to other replicas")
			case *redis.Message:
				if len(event.Payload) <= maxKey {
					s.forget(event.Payload)
				}
			}
		}
	}
}
