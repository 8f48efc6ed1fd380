package campaign

import (
	"context"
	"errors"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestACountThatTookLongIsToldForAWhile(t *testing.T) {
	for _, tt := range []struct {
		name         string
		takes, later time.Duration
		want         int64
	}{
		{"a quick one is made anew", slow / 10, time.Millisecond, 5000},
		{"of two seconds it is told for twenty", 2 * time.Second, 19 * time.Second, 10},
		{"and then made anew", 2 * time.Second, 21 * time.Second, 5000},
		{"of a minute it is told for five", time.Minute, 4 * time.Minute, 10},
		{"and no longer", time.Minute, 6 * time.Minute, 5000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, dbtest.SQLite(t))
			c := w.replica()
			id := w.launch(c, plan())
			w.passes(25*time.Hour + time.Minute)
			w.round(c)
			b := NewBoard(c)
			w.counting = tt.takes
			w.becomes(Tally{State: model.DeliverySent, N: 10})
			first := must[Progress](t)(b.Progress(t.Context(), id))
			w.becomes(Tally{State: model.DeliverySent, N: 5000})
			w.passes(tt.later)
			again := must[Progress](t)(b.Progress(t.Context(), id))
			if got := again.Tally[0].N; got != tt.want || (again.CountedAt == first.CountedAt) != (tt.want == 10) {
				t.Errorf("%v later %d are told, counted at %d and before at %d, want %d", tt.later, got, again.CountedAt, first.CountedAt, tt.want)
			}
		})
	}
}

func TestACampaignIsCountedOnceAtATimeWhoeverAsks(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c := w.replica()
	id := w.launch(c, plan())
	w.passes(25*time.Hour + time.Minute)
	w.round(c)
	b := NewBoard(c)
	w.counting = 30 * time.Second
	w.becomes(Tally{State: model.DeliverySent, N: 10})

	// Who asked first does not wait for the end: it is told to the next.
	leaving, leave := context.WithCancel(t.Context())
	entered, end := make(chan struct{}, 10), make(chan struct{})
	w.counts = func(ctx context.Context) {
		entered <- struct{}{}
		select {
		case <-end:
		case <-ctx.Done():
		}
	}
	ask := func() int64 {
		p, err := b.Progress(t.Context(), id)
		if err != nil {
			t.Error(err)
			return 0
		}
		return p.Tally[0].N
	}
	left := make(chan error, 1)
	go func() {
		_, err := b.Progress(leaving, id)
		left <- err
	}()
	<-entered
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves a count gets %v, want that he left", err)
	}
	second := make(chan int64, 1)
	go func() { second <- ask() }()
	close(end)
	if n := <-second; n != 10 || len(entered) != 0 {
		t.Errorf("the second is told %d after %d counts more, want the count that was left", n, len(entered))
	}

	// While it is made anew the others are told the last one.
	w.passes(6 * time.Minute)
	w.becomes(Tally{State: model.DeliverySent, N: 5000})
	end = make(chan struct{})
	first := make(chan int64, 1)
	go func() { first <- ask() }()
	<-entered
	go func() { second <- ask() }()
	select {
	case n := <-second:
		if n != 10 {
			t.Errorf("while it is counted anew %d are told, want the last count", n)
		}
	case <-entered:
		t.Error("it is counted twice at a time")
	}
	close(end)
	if n := <-first; n != 5000 {
		t.Errorf("who has it counted is told %d, want what was counted", n)
	}
}
