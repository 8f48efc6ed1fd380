package push

import (
	"sync"
	"time"
)

// What is written as "sending" before its calls is unclear when the replica dies, so
// a chunk is no larger than what a worker sends in about a second.
const (
	chunkTime  = time.Second
	leastChunk = 64 // below which a chunk's statements and commits cost more than its calls
)

// pace is how fast a worker's last chunk went.
type pace struct {
	mu    sync.Mutex
	calls int
	took  time.Duration
}

// note takes how long the calls of a chunk took. A clock that was set back says
// nothing.
func (p *pace) note(calls int, took time.Duration) {
	if calls == 0 || took < 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.took = calls, took
}

// chunk is how many recipients are written at a time, most at the most. Before
// anything was sent, few are.
func (p *pace) chunk(most int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return chunkOf(p.calls, p.took, most)
}

// chunkOf is how many of so many calls, which took so long together, fit in chunkTime.
func chunkOf(calls int, took time.Duration, most int) int {
	least := min(leastChunk, most)
	switch {
	case calls == 0:
		return least
	case took <= 0:
		return most
	}
	return min(max(int(float64(calls)*chunkTime.Seconds()/took.Seconds()), least), most)
}
