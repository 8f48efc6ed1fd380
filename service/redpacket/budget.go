package redpacket

import (
	"slices"

	"kaimenhong/model"
)

// slice is a part of a budget as an opening finds it, and what it wants to change.
type slice struct {
	id    int
	free  model.Fen // amount - reserved - spent
	moved model.Fen // budget taken from (-) or given to (+) other slices
	more  model.Fen // to be reserved
}

// place finds a slice for every target, in their order, starting at slice number
// start, and notes the changes in the slices. A slice that is too small gets budget
// from the others. A target that the whole budget cannot bear any more gets -1.
func place(budget []slice, targets []model.Fen, start int) []int {
	var free model.Fen
	for _, s := range budget {
		free += s.free
	}
	where := make([]int, len(targets))
	for i, target := range targets {
		if target > free {
			where[i] = -1
			continue
		}
		at := roomy(budget, target, start)
		if at < 0 {
			at = gatherBudget(budget, target)
		}
		budget[at].free -= target
		budget[at].more += target
		free -= target
		where[i] = budget[at].id
	}
	return where
}

// roomy is the first slice from start that can bear the target, -1 without one.
func roomy(budget []slice, target model.Fen, start int) int {
	for i := range budget {
		if at := (start + i) % len(budget); budget[at].free >= target {
			return at
		}
	}
	return -1
}

// gatherBudget moves budget into the roomiest slice until it can bear the target; the
// whole budget can.
func gatherBudget(budget []slice, target model.Fen) int {
	at := 0
	for i := range budget {
		if budget[i].free > budget[at].free {
			at = i
		}
	}
	for i := range budget {
		if need := target - budget[at].free; need > 0 && i != at {
			move := min(need, budget[i].free)
			budget[i].free -= move
			budget[i].moved -= move
			budget[at].free += move
			budget[at].moved += move
		}
	}
	return at
}

// changed are the slices that an opening writes, in order.
func changed(budget []slice) []slice {
	c := slices.DeleteFunc(slices.Clone(budget), func(s slice) bool { return s.moved == 0 && s.more == 0 })
	slices.SortFunc(c, func(a, b slice) int { return a.id - b.id })
	return c
}
