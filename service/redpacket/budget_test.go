package redpacket

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"kaimenhong/model"
)

func TestPlacingNeverOverdrawsASliceAndNeverMakesMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var budget []slice
		free := map[int]model.Fen{}
		var whole, wanted model.Fen
		for i, f := range rapid.SliceOfN(rapid.Int64Range(0, 500), 1, 16).Draw(t, "free") {
			budget = append(budget, slice{id: i, free: model.Fen(f)})
			free[i], whole = model.Fen(f), whole+model.Fen(f)
		}
		var targets []model.Fen
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 700), 1, 20).Draw(t, "targets") {
			targets = append(targets, model.Fen(n))
		}
		where := place(budget, targets, rapid.IntRange(0, len(budget)-1).Draw(t, "start"))
		for i, at := range where {
			if at >= 0 {
				wanted += targets[i]
			} else if targets[i] <= whole-wanted {
				t.Fatalf("target %v was refused with %v left", targets[i], whole-wanted)
			}
		}
		var moved, more model.Fen
		for _, s := range changed(budget) {
			moved, more = moved+s.moved, more+s.more
			if s.more > free[s.id]+s.moved {
				t.Fatalf("slice %d bears %v of %v", s.id, s.more, free[s.id]+s.moved)
			}
		}
		if moved != 0 || more != wanted {
			t.Fatalf("moved %v in sum and reserved %v, want 0 and %v", moved, more, wanted)
		}
	})
}

// A table of amounts is played to the end of the budget: what is said to be possible is.
func TestTheLastOfTheBudgetGoesToTheAmountsThatItBears(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) {
			r.Amounts = []Amount{{Target: 10, Weight: 1}, {Target: 20, Weight: 1}, {Target: 1000, Weight: 1_000_000}}
			r.Budget, r.PotsEach = 1030, 10
		})
		opened := model.Fen(0)
		for owner := 1; ; owner++ {
			refusal, err := e.MayOpen(t.Context(), game.ID, visitor(owner))
			if err != nil {
				t.Fatal(err)
			}
			pot, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(owner), "open"})
			if !errors.Is(err, refusal) {
				t.Fatalf("with %s of %s reserved it is said that opening meets %v; it met %v", opened, game.Rules.Budget, refusal, err)
			}
			if refusal != nil {
				break
			}
			opened += pot.Target
		}
		if opened != game.Rules.Budget {
			t.Errorf("pots of %s were opened, want all of %s", opened, game.Rules.Budget)
		}
		sound(t, e)
	})
}
