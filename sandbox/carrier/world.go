// Package carrier is a telecom carrier on localhost: a seeded world of customers
// behind the TM Forum Open APIs 620, 622, 629, 637, 654, 658, 677 and 678 (v4).
//
// It is written from the specifications and independently of the application's
// client, so that the two check each other.
//
// Invariants: a world is a function of its seed, its epoch and what was done to
// it. An order or top-up has its effect once for each externalId, whatever is
// repeated; the same externalId with another content is refused. No request and
// no list is unbounded.
//
// It holds no table and no key; Save and Load carry it over a restart.
package carrier

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/sandbox/faults"
)

// Options of a world.
type Options struct {
	Seed      uint64        // default 1
	Customers int           // default 2,000, at most 10,000
	Token     string        // bearer token of the API; default "sandbox-carrier-token"
	Working   time.Duration // from acknowledged to inProgress; default 0.2 s
	Done      time.Duration // from acknowledged to completed; default 0.5 s
}

// DefaultToken is the bearer token of a world that was given none.
const DefaultToken = "sandbox-carrier-token"

// The limits of the world.
const (
	maxCustomers = 10_000
	maxOrders    = 200_000 // orders and top-ups that are remembered, each
	maxPacks     = 64      // bought packs of one line that are still valid
	maxBody      = 64 << 10
)

// ErrNoLine is returned for a number that nobody in the world has.
var ErrNoLine = errors.New("no such number in the sandbox")

// World is the carrier. It may be used by many at once. Make one with New.
type World struct {
	opts   Options
	now    model.Clock
	faults *faults.Set

	mu         sync.Mutex
	epoch      time.Time
	lines      []*line
	byPhone    map[string]*line
	byCustomer map[string]*line
	orders     map[string]*order // by externalId
	topUps     map[string]*order // by externalId
	byID       map[string]*order // both, by their own id
	pending    []*order          // not yet completed or failed, oldest first
	failNext   int
	serial     int64
}

// line is one number with everything that the carrier knows of it.
type line struct {
	Index      int    `json:"index"`
	Generation int    `json:"generation"` // counts the holders
	Phone      string `json:"phone"`
	Persona    string `json:"persona,omitempty"`
	Note       string `json:"note,omitempty"`
	Name       string `json:"name"`
	Province   string `json:"province"`
	City       string `json:"city"`
	PlanID     string `json:"plan"`
	Since      int64  `json:"since"`   // ms
	Balance    int64  `json:"balance"` // fen; negative is arrears
	Gift       int64  `json:"gift"`    // fen, a second bucket that ends
	GiftEnds   int64  `json:"giftEnds"`
	Reserved   int64  `json:"reserved"`
	Points     int64  `json:"points"`
	Status     string `json:"status"`
	Month      string `json:"month"` // of the plan's allowances: 2026-11
	Buckets    []*box `json:"buckets"`
	Changed    bool   `json:"changed,omitempty"` // differs from what the seed makes
}

// box is one allowance: a plan's of this month, or a pack's.
type box struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Total   int64  `json:"total"` // 0 is unlimited
	Used    int64  `json:"used"`
	Unit    string `json:"unit"`
	Ends    int64  `json:"ends"`           // ms
	Product string `json:"product"`        // id of the product that gave it
	Pack    string `json:"pack,omitempty"` // offering, of a pack
	Began   int64  `json:"began,omitempty"`
}

func (l *line) customerID() string { return fmt.Sprintf("CU-%05d-%d", l.Index, l.Generation) }
func (l *line) accountID() string  { return fmt.Sprintf("AC-%05d-%d", l.Index, l.Generation) }
func (l *line) holderID() string   { return fmt.Sprintf("HD-%05d-%d", l.Index, l.Generation) }
func (l *line) planProduct() string {
	return fmt.Sprintf("PR-%05d-%d", l.Index, l.Generation)
}

// New makes a world as it is at now(). set may be nil: then nothing ever fails.
func New(now model.Clock, set *faults.Set, opts Options) (*World, error) {
	opts.Seed = cmp.Or(opts.Seed, 1)
	opts.Customers = cmp.Or(opts.Customers, 2000)
	opts.Token = cmp.Or(opts.Token, DefaultToken)
	opts.Working = cmp.Or(opts.Working, 200*time.Millisecond)
	opts.Done = cmp.Or(opts.Done, 500*time.Millisecond)
	if opts.Customers < len(personas) || opts.Customers > maxCustomers {
		return nil, fmt.Errorf("a sandbox has %d…%d customers, not %d", len(personas), maxCustomers, opts.Customers)
	}
	w := &World{opts: opts, now: now, faults: set, epoch: now()}
	w.populate()
	return w, nil
}

