package model

// Offer is a gift that a member can have now, for points alone.
type Offer struct {
	Gift   ID     `json:"gift"`
	Title  string `json:"title"`
	Points Points `json:"points"`
}

// Redeemed is what a member got for points.
type Redeemed struct {
	Title  string
	Points Points // that it cost
	Code   string // of a coupon
	AppID  string // of a mini-program that it opens
	Page   string
	Done   bool // it is his already; otherwise it is on its way
}
