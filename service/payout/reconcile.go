package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/payout/internal/db"
)

// Discrepancy is something that two books disagree about.
type Discrepancy struct {
	Rule   string
	Pot    model.ID
	Detail string
}

// How Reconcile reads.
const (
	settleAge   = time.Hour // an end is compared once a late change would show
	checkPage   = 500
	maxFindings = 100
)

// Reconcile is Check, and then compares every attempt's end with what the carrier says
// of its bill number, once each. An empty report means that all is well. What the
// carrier does not answer is compared on the next night. It may be stopped and
// repeated at any point.
func (p *Payer) Reconcile(ctx context.Context) ([]Discrepancy, error) {
	var found []Discrepancy
	for _, compare := range []func(context.Context) ([]Discrepancy, error){p.Check, p.compareCarrier} {
		more, err := compare(ctx)
		found = append(found, more...)
		if err != nil {
			return found, err
		}
		if len(found) >= maxFindings {
			break
		}
	}
	for _, d := range found {
		p.Log.ErrorContext(ctx, "payout books disagree", "rule", d.Rule, "pot", d.Pot, "detail", d.Detail)
	}
	return found, nil
}

// compareWins walks both lists in the order of their pots.
func (p *Payer) compareWins(ctx context.Context) ([]Discrepancy, error) {
	var found []Discrepancy
	won, booked := &pages[model.Prize]{key: func(w model.Prize) model.ID { return w.Pot }, read: func(after model.ID) ([]model.Prize, error) {
		return p.Wins.Prizes(ctx, after, checkPage)
	}}, &pages[Payout]{key: func(v Payout) model.ID { return v.Pot }, read: func(after model.ID) ([]Payout, error) {
		rows, err := p.q.PayoutsAfter(ctx, db.PayoutsAfterParams{After: int64(after), Limit: checkPage})
		return payoutsOf(rows), err
	}}
	for len(found) < maxFindings {
		w, more, err := won.peek()
		if err != nil {
			return found, fmt.Errorf("read what was won: %w", err)
		}
		v, moreBooked, err := booked.peek()
		if err != nil {
			return found, fmt.Errorf("read what is booked: %w", err)
		}
		switch {
		case !more && !moreBooked:
			return found, nil
		case !moreBooked || more && w.Pot < v.Pot:
			// A pot may be filled between the two reads; it is looked for alone.
			if _, err := p.Payout(ctx, w.Pot); errors.Is(err, ErrUnknownPayout) {
				found = append(found, Discrepancy{"won.not_booked", w.Pot, w.Value.String()})
			} else if err != nil {
				return found, err
			}
			won.next()
		case !more || v.Pot < w.Pot:
			if fresh, err := p.Wins.Prizes(ctx, v.Pot-1, 1); err != nil {
				return found, fmt.Errorf("read what was won: %w", err)
			} else if len(fresh) == 0 || fresh[0].Pot != v.Pot {
				found = append(found, Discrepancy{"booked.not_won", v.Pot, v.Value.String()})
			}
			booked.next()
		default:
			if w.Value != v.Value || w.Quantity != v.Quantity || w.Member != v.Member || w.Kind != v.Kind {
				found = append(found, Discrepancy{"booked.otherwise", w.Pot, fmt.Sprintf("won %s, booked %s", w.Value, v.Value)})
			}
			won.next()
			booked.next()
		}
	}
	return found, nil
}

// pages reads a list page by page.
type pages[T any] struct {
	read  func(after model.ID) ([]T, error)
	key   func(T) model.ID
	items []T
	after model.ID
	end   bool
}

func (p *pages[T]) peek() (item T, ok bool, err error) {
	if len(p.items) == 0 && !p.end {
		if p.items, err = p.read(p.after); err != nil {
			return item, false, err
		}
		p.end = len(p.items) == 0
	}
	if len(p.items) == 0 {
		return item, false, nil
	}
	return p.items[0], true, nil
}

func (p *pages[T]) next() {
	p.after = p.key(p.items[0])
	p.items = p.items[1:]
}

// compareCarrier asks the carrier about every bill that has an end, several at a time: a
// night is long enough for those of a hundred thousand pots.
func (p *Payer) compareCarrier(ctx context.Context) ([]Discrepancy, error) {
	var found []Discrepancy
	var failed error // of one bill, which was logged; the others are compared
	before := int64(model.At(p.Now().Add(-settleAge)))
	page := db.UncheckedParams{UpdatedBefore: before, Limit: checkPage}
	for len(found) < maxFindings {
		rows, err := p.q.Unchecked(ctx, page)
		if err != nil {
			return found, fmt.Errorf("list bills to compare: %w", err)
		}
		var mu sync.Mutex
		_, err = each(ctx, p, rows, func(a db.PayoutAttempt) (bool, error) {
			d, known := p.compareBill(ctx, a)
			if d != nil {
				mu.Lock()
				defer mu.Unlock()
				found = append(found, *d)
			} else if known {
				return true, p.compared(ctx, a)
			}
			return known, nil
		})
		if err != nil {
			failed = fmt.Errorf("compare bills: %w", err)
		}
		if len(rows) < checkPage || ctx.Err() != nil {
			break
		}
		page.AfterAt, page.AfterPot = rows[len(rows)-1].UpdatedAt, rows[len(rows)-1].PotID
	}
	slices.SortFunc(found, func(a, b Discrepancy) int { return cmp.Compare(a.Pot, b.Pot) })
	return found, failed
}

// compared notes that a bill agrees with the carrier's book, and forgets its number then
// when its winner has closed his account: who closes it later finds it compared.
func (p *Payer) compared(ctx context.Context, a db.PayoutAttempt) error {
	if err := p.q.Checked(ctx, db.CheckedParams{Now: p.millis(), PotID: a.PotID, N: a.N}); err != nil {
		return fmt.Errorf("note a compared bill: %w", err)
	}
	v, err := p.Payout(ctx, model.ID(a.PotID))
	if errors.Is(err, ErrUnknownPayout) {
		return nil // a bill of no prize: compareWins tells of it
	}
	if err != nil {
		return err
	}
	if _, err = p.People.Current(ctx, v.Member, model.OfficialAccount); fault.KindOf(err) == fault.NotFound {
		return p.shred(ctx, a.PotID, a.N)
	}
	if err != nil {
		return fmt.Errorf("find the winner: %w", err)
	}
	return nil
}

// compareBill asks about one bill; known is false when the carrier did not answer.
// What disagrees stays in the report until a person has mended it.
func (p *Payer) compareBill(ctx context.Context, a db.PayoutAttempt) (d *Discrepancy, known bool) {
	goods, err := p.open(a)
	if err != nil {
		return &Discrepancy{"bill.unreadable", model.ID(a.PotID), a.BillNo}, false
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	answer := p.Courier.Ask(ctx, goods, model.RequestID(a.BillNo)).Answer
	paid := attemptState(a.State) == succeeded
	switch answer {
	case Delivered:
		if !paid {
			return &Discrepancy{"failed.delivered", model.ID(a.PotID), a.BillNo}, true
		}
	case Missing, Rejected:
		if paid {
			return &Discrepancy{"paid.not_delivered", model.ID(a.PotID), a.BillNo}, true
		}
	case Working:
		return &Discrepancy{"ended.still_working", model.ID(a.PotID), a.BillNo}, true
	case Contradicted:
		return &Discrepancy{"bill.other_goods", model.ID(a.PotID), a.BillNo}, true
	default:
		return nil, false
	}
	return nil, true
}
