package carrier

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"kaimenhong/model"
)

// Order asks for an offering of the catalogue on a number (TMF622).
type Order struct {
	Request  model.RequestID // names the order for ever: externalId and Idempotency-Key
	Phone    model.Phone
	Offering string    // id in the carrier's catalogue, TMF620
	Charge   model.Fen // goes on the phone bill with the order; 0: nothing
	Again    bool      // an earlier try's outcome is unknown: ask before sending
}

// TopUp asks for money on a number's main balance (TMF654).
type TopUp struct {
	Request model.RequestID // names the top-up for ever
	Phone   model.Phone
	Amount  model.Fen
	Again   bool // an earlier try's outcome is unknown: ask before sending
}

// Progress is how far an order or top-up is.
type Progress string

// The states of an order; the last two are final.
const (
	Accepted  Progress = "accepted"
	Working   Progress = "working"
	Completed Progress = "completed"
	Failed    Progress = "failed"
)

// Final tells that the progress will not change any more.
func (p Progress) Final() bool { return p == Completed || p == Failed }

// Receipt is what the carrier knows of an order.
type Receipt struct {
	ID       string // the carrier's number of it
	Progress Progress
	AsOf     model.Millis
}

// maxTopUp bounds one top-up; a carrier's own limit is lower.
const maxTopUp model.Fen = 100_000_00

type wireOrder struct {
	ID       string       `json:"id"`
	External string       `json:"externalId"`
	State    string       `json:"state"`  // 622
	Status   string       `json:"status"` // 654
	Amount   *amount      `json:"amount"` // 654
	Items    []wireItem   `json:"productOrderItem"`
	Lines    []resource   `json:"logicalResource"`
	Ended    model.Millis `json:"completionDate"`
}

type wireItem struct {
	Offering resource `json:"productOffering"`
}

// Order places an order. The same request id moves value at most once, provided
// that the carrier honours externalId; a different order under a used id is
// ErrReused. With Again set the carrier is asked for the id first and the order is
// sent only when it knows none; the id stays the same, so even an order that was
// still on its way then is not doubled.
//
// Errors: ErrInvalid, ErrRefused, ErrReused, ErrDenied, ErrUnavailable and ErrBusy
// say that nothing was changed; ErrUnknownOutcome says that nobody knows.
func (c *Client) Order(ctx context.Context, o Order) (Receipt, error) {
	if !o.Request.Valid() || o.Phone.IsZero() || o.Offering == "" || len(o.Offering) > maxNameSize || o.Charge < 0 || o.Charge > maxTopUp {
		return Receipt{}, ErrInvalid
	}
	check := func(w wireOrder) error {
		if len(w.Items) > 0 && w.Items[0].Offering.ID != o.Offering {
			return ErrReused.With(errors.New("the standing order is about another offering"))
		}
		return nil
	}
	if o.Again {
		if r, err := c.state(ctx, orders, o.Request, check); !errors.Is(err, ErrNoOrder) {
			return r, err
		}
	}
	item := map[string]any{
		"id": "1", "action": "add", "quantity": 1,
		"productOffering": map[string]string{"id": o.Offering, "@referredType": "ProductOffering"},
		"product": map[string]any{
			"realizingResource": []map[string]string{{"id": o.Phone.Digits(), "@referredType": "LogicalResource"}},
		},
	}
	if o.Charge > 0 {
		item["itemPrice"] = []map[string]any{{
			"priceType": "oneTime", "price": map[string]any{"taxIncludedAmount": map[string]any{"unit": "CNY", "value": yuan(o.Charge)}},
		}}
	}
	return c.change(ctx, orders, o.Request, check, map[string]any{
		"@type": "ProductOrder", "externalId": string(o.Request), "productOrderItem": []map[string]any{item},
	})
}

// TopUp adds money to the main balance of a number. Its errors and its promise are
// those of Order, and ErrNoSubscriber.
func (c *Client) TopUp(ctx context.Context, t TopUp) (Receipt, error) {
	if !t.Request.Valid() || t.Phone.IsZero() || t.Amount <= 0 || t.Amount > maxTopUp {
		return Receipt{}, ErrInvalid
	}
	check := func(w wireOrder) error {
		if w.Amount != nil {
			if fen, err := w.Amount.fen(); err != nil || fen != t.Amount {
				return ErrReused.With(errors.New("the standing top-up is about another amount"))
			}
		}
		if !mentions(lines(w.Lines), t.Phone) {
			return ErrReused.With(errors.New("the standing top-up is about another number"))
		}
		return nil
	}
	if t.Again {
		if r, err := c.state(ctx, topUps, t.Request, check); !errors.Is(err, ErrNoOrder) {
			return r, err
		}
	}
	id, err := c.identity(ctx, t.Phone, true)
	if err != nil {
		return Receipt{}, err
	}
	main, err := c.mainBucket(ctx, t.Phone, id)
	if err != nil {
		return Receipt{}, err
	}
	return c.change(ctx, topUps, t.Request, check, map[string]any{
		"@type": "TopupBalance", "externalId": string(t.Request), "usageType": "monetary",
		"amount":          map[string]any{"amount": yuan(t.Amount), "units": "CNY"},
		"partyAccount":    map[string]string{"id": id.account, "@referredType": "PartyAccount"},
		"bucket":          map[string]string{"id": main, "@referredType": "Bucket"},
		"logicalResource": []map[string]string{{"id": t.Phone.Digits(), "@referredType": "MSISDN"}},
	})
}

