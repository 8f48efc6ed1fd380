package model

// Finding is one thing that is wrong with the place in which the program runs.
type Finding struct {
	What  string // what is wrong
	Fix   string // what to do about it
	Fatal bool   // the program refuses to start with it
}

// String is one line for a person.
func (f Finding) String() string { return f.What + " → " + f.Fix }
