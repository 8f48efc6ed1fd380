package model

import (
	"fmt"
	"strconv"
)

// Fen is money: hundredths of a yuan. There is no other unit in the code, the
// stores or the API, and no float comes near it.
type Fen int64

// String writes yuan for a person: ¥123.45, -¥0.05.
func (f Fen) String() string {
	if f < 0 {
		return "-" + (-f).String()
	}
	return fmt.Sprintf("¥%d.%02d", int64(f)/100, int64(f)%100)
}

// Yuan writes the amount as a shop would say it: 12.30元, 50元.
func (f Fen) Yuan() string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	yuan := sign + strconv.FormatInt(int64(f)/100, 10)
	if f%100 == 0 {
		return yuan + "元"
	}
	return yuan + "." + strconv.FormatInt(100+int64(f)%100, 10)[1:] + "元"
}

// Points is loyalty: whole points.
type Points int64

// PointsBalance is what a member is told of his points.
type PointsBalance struct {
	Available Points
	Pending   Points // earned, not yet active
	Expiring  Points // of Available, those that expire first
	ExpiresAt Millis // when they do; 0 when nothing expires
	SignedIn  bool   // today, in China
}
