package carrier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// identity is what a number is called within the carrier.
type identity struct {
	customer string
	account  string
	at       time.Time // when we learned it, by our clock
}

// The parts of TM Forum's resources that are read. What is absent is zero.
type (
	resource struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Role string `json:"role"`
		Type string `json:"@referredType"`
	}
	period struct {
		Start model.Millis `json:"startDateTime"`
		End   model.Millis `json:"endDateTime"`
	}
	counter struct {
		Type  string  `json:"counterType"`
		Level string  `json:"level"`
		Value *amount `json:"value"`
	}
	bucket struct {
		ID        string     `json:"id"`
		Name      string     `json:"name"`
		Usage     string     `json:"usageType"`
		Status    string     `json:"status"`
		Remaining *amount    `json:"remainingValue"`
		Reserved  *amount    `json:"reservedValue"`
		Counters  []counter  `json:"bucketCounter"`
		ValidFor  period     `json:"validFor"`
		Lines     []resource `json:"logicalResource"`
	}
	consumption struct {
		State      string       `json:"state"`
		LastUpdate model.Millis `json:"lastUpdate"`
		Buckets    []bucket     `json:"bucketRefOrValue"`
		Lines      []resource   `json:"logicalResource"`
		Accounts   []resource   `json:"partyAccount"`
		Parties    []resource   `json:"relatedParty"`
	}
	usageQuery struct {
		Consumption []consumption `json:"usageConsumption"`
	}
)

// queryUsage asks TMF677 by number. The standard's query is a POST whose criteria
// lie in the body, so the number stays out of every URL and every access log; its
// answer also names the customer and the account by which all other calls are made.
func (c *Client) queryUsage(ctx context.Context, phone model.Phone) (consumption, *answer, error) {
	body := map[string]any{
		"@type": "QueryUsageConsumption",
		"searchCriteria": map[string]any{
			"logicalResource": []map[string]string{{"id": phone.Digits(), "@referredType": "MSISDN"}},
		},
	}
	got, a, err := get[usageQuery](ctx, c, call{
		api: usageAPI, name: "usage", method: http.MethodPost, path: "/usageConsumption/v4/queryUsageConsumption", body: body,
	})
	if err != nil {
		return consumption{}, nil, err
	}
	if len(got.Consumption) != 1 {
		return consumption{}, nil, ErrBadAnswer.With(fmt.Errorf("%d usage consumptions, want 1", len(got.Consumption)))
	}
	u := got.Consumption[0]
	switch u.State {
	case "", "done":
	default: // accepted, inProgress, terminatedWithError
		return consumption{}, nil, ErrUnavailable.With(fmt.Errorf("the usage query is %q", clip(u.State, 32)))
	}
	if !mentions(u.Lines, phone) {
		return consumption{}, nil, errOther
	}
	if id, ok := identify(u); ok {
		id.at = c.now()
		c.ids.Set(phone, id)
	}
	return u, a, nil
}

// errOther is an answer about somebody else: never shown.
var errOther = ErrBadAnswer.With(errors.New("the answer is about another number"))

// mentions tells whether the number is among the logical resources; an answer that
// lists none is taken to be about what was asked.
func mentions(lines []resource, phone model.Phone) bool {
	for _, l := range lines {
		if p, err := model.ParsePhone(l.ID); err == nil && p == phone {
			return true
		}
	}
	return len(lines) == 0
}

// identify picks the customer (role customer, or type Customer) and the account.
func identify(u consumption) (identity, bool) {
	var id identity
	for _, p := range u.Parties {
		if strings.EqualFold(p.Role, "customer") || p.Role == "" && p.Type == "Customer" {
			id.customer = p.ID
			break
		}
	}
	if len(u.Accounts) > 0 {
		id.account = u.Accounts[0].ID
	}
	ok := id.customer != "" && len(id.customer) <= maxNameSize && id.account != "" && len(id.account) <= maxNameSize
	return id, ok
}

// identity returns the ids behind a number: those of the last minute, or fresh
// ones. A number that changed hands is therefore noticed within a minute.
func (c *Client) identity(ctx context.Context, phone model.Phone, fresh bool) (identity, error) {
	if id, ok := c.ids.GetIfPresent(phone); ok && !fresh && c.now().Sub(id.at) < identityAge {
		return id, nil
	}
	u, _, err := c.queryUsage(ctx, phone)
	if err != nil {
		return identity{}, err
	}
	id, ok := identify(u)
	if !ok {
		return identity{}, ErrBadAnswer.With(errors.New("the usage names no customer or no account"))
	}
	return id, nil
}

