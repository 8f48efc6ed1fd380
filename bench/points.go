package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// measureRedeem measures redemptions on the real ledger and mall over MariaDB: beside
// the same statements sent by a bare loop over the driver, one gift beside many, and a
// member with a long history beside one without.
func measureRedeem(e env) ([]Figure, error) {
	ctx := context.Background()
	h, err := newHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	c, err := newCounter(ctx, h.db)
	if err != nil {
		return nil, err
	}
	if err := c.wealth(ctx, firstMember, redeemMembers, 1, 100_000_000, 0); err != nil {
		return nil, fmt.Errorf("load members: %w", err)
	}
	if _, _, err = c.record(ctx, firstMember); err != nil { // the first one of a process does more
		return nil, fmt.Errorf("a first redemption: %w", err)
	}
	s, trips, err := c.record(ctx, firstMember+1)
	if err != nil {
		return nil, fmt.Errorf("record a redemption: %w", err)
	}
	figures := []Figure{atMost("points.redeem.trips", "round trips to MariaDB", float64(trips), maxRedeemTrip)}
	var many, bare, hot side
	turns := []struct {
		side *side
		run  func(member int) error
	}{
		{&many, func(member int) error { return c.redeem(ctx, member, len(c.gifts)) }},
		{&bare, func(member int) error { return c.bare(ctx, s, member) }},
		{&hot, func(member int) error { return c.redeem(ctx, member, 1) }},
	}
	for range redeemRounds {
		for _, t := range turns {
			if err := t.side.turn(h, e.duration/redeemRounds, t.run); err != nil {
				return nil, err
			}
		}
		slices.Reverse(turns) // nobody is always first
	}
	fmt.Fprintf(e.log, "points.redeem: µs of processor time each: %.0f, bare %.0f, hot %.0f\n", many.each(), bare.each(), hot.each())
	figures = append(figures,
		against("points.redeem", "redemptions/s", many.rate(), "the same statements by a bare loop", bare.rate(), "≥", 0.8),
		against("points.redeem.hot", "redemptions/s", hot.rate(), "many gifts", many.rate(), "≥", 0.5))
	history, err := measureHistory(ctx, c, e.duration)
	if err != nil {
		return nil, err
	}
	found, err := c.ledger.Check(ctx)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("the ledger is broken: %v", found)
	}
	return append(figures, history), err
}

// side is one side of a comparison, added up over its turns.
type side struct {
	done    int64
	seconds float64
	cpu     time.Duration
	from    int
}

func (s *side) rate() float64 { return float64(s.done) / s.seconds }
func (s *side) each() float64 { return float64(s.cpu.Microseconds()) / float64(s.done) }

// turn lets 64 clients run for d, each time for the next member.
func (s *side) turn(h *house, d time.Duration, run func(member int) error) error {
	var next, done atomic.Int64
	next.Store(int64(s.from))
	before, begin := h.cpu(), time.Now()
	var wait sync.WaitGroup
	failed := make(chan error, redeemClients)
	for range redeemClients {
		wait.Go(func() {
			for time.Since(begin) < d {
				if err := run(firstMember + 2 + int(next.Add(1))%(redeemMembers-2)); err != nil {
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	wait.Wait()
	s.seconds += time.Since(begin).Seconds()
	s.cpu += h.cpu() - before
	s.done, s.from = s.done+done.Load(), int(next.Load())
	close(failed)
	return <-failed
}

// The histories that are compared: open lots, and entries behind the member.
const (
	lightMember, heavyMember = 900_001, 900_002
	lightLots, heavyLots     = 10, 1000
	heavyHistory             = 25_000 // earned and spent: four entries each
)

// measureHistory compares the time of one redemption of a member with 1,000 lots and
// 100,000 entries with that of one with 10, in turns, by the median.
func measureHistory(ctx context.Context, c *counter, d time.Duration) (Figure, error) {
	if err := c.wealth(ctx, lightMember, 1, lightLots, 1_000_000, 0); err != nil {
		return Figure{}, err
	}
	if err := c.wealth(ctx, heavyMember, 1, heavyLots, 1_000_000, heavyHistory); err != nil {
		return Figure{}, err
	}
	if _, err := c.db.ExecContext(ctx, "ANALYZE TABLE points_lot, points_posting, points_entry, points_account"); err != nil {
		return Figure{}, err
	}
	took := map[int][]time.Duration{}
	for begin := time.Now(); time.Since(begin) < d; {
		for _, member := range []int{lightMember, heavyMember} {
			at := time.Now()
			if err := c.redeem(ctx, member, len(c.gifts)); err != nil {
				return Figure{}, err
			}
			took[member] = append(took[member], time.Since(at))
		}
	}
	median := func(member int) float64 {
		all := took[member]
		slices.Sort(all)
		return float64(all[len(all)/2].Microseconds())
	}
	return against("points.redeem.history", "µs a redemption", median(heavyMember), "10 lots and 20 entries", median(lightMember), "≤", 1.1), nil
}
