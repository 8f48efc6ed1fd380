package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"kaimenhong/service/redpacket"
)

func TestAPanicOverOneMomentEndsNoOther(t *testing.T) {
	var log bytes.Buffer
	m := newMoments(nil, nil, nil, moment{}, nil, slog.New(slog.NewTextHandler(&log, nil))) // there is no engine to ask
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	m.queue, m.cards = make(chan redpacket.PotID), make(chan card)
	go func() {
		m.Run(ctx)
		close(ended)
	}()
	for range 2 {
		m.queue <- 1
		m.cards <- card{}
	}
	end()
	<-ended
	if n := bytes.Count(log.Bytes(), []byte("not told")); n == 0 {
		t.Errorf("the log says %s, want the moments that were not told", log.Bytes())
	}
}

func TestOwnersAreCheeredOnlyWhileSomebodyIsMissing(t *testing.T) {
	for _, tt := range []struct {
		name         string
		helped, left int
		want         string
	}{
		{"nobody yet", 0, 3, ""},
		{"the first of three", 1, 2, firstHelp},
		{"the first of two is the last but one", 1, 1, lastMissing},
		{"one of three is missing", 2, 1, lastMissing},
		{"nothing of note", 2, 2, ""},
		{"the only one, and the pot is full", 1, 0, ""},
		{"full, and called so a moment later", 3, 0, ""},
	} {
		if got := cheers(tt.helped, tt.left); got != tt.want {
			t.Errorf("%s: cheers(%d, %d) = %q, want %q", tt.name, tt.helped, tt.left, got, tt.want)
		}
	}
}

func TestSeveralAreServedAtOnceAndNoMore(t *testing.T) {
	const atOnce = 4
	var all, in, tooMany atomic.Int64
	met := make(chan struct{})
	beside(make([]int, 40), atOnce, func(int) {
		if in.Add(1) > atOnce {
			tooMany.Add(1)
		}
		defer in.Add(-1)
		if all.Add(1) == 2 {
			close(met)
		}
		select {
		case <-met:
		case <-time.After(time.Minute):
			t.Error("nobody else is served meanwhile")
		}
	})
	if all.Load() != 40 || tooMany.Load() != 0 {
		t.Errorf("%d are served, %d of them beside more than %d others, want 40 and none", all.Load(), tooMany.Load(), atOnce-1)
	}
}

func TestARunOfRemindersGoesOnBehindTheOneThatItsTimeCutOff(t *testing.T) {
	const pots, aRun = 2_300, 1_000
	list := func(after redpacket.PotLine) (page []redpacket.PotLine, err error) {
		for id := after.Pot + 1; id <= pots && len(page) < remindPage; id++ {
			page = append(page, redpacket.PotLine{Pot: id})
		}
		return page, nil
	}
	var r reminding
	var told [pots + 1]atomic.Int64
	run := func() error {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		var looked atomic.Int64
		_, err := r.run(ctx, list, func(p redpacket.PotLine) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			told[p.Pot].Add(1)
			if looked.Add(1) == aRun {
				end()
			}
			return nil
		})
		return err
	}
	for range 4 { // the page at which a run ends is looked at again
		if err := run(); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	for id := 1; id <= pots; id++ {
		if told[id].Load() == 0 {
			t.Fatalf("pot %d was not reminded of in four runs", id)
		}
	}
	before := told[1].Load()
	if err := run(); told[1].Load() != before+1 {
		t.Errorf("after the last pot the front was looked at %d times more (%v), want once", told[1].Load()-before, err)
	}
}
