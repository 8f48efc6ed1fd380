package carrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"kaimenhong/model"
)

type (
	bill struct {
		ID        string       `json:"id"`
		Date      model.Millis `json:"billDate"`
		DueAt     model.Millis `json:"paymentDueDate"`
		Period    period       `json:"billingPeriod"`
		Taxed     *amount      `json:"taxIncludedAmount"`
		AmountDue *amount      `json:"amountDue"`
		Remaining *amount      `json:"remainingAmount"`
		State     string       `json:"state"`
		Account   resource     `json:"billingAccount"`
	}
	rate struct {
		Name     string   `json:"name"`
		Bill     resource `json:"bill"`
		Taxed    *amount  `json:"taxIncludedAmount"`
		DutyFree *amount  `json:"taxExcludedAmount"`
	}
)

// maxRatePages bounds how many pages of bill items are asked for.
const maxRatePages = 3

// Bills returns the six latest bills of a number's account with their items, newest
// first, TMF678. When not every item could be read the bills come without items:
// a list that does not add up would be worse than none.
//
// Errors: ErrNoSubscriber, ErrUnavailable, ErrBusy, ErrBadAnswer, ErrDenied.
func (c *Client) Bills(ctx context.Context, phone model.Phone) (model.Bills, error) {
	return identified(ctx, c, phone, func(id identity) (model.Bills, error) {
		list, a, err := get[[]bill](ctx, c, call{
			api: billAPI, name: "bill", method: http.MethodGet, path: "/customerBillManagement/v4/customerBill",
			query: url.Values{"billingAccount.id": {id.account}, "sort": {"-billDate"}, "limit": {strconv.Itoa(maxBills)}},
		})
		if err != nil {
			return model.Bills{}, err
		}
		out := model.Bills{AsOf: model.At(a.at)}
		for _, b := range list {
			read, err := b.read(id)
			if err != nil {
				return model.Bills{}, err
			}
			out.Bills = append(out.Bills, read)
		}
		slices.SortStableFunc(out.Bills, func(a, b model.Bill) int { return cmp.Compare(b.Issued, a.Issued) })
		out.Bills = out.Bills[:min(len(out.Bills), maxBills)]
		if len(out.Bills) == 0 {
			return out, nil
		}
		return out, c.items(ctx, id, out.Bills)
	})
}

func (b bill) read(id identity) (model.Bill, error) {
	if b.Account.ID != "" && b.Account.ID != id.account {
		return model.Bill{}, errOther
	}
	total := b.Taxed
	if total == nil {
		total = b.AmountDue
	}
	if b.ID == "" || total == nil || b.Date == 0 {
		return model.Bill{}, ErrBadAnswer.With(errors.New("a bill without id, amount or date"))
	}
	out := model.Bill{ID: clip(b.ID, maxNameSize), DueAt: b.DueAt, Issued: b.Date}
	var err error
	if out.Total, err = total.fen(); err != nil {
		return out, err
	}
	switch {
	case b.Remaining != nil:
		if out.Due, err = b.Remaining.fen(); err != nil {
			return out, err
		}
	case b.State != "settled":
		return out, ErrBadAnswer.With(errors.New("an open bill without its remaining amount"))
	}
	month := b.Period.Start
	if month == 0 { // a bill without its period is issued in the month after it
		month = model.At(b.Date.Time().AddDate(0, 0, -b.Date.Time().Day()))
	}
	out.Month = month.Time().Format("2006-01")
	return out, nil
}

// items fills in the bills' lines from appliedCustomerBillingRate, page by page.
func (c *Client) items(ctx context.Context, id identity, bills []model.Bill) error {
	items := map[string][]model.BillItem{}
	sums := map[string]model.Fen{}
	for page := range maxRatePages {
		list, a, err := get[[]rate](ctx, c, call{
			api: billAPI, name: "rate", method: http.MethodGet, path: "/customerBillManagement/v4/appliedCustomerBillingRate",
			query: url.Values{"billingAccount.id": {id.account}, "limit": {strconv.Itoa(maxRates)}, "offset": {strconv.Itoa(page * maxRates)}},
		})
		if err != nil {
			return err
		}
		if len(list) > maxRates {
			return ErrBadAnswer.With(fmt.Errorf("%d bill items in a page of %d", len(list), maxRates))
		}
		for _, r := range list {
			money := r.Taxed
			if money == nil {
				money = r.DutyFree
			}
			if money == nil || r.Bill.ID == "" {
				continue
			}
			fen, err := money.fen()
			if err != nil {
				return err
			}
			items[r.Bill.ID] = append(items[r.Bill.ID], model.BillItem{Name: clip(r.Name, maxNameSize), Amount: fen})
			sums[r.Bill.ID] += fen
		}
		if total, err := strconv.Atoi(a.total); len(list) < maxRates || err == nil && total <= (page+1)*maxRates {
			break
		}
	}
	for i := range bills {
		if b := &bills[i]; sums[b.ID] == b.Total {
			b.Items = items[b.ID]
		}
	}
	return nil
}
