package fault

import (
	"fmt"
	"sync"
)

// Several counts errors that came one beside another and keeps the first of them, so
// that a long list with one cause is one line of a log. The zero value is ready, and may
// be used by several goroutines.
type Several struct {
	mu    sync.Mutex
	n     int
	first error
}

// Add notes an error; nil is none.
func (s *Several) Add(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n++; s.n == 1 {
		s.first = err
	}
}

// Err says how many there were and which was the first, which it wraps; nil after none.
func (s *Several) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.n {
	case 0:
		return nil
	case 1:
		return s.first
	}
	return fmt.Errorf("%d failed, the first: %w", s.n, s.first)
}
