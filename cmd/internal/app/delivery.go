package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/account"
	"kaimenhong/service/carrier"
	"kaimenhong/service/mall"
)

// delivery hands the mall's goods over at the carrier.
type delivery struct {
	carrier *carrier.Client
	account *account.Service
}

// Deliver orders the goods under the request, which names them for ever, and forgets
// what was known of the number once they are there, so that its owner sees them.
func (d delivery) Deliver(ctx context.Context, goods mall.Goods, request model.RequestID, again bool) (mall.Outcome, error) {
	var receipt carrier.Receipt
	var err error
	if goods.Credit > 0 {
		receipt, err = d.carrier.TopUp(ctx, carrier.TopUp{Request: request, Phone: goods.Phone, Amount: goods.Credit, Again: again})
	} else {
		receipt, err = d.carrier.Order(ctx, carrier.Order{Request: request, Phone: goods.Phone, Offering: goods.Offering, Charge: goods.Charge, Again: again})
	}
	out := outcome(receipt, err, again)
	if out.State == mall.Fulfilled {
		d.account.Forget(ctx, goods.Phone)
	}
	if err != nil {
		return out, fmt.Errorf("deliver %s: %w", request, err)
	}
	return out, nil
}

// tiers ranks members by the level that the carrier gave the holder of their number: its
// place in the setting carrier.levels, from 1; any other level, or none, is 0.
type tiers struct {
	account *account.Service
	levels  []string
}

// Tier is what the carrier said lately; Unavailable when it never did and does not now.
func (t tiers) Tier(ctx context.Context, phone model.Phone) (int, error) {
	who, err := t.account.Customer(ctx, phone)
	if err != nil {
		return 0, err
	}
	return slices.Index(t.levels, who.LevelName) + 1, nil
}

// refusedByCarrier is what a member reads when the carrier ended an order without a
// reason.
const refusedByCarrier = "运营商未能办理成功"

// outcome says what the carrier's answer means for the goods. Only what is certain is
// an end; of whatever else happened nobody knows.
func outcome(r carrier.Receipt, err error, again bool) mall.Outcome {
	switch {
	case err == nil && r.Progress == carrier.Completed:
		return mall.Outcome{State: mall.Fulfilled, Number: r.ID}
	case err == nil && r.Progress == carrier.Failed:
		return mall.Outcome{State: mall.Failed, Number: r.ID, Reason: refusedByCarrier}
	case err == nil:
		return mall.Outcome{State: mall.Working, Number: r.ID}
	case errors.Is(err, carrier.ErrUnknownOutcome):
	case errors.Is(err, carrier.ErrInvalid): // at every try, so it was never sent
		return mall.Outcome{State: mall.Failed, Reason: fault.Of(err).Text}
	case errors.Is(err, carrier.ErrRefused), errors.Is(err, carrier.ErrNoSubscriber):
		return mall.Outcome{State: mall.Failed, Reason: fault.Of(err).Text, Repeat: again}
	case errors.Is(err, carrier.ErrBusy), errors.Is(err, carrier.ErrUnavailable), errors.Is(err, carrier.ErrDenied):
		return mall.Outcome{State: mall.Accepted} // surely not sent
	}
	return mall.Outcome{State: mall.Unknown}
}

// leaving ends in the mall what a member has who leaves, before the ledger closes.
type leaving struct{ mall *mall.Mall }

// JoinTx does nothing: the mall itself joins, after the ledger.
func (leaving) JoinTx(context.Context, *sql.Tx, model.MemberID, model.MemberID) error { return nil }

// CloseTx takes back what was not sent.
func (l leaving) CloseTx(ctx context.Context, tx *sql.Tx, id model.MemberID) error {
	return l.mall.LeaveTx(ctx, tx, id)
}

// chatCounter sells the mall's gifts in the chat.
type chatCounter struct {
	*mall.Mall
	deeds *deeds
}

// Redeem sells one offer to a member.
func (c chatCounter) Redeem(ctx context.Context, who model.Member, offer model.Offer, request model.RequestID) (model.Redeemed, error) {
	r, err := shoppers{c.Mall, c.deeds}.Redeem(ctx, mall.Order{Member: who.ID, Gift: offer.Gift, Phone: who.Phone, Price: offer.Points, Request: request})
	return model.Redeemed{
		Title: r.Title, Points: r.Points, Code: r.Code, AppID: r.Spec.AppID, Page: r.Spec.Page, Done: r.State == mall.Fulfilled,
	}, err
}

// chatVisits take a member's sign-in of the day in the chat.
type chatVisits struct{ visitors }

// SignIn says what today's gave, and the days in a row.
func (v chatVisits) SignIn(ctx context.Context, who model.MemberID) (model.Points, int, error) {
	s, err := v.visitors.SignIn(ctx, who)
	return s.Points, s.Streak, err
}
