package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/redpacket"
)

// turns is how often a thousand pots and very many take turns, and how often the pots
// are forgotten: each is short, and the middle one of several is what they are like.
const turns = 7

// measureMillion compares helps while very many pots are open with helps while a
// thousand are, and weighs the pots in Redis.
func measureMillion(e env) ([]Figure, error) {
	const few = 1000
	ctx := context.Background()
	h, err := newHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	begin := time.Now()
	all, err := h.lay(ctx, e.pots, 50, e.pots)
	if err != nil {
		return nil, err
	}
	if err := h.helpEach(ctx, all.pots, 3); err != nil {
		return nil, err
	}
	size, err := h.sizeOf(all.pots[:few])
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(e.log, "pots.open: %d pots with 3 helps each are open after %s\n", e.pots, time.Since(begin).Round(time.Second))
	// The two sides have friends of their own: those of the many come after them.
	thousand := &table{game: all.game, pots: all.pots[:few], helps: 50, width: few, next: 3 * few}
	wide := &table{game: all.game, pots: all.pots, helps: 50, width: e.pots, next: 3 * e.pots}
	var small, large outcome
	for range turns {
		job := task{Connections: 64, Duration: min(e.duration/rounds, time.Second)}
		o, err := h.run(h.engine, thousand, job)
		if err != nil {
			return nil, err
		}
		small = small.plus(o)
		if o, err = h.run(h.engine, wide, job); err != nil {
			return nil, err
		}
		large = large.plus(o)
	}
	fmt.Fprintf(e.log, "pots.open: %.0f µs of processor a help with very many, %.0f µs with 1,000\n", large.perHelp(), small.perHelp())
	name := fmt.Sprintf("pots.open.%d", e.pots)
	return []Figure{
		against(name, "helps/s", large.rate(), "1,000 open pots", small.rate(), "≥", 0.9),
		atMost(name, "bytes of Redis an open pot with 3 helps", size, 700),
	}, nil
}

// strangers are friends whom no load asks for.
const strangers = 1_000_000_000

// helpEach helps each pot so many times, each time another friend, without HTTP in
// between.
func (h *house) helpEach(ctx context.Context, pots []redpacket.PotID, helps int) error {
	return parallel(256, helps*len(pots), func(i int) error {
		_, err := h.engine.Help(ctx, redpacket.HelpRequest{
			Pot: pots[i%len(pots)], Who: visitor(strangers + i), Request: model.RequestID(fmt.Sprint("before-", i)),
		})
		return err
	})
}

// sizeOf is the mean of the bytes that Redis needs for each of the pots.
func (h *house) sizeOf(pots []redpacket.PotID) (float64, error) {
	var sum int64
	for _, id := range pots {
		n, err := h.redis.MemoryUsage(context.Background(), "redpacket:{"+id.String()+"}:slots").Result()
		if err != nil {
			return 0, fmt.Errorf("weigh pot %s: %w", id, err)
		}
		sum += n
	}
	return float64(sum) / float64(len(pots)), nil
}

// measureTouch asks for pots that Redis has forgotten, each for the first time since,
// over 64 connections at a third of the highest throughput. The figures are those of
// the middle turn.
func measureTouch(e env) ([]Figure, error) {
	const pots, before = 2000, 10
	ctx := context.Background()
	h, err := newHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	t, err := h.lay(ctx, pots, 50, pots)
	if err != nil {
		return nil, err
	}
	top, err := h.run(h.engine, t, task{Connections: 64, Most: before * pots, Duration: 5 * time.Minute})
	if err != nil {
		return nil, err
	}
	var cold, warm []outcome
	job := task{Connections: 64, Most: pots, Duration: 5 * time.Minute, Rate: top.rate() / 3}
	for range turns {
		o, err := h.run(h.engine, t, job)
		if err != nil {
			return nil, err
		}
		warm = append(warm, o)
		if err := h.redis.FlushDB(ctx).Err(); err != nil {
			return nil, err
		}
		if o, err = h.run(h.engine, t, job); err != nil {
			return nil, err
		}
		cold = append(cold, o)
	}
	first, known := middle(cold), middle(warm)
	fmt.Fprintf(e.log, "help.first_touch: p50 %.2f ms, p99 %.2f ms, %.0f µs of processor; the same pots when Redis knows them: %.2f ms, %.2f ms, %.0f µs, at %.0f/s\n",
		first.P50, first.P99, first.perHelp(), known.P50, known.P99, known.perHelp(), job.Rate)
	return []Figure{
		atMost("help.first_touch.64", "ms, p50", first.P50, 5),
		atMost("help.first_touch.64", "ms, p99", first.P99, 5),
	}, nil
}

// middle is each figure's median.
func middle(all []outcome) outcome {
	of := func(figure func(outcome) float64) float64 {
		values := make([]float64, len(all))
		for i, o := range all {
			values[i] = figure(o)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return outcome{
		P50: of(func(o outcome) float64 { return o.P50 }), P99: of(func(o outcome) float64 { return o.P99 }),
		Done: 1, cpu: of(func(o outcome) float64 { return o.cpu / float64(o.Done) }),
	}
}
