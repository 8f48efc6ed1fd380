package redpacket

import (
	"testing"
	"time"
)

// damage makes the budget of a game hold less than its pots reserved, so that none of them
// can be ended.
func (h *house) damage(t *testing.T, game Game) {
	t.Helper()
	if _, err := h.db.ExecContext(t.Context(), "UPDATE redpacket_slice SET reserved = 0 WHERE game_id = ?", int64(game.ID)); err != nil {
		t.Fatal(err)
	}
}

// full gives every slot of a pot a helper, behind the back of the loop that fills pots.
func (h *house) full(t *testing.T, pot Opened, helper int) {
	t.Helper()
	for k := 1; k <= 5; k++ {
		_, err := h.db.ExecContext(t.Context(), insertHelps+"(?, ?, ?, 'r', ?, ?, 1, 200, TRUE, ?)",
			int64(pot.Pot), k, helper+k, int64(pot.Game), 20260217, h.clock.now().UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPotThatCannotBeEndedKeepsNoOther(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		bad, good := h.game(t, e, nil), h.game(t, e, nil)
		broken, full := open(t, e, bad, 1), open(t, e, good, 2)
		h.clock.advance(time.Hour)
		later := open(t, e, good, 3)
		h.full(t, broken, 100)
		h.full(t, full, 200)
		h.damage(t, bad)
		if n, err := e.FillDue(t.Context()); err == nil || n != 1 {
			t.Errorf("FillDue = %d, %v, want 1 and what failed", n, err)
		}
		if v, err := e.View(t.Context(), full.Pot, Visitor{}); err != nil || v.State != Filled {
			t.Errorf("the full pot beside a broken one is %s, %v, want %s", v.State, err, Filled)
		}
		h.clock.advance(25 * time.Hour)
		if n, err := e.CloseDue(t.Context(), 1); err == nil || n != 1 { // the broken one is the oldest, and fills a page
			t.Errorf("CloseDue = %d, %v, want 1 and what failed", n, err)
		}
		if v, err := e.View(t.Context(), later.Pot, Visitor{}); err != nil || v.State != Closed {
			t.Errorf("the ended pot behind a broken one is %s, %v, want %s", v.State, err, Closed)
		}
	})
}

func TestAPotThatCannotBeFilledKeepsNoOtherFromBeingFilledAtOnce(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		bad, good := h.game(t, e, nil), h.game(t, e, nil)
		broken, full := open(t, e, bad, 1), open(t, e, good, 2)
		h.full(t, broken, 100)
		h.full(t, full, 200)
		h.damage(t, bad)
		settled, err := e.fill(t.Context(), []PotID{broken.Pot, full.Pot})
		if err == nil || len(settled) != 1 || settled[0] != full.Pot {
			t.Errorf("filled %v, %v, want %s and what failed", settled, err, full.Pot)
		}
	})
}
