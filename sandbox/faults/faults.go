// Package faults makes the sandbox misbehave on request: a set of named points,
// each of which may delay, refuse, cut, repeat or spoil the calls that pass it.
//
// Invariants: without a fault a point changes nothing. What a point does is a
// function of the seed, its name and the number of calls that it has seen, so a
// run can be repeated. Every delay, body and list is bounded by a constant.
//
// It holds no table and no key.
package faults

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is what a fault does to a call.
type Kind string

// The kinds. "Effect" is whatever the wrapped handler does.
const (
	Delay     Kind = "delay"     // wait DelayMS, then as usual
	Status    Kind = "status"    // no effect; answer Status, with Retry-After when RetryAfter is set
	ErrCode   Kind = "errcode"   // no effect; answer 200 {"errcode":ErrCode,"errmsg":…} as WeChat does
	Reset     Kind = "reset"     // no effect; the connection is reset without an answer
	Cut       Kind = "cut"       // effect; the connection is reset after AfterBytes of the body
	Late      Kind = "late"      // effect DelayMS later; answer Status at once, or reset when Status is 0
	Duplicate Kind = "duplicate" // effect twice, as if a proxy had repeated the call; the first answer is sent
	Garbage   Kind = "garbage"   // effect; half of the answer, followed by something else
)

// The limits of what may be asked for.
const (
	MaxDelay    = 10 * time.Minute
	maxFaults   = 16      // on one point
	maxPoints   = 512     // in one set
	maxPending  = 1024    // late effects that wait; more happen at once
	maxRequest  = 4 << 20 // bytes of a body that is kept for a late or second effect
	maxResponse = 4 << 20 // bytes of an answer that is kept to be cut or spoilt
)

// Fault is one misbehaviour of a point. Faults of a point are tried in order;
// the first that applies is taken.
type Fault struct {
	Kind        Kind    `json:"kind"`
	Probability float64 `json:"probability"`          // of each call, above 0 up to 1; 0 is read as 1
	Count       int     `json:"count,omitempty"`      // it happens so often and then no more; 0 is for ever
	Skip        int     `json:"skip,omitempty"`       // so many calls pass untouched first
	DelayMS     int64   `json:"delayMs,omitempty"`    // milliseconds, before anything else happens (Late: before the effect)
	Status      int     `json:"status,omitempty"`     // HTTP status of Status (0 is 503) and Late
	RetryAfter  int     `json:"retryAfter,omitempty"` // seconds, header of Status
	ErrCode     int     `json:"errcode,omitempty"`    // of ErrCode; 0 is -1 "system error"
	AfterBytes  int     `json:"afterBytes,omitempty"` // of Cut: bytes of the body that still arrive
	Match       string  `json:"match,omitempty"`      // only calls whose path and query contain it
	Seen        int     `json:"seen"`                 // calls that it looked at
	Hits        int     `json:"hits"`                 // calls that it changed
}

// ErrUnknownPoint is returned for a point that nobody wrapped and that is no
// parent of one.
var ErrUnknownPoint = errors.New("no such fault point")

// Set is the fault points of one sandbox. Make one with New.
type Set struct {
	seed uint64

	mu     sync.Mutex
	points map[string]*point
	late   chan struct{} // one token for each late effect that waits
	done   chan struct{} // closed by Close: late effects happen now
	closed bool
	wait   sync.WaitGroup
}

type point struct {
	wrapped bool // false for a parent
	faults  []Fault
	random  *rand.Rand
}

// New returns a set in which nothing is wrong yet. The seed decides which calls
// a fault of some probability hits.
func New(seed uint64) *Set {
	return &Set{
		seed: seed, points: map[string]*point{},
		late: make(chan struct{}, maxPending), done: make(chan struct{}),
	}
}

// Close lets every late effect happen now and waits for them.
func (s *Set) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	s.wait.Wait()
}

