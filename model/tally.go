package model

// Tally is how many recipients of a campaign stand alike.
type Tally struct {
	Dispatch ID
	Step     ID
	Variant  string // empty in the holdout
	Channel  Channel
	State    DeliveryState
	Why      string
	Count    int64
	// Delivered and Tapped are how many of them WeChat, or the mini-program, told of.
	Delivered int64
	Tapped    int64
}
