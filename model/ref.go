package model

// Ref names the thing because of which value moves: a redemption, a pot, an
// order. A domain makes one ref for one thing, so that it moves value once.
type Ref struct {
	Type string // the domain's word for it, at most 32 bytes: "redemption"
	ID   string // at most 64 bytes
}

// The lengths, in bytes, that every table leaves for a Ref.
const (
	MaxRefType = 32
	MaxRefID   = 64
)

// Valid tells whether both parts are there and can be stored.
func (r Ref) Valid() bool {
	return r.Type != "" && len(r.Type) <= MaxRefType && r.ID != "" && len(r.ID) <= MaxRefID
}

// String is for logs.
func (r Ref) String() string { return r.Type + "/" + r.ID }
