package model

// UsageDay is what a number used on one day, as far as samples tell. The carrier
// only says how much of an allowance is used so far, so a day's use is what was
// added between the last sample of the day before and the last of this one.
type UsageDay struct {
	Day Day
	// Known tells that both samples are there; without them the rest is zero and
	// says nothing.
	Known bool
	Data  int64 // bytes
	Voice int64 // seconds
	SMS   int64 // messages
	From  Millis
	Until Millis
}
