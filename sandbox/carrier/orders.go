package carrier

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The states of an order, TMF622; a top-up (TMF654) says created for the first
// two of them.
const (
	acknowledged = "acknowledged"
	inProgress   = "inProgress"
	completed    = "completed"
	failed       = "failed"
)

// order is a product order or, when Fen is set, a top-up.
type order struct {
	ID       string `json:"id"`
	External string `json:"externalId"`
	Line     int    `json:"line"`
	Offering string `json:"offering,omitempty"`
	Fen      int64  `json:"fen,omitempty"`
	Charge   int64  `json:"charge,omitempty"` // fen on the phone bill, when it completes
	State    string `json:"state"`
	Fails    bool   `json:"fails,omitempty"`
	At       int64  `json:"at"`
	EndedAt  int64  `json:"endedAt,omitempty"`
}

// same tells whether a repeat asks for what the first asked for.
func (o *order) same(other *order) bool {
	return o.Line == other.Line && o.Offering == other.Offering && o.Fen == other.Fen && o.Charge == other.Charge
}

var (
	errKey     = &refusal{http.StatusBadRequest, "22", "externalId or Idempotency-Key is missing, or they differ"}
	errReused  = &refusal{http.StatusConflict, "50", "this externalId was used for something else"}
	errFull    = &refusal{http.StatusServiceUnavailable, "5", "the sandbox remembers no more orders"}
	errNoOrder = &refusal{http.StatusNotFound, "60", "no such order"}
)

// place remembers the order, or returns the one that its externalId stands for.
func (w *World) place(book map[string]*order, o *order, prefix string, now time.Time) (*order, error) {
	if old := book[o.External]; old != nil {
		if !old.same(o) {
			return nil, errReused
		}
		return old, nil
	}
	if len(book) >= maxOrders {
		return nil, errFull
	}
	w.serial++
	o.ID, o.State, o.At = fmt.Sprintf("%s-%010d", prefix, w.serial), acknowledged, now.UnixMilli()
	if w.failNext > 0 {
		w.failNext--
		o.Fails = true
	}
	book[o.External], w.byID[o.ID] = o, o
	w.pending = append(w.pending, o)
	return o, nil
}

// advance moves pending orders on; each has its effect when it completes, once.
func (w *World) advance(now time.Time) {
	ms := now.UnixMilli()
	kept := w.pending[:0]
	for _, o := range w.pending {
		switch age := time.Duration(ms-o.At) * time.Millisecond; {
		case age >= w.opts.Done:
			w.finish(o, now)
			continue
		case age >= w.opts.Working:
			o.State = inProgress
		}
		kept = append(kept, o)
	}
	w.pending = kept
}

func (w *World) finish(o *order, now time.Time) {
	o.State, o.EndedAt = completed, now.UnixMilli()
	l := w.lines[o.Line]
	l.Changed = true
	w.roll(l, now)
	packs := 0
	for _, b := range l.Buckets {
		if b.Pack != "" {
			packs++
		}
	}
	what, _ := offeringOf(o.Offering)
	switch {
	case o.Fails || o.Charge > 0 && o.Charge > l.Balance || o.Fen == 0 && what.Credit == 0 && packs >= maxPacks:
		o.State = failed
	case o.Fen > 0 || what.Credit > 0:
		l.credit(o.Fen + what.Credit)
	default:
		l.Balance -= o.Charge
		l.addPack(what, now, "PK-"+o.ID)
	}
}

// credit adds money; who has paid his arrears is connected again.
func (l *line) credit(fen int64) {
	l.Balance += fen
	l.Changed = true
	if l.Balance >= 0 && l.Status == "suspended" {
		l.Status = "active"
	}
}

// keyOf is the one name of a request to change something: externalId in the body
// or the Idempotency-Key header; both must agree when both are there.
func keyOf(r *http.Request, external string) (string, error) {
	header := r.Header.Get("Idempotency-Key")
	if external == "" {
		external = header
	}
	if external == "" || len(external) > 128 || header != "" && header != external {
		return "", errKey
	}
	return external, nil
}

type resource struct {
	ID string `json:"id"`
}

// orderCreate is TMF622 POST /productOrder: one item, one number.
func (w *World) orderCreate(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		External string     `json:"externalId"`
		Party    []resource `json:"relatedParty"`
		Items    []struct {
			Action   string   `json:"action"`
			Offering resource `json:"productOffering"`
			Prices   []struct {
				Price struct {
					Amount struct {
						Unit  string      `json:"unit"`
						Value json.Number `json:"value"`
					} `json:"taxIncludedAmount"`
				} `json:"price"`
			} `json:"itemPrice"`
			Product struct {
				Resources []resource `json:"realizingResource"`
			} `json:"product"`
		} `json:"productOrderItem"`
	}
	if err := read(r, &in); err != nil {
		answer(rw, 0, nil, err)
		return
	}
	key, err := keyOf(r, in.External)
	if err == nil && (len(in.Items) != 1 || in.Items[0].Action != "add" || len(in.Items[0].Product.Resources) != 1) {
		err = &refusal{http.StatusBadRequest, "23", "one item with action add and one realizingResource is needed"}
	}
	charge := int64(0)
	if err == nil && len(in.Items[0].Prices) > 0 {
		fen, whole := fenOf(in.Items[0].Prices[0].Price.Amount.Value)
		if !whole || fen <= 0 || len(in.Items[0].Prices) > 1 || in.Items[0].Prices[0].Price.Amount.Unit != "CNY" {
			err = &refusal{http.StatusBadRequest, "23", "one itemPrice in CNY, above zero"}
		}
		charge = fen
	}
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	l, known := w.byPhone[in.Items[0].Product.Resources[0].ID]
	what, sold := offeringOf(in.Items[0].Offering.ID)
	switch {
	case !known:
		err = &refusal{http.StatusBadRequest, "27", "no such number"}
	case !sold:
		err = &refusal{http.StatusBadRequest, "27", "no such offering"}
	}
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	o, err := w.place(w.orders, &order{External: key, Line: l.Index, Offering: what.ID, Charge: charge}, "OR", now)
	answer(rw, http.StatusCreated, w.orderWire(o), err)
}

