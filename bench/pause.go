package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What is paused and killed, and when.
const (
	pauseRounds = 3               // of each
	pauseAfter  = 3000            // messages, and 500 more in each round
	pauseQuiet  = 3 * time.Second // without a message, after which none comes
)

// measurePushPause measures from a person's word to the last message that comes in at
// WeChat, while two replicas send at full rate. The word is spoken at a third, so that
// both have to see it by themselves.
func measurePushPause(e env) ([]Figure, error) {
	ctx := context.Background()
	s, err := newSenders(ctx, pretend{Users: 2 * pushFew, Notices: pushNotices})
	if err != nil {
		return nil, err
	}
	defer s.close()
	speaker, err := s.replica(ctx)
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for _, word := range []struct {
		name string
		say  func(context.Context) error
	}{
		{"push.pause", func(ctx context.Context) error { return speaker.Pause(ctx, s.next, "bench") }},
		{"push.kill", func(ctx context.Context) error { return speaker.Kill(ctx, s.next) }},
	} {
		var longest time.Duration
		for round := range pauseRounds {
			took, before, after, err := s.interrupt(ctx, int64(pauseAfter+500*round), word.say)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", word.name, err)
			}
			fmt.Fprintf(e.log, "%s: %d messages before, %d within %v after\n", word.name, before, after, took)
			longest = max(longest, took)
		}
		figures = append(figures, atMost(word.name, "s to the last message", longest.Seconds(), 5))
	}
	return figures, nil
}

// interrupt lets two replicas send so many, says the word and waits until nothing comes
// in any more.
func (s *senders) interrupt(ctx context.Context, after int64, say func(context.Context) error) (took time.Duration, before, then int64, err error) {
	planners, err := s.replicas(ctx, 2)
	if err != nil {
		return 0, 0, 0, err
	}
	if err := s.stage(ctx, planners[0], 2*pushFew); err != nil {
		return 0, 0, 0, err
	}
	begin, err := s.world.arrived()
	if err != nil {
		return 0, 0, 0, err
	}
	running, stop := context.WithCancel(ctx)
	var crew sync.WaitGroup
	defer crew.Wait()
	defer stop()
	for _, p := range planners {
		crew.Go(func() { p.Run(running) })
	}
	spoken, err := s.world.until(ctx, func(a arrival) bool { return a.N-begin.N >= after })
	if err != nil {
		return 0, 0, 0, err
	}
	at := time.Now()
	if err := say(ctx); err != nil {
		return 0, 0, 0, err
	}
	last, err := s.world.until(ctx, func(a arrival) bool { return time.Since(time.Unix(0, a.At)) >= pauseQuiet })
	if err != nil {
		return 0, 0, 0, err
	}
	if last.N == spoken.N || last.N-begin.N >= 2*pushFew {
		return 0, 0, 0, errors.New("nothing was under way when the word was spoken")
	}
	return time.Unix(0, last.At).Sub(at), spoken.N - begin.N, last.N - spoken.N, nil
}

// arrived asks the sandbox's process what came in so far.
func (w *outsideWorld) arrived() (arrival, error) {
	var a arrival
	err := fetch(w.url+arrivalPath, &a)
	return a, err
}

// until waits until what came in is such.
func (w *outsideWorld) until(ctx context.Context, such func(arrival) bool) (arrival, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		a, err := w.arrived()
		if err != nil || such(a) {
			return a, err
		}
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-ticker.C:
		}
	}
}
