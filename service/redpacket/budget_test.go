package redpacket

import (
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