// orderFind is TMF622 GET /productOrder?externalId=….
func (w *World) orderFind(rw http.ResponseWriter, r *http.Request) {
	w.find(rw, r, w.orderWire, func() map[string]*order { return w.orders })
}

func (w *World) find(rw http.ResponseWriter, r *http.Request, wire func(*order) obj, book func() map[string]*order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at()
	external := r.URL.Query().Get("externalId")
	if external == "" {
		answer(rw, 0, nil, errNoFilter)
		return
	}
	all := []obj{}
	if o := book()[external]; o != nil {
		all = append(all, wire(o))
	}
	list(rw, r, all, nil)
}

func (w *World) one(rw http.ResponseWriter, r *http.Request, topUp bool, wire func(*order) obj) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at()
	o := w.byID[r.PathValue("id")]
	if o == nil || (o.Fen > 0) != topUp {
		answer(rw, 0, nil, errNoOrder)
		return
	}
	reply(rw, http.StatusOK, wire(o))
}

// orderOne is TMF622 GET /productOrder/{id}.
func (w *World) orderOne(rw http.ResponseWriter, r *http.Request) {
	w.one(rw, r, false, w.orderWire)
}

func (w *World) orderWire(o *order) obj {
	if o == nil {
		return nil
	}
	l := w.lines[o.Line]
	out := obj{
		"id": o.ID, "href": "/tmf-api/productOrderingManagement/v4/productOrder/" + o.ID, "externalId": o.External,
		"state": o.State, "orderDate": stamp(o.At), "@type": "ProductOrder",
		"relatedParty": []obj{party(l.customerID(), "customer", "Customer")},
		"productOrderItem": []obj{{
			"id": "1", "action": "add", "quantity": 1, "state": o.State,
			"productOffering": ref(o.Offering, "ProductOffering"),
			"product":         obj{"realizingResource": []obj{ref(l.Phone, "LogicalResource")}},
		}},
	}
	if o.EndedAt > 0 {
		out["completionDate"] = stamp(o.EndedAt)
	}
	return out
}

// topUpCreate is TMF654 POST /topupBalance.
func (w *World) topUpCreate(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		External string `json:"externalId"`
		Amount   struct {
			Amount json.Number `json:"amount"`
			Units  string      `json:"units"`
		} `json:"amount"`
		Account resource   `json:"partyAccount"`
		Bucket  resource   `json:"bucket"`
		Lines   []resource `json:"logicalResource"`
		Usage   string     `json:"usageType"`
	}
	if err := read(r, &in); err != nil {
		answer(rw, 0, nil, err)
		return
	}
	key, err := keyOf(r, in.External)
	fen, whole := fenOf(in.Amount.Amount)
	if err == nil && (!whole || fen <= 0 || fen > 100_000_00 || in.Amount.Units != "CNY" || in.Usage != "monetary" || in.Bucket.ID == "") {
		err = &refusal{http.StatusBadRequest, "23", "amount in CNY, bucket and usageType monetary are needed"}
	}
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	l, err := w.found("", in.Account.ID, now)
	if err == nil && in.Bucket.ID != "MB-"+l.accountID()+"-MAIN" {
		err = &refusal{http.StatusBadRequest, "27", "no such bucket of the account"}
	}
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	o, err := w.place(w.topUps, &order{External: key, Line: l.Index, Fen: fen}, "TU", now)
	answer(rw, http.StatusCreated, w.topUpWire(o), err)
}

// topUpFind is TMF654 GET /topupBalance?externalId=….
func (w *World) topUpFind(rw http.ResponseWriter, r *http.Request) {
	w.find(rw, r, w.topUpWire, func() map[string]*order { return w.topUps })
}

// topUpOne is TMF654 GET /topupBalance/{id}.
func (w *World) topUpOne(rw http.ResponseWriter, r *http.Request) {
	w.one(rw, r, true, w.topUpWire)
}

func (w *World) topUpWire(o *order) obj {
	if o == nil {
		return nil
	}
	l := w.lines[o.Line]
	state := o.State
	if state == acknowledged || state == inProgress {
		state = "created"
	}
	out := obj{
		"id": o.ID, "href": "/tmf-api/prepayBalanceManagement/v4/topupBalance/" + o.ID, "externalId": o.External,
		"status": state, "amount": moneyQuantity(o.Fen), "usageType": "monetary", "@type": "TopupBalance", "requestedDate": stamp(o.At),
		"partyAccount": ref(l.accountID(), "PartyAccount"), "bucket": ref("MB-"+l.accountID()+"-MAIN", "Bucket"),
		"logicalResource": []obj{ref(l.Phone, "MSISDN")},
	}
	if o.EndedAt > 0 {
		out["confirmationDate"] = stamp(o.EndedAt)
	}
	return out
}
