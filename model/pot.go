package model

// PotProgress is what a member is told of the envelope that he opened last.
type PotProgress struct {
	Pot    ID // 0: he has opened none
	Title  string
	Helps  int // that fill it
	Helped int
	Prize  string // what it gives, for a person: 50元话费
	Open   bool   // may still be helped
	Filled bool
	EndsAt Millis
}