// populate makes the lines that seed and epoch stand for.
func (w *World) populate() {
	w.lines = make([]*line, w.opts.Customers)
	w.orders, w.topUps, w.byID = map[string]*order{}, map[string]*order{}, map[string]*order{}
	w.pending = nil
	for i := range w.lines {
		w.lines[i] = seedLine(w.opts.Seed, w.epoch, i)
	}
	w.index()
}

func (w *World) index() {
	w.byPhone = make(map[string]*line, len(w.lines))
	w.byCustomer = make(map[string]*line, len(w.lines))
	for _, l := range w.lines {
		w.byPhone[l.Phone] = l
		w.byCustomer[l.customerID()] = l
	}
}

// at brings the world to the present: orders that are due take effect.
func (w *World) at() time.Time {
	now := w.now().In(model.Shanghai)
	w.advance(now)
	return now
}

// line brings the line to the present month and drops packs that ended.
func (w *World) roll(l *line, now time.Time) {
	ms := now.UnixMilli()
	if month := now.Format("2006-01"); l.Month != month {
		l.Month, l.Changed = month, true
		kept := l.Buckets[:0]
		for _, b := range l.Buckets {
			if b.Pack != "" {
				kept = append(kept, b)
			}
		}
		l.Buckets = append(planBoxes(l, now), kept...)
	}
	kept := l.Buckets[:0]
	for _, b := range l.Buckets {
		if b.Ends > ms {
			kept = append(kept, b)
		}
	}
	l.Buckets = kept
	if l.Gift > 0 && l.GiftEnds <= ms {
		l.Gift, l.Changed = 0, true
	}
}

// Phones lists every number of the world, in the order of the seed.
func (w *World) Phones() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]string, len(w.lines))
	for i, l := range w.lines {
		list[i] = l.Phone
	}
	return list
}

// Handler speaks the TM Forum APIs under /tmf-api/….
func (w *World) Handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern, point string, serve func(http.ResponseWriter, *http.Request)) {
		var h http.Handler = http.HandlerFunc(serve)
		if w.faults != nil {
			h = w.faults.Wrap(point, h)
		}
		mux.Handle(pattern, w.signedIn(h))
	}
	route("GET /tmf-api/customerManagement/v4/customer/{id}", "carrier.customer", w.customer)
	route("GET /tmf-api/prepayBalanceManagement/v4/bucket", "carrier.bucket", w.buckets)
	route("POST /tmf-api/usageConsumption/v4/queryUsageConsumption", "carrier.usage", w.usage)
	route("GET /tmf-api/productInventory/v4/product", "carrier.product", w.products)
	route("GET /tmf-api/customerBillManagement/v4/customerBill", "carrier.bill", w.bills)
	route("GET /tmf-api/customerBillManagement/v4/appliedCustomerBillingRate", "carrier.rate", w.rates)
	route("GET /tmf-api/productCatalogManagement/v4/productOffering", "carrier.offering", w.catalogue)
	route("GET /tmf-api/productCatalogManagement/v4/productOffering/{id}", "carrier.offering", w.catalogueOne)
	route("GET /tmf-api/loyalty/v4/loyaltyBalance", "carrier.loyalty", w.loyalty)
	route("POST /tmf-api/productOrderingManagement/v4/productOrder", "carrier.order", w.orderCreate)
	route("GET /tmf-api/productOrderingManagement/v4/productOrder", "carrier.order_state", w.orderFind)
	route("GET /tmf-api/productOrderingManagement/v4/productOrder/{id}", "carrier.order_state", w.orderOne)
	route("POST /tmf-api/prepayBalanceManagement/v4/topupBalance", "carrier.topup", w.topUpCreate)
	route("GET /tmf-api/prepayBalanceManagement/v4/topupBalance", "carrier.topup_state", w.topUpFind)
	route("GET /tmf-api/prepayBalanceManagement/v4/topupBalance/{id}", "carrier.topup_state", w.topUpOne)
	mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) {
		refuse(rw, http.StatusNotFound, "60", "no such resource")
	})
	return mux
}
