package audience

import "hash/maphash"

// seen remembers which texts came before, in 8 bytes each: enough for the counts of a
// dry run, for two texts of a million look the same once in tens of millions of files.
type seen struct {
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func newSeen() seen { return seen{maphash.MakeSeed(), map[uint64]struct{}{}} }

// before tells whether the text came before, and remembers it.
func (s seen) before(text string) bool {
	hash := maphash.String(s.seed, text)
	_, before := s.hashes[hash]
	s.hashes[hash] = struct{}{}
	return before
}