// identified runs fn with the ids behind a number. Where remembered ones are not
// found any more (the number changed hands), it learns them anew, once.
func identified[T any](ctx context.Context, c *Client, phone model.Phone, fn func(identity) (T, error)) (T, error) {
	id, err := c.identity(ctx, phone, false)
	if err != nil {
		var none T
		return none, err
	}
	out, err := fn(id)
	if fault.KindOf(err) != fault.NotFound && !errors.Is(err, errStaleIdentity) {
		return out, err
	}
	c.ids.Invalidate(phone)
	if id, err = c.identity(ctx, phone, true); err != nil {
		var none T
		return none, err
	}
	return fn(id)
}

// errStaleIdentity tells identified that the account is about another number now.
var errStaleIdentity = errors.New("the remembered account belongs to another number")

// Usage returns every allowance of a number, TMF677: active buckets of kind data,
// voice or SMS. One bucket in an unknown unit makes the whole answer ErrBadAnswer,
// for a sum without it would be a wrong number.
//
// Errors: ErrNoSubscriber, ErrUnavailable, ErrBusy, ErrBadAnswer, ErrDenied.
func (c *Client) Usage(ctx context.Context, phone model.Phone) (model.Usage, error) {
	u, a, err := c.queryUsage(ctx, phone)
	if err != nil {
		return model.Usage{}, err
	}
	if len(u.Buckets) > maxBuckets {
		return model.Usage{}, ErrBadAnswer.With(fmt.Errorf("%d buckets, at most %d", len(u.Buckets), maxBuckets))
	}
	out := model.Usage{AsOf: c.asOf(a, u.LastUpdate)}
	for _, b := range u.Buckets {
		kind, ok := kindOf(b.Usage)
		if !ok || !active(b, out.AsOf) {
			continue
		}
		allowance, err := b.allowance(kind)
		if err != nil {
			return model.Usage{}, err
		}
		if b.Remaining != nil && allowance.Total == 0 {
			continue // a bucket of nothing adds nothing, and is not an unlimited one
		}
		out.Allowances = append(out.Allowances, allowance)
	}
	return out, nil
}

// asOf is the carrier's instant of a number: the resource's own when it has one,
// else the answer's; never in our future.
func (c *Client) asOf(a *answer, own model.Millis) model.Millis {
	if at := model.At(a.at); own <= 0 || own > at {
		return at
	}
	return own
}

func kindOf(usage string) (model.AllowanceKind, bool) {
	switch strings.ToLower(usage) {
	case "data":
		return model.Data, true
	case "voice":
		return model.Voice, true
	case "sms":
		return model.SMS, true
	}
	return "", false
}

// active tells whether a bucket counts at an instant.
func active(b bucket, at model.Millis) bool {
	return (b.Status == "" || strings.EqualFold(b.Status, "active")) && (b.ValidFor.End == 0 || b.ValidFor.End > at)
}

// allowance reads what remains, and the total or, where that is not told, what was
// used; the third follows. Without a remaining value the bucket is unlimited.
func (b bucket) allowance(kind model.AllowanceKind) (model.Allowance, error) {
	out := model.Allowance{Kind: kind, Name: clip(b.Name, maxNameSize), ValidUntil: b.ValidFor.End}
	var err error
	used, total := int64(-1), int64(-1)
	for _, n := range b.Counters {
		if n.Value == nil || n.Level != "" && !strings.EqualFold(n.Level, "global") {
			continue
		}
		switch strings.ToLower(n.Type) {
		case "used":
			used, err = n.Value.of(kind)
		case "total":
			total, err = n.Value.of(kind)
		}
		if err != nil {
			return out, err
		}
	}
	if b.Remaining == nil {
		out.Used = max(used, 0)
		return out, nil
	}
	if out.Left, err = b.Remaining.of(kind); err != nil {
		return out, err
	}
	if total < 0 {
		total = out.Left + max(used, 0)
	}
	if out.Left > total {
		return out, ErrBadAnswer.With(errors.New("more is left than there was"))
	}
	out.Total, out.Used = total, total-out.Left
	return out, nil
}
