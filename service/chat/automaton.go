package chat

// automaton finds every occurrence of many patterns in one pass (Aho-Corasick).
// The edges lie in one open-addressing table, so that a step costs the same with
// ten patterns and with ten thousand, and a Chinese alphabet costs no memory. It
// never changes once it is built and may be shared.
type automaton struct {
	keys  []uint64 // node<<32 | rune + 1; 0 is free
	nodes []int32
	mask  uint64
	fail  []int32 // the longest proper suffix that is a node
	link  []int32 // the longest proper suffix that ends a pattern, 0 none
	ends  [][]int32
}

// newAutomaton builds the automaton of the patterns; an occurrence is told by the
// pattern's index. Empty patterns are never found.
func newAutomaton(patterns [][]rune) *automaton {
	runes := 0
	for _, p := range patterns {
		runes += len(p)
	}
	size := uint64(16)
	for size < uint64(runes)*2 {
		size *= 2
	}
	a := &automaton{keys: make([]uint64, size), nodes: make([]int32, size), mask: size - 1, ends: make([][]int32, 1)}
	type edge struct {
		from int32
		r    rune
		to   int32
	}
	var edges []edge
	for i, p := range patterns {
		node := int32(0)
		for _, r := range p {
			next, ok := a.step(node, r)
			if !ok {
				next = int32(len(a.ends))
				a.ends = append(a.ends, nil)
				a.put(node, r, next)
				edges = append(edges, edge{node, r, next})
			}
			node = next
		}
		if node != 0 {
			a.ends[node] = append(a.ends[node], int32(i))
		}
	}
	a.fail, a.link = make([]int32, len(a.ends)), make([]int32, len(a.ends))
	children := make([][]edge, len(a.ends))
	for _, e := range edges {
		children[e.from] = append(children[e.from], e)
	}
	queue := make([]int32, 1, len(a.ends))
	for len(queue) > 0 {
		node := queue[0]
		queue = queue[1:]
		for _, e := range children[node] {
			if node != 0 {
				a.fail[e.to] = a.next(a.fail[node], e.r)
			}
			a.link[e.to] = a.fail[e.to]
			if f := a.fail[e.to]; len(a.ends[f]) == 0 {
				a.link[e.to] = a.link[f]
			}
			queue = append(queue, e.to)
		}
	}
	return a
}

func slot(key uint64) uint64 {
	key *= 0x9E3779B97F4A7C15
	return key ^ key>>29
}

func (a *automaton) put(node int32, r rune, next int32) {
	key := uint64(node)<<32 | uint64(r+1)
	for i := slot(key); ; i++ {
		if a.keys[i&a.mask] == 0 {
			a.keys[i&a.mask], a.nodes[i&a.mask] = key, next
			return
		}
	}
}

func (a *automaton) step(node int32, r rune) (int32, bool) {
	key := uint64(node)<<32 | uint64(r+1)
	for i := slot(key); ; i++ {
		switch a.keys[i&a.mask] {
		case key:
			return a.nodes[i&a.mask], true
		case 0:
			return 0, false
		}
	}
}

// next is the node after r, by way of the suffixes where there is no edge.
func (a *automaton) next(node int32, r rune) int32 {
	for {
		if next, ok := a.step(node, r); ok {
			return next
		}
		if node == 0 {
			return 0
		}
		node = a.fail[node]
	}
}

// find calls visit for each occurrence: the index after its last rune and the
// patterns that end there, the longest first.
func (a *automaton) find(text []rune, visit func(end int, patterns []int32)) {
	node := int32(0)
	for i, r := range text {
		node = a.next(node, r)
		for n := node; n != 0; n = a.link[n] {
			if ends := a.ends[n]; len(ends) > 0 {
				visit(i+1, ends)
			}
		}
	}
}

// prefixes calls visit for each pattern set that text begins with, the shortest
// first.
func (a *automaton) prefixes(text []rune, visit func(patterns []int32)) {
	node := int32(0)
	for _, r := range text {
		next, ok := a.step(node, r)
		if !ok {
			return
		}
		if node = next; len(a.ends[node]) > 0 {
			visit(a.ends[node])
		}
	}
}
