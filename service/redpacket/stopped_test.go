package redpacket

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kaimenhong/model/fault"
)

// TestTheFirstWhoStopsAGameSaysWhy lets a second operator stop what stands already: he
// reads since when and why, and both stay.
func TestTheFirstWhoStopsAGameSaysWhy(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		if err := e.Stop(t.Context(), 0, game.ID, "投诉"); err != nil {
			t.Fatal(err)
		}
		first, err := e.Game(t.Context(), game.ID)
		if err != nil || first.StoppedAt == 0 {
			t.Fatalf("the game is %+v, %v, want it stopped", first, err)
		}
		h.clock.advance(time.Hour)
		err = e.Stop(t.Context(), 0, game.ID, "预算")
		if !errors.Is(err, ErrStoppedBefore) || !strings.Contains(fault.Of(err).Text, "投诉") {
			t.Errorf("Stop = %v, want that it is stopped, and why", err)
		}
		got, err := e.Game(t.Context(), game.ID)
		if err != nil || got.StoppedAt != first.StoppedAt || got.StoppedWhy != "投诉" {
			t.Errorf("it is stopped since %d for %q, %v, want %d for the first reason", got.StoppedAt, got.StoppedWhy, err, first.StoppedAt)
		}
		if err := e.Resume(t.Context(), 0, game.ID); err != nil {
			t.Fatal(err)
		}
		if err := e.Stop(t.Context(), 0, game.ID, "预算"); err != nil {
			t.Errorf("Stop after it ran again = %v", err)
		}
		if err := e.Stop(t.Context(), 0, 404, "投诉"); !errors.Is(err, ErrUnknownGame) {
			t.Errorf("Stop of no game = %v, want ErrUnknownGame", err)
		}
	})
}
