package carrier

import (
	"fmt"
	"net/http"
	"time"
)

// billMonths is how many bills a customer has at most.
const billMonths = 6

// bill is one month's bill. It is a function of the seed, the line and the month;
// what is still due follows from the line's arrears.
type bill struct {
	ID     string
	Month  time.Time // its first instant
	Items  []item
	Total  int64
	Due    int64
	Issued time.Time
}

type item struct {
	Name string
	Fen  int64
}

// billsOf lists the line's bills, newest first. Arrears lie on the newest ones.
func (w *World) billsOf(l *line, now time.Time) []bill {
	var all []bill
	owed := max(0, -l.Balance)
	first := nextMonth(now).AddDate(0, -1, 0)
	for back := 1; back <= billMonths; back++ {
		month := first.AddDate(0, -back, 0)
		if month.AddDate(0, 1, 0).UnixMilli() <= l.Since {
			break
		}
		b := w.billOf(l, month)
		b.Due = min(owed, b.Total)
		owed -= b.Due
		all = append(all, b)
	}
	return all
}

func (w *World) billOf(l *line, month time.Time) bill {
	label := month.Format("200601")
	r := source(w.opts.Seed, "bill", l.Index, l.Generation, label)
	p := planOf(l.PlanID)
	b := bill{ID: "BL-" + l.accountID()[3:] + "-" + label, Month: month, Issued: month.AddDate(0, 1, 0).Add(2 * time.Hour)}
	b.Items = append(b.Items, item{"套餐月费", p.Fee})
	for _, extra := range []struct {
		name    string
		percent int
		most    int
	}{{"套餐外流量费", 30, 2500}, {"套餐外语音费", 25, 1200}, {"短彩信费", 10, 300}, {"增值业务费", 20, 2000}, {"国际漫游费", 4, 8000}} {
		if r.IntN(100) < extra.percent {
			b.Items = append(b.Items, item{extra.name, int64(10 + r.IntN(extra.most))})
		}
	}
	if r.IntN(5) == 0 {
		b.Items = append(b.Items, item{"优惠减免", -(p.Fee / 10)})
	}
	for _, i := range b.Items {
		b.Total += i.Fen
	}
	return b
}

// bills is TMF678 GET /customerBill?billingAccount.id=….
func (w *World) bills(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	l, err := w.found("", r.URL.Query().Get("billingAccount.id"), now)
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	all := []obj{}
	for _, b := range w.billsOf(l, now) {
		state := "settled"
		if b.Due > 0 {
			state = "partiallyPaid"
		}
		if b.Due == b.Total {
			state = "sent"
		}
		all = append(all, obj{
			"id": b.ID, "href": "/tmf-api/customerBillManagement/v4/customerBill/" + b.ID, "billNo": b.ID, "@type": "CustomerBill",
			"billDate": stamp(b.Issued.UnixMilli()), "lastUpdate": stamp(b.Issued.UnixMilli()), "category": "normal", "runType": "onCycle",
			"billingPeriod":     period(b.Month.UnixMilli(), b.Month.AddDate(0, 1, 0).UnixMilli()-1000),
			"paymentDueDate":    stamp(b.Issued.AddDate(0, 0, 19).UnixMilli()),
			"taxIncludedAmount": money(b.Total), "amountDue": money(b.Total), "remainingAmount": money(b.Due), "state": state,
			"billingAccount": ref(l.accountID(), "BillingAccount"),
		})
	}
	list(rw, r, all, nil)
}

// rates is TMF678 GET /appliedCustomerBillingRate?billingAccount.id=…: the items
// of every bill.
func (w *World) rates(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	l, err := w.found("", r.URL.Query().Get("billingAccount.id"), now)
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	all := []obj{}
	for _, b := range w.billsOf(l, now) {
		for n, i := range b.Items {
			id := fmt.Sprintf("%s-%d", b.ID, n+1)
			all = append(all, obj{
				"id": id, "href": "/tmf-api/customerBillManagement/v4/appliedCustomerBillingRate/" + id, "@type": "AppliedCustomerBillingRate",
				"name": i.Name, "date": stamp(b.Issued.UnixMilli()), "isBilled": true, "type": "recurring",
				"bill": ref(b.ID, "CustomerBill"), "billingAccount": ref(l.accountID(), "BillingAccount"),
				"taxIncludedAmount": money(i.Fen),
			})
		}
	}
	list(rw, r, all, nil)
}
