package main

import (
	"context"
	"fmt"
	"time"

	"kaimenhong/service/redpacket"
)

// rounds is how often the sides of a comparison take turns: on a machine that others
// use too, neighbours in time are what can be compared.
const rounds = 3

// sides are the versions of a help.
func (h *house) sides() map[string]helper {
	return map[string]helper{
		"durable": h.engine, "scripts": redpacket.NewScriptsOnly(h.engine), "rowlock": redpacket.NewRowLock(h.engine),
	}
}

// shape is how the pots of a comparison are.
type shape struct {
	name               string
	pots, helps, width int
}

var (
	many = shape{"many", 8000, 50, 1000}
	hot  = shape{"hot", 80, 5000, 1}
)

// takeTurns measures each side on a table of its own, a part of the duration at a time.
func (h *house) takeTurns(e env, s shape, connections int, names ...string) (map[string]outcome, error) {
	tables, sums := map[string]*table{}, map[string]outcome{}
	for _, name := range names {
		var err error
		if tables[name], err = h.lay(context.Background(), s.pots, s.helps, s.width); err != nil {
			return nil, err
		}
	}
	sides := h.sides()
	for round := range rounds + 1 {
		for _, name := range names {
			job := task{Connections: connections, Duration: e.duration / rounds}
			o, err := h.run(sides[name], tables[name], job)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.name, name, err)
			}
			if round > 0 { // the first one warms up
				sums[name] = sums[name].plus(o)
			}
		}
	}
	return sums, nil
}

// measureHelp compares a durable help with the scripts alone and with the plain row
// lock.
func measureHelp(s shape, connections int, lock float64) func(env) ([]Figure, error) {
	return func(e env) ([]Figure, error) {
		h, err := newHouse(context.Background())
		if err != nil {
			return nil, err
		}
		defer h.close()
		sums, err := h.takeTurns(e, s, connections, "scripts", "durable", "rowlock")
		if err != nil {
			return nil, err
		}
		durable, scripts, plain := sums["durable"], sums["scripts"], sums["rowlock"]
		name := fmt.Sprintf("help.durable.%s.%d", s.name, connections)
		return []Figure{
			against(name, "helps/s", durable.rate(), "scripts alone", scripts.rate(), "≥", 0.65),
			against(name, "helps/s", durable.rate(), "row lock", plain.rate(), "≥", lock),
			against(name, "µs of processor a help", durable.perHelp(), "scripts alone", scripts.perHelp(), "≤", 1.7),
			against(name, "µs of processor a help", durable.perHelp(), "row lock", plain.perHelp(), "≤", 1/lock),
		}, nil
	}
}

// measureOpen compares openings with helps on many pots.
func measureOpen(e env) ([]Figure, error) {
	h, err := newHouse(context.Background())
	if err != nil {
		return nil, err
	}
	defer h.close()
	open, err := h.lay(context.Background(), many.pots, many.helps, many.width)
	if err != nil {
		return nil, err
	}
	fresh, err := h.lay(context.Background(), 1, many.helps, 1)
	if err != nil {
		return nil, err
	}
	var opened, helped outcome
	for range rounds {
		job := task{Connections: 64, Duration: e.duration / rounds}
		o, err := h.run(h.engine, open, job)
		if err != nil {
			return nil, err
		}
		helped = helped.plus(o)
		job.Game = fresh.game
		if o, err = h.run(h.engine, fresh, job); err != nil {
			return nil, err
		}
		opened = opened.plus(o)
	}
	return []Figure{against("pot.open.64", "openings/s", opened.rate(), "helps on many pots", helped.rate(), "≥", 0.3)}, nil
}

// measureFlush compares the hot pot with itself while Redis forgets everything every
// second.
func measureFlush(e env) ([]Figure, error) {
	h, err := newHouse(context.Background())
	if err != nil {
		return nil, err
	}
	defer h.close()
	hot, err := h.lay(context.Background(), 200, 5000, 1)
	if err != nil {
		return nil, err
	}
	var calm, flushed outcome
	for range rounds {
		job := task{Connections: 64, Duration: max(e.duration/rounds, 3*time.Second)}
		o, err := h.run(h.engine, hot, job)
		if err != nil {
			return nil, err
		}
		calm = calm.plus(o)
		stop := h.flushEvery(time.Second)
		o, err = h.run(h.engine, hot, job)
		stop()
		if err != nil {
			return nil, err
		}
		flushed = flushed.plus(o)
	}
	return []Figure{against("help.flushed.hot.64", "helps/s", flushed.rate(), "undisturbed", calm.rate(), "≥", 0.9)}, nil
}

// flushEvery empties Redis at an interval until it is stopped.
func (h *house) flushEvery(interval time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				_ = h.redis.FlushDB(ctx).Err() // a flush that fails flushes nothing
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// measureLatency finds the highest throughput and then sends 70 % of it, whatever the
// answers do.
func measureLatency(e env) ([]Figure, error) {
	h, err := newHouse(context.Background())
	if err != nil {
		return nil, err
	}
	defer h.close()
	pots, err := h.lay(context.Background(), 2*many.pots, many.helps, many.width)
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for _, connections := range []int{64, 256} {
		top, err := h.run(h.engine, pots, task{Connections: connections, Duration: e.duration})
		if err != nil {
			return nil, err
		}
		o, err := h.run(h.engine, pots, task{Connections: connections, Duration: e.duration, Rate: 0.7 * top.rate()})
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("help.latency.%d", connections)
		fmt.Fprintf(e.log, "%s: %.0f helps/s at most; p50 %.2f ms, p99 %.2f ms at %.0f\n", name, top.rate(), o.P50, o.P99, o.rate())
		figures = append(figures, against(name, "ms, p99", o.P99, "p50", o.P50, "≤", 3))
	}
	return figures, nil
}
