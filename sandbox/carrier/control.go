package carrier

import (
	"fmt"
	"net/http"
)

// Persona is a customer as the control pages show him. Money is fen, data bytes.
type Persona struct {
	Key      string `json:"key"` // low_balance …; empty for the crowd
	Note     string `json:"note"`
	Phone    string `json:"phone"`
	Name     string `json:"name"`
	Province string `json:"province"`
	City     string `json:"city"`
	Plan     string `json:"plan"`
	Prepaid  bool   `json:"prepaid"`
	Status   string `json:"status"`
	Balance  int64  `json:"balanceFen"` // without gifts; negative is arrears
	Gift     int64  `json:"giftFen"`
	DataLeft int64  `json:"dataLeftBytes"` // of limited allowances
	Holder   string `json:"holderId"`
	Points   int64  `json:"points"`
}

// Personas lists the customers whom a demonstration picks by hand, ten of them.
func (w *World) Personas() []Persona {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	var list []Persona
	for _, l := range w.lines[:len(personas)] {
		w.roll(l, now)
		list = append(list, l.persona())
	}
	return list
}

func (l *line) persona() Persona {
	p := planOf(l.PlanID)
	out := Persona{
		Key: l.Persona, Note: l.Note, Phone: l.Phone, Name: l.Name, Province: l.Province, City: l.City, Plan: p.Name, Prepaid: p.Prepaid,
		Status: l.Status, Balance: l.Balance, Gift: l.Gift, Holder: l.holderID(), Points: l.Points,
	}
	for _, b := range l.Buckets {
		if b.Kind == "data" && b.Total > 0 {
			out.DataLeft += b.Total - b.Used
		}
	}
	return out
}

// change runs fn on the line of a number, at the present, and returns what it has
// become.
func (w *World) change(phone string, fn func(l *line) error) (Persona, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	l := w.byPhone[phone]
	if l == nil {
		return Persona{}, ErrNoLine
	}
	w.roll(l, now)
	if err := fn(l); err != nil {
		return Persona{}, err
	}
	l.Changed = true
	return l.persona(), nil
}

// Look returns the customer of a number, or ErrNoLine.
func (w *World) Look(phone string) (Persona, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	l := w.byPhone[phone]
	if l == nil {
		return Persona{}, ErrNoLine
	}
	w.roll(l, now)
	return l.persona(), nil
}

// maxFen bounds what a balance may be set to, either way: ten million yuan.
const maxFen = 1_000_000_000

// SetBalance sets the balance in fen; below zero the line is in arrears and
// suspended.
func (w *World) SetBalance(phone string, fen int64) (Persona, error) {
	if fen < -maxFen || fen > maxFen {
		return Persona{}, fmt.Errorf("a balance lies within ±%d fen", maxFen)
	}
	return w.change(phone, func(l *line) error {
		l.Balance = fen
		l.Status = "active"
		if fen < 0 {
			l.Status = "suspended"
		}
		return nil
	})
}

// Consume uses an amount (bytes, seconds, messages) of a kind, from the allowance
// that ends first; what is beyond all of them is lost.
func (w *World) Consume(phone, kind string, amount int64) (Persona, error) {
	if amount <= 0 {
		return Persona{}, fmt.Errorf("an amount above zero is needed")
	}
	return w.change(phone, func(l *line) error {
		found := false
		for amount > 0 {
			var next *box
			for _, b := range l.Buckets {
				if b.Kind != kind {
					continue
				}
				found = true
				if b.Total == 0 { // unlimited: it takes all
					b.Used += amount
					return nil
				}
				if b.Used < b.Total && (next == nil || b.Ends < next.Ends) {
					next = b
				}
			}
			if next == nil {
				break
			}
			part := min(amount, next.Total-next.Used)
			next.Used += part
			amount -= part
		}
		if !found {
			return fmt.Errorf("the line has no %q", kind)
		}
		return nil
	})
}

// Recycle gives the number to somebody else: a new customer, account and holder,
// on the cheapest plan with an empty history. The old ids answer 404 from now on.
func (w *World) Recycle(phone string) (Persona, error) {
	return w.change(phone, func(l *line) error {
		now := w.now()
		delete(w.byCustomer, l.customerID())
		l.Generation++
		w.byCustomer[l.customerID()] = l
		r := source(w.opts.Seed, "holder", l.Index, l.Generation)
		l.Name = string(surnames[r.IntN(len(surnames))]) + "*"
		l.PlanID, l.Balance, l.Gift, l.GiftEnds, l.Reserved, l.Points, l.Status = "PL-KEEP-8", 1000, 0, 0, 0, 0, "active"
		l.Since = now.UnixMilli()
		l.Buckets = planBoxes(l, now)
		return nil
	})
}

// FailNext lets the next n orders and top-ups fail after they were accepted.
func (w *World) FailNext(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failNext = max(0, n)
}

// Control is the world's part of the sandbox's control API, to be mounted with
// StripPrefix: GET /personas, GET /customers?phone=… and POST /balance, /consume,
// /recycle, /fail. Money is fen, amounts bytes, seconds or messages.
func (w *World) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /personas", func(rw http.ResponseWriter, _ *http.Request) { reply(rw, http.StatusOK, w.Personas()) })
	mux.HandleFunc("GET /customers", func(rw http.ResponseWriter, r *http.Request) {
		p, err := w.Look(r.URL.Query().Get("phone"))
		controlled(rw, p, err)
	})
	type body struct {
		Phone  string `json:"phone"`
		Fen    int64  `json:"fen"`
		Kind   string `json:"kind"`
		Amount int64  `json:"amount"`
		Count  int    `json:"count"`
	}
	for path, do := range map[string]func(body) (any, error){
		"/balance": func(b body) (any, error) { return w.SetBalance(b.Phone, b.Fen) },
		"/consume": func(b body) (any, error) { return w.Consume(b.Phone, b.Kind, b.Amount) },
		"/recycle": func(b body) (any, error) { return w.Recycle(b.Phone) },
		"/fail":    func(b body) (any, error) { w.FailNext(b.Count); return obj{"count": b.Count}, nil },
	} {
		mux.HandleFunc("POST "+path, func(rw http.ResponseWriter, r *http.Request) {
			var in body
			if err := read(r, &in); err != nil {
				answer(rw, 0, nil, err)
				return
			}
			out, err := do(in)
			controlled(rw, out, err)
		})
	}
	return mux
}

func controlled(rw http.ResponseWriter, body any, err error) {
	if err != nil {
		refuse(rw, http.StatusBadRequest, "27", err.Error())
		return
	}
	reply(rw, http.StatusOK, body)
}
