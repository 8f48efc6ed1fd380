package redpacket

import (
	"errors"
	"testing"

	"kaimenhong/model"
)

// decideAlone hands a helper a slot of a pot as a process would that dies before it
// has written the row.
func decideAlone(t *testing.T, e *Engine, pot PotID, helper int, request string) {
	t.Helper()
	a, err := e.newAttempt(t.Context(), HelpRequest{Pot: pot, Who: visitor(helper), Request: model.RequestID(request)})
	if err != nil {
		t.Fatal(err)
	}
	if _, d, err := e.take(t.Context(), a); err != nil || d.code != "OK" {
		t.Fatalf("take = %+v, %v, want a slot", d, err)
	}
}

func TestADecisionWithoutARowIsWrittenThoughItsNumberIsForgotten(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Helps = 2 })
		pot := open(t, e, game, 1)
		decideAlone(t, e, pot.Pot, 10, "died")
		// A conflict about another pot loads the helper's day from SQL, which knows
		// nothing of the decision.
		if _, err := e.loadDay(t.Context(), 10, game.ID, model.DayOf(h.clock.now())); err != nil {
			t.Fatal(err)
		}
		if _, err := helpAs(t, e, pot.Pot, 11, "r"); err != nil {
			t.Fatal(err)
		}
		if _, err := helpAs(t, e, pot.Pot, 12, "r"); !errors.Is(err, ErrFull) {
			t.Errorf("Help of a third = %v, want %v: the decision is written for it to be true", err, ErrFull)
		}
		if got, err := helpAs(t, e, pot.Pot, 10, "died"); err != nil || got.K != 1 {
			t.Errorf("the request of the process that died = %+v, %v, want its help", got, err)
		}
		sound(t, e)
	})
}

func TestADecisionWithoutARowOfOneWhoWasTwoIsNotASecondHelp(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Helps = 2 })
		pot := open(t, e, game, 1)
		if _, err := helpAs(t, e, pot.Pot, 7, "as-another"); err != nil {
			t.Fatal(err)
		}
		decideAlone(t, e, pot.Pot, 10, "died")
		join(t, e, 7, 10)
		if _, err := e.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := helpAs(t, e, pot.Pot, 11, "r"); err != nil {
			t.Errorf("Help of another = %v, want the slot that came back", err)
		}
		if got, err := helpAs(t, e, pot.Pot, 10, "r"); !errors.Is(err, ErrAlreadyHelped) || got.K != 1 {
			t.Errorf("Help of who he became = %+v, %v, want his first one", got, err)
		}
		sound(t, e)
	})
}
