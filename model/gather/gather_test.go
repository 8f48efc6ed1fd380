package gather_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/gather"
)

// store answers questions when it is let; it writes down what it was asked.
type store struct {
	let   chan struct{}
	asked [][]int
	mu    sync.Mutex
}

func (s *store) load(ctx context.Context, keys []int) (map[int]string, error) {
	s.mu.Lock()
	s.asked = append(s.asked, slices.Clone(keys))
	s.mu.Unlock()
	select {
	case <-s.let:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	values := map[int]string{}
	for _, k := range keys {
		if k >= 0 {
			values[k] = fmt.Sprint("value ", k)
		}
	}
	return values, nil
}

func TestWhoComesMeanwhileSharesTheNextQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{let: make(chan struct{})}
		g := gather.New(s.load, gather.Options{InFlight: 1, Limit: 3})
		var wait sync.WaitGroup
		get := func(key int) {
			wait.Go(func() {
				want := ""
				if key >= 0 {
					want = fmt.Sprint("value ", key)
				}
				if got, found, err := g.Get(t.Context(), key); got != want || found != (key >= 0) || err != nil {
					t.Errorf("Get(%d) = %q, %v, %v, want %q", key, got, found, err, want)
				}
			})
			synctest.Wait()
		}
		for _, key := range []int{1, 2, 2, -3, 4, 5, 5} { // one alone, three together, the rest
			get(key)
		}
		for range 3 {
			s.let <- struct{}{}
			synctest.Wait()
		}
		wait.Wait()
		if want := [][]int{{1}, {2, -3, 4}, {5}}; !slices.EqualFunc(s.asked, want, slices.Equal) {
			t.Errorf("the store was asked %v, want %v", s.asked, want)
		}
	})
}

func TestNobodyWaitsForeverAndNobodyElsewhereSuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{let: make(chan struct{})}
		g := gather.New(s.load, gather.Options{InFlight: 1, Waiting: 1, Timeout: time.Minute})
		first := make(chan error, 1)
		go func() {
			_, _, err := g.Get(t.Context(), 1)
			first <- err
		}()
		synctest.Wait()
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		left := make(chan error, 1)
		go func() {
			_, _, err := g.Get(gone, 2)
			left <- err
		}()
		synctest.Wait()
		if _, _, err := g.Get(t.Context(), 3); !errors.Is(err, gather.ErrBusy) {
			t.Errorf("a caller too many gets %v, want ErrBusy", err)
		}
		if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who gave up gets %v", err)
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a store that never answers is %v after the limit, want its deadline", err)
		}
		s.let <- struct{}{} // the question of who left
	})
}

func TestWhoAsksAheadWaitsNoLongerThanHeSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{let: make(chan struct{})}
		g := gather.New(s.load, gather.Options{InFlight: 1, Waiting: 2})
		first, second, third := g.Ask(1), g.Ask(2), g.Ask(3)
		begin := time.Now()
		if _, _, err := first.Wait(t.Context(), time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("Wait = %v after %s, want the deadline after a second", err, time.Since(begin))
		}
		if _, _, err := third.Wait(t.Context(), 0); !errors.Is(err, gather.ErrBusy) {
			t.Errorf("Wait = %v, want ErrBusy for who found no room", err)
		}
		s.let <- struct{}{}
		synctest.Wait()
		for _, limit := range []time.Duration{time.Nanosecond, 0} { // what is answered is not late
			if got, _, err := second.Wait(t.Context(), limit); got != "value 2" || err != nil {
				t.Errorf("Wait = %q, %v", got, err)
			}
		}
	})
}

func TestAFailureAndAPanicAreTold(t *testing.T) {
	broken := errors.New("broken")
	g := gather.New(func(context.Context, []int) (map[int]int, error) { return nil, broken }, gather.Options{})
	if _, _, err := g.Get(t.Context(), 1); !errors.Is(err, broken) {
		t.Errorf("Get = %v, want %v", err, broken)
	}
	g = gather.New(func(context.Context, []int) (map[int]int, error) { panic("at the disco") }, gather.Options{})
	var p *model.Panic
	if _, _, err := g.Get(t.Context(), 1); !errors.As(err, &p) {
		t.Errorf("Get = %v, want a panic", err)
	}
}

// TestNothingOlderIsAnswered: a counter that only grows is read; whoever asks after it
// was seen at n reads n or more, and a question holds no key twice and not too many.
func TestNothingOlderIsAnswered(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit, flying := rapid.IntRange(1, 5).Draw(r, "limit"), rapid.IntRange(1, 3).Draw(r, "in flight")
		readers, reads := rapid.IntRange(1, 16).Draw(r, "readers"), rapid.IntRange(1, 20).Draw(r, "reads")
		var counter, out atomic.Int64
		g := gather.New(func(_ context.Context, keys []int) (map[int]int64, error) {
			defer out.Add(-1)
			if now := out.Add(1); now > int64(flying) || len(keys) > limit {
				return nil, fmt.Errorf("%d questions out, %d keys", now, len(keys))
			}
			values := map[int]int64{}
			for _, k := range keys {
				if _, twice := values[k]; twice {
					return nil, fmt.Errorf("key %d is asked twice", k)
				}
				values[k] = counter.Add(1)
			}
			return values, nil
		}, gather.Options{Limit: limit, InFlight: flying})
		failures := make(chan error, readers)
		for i := range readers {
			go func() {
				for range reads {
					before := counter.Load()
					got, _, err := g.Get(context.Background(), i%7)
					if err != nil || got <= before {
						failures <- fmt.Errorf("read %d, %v after the counter was at %d", got, err, before)
						return
					}
				}
				failures <- nil
			}()
		}
		for range readers {
			if err := <-failures; err != nil {
				r.Error(err)
			}
		}
	})
}
