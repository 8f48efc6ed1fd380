package carrier

import (
	"net/http"
	"strings"
	"time"
)

const (
	customerHref = "/tmf-api/customerManagement/v4/customer/"
	bucketHref   = "/tmf-api/prepayBalanceManagement/v4/bucket/"
	productHref  = "/tmf-api/productInventory/v4/product/"
	usageHref    = "/tmf-api/usageConsumption/v4/queryUsageConsumption/"
	offeringHref = "/tmf-api/productCatalogManagement/v4/productOffering/"
)

var (
	errNoCustomer = &refusal{http.StatusNotFound, "60", "no such customer"}
	errNoFilter   = &refusal{http.StatusBadRequest, "24", "a filter is needed: this carrier does not list everybody"}
)

// found is the line of a customer id or an account id, rolled to the present.
func (w *World) found(customer, account string, now time.Time) (*line, error) {
	if account != "" {
		customer = "CU" + strings.TrimPrefix(account, "AC")
	}
	if customer == "" {
		return nil, errNoFilter
	}
	l := w.byCustomer[customer]
	if l == nil {
		return nil, errNoCustomer
	}
	w.roll(l, now)
	return l, nil
}

// customer is TMF629 GET /customer/{id}.
func (w *World) customer(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, err := w.found(r.PathValue("id"), "", w.at())
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	p := planOf(l.PlanID)
	payment := "postpaid"
	if p.Prepaid {
		payment = "prepaid"
	}
	reply(rw, http.StatusOK, obj{
		"id": l.customerID(), "href": customerHref + l.customerID(), "name": l.Name, "status": l.Status, "@type": "Customer",
		"engagedParty": obj{"id": l.holderID(), "name": l.Name, "@referredType": "Individual"},
		"validFor":     period(l.Since, 0),
		"account":      []obj{{"id": l.accountID(), "name": "账户", "@referredType": "PartyAccount"}},
		"contactMedium": []obj{{"mediumType": "phone", "preferred": true, "characteristic": obj{
			"phoneNumber": l.Phone, "stateOrProvince": l.Province, "city": l.City, "country": "中国",
		}}},
		"characteristic": []obj{
			{"name": "paymentType", "valueType": "string", "value": payment},
			{"name": "customerLevel", "valueType": "string", "value": p.Level},
		},
	})
}

// buckets is TMF654 GET /bucket?partyAccount.id=…: the money of an account.
func (w *World) buckets(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	q := r.URL.Query()
	l, err := w.found("", q.Get("partyAccount.id"), now)
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	all := []obj{l.moneyBucket("MAIN", "话费余额", l.Balance, l.Reserved, 0, now)}
	if l.Gift > 0 {
		all = append(all, l.moneyBucket("GIFT", "赠送话费", l.Gift, 0, l.GiftEnds, now))
	}
	if kind := q.Get("usageType"); kind != "" && kind != "monetary" {
		all = nil
	}
	list(rw, r, all, nil)
}

func (l *line) moneyBucket(suffix, name string, fen, reserved, ends int64, now time.Time) obj {
	id := "MB-" + l.accountID() + "-" + suffix
	state := "paid"
	if l.Balance < 0 {
		state = "in arrears"
	}
	return obj{
		"id": id, "href": bucketHref + id, "name": name, "isShared": false, "usageType": "monetary", "status": "active",
		"confirmationDate": stamp(now.UnixMilli()), "@type": "Bucket",
		"remainingValue": moneyQuantity(fen), "remainingValueName": string(yuan(fen)) + "元", "reservedValue": moneyQuantity(reserved),
		"validFor":        period(l.Since, ends),
		"logicalResource": []obj{ref(l.Phone, "MSISDN")},
		"partyAccount":    obj{"id": l.accountID(), "status": state, "@referredType": "PartyAccount"},
		"product":         []obj{ref(l.planProduct(), "Product")},
	}
}

// usage is TMF677 POST /queryUsageConsumption: by number, in the body.
func (w *World) usage(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		SearchCriteria struct {
			LogicalResource []struct {
				ID string `json:"id"`
			} `json:"logicalResource"`
		} `json:"searchCriteria"`
	}
	if err := read(r, &in); err != nil {
		answer(rw, 0, nil, err)
		return
	}
	if len(in.SearchCriteria.LogicalResource) != 1 {
		refuse(rw, http.StatusBadRequest, "23", "searchCriteria.logicalResource must name one number")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.at()
	l := w.byPhone[in.SearchCriteria.LogicalResource[0].ID]
	if l == nil {
		refuse(rw, http.StatusNotFound, "60", "no such number")
		return
	}
	w.roll(l, now)
	boxes := []obj{}
	for _, b := range l.Buckets {
		boxes = append(boxes, b.wire(l, now))
	}
	id := "UQ-" + l.customerID()
	reply(rw, http.StatusCreated, obj{
		"id": id, "href": usageHref + id, "queryUsageConsumptionDate": stamp(now.UnixMilli()), "@type": "QueryUsageConsumption",
		"searchCriteria": obj{"logicalResource": []obj{ref(l.Phone, "MSISDN")}},
		"usageConsumption": []obj{{
			"id": "UC-" + l.customerID(), "name": "套餐使用情况", "state": "done",
			"creationDate": stamp(now.UnixMilli()), "lastUpdate": stamp(now.UnixMilli()),
			"logicalResource":  []obj{ref(l.Phone, "MSISDN")},
			"partyAccount":     []obj{ref(l.accountID(), "PartyAccount")},
			"relatedParty":     []obj{party(l.customerID(), "customer", "Customer"), party(l.holderID(), "user", "Individual")},
			"bucketRefOrValue": boxes,
		}},
	})
}

