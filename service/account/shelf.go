package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// The kinds of values, as the table and the metrics name them.
const (
	kindBalance  = "balance"
	kindUsage    = "usage"
	kindPlan     = "plan"
	kindBills    = "bills"
	kindCustomer = "customer"
)

// entry is a value in memory. Until says when somebody must ask again.
type entry[T any] struct {
	value T
	until time.Time
}

// shelf keeps the values of one kind.
type shelf[T any] struct {
	service *Service
	kind    string
	load    func(context.Context, model.Phone) (T, error)
	// dated gives a value's AsOf and Stale; nil for a kind that is never shown old.
	dated   func(*T) (*model.Millis, *bool)
	cache   *otter.Cache[string, entry[T]]
	flights singleflight.Group

	hit, loaded, stale, failed, refused prometheus.Counter
}

func newShelf[T any](s *Service, kind string, load func(context.Context, model.Phone) (T, error), dated func(*T) (*model.Millis, *bool)) (*shelf[T], error) {
	cache, err := otter.New(&otter.Options[string, entry[T]]{MaximumSize: s.opts.Entries})
	if err != nil {
		return nil, fmt.Errorf("make the cache of %s: %w", kind, err)
	}
	count := func(outcome string) prometheus.Counter { return s.reads.WithLabelValues(kind, outcome) }
	return &shelf[T]{
		service: s, kind: kind, load: load, dated: dated, cache: cache,
		hit: count("hit"), loaded: count("loaded"), stale: count("stale"), failed: count("failed"), refused: count("refused"),
	}, nil
}

// get answers from memory, or joins the one fetch of that number and kind. The
// fetch does not end with the caller who began it; each caller waits as long as
// his own context lets him.
func (s *shelf[T]) get(ctx context.Context, phone model.Phone) (T, error) {
	var none T
	if phone.IsZero() {
		return none, ErrNoPhone
	}
	key := s.service.index(phone)
	if value, ok := s.fresh(key); ok {
		s.hit.Inc()
		return value, nil
	}
	detached := context.WithoutCancel(ctx)
	flight := s.flights.DoChan(key, func() (any, error) { return s.fetch(detached, key, phone) })
	select {
	case got := <-flight:
		if got.Err != nil {
			return none, got.Err
		}
		return got.Val.(T), nil
	case <-ctx.Done():
		if e, ok := s.cache.GetIfPresent(key); ok {
			if old, ok := s.old(e.value); ok {
				s.stale.Inc()
				return old, nil
			}
		}
		s.failed.Inc()
		return none, ErrUnavailable.With(ctx.Err())
	}
}

// fresh is a value that is in memory and need not be asked for again.
func (s *shelf[T]) fresh(key string) (T, bool) {
	e, ok := s.cache.GetIfPresent(key)
	return e.value, ok && s.service.now().Before(e.until)
}

// fetch asks the carrier and falls back on the last known value.
func (s *shelf[T]) fetch(ctx context.Context, key string, phone model.Phone) (T, error) {
	// Another fetch may have ended between the caller's look and this one's begin.
	if value, ok := s.fresh(key); ok {
		s.hit.Inc()
		return value, nil
	}
	epoch := s.service.epochs.of(key)
	var value T
	err := model.Guarded(func() (err error) { // singleflight would end the process
		loading, cancel := context.WithTimeout(ctx, s.service.opts.Load)
		defer cancel()
		value, err = s.load(loading, phone)
		return err
	})
	switch {
	case err == nil:
		s.loaded.Inc()
		s.put(key, epoch, entry[T]{value, s.service.now().Add(s.service.opts.Fresh)})
		s.save(key, epoch, &value)
		return value, nil
	case !down(err):
		s.refused.Inc()
		s.cache.Invalidate(key) // what the carrier said before is no longer so
		return value, err
	}
	if old, ok := s.lastKnown(ctx, key); ok {
		s.stale.Inc()
		s.put(key, epoch, entry[T]{old, s.service.now().Add(s.service.opts.Retry)})
		return old, nil
	}
	s.failed.Inc()
	return value, ErrUnavailable.With(err)
}

// down tells that the carrier did not say anything, as opposed to saying no.
func down(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Limited, fault.Internal:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// put remembers an entry unless the number was forgotten since epoch was read. It
// looks under the entry's lock, which forget takes after it raised the epoch: so
// either the look sees the new epoch, or forget drops what was put.
func (s *shelf[T]) put(key string, epoch uint64, e entry[T]) {
	s.cache.Compute(key, func(entry[T], bool) (entry[T], otter.ComputeOp) {
		if s.service.epochs.of(key) != epoch {
			return e, otter.CancelOp
		}
		return e, otter.WriteOp
	})
}

// forget drops the value and lets whoever asks from now on begin a fetch of his own.
func (s *shelf[T]) forget(key string) {
	s.flights.Forget(key)
	s.cache.Invalidate(key)
}

// old marks a value as stale; false when it is too old to be shown, or of a kind
// that never is.
func (s *shelf[T]) old(value T) (T, bool) {
	if s.dated == nil {
		return value, false
	}
	asOf, stale := s.dated(&value)
	*stale = true
	return value, s.service.now().Sub(asOf.Time()) <= s.service.opts.MaxStale
}

// lastKnown is the newest value in memory or else in SQL.
func (s *shelf[T]) lastKnown(ctx context.Context, key string) (T, bool) {
	var none T
	if s.dated == nil {
		return none, false
	}
	if e, ok := s.cache.GetIfPresent(key); ok {
		if old, ok := s.old(e.value); ok {
			return old, true
		}
	}
	plain, ok := s.service.snapshot(ctx, key, s.kind)
	if !ok {
		return none, false
	}
	var value T
	if err := json.Unmarshal(plain, &value); err != nil {
		s.service.log.ErrorContext(ctx, "account snapshot cannot be read", "kind", s.kind, "error", err)
		return none, false
	}
	return s.old(value)
}

// save hands the value to the writer.
func (s *shelf[T]) save(key string, epoch uint64, value *T) {
	if s.dated == nil {
		return
	}
	asOf, _ := s.dated(value)
	s.service.writer.offer(key, s.kind, epoch, *asOf, value)
}

// epochs counts how often the numbers of a bucket were forgotten. Numbers share
// buckets: one that is forgotten costs its neighbours at most one more fetch.
type epochs struct {
	counts [1024]atomic.Uint64
}

var epochSeed = maphash.MakeSeed()

func (e *epochs) bucket(key string) *atomic.Uint64 {
	return &e.counts[maphash.String(epochSeed, key)%uint64(len(e.counts))]
}

func (e *epochs) of(key string) uint64 { return e.bucket(key).Load() }
func (e *epochs) next(key string)      { e.bucket(key).Add(1) }
