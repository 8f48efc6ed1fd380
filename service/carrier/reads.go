package carrier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kaimenhong/model"
)

// Balance returns the money of a number, TMF654: the sum of its active monetary
// buckets. A negative sum is arrears. ExpiresAt is the first end of a bucket that
// still holds something.
//
// Errors: ErrNoSubscriber, ErrUnavailable, ErrBusy, ErrBadAnswer, ErrDenied.
func (c *Client) Balance(ctx context.Context, phone model.Phone) (model.Balance, error) {
	return identified(ctx, c, phone, func(id identity) (model.Balance, error) {
		list, a, err := c.money(ctx, id)
		if err != nil {
			return model.Balance{}, err
		}
		out := model.Balance{AsOf: model.At(a.at)}
		counted := 0
		for _, b := range list {
			if !active(b, out.AsOf) {
				continue
			}
			if !mentions(b.Lines, phone) {
				return model.Balance{}, errOther.With(errStaleIdentity)
			}
			if b.Remaining == nil {
				return model.Balance{}, ErrBadAnswer.With(errors.New("a monetary bucket without an amount"))
			}
			fen, err := b.Remaining.fen()
			if err != nil {
				return model.Balance{}, err
			}
			counted++
			out.Available += fen
			if fen > 0 && b.ValidFor.End > 0 && (out.ExpiresAt == 0 || b.ValidFor.End < out.ExpiresAt) {
				out.ExpiresAt = b.ValidFor.End
			}
			if b.Reserved != nil {
				if fen, err = b.Reserved.fen(); err != nil {
					return model.Balance{}, err
				}
				out.Reserved += fen
			}
		}
		if counted == 0 {
			return model.Balance{}, ErrBadAnswer.With(errors.New("no active monetary bucket"))
		}
		out.Arrears = max(0, -out.Available)
		return out, nil
	})
}

// money lists the monetary buckets of an account.
func (c *Client) money(ctx context.Context, id identity) ([]bucket, *answer, error) {
	list, a, err := get[[]bucket](ctx, c, call{
		api: balanceAPI, name: "bucket", method: http.MethodGet, path: "/prepayBalanceManagement/v4/bucket",
		query: url.Values{"partyAccount.id": {id.account}, "usageType": {"monetary"}, "limit": {strconv.Itoa(maxBuckets)}},
	})
	if err != nil {
		return nil, nil, err
	}
	if err := whole(a, len(list), maxBuckets); err != nil {
		return nil, nil, err
	}
	// A carrier that ignores the filter still gives the right sum.
	return slices.DeleteFunc(list, func(b bucket) bool { return b.Usage != "" && !strings.EqualFold(b.Usage, "monetary") }), a, nil
}

// whole refuses a list that is too long or, by the carrier's own count, not all.
func whole(a *answer, n, most int) error {
	if total, err := strconv.Atoi(a.total); n > most || err == nil && total > n {
		return ErrBadAnswer.With(fmt.Errorf("%d of %s entries, at most %d are read", n, clip(a.total, 16), most))
	}
	return nil
}

type (
	characteristic struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	}
	price struct {
		Type  string `json:"priceType"`
		Price struct {
			Taxed    *amount `json:"taxIncludedAmount"`
			DutyFree *amount `json:"dutyFreeAmount"`
		} `json:"price"`
	}
	product struct {
		ID       string           `json:"id"`
		Name     string           `json:"name"`
		Status   string           `json:"status"`
		Bundle   bool             `json:"isBundle"`
		Visible  *bool            `json:"isCustomerVisible"`
		Start    model.Millis     `json:"startDate"`
		End      model.Millis     `json:"terminationDate"`
		Details  []characteristic `json:"productCharacteristic"`
		Prices   []price          `json:"productPrice"`
		Realized []resource       `json:"realizingResource"`
	}
)

// text is a characteristic's value when it is a string, a number or a boolean.
func (v characteristic) text() string {
	var s string
	if json.Unmarshal(v.Value, &s) == nil {
		return clip(s, maxNameSize)
	}
	var scalar any
	if json.Unmarshal(v.Value, &scalar) != nil {
		return ""
	}
	switch scalar.(type) {
	case bool, float64:
		return clip(string(v.Value), maxNameSize)
	}
	return ""
}

