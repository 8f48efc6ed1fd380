package model

// PrizeKind is what a prize is made of.
type PrizeKind string

// The kinds that the carrier gives from its own goods.
const (
	PhoneCreditPrize PrizeKind = "phone_credit"
	DataPrize        PrizeKind = "data"
	PointsPrize      PrizeKind = "points"
)

// Prize is what a pot has won for a member: the game says so, the payout domain
// brings it to him.
type Prize struct {
	Pot      ID       // wins once, for ever
	Game     ID       // whose budget bears it
	Member   MemberID // the pot's owner
	Kind     PrizeKind
	Value    Fen    // what it costs the budget
	Quantity int64  // fen of credit, megabytes of data or points, by Kind
	At       Millis // when it was won
}
