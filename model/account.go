package model

// What a carrier knows of a subscriber. AsOf is the instant at which the carrier
// said so; whoever shows a number older than a minute says 截至 hh:mm. Stale says
// that the carrier did not answer now and this is the last that it said.

// Balance is the prepaid or postpaid money of one number, TMF654.
type Balance struct {
	Available Fen // may be spent; negative when in arrears
	Reserved  Fen // frozen by the carrier
	Arrears   Fen // owed, 0 or more
	ExpiresAt Millis
	AsOf      Millis
	Stale     bool
}

// AllowanceKind is what an allowance counts.
type AllowanceKind string

// The kinds; their amounts are bytes, seconds and messages.
const (
	Data  AllowanceKind = "data"
	Voice AllowanceKind = "voice"
	SMS   AllowanceKind = "sms"
)

// Allowance is one bucket of a plan or pack, TMF677. Amounts are bytes, seconds
// or messages by its kind; Total 0 means unlimited.
type Allowance struct {
	Kind       AllowanceKind
	Name       string
	Total      int64
	Used       int64
	Left       int64
	ValidUntil Millis
}

// Usage is every allowance of one number.
type Usage struct {
	Allowances []Allowance
	AsOf       Millis
	Stale      bool
}

// Turned tells that the allowances are those of a period that ended since they were told,
// so that what there is at now is not known: a new month began, or nothing of them goes
// on. A single pack that ended is only left out.
func (u Usage) Turned(now Millis) bool {
	ended, goesOn := false, false
	for _, a := range u.Allowances {
		ended = ended || a.ValidUntil > u.AsOf && a.ValidUntil <= now
		goesOn = goesOn || a.ValidUntil == 0 || a.ValidUntil > now
	}
	return ended && (!goesOn || u.AsOf.Time().Month() != now.Time().Month())
}

// Product is a plan or pack that a number has, TMF637.
type Product struct {
	ID      string
	Name    string
	Fee     Fen // a month for a plan, once for a pack
	Since   Millis
	EndsAt  Millis
	Details []string // "国内流量 30GB", "国内通话 500分钟"
}

// Plan is the main product of a number with the packs beside it.
type Plan struct {
	Main  Product
	Packs []Product
	AsOf  Millis
	Stale bool
}

// Bill is one month's bill, TMF678.
type Bill struct {
	ID     string
	Month  string // 2026-10
	Total  Fen
	Due    Fen // still to be paid
	DueAt  Millis
	Items  []BillItem
	Issued Millis
}

// BillItem is one line of a bill.
type BillItem struct {
	Name   string
	Amount Fen
}

// Bills are the latest bills, newest first.
type Bills struct {
	Bills []Bill
	AsOf  Millis
	Stale bool
}

// Customer is the carrier's own record of who holds a number, TMF629. HolderID
// changes when the number is given to somebody else.
type Customer struct {
	ID        string
	HolderID  string
	Name      string // masked by the carrier: 张*
	Status    string
	Since     Millis
	Province  string
	City      string
	Prepaid   bool
	LevelName string
}