// Plan returns the main product of a number with its packs, TMF637. Main is the
// active bundle, or else the first active product with a recurring price.
//
// Errors: ErrNoSubscriber, ErrUnavailable, ErrBusy, ErrBadAnswer, ErrDenied.
func (c *Client) Plan(ctx context.Context, phone model.Phone) (model.Plan, error) {
	return identified(ctx, c, phone, func(id identity) (model.Plan, error) {
		list, a, err := get[[]product](ctx, c, call{
			api: productAPI, name: "product", method: http.MethodGet, path: "/productInventory/v4/product",
			query: url.Values{"relatedParty.id": {id.customer}, "limit": {strconv.Itoa(maxProducts)}},
		})
		if err != nil {
			return model.Plan{}, err
		}
		if err := whole(a, len(list), maxProducts); err != nil {
			return model.Plan{}, err
		}
		out := model.Plan{AsOf: model.At(a.at)}
		list = slices.DeleteFunc(list, func(p product) bool {
			return p.Status != "" && !strings.EqualFold(p.Status, "active") || p.Visible != nil && !*p.Visible ||
				p.End > 0 && p.End <= out.AsOf || !mentions(lines(p.Realized), phone)
		})
		main := slices.IndexFunc(list, func(p product) bool { return p.Bundle })
		if main < 0 {
			main = slices.IndexFunc(list, func(p product) bool { return p.recurring() })
		}
		if main < 0 {
			return model.Plan{}, ErrBadAnswer.With(fmt.Errorf("no active plan among the products: %w", errStaleIdentity))
		}
		for i, p := range list {
			read, err := p.read()
			if err != nil {
				return model.Plan{}, err
			}
			if i == main {
				out.Main = read
			} else {
				out.Packs = append(out.Packs, read)
			}
		}
		return out, nil
	})
}

// lines keeps the resources that are numbers: a product may also stand on a SIM
// card or a broadband line.
func lines(all []resource) []resource {
	return slices.DeleteFunc(slices.Clone(all), func(r resource) bool {
		_, err := model.ParsePhone(r.ID)
		return err != nil
	})
}

func (p product) recurring() bool {
	return slices.ContainsFunc(p.Prices, func(v price) bool { return strings.EqualFold(v.Type, "recurring") })
}

// read adds up the prices of one type: the recurring ones where there are some.
func (p product) read() (model.Product, error) {
	out := model.Product{ID: clip(p.ID, maxNameSize), Name: clip(p.Name, maxNameSize), Since: p.Start, EndsAt: p.End}
	recurring := p.recurring()
	for _, v := range p.Prices {
		money := v.Price.Taxed
		if money == nil {
			money = v.Price.DutyFree
		}
		if money == nil || recurring && !strings.EqualFold(v.Type, "recurring") || strings.EqualFold(v.Type, "usage") {
			continue
		}
		fen, err := money.fen()
		if err != nil {
			return out, err
		}
		out.Fee += fen
	}
	for _, d := range p.Details {
		if s := d.text(); s != "" && len(out.Details) < maxBuckets {
			out.Details = append(out.Details, s)
		}
	}
	return out, nil
}

type customer struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Status   string   `json:"status"`
	Engaged  resource `json:"engagedParty"`
	ValidFor period   `json:"validFor"`
	Media    []struct {
		Characteristic struct {
			Province string `json:"stateOrProvince"`
			City     string `json:"city"`
		} `json:"characteristic"`
	} `json:"contactMedium"`
	Characteristics []characteristic `json:"characteristic"`
}

// Customer returns who holds a number, TMF629. It always asks the carrier whose
// the number is, so HolderID is the holder of this instant.
//
// Errors: ErrNoSubscriber, ErrUnavailable, ErrBusy, ErrBadAnswer, ErrDenied.
func (c *Client) Customer(ctx context.Context, phone model.Phone) (model.Customer, error) {
	id, err := c.identity(ctx, phone, true)
	if err != nil {
		return model.Customer{}, err
	}
	got, _, err := get[customer](ctx, c, call{
		api: customerAPI, name: "customer", method: http.MethodGet, path: "/customerManagement/v4/customer/" + url.PathEscape(id.customer),
	})
	if err != nil {
		return model.Customer{}, err
	}
	if got.ID != id.customer {
		return model.Customer{}, errOther
	}
	if got.Engaged.ID == "" {
		return model.Customer{}, ErrBadAnswer.With(errors.New("the customer names no engaged party"))
	}
	out := model.Customer{
		ID: got.ID, HolderID: clip(got.Engaged.ID, maxNameSize), Name: maskName(clip(got.Name, maxNameSize)),
		Status: clip(got.Status, maxNameSize), Since: got.ValidFor.Start,
	}
	for _, m := range got.Media {
		if m.Characteristic.Province != "" || m.Characteristic.City != "" {
			out.Province, out.City = clip(m.Characteristic.Province, maxNameSize), clip(m.Characteristic.City, maxNameSize)
			break
		}
	}
	for _, v := range got.Characteristics {
		switch v.Name {
		case "paymentType":
			out.Prepaid = strings.EqualFold(v.text(), "prepaid")
		case "customerLevel":
			out.LevelName = v.text()
		}
	}
	return out, nil
}

// maskName hides all but the first character of a name that the carrier forgot to
// mask.
func maskName(name string) string {
	if name == "" || strings.Contains(name, "*") {
		return name
	}
	runes := []rune(name)
	return string(runes[0]) + strings.Repeat("*", max(1, len(runes)-1))
}