// mainBucket is the bucket that a top-up fills: the active monetary one that does
// not end, or else the first.
func (c *Client) mainBucket(ctx context.Context, phone model.Phone, id identity) (string, error) {
	list, a, err := c.money(ctx, id)
	if err != nil {
		return "", err
	}
	first := ""
	for _, b := range list {
		if !active(b, model.At(a.at)) {
			continue
		}
		if !mentions(b.Lines, phone) {
			return "", errOther
		}
		if b.ValidFor.End == 0 {
			return b.ID, nil
		}
		if first == "" {
			first = b.ID
		}
	}
	if first == "" {
		return "", ErrBadAnswer.With(errors.New("no active monetary bucket to top up"))
	}
	return first, nil
}

// yuan writes fen as a decimal of yuan.
func yuan(f model.Fen) json.Number {
	return json.Number(fmt.Sprintf("%d.%02d", int64(f)/100, int64(f)%100))
}

// book is one of the two resources that change something.
type book struct {
	api         api
	name, state string
	path        string
}

var (
	orders = book{api: orderAPI, name: "order", state: "order_state", path: "/productOrderingManagement/v4/productOrder"}
	topUps = book{api: topUpAPI, name: "topup", state: "topup_state", path: "/prepayBalanceManagement/v4/topupBalance"}
)

// change sends a change once: never again by itself.
func (c *Client) change(ctx context.Context, b book, request model.RequestID, check func(wireOrder) error, body any) (Receipt, error) {
	var got wireOrder
	a, err := c.once(ctx, call{api: b.api, name: b.name, method: http.MethodPost, path: b.path, body: body, key: string(request)},
		rand.Text(), c.opts.Deadline, func(a *answer) error { return decode(a.body, &got) })
	if err != nil {
		return Receipt{}, fmt.Errorf("carrier %s: %w", b.name, sent(err))
	}
	return receipt(got, a, request, check)
}

// sent sorts the failures of a change: what the carrier refused, or never got, did
// not happen; of everything else nobody knows.
func sent(err error) error {
	var never notSent
	switch {
	case errors.As(err, &never), errors.Is(err, ErrBusy), errors.Is(err, ErrDenied), errors.Is(err, ErrReused), errors.Is(err, ErrInvalid):
		return err
	case errors.Is(err, ErrNoSubscriber), errors.Is(err, ErrRefused):
		return ErrRefused.With(err)
	}
	return ErrUnknownOutcome.With(err)
}

func receipt(w wireOrder, a *answer, request model.RequestID, check func(wireOrder) error) (Receipt, error) {
	if w.External != "" && w.External != string(request) {
		return Receipt{}, ErrUnknownOutcome.With(errors.New("the answer is about another request"))
	}
	if err := check(w); err != nil {
		return Receipt{}, err
	}
	out := Receipt{ID: clip(w.ID, maxNameSize), AsOf: model.At(a.at)}
	switch w.State + w.Status {
	case "acknowledged", "pending", "held", "created":
		out.Progress = Accepted
	case "inProgress", "assessingCancellation", "pendingCancellation":
		out.Progress = Working
	case "completed":
		out.Progress = Completed
	case "failed", "rejected", "cancelled":
		out.Progress = Failed
	default: // partial and what the standard does not know: a person looks at it
		return out, ErrUnknownOutcome.With(fmt.Errorf("state %q", clip(w.State+w.Status, 32)))
	}
	return out, nil
}

// OrderState asks what became of an order. ErrNoOrder says that the carrier knows
// none now; one that is still on its way may arrive later.
//
// Errors: ErrNoOrder, ErrUnavailable, ErrBusy, ErrBadAnswer, ErrDenied,
// ErrUnknownOutcome for a state that is neither and for a question that is refused.
func (c *Client) OrderState(ctx context.Context, request model.RequestID) (Receipt, error) {
	return c.state(ctx, orders, request, func(wireOrder) error { return nil })
}

// TopUpState is OrderState of a top-up.
func (c *Client) TopUpState(ctx context.Context, request model.RequestID) (Receipt, error) {
	return c.state(ctx, topUps, request, func(wireOrder) error { return nil })
}

func (c *Client) state(ctx context.Context, b book, request model.RequestID, check func(wireOrder) error) (Receipt, error) {
	if !request.Valid() {
		return Receipt{}, ErrInvalid
	}
	list, a, err := get[[]wireOrder](ctx, c, call{
		api: b.api, name: b.state, method: http.MethodGet, path: b.path, query: url.Values{"externalId": {string(request)}},
	})
	if errors.Is(err, ErrNoSubscriber) { // some carriers answer 404 for an empty list
		return Receipt{}, ErrNoOrder.With(err)
	}
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrReused) { // the question was, not the order
		return Receipt{}, ErrUnknownOutcome.With(err)
	}
	if err != nil {
		return Receipt{}, err
	}
	// A carrier that ignores the filter must not make a stranger's order ours.
	var mine []wireOrder
	for _, w := range list {
		if w.External == string(request) {
			mine = append(mine, w)
		}
	}
	switch len(mine) {
	case 0:
		return Receipt{}, ErrNoOrder
	case 1:
		return receipt(mine[0], a, request, check)
	}
	return Receipt{}, ErrUnknownOutcome.With(fmt.Errorf("%d orders under one request id", len(mine)))
}

// Check asks the carrier for an order that cannot exist: nil says that the base URL
// leads to TM Forum's resources and the token opens them.
func (c *Client) Check(ctx context.Context) error {
	_, err := c.OrderState(ctx, model.RequestID("check-"+rand.Text()))
	if errors.Is(err, ErrNoOrder) {
		return nil
	}
	return err
}
