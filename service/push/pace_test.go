package push

import (
	"testing"
	"time"
)

func TestAChunkIsWhatAWorkerSendsInASecond(t *testing.T) {
	for _, tt := range []struct {
		name  string
		calls int
		took  time.Duration
		most  int
		want  int
	}{
		{"nothing was sent yet: few", 0, 0, 500, 64},
		{"1,250 a second: the most", 500, 400 * time.Millisecond, 500, 500},
		{"320 a second", 64, 200 * time.Millisecond, 500, 320},
		{"16 a second: no fewer than what pays", 64, 4 * time.Second, 500, 64},
		{"one call in six seconds", 1, 6 * time.Second, 500, 64},
		{"so fast that no time passed", 64, 0, 500, 500},
		{"so fast that the rate is astronomic", 10_000, 1, 500, 500},
		{"a most below what pays", 64, 4 * time.Second, 10, 10},
		{"and before anything was sent", 0, 0, 10, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := chunkOf(tt.calls, tt.took, tt.most); got != tt.want {
				t.Errorf("chunkOf(%d, %s, %d) = %d, want %d", tt.calls, tt.took, tt.most, got, tt.want)
			}
		})
	}
}

func TestAClockThatWasSetBackSaysNothingOfThePace(t *testing.T) {
	var p pace
	p.note(64, 4*time.Second)
	p.note(64, -time.Hour)
	p.note(0, time.Second)
	if got := p.chunk(500); got != leastChunk {
		t.Errorf("the next chunk has %d recipients, want the %d of the pace before", got, leastChunk)
	}
}
