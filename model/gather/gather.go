// Package gather lets readers who ask a store at the same time share one question,
// as a group commit lets writers share one flush: a statement with many keys, or a
// pipeline of commands, costs little more than one of each.
//
// Invariants: the question that answers a Get began after that Get was called, so
// nothing older is answered than the store would have. Nobody waits for company:
// what comes while Options.InFlight questions are out makes up the next one. A
// caller who gives up leaves; the question goes on for the others.
package gather

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// ErrBusy says that Options.Waiting callers wait already.
var ErrBusy = fault.New(fault.Unavailable, "gather.busy", "系统繁忙，请稍后再试")

// Load asks the store for all keys, each of which is there once, at most
// Options.Limit. A key that is missing in what it returns has no value. The error is
// everybody's; a panic becomes a *model.Panic.
type Load[K comparable, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Options have good defaults.
type Options struct {
	InFlight int           // questions at a time; default 2
	Limit    int           // keys of a question; default 256
	Waiting  int           // callers who wait for one to begin; default 8,192
	Timeout  time.Duration // of a question; default 5 s
}

// Group shares questions. Make one with New; it is safe for concurrent use.
type Group[K comparable, V any] struct {
	load   Load[K, V]
	opts   Options
	timers sync.Pool // those that nobody waits for

	mu      sync.Mutex
	flying  int
	next    []*question[K, V] // in the order they are asked
	waiting int
}

// question is what some callers wait for. keys grows until it is asked.
type question[K comparable, V any] struct {
	group   *Group[K, V]
	keys    []K
	known   map[K]struct{} // the keys
	callers int
	done    chan struct{}
	values  map[K]V
	err     error
}

// New makes a group.
func New[K comparable, V any](load Load[K, V], opts Options) *Group[K, V] {
	opts.InFlight = cmp.Or(opts.InFlight, 2)
	opts.Limit = cmp.Or(opts.Limit, 256)
	opts.Waiting = cmp.Or(opts.Waiting, 8192)
	opts.Timeout = cmp.Or(opts.Timeout, 5*time.Second)
	g := &Group[K, V]{load: load, opts: opts}
	g.timers.New = func() any { return time.NewTimer(time.Hour) }
	return g
}

// Get returns the value of a key, and whether it has one. The value may be shared
// with others who asked for the same key: it is not to be changed. Errors: those of
// the load, ctx's, and ErrBusy when too many wait.
func (g *Group[K, V]) Get(ctx context.Context, key K) (value V, found bool, err error) {
	return g.Ask(key).Wait(ctx, 0)
}

// Asked is a key that was asked for.
type Asked[K comparable, V any] struct {
	key K
	q   *question[K, V] // nil when too many wait
}

// Ask asks for a key without waiting; whoever has other things to ask does so before he
// waits.
func (g *Group[K, V]) Ask(key K) Asked[K, V] { return Asked[K, V]{key, g.join(key)} }

// Wait is the second half of Get. Where limit is above 0 it ends after that long at the
// latest, with context.DeadlineExceeded: for a fraction of what a context with a
// deadline of its own costs.
func (a Asked[K, V]) Wait(ctx context.Context, limit time.Duration) (value V, found bool, err error) {
	if a.q == nil {
		return value, false, ErrBusy
	}
	select {
	case <-a.q.done: // what is answered is not late
	default:
		if err := a.wait(ctx, limit); err != nil {
			return value, false, err
		}
	}
	if a.q.err != nil {
		return value, false, a.q.err
	}
	value, found = a.q.values[a.key]
	return value, found, nil
}

func (a Asked[K, V]) wait(ctx context.Context, limit time.Duration) error {
	var late <-chan time.Time
	if limit > 0 {
		timer := a.q.group.timers.Get().(*time.Timer)
		timer.Reset(limit)
		defer a.q.group.timers.Put(timer)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-a.q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return context.DeadlineExceeded
	}
}

// join adds the key to a question that is not asked yet, and begins one when there
// is room in flight; nil when too many wait.
func (g *Group[K, V]) join(key K) *question[K, V] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting >= g.opts.Waiting {
		return nil
	}
	q := g.open(key)
	q.callers++
	g.waiting++
	if g.flying < g.opts.InFlight {
		g.flying++
		go g.ask()
	}
	return q
}

// open returns the last question, with the key in it, or a new one when that is full.
func (g *Group[K, V]) open(key K) *question[K, V] {
	if n := len(g.next); n > 0 {
		q := g.next[n-1]
		if _, known := q.known[key]; known {
			return q
		}
		if len(q.keys) < g.opts.Limit {
			q.keys, q.known[key] = append(q.keys, key), struct{}{}
			return q
		}
	}
	q := &question[K, V]{group: g, keys: []K{key}, known: map[K]struct{}{key: {}}, done: make(chan struct{})}
	g.next = append(g.next, q)
	return q
}

// ask asks what waits, question after question, until nothing does. Before each it
// lets run whoever can: on a busy machine those are the next to join, on an idle one
// there is nobody to wait for.
func (g *Group[K, V]) ask() {
	for {
		runtime.Gosched()
		g.mu.Lock()
		if len(g.next) == 0 {
			g.flying--
			g.mu.Unlock()
			return
		}
		q := g.next[0]
		g.next = g.next[1:]
		g.waiting -= q.callers
		g.mu.Unlock()
		g.answer(q)
	}
}

func (g *Group[K, V]) answer(q *question[K, V]) {
	ctx, cancel := context.WithTimeout(context.Background(), g.opts.Timeout)
	defer cancel()
	q.err = model.Guarded(func() (err error) {
		q.values, err = g.load(ctx, q.keys)
		return err
	})
	close(q.done)
}
