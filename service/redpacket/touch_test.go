package redpacket

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// listener notes which scripts are run.
type listener struct {
	inner sequencer
	mu    sync.Mutex
	heard []*script
}

func (l *listener) run(ctx context.Context, s *script, key string, args ...any) (any, error) {
	l.mu.Lock()
	l.heard = append(l.heard, s)
	l.mu.Unlock()
	return l.inner.run(ctx, s, key, args...)
}

func TestAForgottenPotCostsOneRoundTripMore(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		pot := open(t, e, h.game(t, e, func(r *Rules) { r.Helps = 9 }), 1)
		heard := &listener{inner: e.redis}
		e.redis = heard
		for i, step := range []struct {
			name   string
			before func()
			want   []*script
		}{
			{"the first help", func() {}, []*script{dayScript, slotScript, tellScript}},
			{"a known pot", func() {}, []*script{dayScript, slotScript}},
			{"Redis lost its memory", func() { h.redis.FlushDB(t.Context()) }, []*script{dayScript, slotScript, tellScript}},
			{"a known pot again", func() {}, []*script{dayScript, slotScript}},
			{"a new process", func() {
				other := h.engine(t, Options{})
				heard.inner, other.redis, e = other.redis, heard, other
			}, []*script{dayScript, slotScript}},
			{"a new process and a Redis without memory", func() {
				h.redis.FlushDB(t.Context())
				other := h.engine(t, Options{})
				heard.inner, other.redis, e = other.redis, heard, other
			}, []*script{dayScript, slotScript, tellScript}},
		} {
			step.before()
			heard.heard = nil
			help, err := helpAs(t, e, pot.Pot, 10+i, fmt.Sprint("r", i))
			if err != nil || help.K != i+1 {
				t.Fatalf("%s: Help = %+v, %v, want slot %d", step.name, help, err, i+1)
			}
			if !slices.Equal(heard.heard, step.want) {
				t.Errorf("%s: %d scripts were run, want %d", step.name, len(heard.heard), len(step.want))
			}
		}
		sound(t, e)
	})
}
