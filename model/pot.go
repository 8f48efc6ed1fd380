package model

// PotProgress is what a member is told of the envelope that he opened last.
type PotProgress struct {
	Pot    ID // 0: he has opened none
	Title  string
	Helps  int // that fill it
	Helped int
	Prize  string // what it gives, for a person: 50元话费
	Open   bool   // may still be helped
	// Stopped tells that the game's kill switch is on: nobody can help until it goes on.
	Stopped bool
	Filled  bool
	EndsAt  Millis
}