// declare makes the point and its parents known. A point is named by words
// joined with dots: wechat.custom_send; its parent wechat stands for all below
// it. Too many points is a mistake of the program.
func (s *Set) declare(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := name; ; {
		if s.points[at] == nil {
			if len(s.points) == maxPoints {
				panic("faults: more points than maxPoints")
			}
			h := fnv.New64a()
			h.Write([]byte(at))
			s.points[at] = &point{random: rand.New(rand.NewPCG(s.seed, h.Sum64()))}
		}
		parent, ok := parentOf(at)
		if !ok {
			break
		}
		at = parent
	}
	s.points[name].wrapped = true
}

func parentOf(name string) (string, bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", false
	}
	return name[:i], true
}

// Put replaces the faults of a point, counted anew; none of them removes all. It
// fails with ErrUnknownPoint, or says which value is out of range.
func (s *Set) Put(name string, list ...Fault) error {
	if len(list) > maxFaults {
		return fmt.Errorf("%d faults on one point, at most %d", len(list), maxFaults)
	}
	kept := make([]Fault, len(list))
	for i, f := range list {
		checked, err := f.checked()
		if err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
		kept[i] = checked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.points[name]
	if p == nil {
		return fmt.Errorf("%w: %q", ErrUnknownPoint, name)
	}
	p.faults = kept
	return nil
}

// Clear removes the faults of every point.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.points {
		p.faults = nil
	}
}

// Points returns the name of every point and parent, sorted, with its faults.
func (s *Set) Points() ([]string, map[string][]Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[string][]Fault, len(s.points))
	for name, p := range s.points {
		found[name] = slices.Clone(p.faults)
	}
	return slices.Sorted(maps.Keys(found)), found
}

// draw decides what happens to a call at the point: the point's own faults come
// first, then those of its parents.
func (s *Set) draw(name, target string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, ok := name, true; ok; at, ok = parentOf(at) {
		p := s.points[at]
		for i := range p.faults {
			if f := &p.faults[i]; f.hit(target, p.random) {
				return *f, true
			}
		}
	}
	return Fault{}, false
}

// hit counts the call and tells whether the fault takes it.
func (f *Fault) hit(target string, random *rand.Rand) bool {
	if f.Match != "" && !strings.Contains(target, f.Match) {
		return false
	}
	f.Seen++
	if f.Seen <= f.Skip || f.Count > 0 && f.Hits >= f.Count {
		return false
	}
	if f.Probability < 1 && random.Float64() >= f.Probability {
		return false
	}
	f.Hits++
	return true
}

// checked fills in what was left out and refuses what is out of range.
func (f Fault) checked() (Fault, error) {
	f.Seen, f.Hits = 0, 0
	if f.Probability == 0 {
		f.Probability = 1
	}
	switch f.Kind {
	case Delay, Late:
		if f.DelayMS == 0 {
			return f, fmt.Errorf("%s needs delayMs", f.Kind)
		}
	case Status:
		if f.Status == 0 {
			f.Status = 503
		}
	case ErrCode:
		if f.ErrCode == 0 {
			f.ErrCode = -1
		}
	case Reset, Cut, Duplicate, Garbage:
	default:
		return f, fmt.Errorf("kind %q is none of delay, status, errcode, reset, cut, late, duplicate, garbage", f.Kind)
	}
	for _, check := range []struct {
		ok  bool
		why string
	}{
		{f.Probability > 0 && f.Probability <= 1, "probability must be above 0 and at most 1"},
		{f.Count >= 0 && f.Skip >= 0 && f.AfterBytes >= 0 && f.RetryAfter >= 0, "a count must not be negative"},
		{f.DelayMS >= 0 && f.DelayMS <= MaxDelay.Milliseconds(), fmt.Sprintf("delayMs must be within 0…%d", MaxDelay.Milliseconds())},
		{f.Status == 0 || f.Status >= 200 && f.Status <= 599, "status must be within 200…599"},
		{len(f.Match) <= 256, "match must have at most 256 bytes"},
	} {
		if !check.ok {
			return f, errors.New(check.why)
		}
	}
	return f, nil
}
