package chat

import (
	"cmp"
	"slices"

	"kaimenhong/model"
)

// matcher is one version of the rules, made for reading: a map for exact, a trie
// for prefixes, an automaton for what is contained. It never changes.
//
// The rules are sorted by rank once, so that the best of several is the one with
// the smallest index, and each pattern keeps the ranks of its rules in order.
type matcher struct {
	version  int64
	rules    []Rule
	exact    map[string][]int32
	prefix   *automaton
	contains *automaton
	prefixed [][]int32 // ranks by pattern
	inside   [][]int32 // ranks by pattern
}

func newMatcher(version int64, all []Rule) *matcher {
	m := &matcher{version: version, exact: map[string][]int32{}}
	m.rules = slices.DeleteFunc(slices.Clone(all), func(r Rule) bool { return !r.Enabled })
	order := map[How]int{Exact: 0, Prefix: 1, Contains: 2}
	slices.SortFunc(m.rules, func(a, b Rule) int {
		return cmp.Or(
			cmp.Compare(b.Priority, a.Priority),
			cmp.Compare(order[a.How], order[b.How]),
			cmp.Compare(len(fold(b.Pattern).runes), len(fold(a.Pattern).runes)),
			cmp.Compare(a.ID, b.ID),
		)
	})
	var prefixes, parts patterns
	for rank, r := range m.rules {
		runes := fold(r.Pattern).runes
		switch r.How {
		case Exact:
			m.exact[string(runes)] = append(m.exact[string(runes)], int32(rank))
		case Prefix:
			prefixes.add(runes, int32(rank))
		case Contains:
			parts.add(runes, int32(rank))
		}
	}
	m.prefix, m.prefixed = newAutomaton(prefixes.runes), prefixes.ranks
	m.contains, m.inside = newAutomaton(parts.runes), parts.ranks
	return m
}

// patterns collect the ranks of each different pattern.
type patterns struct {
	index map[string]int
	runes [][]rune
	ranks [][]int32
}

func (p *patterns) add(runes []rune, rank int32) {
	if p.index == nil {
		p.index = map[string]int{}
	}
	at, ok := p.index[string(runes)]
	if !ok {
		at = len(p.runes)
		p.index[string(runes)] = at
		p.runes, p.ranks = append(p.runes, runes), append(p.ranks, nil)
	}
	p.ranks[at] = append(p.ranks[at], rank)
}

// match returns the content of the best rule that is valid now; only the exact
// ones when exact is set.
func (m *matcher) match(said []rune, now model.Millis, exact bool) (model.Content, bool) {
	best := int32(len(m.rules))
	try := func(ranks []int32) {
		for _, rank := range ranks {
			if rank >= best {
				return
			}
			if r := &m.rules[rank]; r.StartsAt <= now && (r.EndsAt == 0 || now < r.EndsAt) {
				best = rank
				return
			}
		}
	}
	if len(said) <= maxPattern && len(m.exact) > 0 {
		try(m.exact[string(said)])
	}
	if !exact {
		m.prefix.prefixes(said, func(ps []int32) {
			for _, p := range ps {
				try(m.prefixed[p])
			}
		})
		m.contains.find(said, func(_ int, ps []int32) {
			for _, p := range ps {
				try(m.inside[p])
			}
		})
	}
	if int(best) == len(m.rules) {
		return model.Content{}, false
	}
	return m.rules[best].Content, true
}
