package redpacket

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// listener notes which scripts are run, and how many of them with no deadline.
type listener struct {
	inner   sequencer
	mu      sync.Mutex
	heard   []*script
	endless int
}

func (l *listener) run(ctx context.Context, s *script, key string, args ...any) (any, error) {
	l.mu.Lock()
	l.heard = append(l.heard, s)
	if _, bounded := ctx.Deadline(); !bounded {
		l.endless++
	}
	l.mu.Unlock()
	return l.inner.run(ctx, s, key, args...)
}

func TestAForgottenPotIsToldWithTheFirstQuestion(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Helps, r.HelpsPerDay = 9, 100 })
		one, two := open(t, e, game, 1), open(t, e, game, 2)
		heard := &listener{}
		listen := func(to *Engine) { heard.inner, to.redis, e = to.redis, heard, to }
		listen(e)
		asked, told, surprised := []*script{dayScript, slotScript}, []*script{dayScript, tellScript}, []*script{dayScript, slotScript, tellScript}
		flush := func() { h.redis.FlushDB(t.Context()) }
		for i, step := range []struct {
			name     string
			before   func()
			one, two []*script
		}{
			{"just opened", func() {}, told, told},
			{"known", func() {}, asked, asked},
			{"Redis lost its memory: the first finds out", flush, surprised, told},
			{"known again", func() {}, asked, asked},
			{"and once more", flush, surprised, told},
			{"a new process", func() { listen(h.engine(t, Options{})) }, asked, asked},
			{"a new process and a Redis without memory", func() { flush(); listen(h.engine(t, Options{})) }, surprised, surprised},
		} {
			step.before()
			for _, ask := range []struct {
				pot  PotID
				want []*script
			}{{one.Pot, step.one}, {two.Pot, step.two}} {
				heard.heard = nil
				help, err := helpAs(t, e, ask.pot, 10+i, fmt.Sprint("r", i))
				if err != nil || help.K != i+1 {
					t.Fatalf("%s: Help = %+v, %v, want slot %d", step.name, help, err, i+1)
				}
				if !slices.Equal(heard.heard, ask.want) {
					t.Errorf("%s, pot %s of %s and %s: %d scripts were run, want %d", step.name, ask.pot, one.Pot, two.Pot, len(heard.heard), len(ask.want))
				}
			}
		}
		// A pot that is over is gone from Redis in time, which says nothing of the others.
		h.clock.advance(25 * time.Hour)
		three := open(t, e, game, 3)
		if _, err := helpAs(t, e, three.Pot, 10, "r"); err != nil {
			t.Fatal(err)
		}
		h.redis.Del(t.Context(), one.Pot.slotsKey())
		if _, err := helpAs(t, e, one.Pot, 30, "late"); err == nil {
			t.Error("a help after the end is taken")
		}
		heard.heard = nil
		if _, err := helpAs(t, e, three.Pot, 11, "r"); err != nil || !slices.Equal(heard.heard, asked) {
			t.Errorf("%d scripts were run for a known pot after an old one was gone, %v, want %d", len(heard.heard), err, len(asked))
		}
		if heard.endless > 0 {
			t.Errorf("%d scripts had no deadline", heard.endless)
		}
		sound(t, e)
	})
}