func (b *box) wire(l *line, now time.Time) obj {
	counters := []obj{{
		"counterType": "used", "level": "global", "value": quantity(b.Used, b.Unit),
		"consumptionPeriod": period(midnight(now).UnixMilli(), now.UnixMilli()),
	}}
	o := obj{
		"id": b.ID, "name": b.Name, "usageType": b.Kind, "status": "active", "isShared": strings.Contains(b.Name, "共享"),
		"bucketCounter": counters, "validFor": period(b.Began, b.Ends),
		"product": []obj{{"id": b.Product, "@referredType": "Product"}},
	}
	if b.Total == 0 {
		o["remainingValueName"] = "不限量"
		return o
	}
	o["remainingValue"] = quantity(b.Total-b.Used, b.Unit)
	o["bucketCounter"] = append(counters, obj{"counterType": "total", "level": "global", "value": quantity(b.Total, b.Unit)})
	return o
}

// products is TMF637 GET /product?relatedParty.id=…: the plan, then the packs.
func (w *World) products(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, err := w.found(r.URL.Query().Get("relatedParty.id"), "", w.at())
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	p := planOf(l.PlanID)
	details := []obj{}
	for _, d := range p.Details {
		details = append(details, obj{"name": "detail", "valueType": "string", "value": d})
	}
	plan := l.product(l.planProduct(), p.Name, p.ID, l.Since, 0)
	plan["isBundle"] = true
	plan["productCharacteristic"] = details
	plan["productPrice"] = []obj{{
		"name": "月费", "priceType": "recurring", "recurringChargePeriod": "month",
		"price": obj{"taxIncludedAmount": money(p.Fee)},
	}}
	all := []obj{plan}
	for _, b := range l.Buckets {
		o, ok := offeringOf(b.Pack)
		if !ok {
			continue
		}
		pack := l.product(b.Product, o.Name, o.ID, b.Began, b.Ends)
		pack["productPrice"] = []obj{{"name": "价格", "priceType": "oneTime", "price": obj{"taxIncludedAmount": money(o.Price)}}}
		all = append(all, pack)
	}
	list(rw, r, all, nil)
}

func (l *line) product(id, name, offering string, from, to int64) obj {
	o := obj{
		"id": id, "href": productHref + id, "name": name, "status": "active", "isBundle": false, "isCustomerVisible": true,
		"startDate":         stamp(from),
		"productOffering":   obj{"id": offering, "name": name, "@referredType": "ProductOffering"},
		"relatedParty":      []obj{party(l.customerID(), "customer", "Customer")},
		"realizingResource": []obj{ref(l.Phone, "LogicalResource")},
		"billingAccount":    ref(l.accountID(), "BillingAccount"),
	}
	if to > 0 {
		o["terminationDate"] = stamp(to)
	}
	return o
}

// catalogue is TMF620 GET /productOffering.
func (w *World) catalogue(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []obj{}
	for _, o := range offerings {
		if category := r.URL.Query().Get("category.name"); category == "" || category == o.Category {
			all = append(all, o.wire(w.epoch))
		}
	}
	list(rw, r, all, nil)
}

// catalogueOne is TMF620 GET /productOffering/{id}.
func (w *World) catalogueOne(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, ok := offeringOf(r.PathValue("id"))
	if !ok {
		refuse(rw, http.StatusNotFound, "60", "no such offering")
		return
	}
	reply(rw, http.StatusOK, o.wire(w.epoch))
}

func (o offering) wire(epoch time.Time) obj {
	return obj{
		"id": o.ID, "href": offeringHref + o.ID, "name": o.Name, "isBundle": false, "isSellable": true,
		"lifecycleStatus": "Active", "version": "1.0", "@type": "ProductOffering", "lastUpdate": stamp(midnight(epoch).UnixMilli()),
		"category": []obj{{"id": o.Category, "name": o.Category, "@referredType": "Category"}},
		"productOfferingPrice": []obj{{
			"id": "PRICE-" + o.ID, "name": "价格", "priceType": "oneTime",
			"price": obj{"taxIncludedAmount": money(o.Price)},
		}},
	}
}

// loyalty is TMF658 GET /loyaltyBalance?loyaltyProgramMember.id=….
func (w *World) loyalty(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, err := w.found(r.URL.Query().Get("loyaltyProgramMember.id"), "", w.at())
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	id := "LB-" + l.customerID()
	list(rw, r, []obj{{
		"id": id, "href": "/tmf-api/loyalty/v4/loyaltyBalance/" + id, "@type": "LoyaltyBalance",
		"loyaltyProgramMember": obj{"id": l.customerID(), "href": "/tmf-api/loyalty/v4/loyaltyProgramMember/" + l.customerID()},
		"quantity":             obj{"unit": "points", "value": l.Points},
	}}, nil)
}
