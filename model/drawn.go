package model

// Person is somebody by the ids that he has and had: a customer becomes a member when
// he binds his number, and members who turn out to be one become one. What was decided
// of him before, by any of these ids, holds for him as who he is now.
type Person struct {
	Now    MemberID   // who he is
	Former []MemberID // who he was; nil for almost everybody
	// Drawn are those of his ids by which he was drawn, the lowest bucket (BucketOf)
	// first; nil: Now alone.
	Drawn []MemberID
}

// DrawnAs is Drawn, of which there is always one: the first decides whether he is held
// out, so that he is when any of them was, and what he gets.
func (p Person) DrawnAs() []MemberID {
	if len(p.Drawn) == 0 {
		return []MemberID{p.Now}
	}
	return p.Drawn
}
