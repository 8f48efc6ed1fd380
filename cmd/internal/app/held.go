package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/account"
	"kaimenhong/service/member"
)

// errReassigned tells somebody that his number is another's now. The customer-service
// message of the unbinding says the rest.
var errReassigned = fault.New(fault.Conflict, "member.reassigned", "这个号码的机主已变更，不能再查询。请重新绑定您现在的号码。")

// maxHeld bounds how many numbers are remembered with their holder.
const maxHeld = 50_000

// heldBook is the account as its member reads it, in the chat and in the mini-program:
// before a number is shown, the carrier's word on who holds it is compared with who bound
// it, and a number that was given away is unbound. What the carrier does not say now is
// not held against anybody; the nightly check asks again.
type heldBook struct {
	account *account.Service
	members *member.Members
	// compared is the holder with whom a number was last compared and found his, so that
	// only a change costs a transaction.
	compared *otter.Cache[model.Phone, string]
}

func newHeldBook(a *account.Service, m *member.Members) (*heldBook, error) {
	cache, err := otter.New(&otter.Options[model.Phone, string]{MaximumSize: maxHeld})
	if err != nil {
		return nil, fmt.Errorf("remember holders: %w", err)
	}
	return &heldBook{a, m, cache}, nil
}

// Balance is account's, of a number that is still its reader's.
func (b *heldBook) Balance(ctx context.Context, phone model.Phone) (model.Balance, error) {
	return held(ctx, b, phone, b.account.Balance)
}

// Usage is account's, of a number that is still its reader's.
func (b *heldBook) Usage(ctx context.Context, phone model.Phone) (model.Usage, error) {
	return held(ctx, b, phone, b.account.Usage)
}

// Plan is account's, of a number that is still its reader's.
func (b *heldBook) Plan(ctx context.Context, phone model.Phone) (model.Plan, error) {
	return held(ctx, b, phone, b.account.Plan)
}

// Bills is account's, of a number that is still its reader's.
func (b *heldBook) Bills(ctx context.Context, phone model.Phone) (model.Bills, error) {
	return held(ctx, b, phone, b.account.Bills)
}

// UsageDays is account's, of a number that is still its reader's.
func (b *heldBook) UsageDays(ctx context.Context, phone model.Phone, days int) ([]model.UsageDay, error) {
	return held(ctx, b, phone, func(ctx context.Context, phone model.Phone) ([]model.UsageDay, error) {
		return b.account.UsageDays(ctx, phone, days)
	})
}

// Erase is account's.
func (b *heldBook) Erase(ctx context.Context, phone model.Phone) error {
	return b.account.Erase(ctx, phone)
}

// Cached is account's, of a number that is known to be its reader's without asking.
func (b *heldBook) Cached(phone model.Phone) (balance model.Balance, usage model.Usage, plan model.Plan, ok bool) {
	if !b.his(phone) {
		return balance, usage, plan, false
	}
	return b.account.Cached(phone)
}

// his tells that the number is its reader's, for all that is remembered of the last minute.
func (b *heldBook) his(phone model.Phone) bool {
	customer, fresh := b.account.FreshCustomer(phone)
	return fresh && (customer.HolderID == "" || b.same(phone, customer.HolderID))
}

// held reads and asks for the holder at the same time.
func held[T any](ctx context.Context, b *heldBook, phone model.Phone, read func(context.Context, model.Phone) (T, error)) (T, error) {
	if b.his(phone) {
		return read(ctx, phone)
	}
	var none, value T
	var changed bool
	var group errgroup.Group
	group.Go(func() error {
		return model.Guarded(func() (err error) {
			changed, err = b.changed(ctx, phone)
			return err
		})
	})
	value, err := read(ctx, phone)
	if failed := group.Wait(); failed != nil {
		return none, failed
	}
	if changed {
		return none, errReassigned
	}
	return value, err
}

// changed tells that the number was given to somebody else, and unbinds it.
func (b *heldBook) changed(ctx context.Context, phone model.Phone) (bool, error) {
	customer, err := b.account.Customer(ctx, phone)
	if err != nil || customer.HolderID == "" {
		return false, nil // the reading itself says what is wrong
	}
	return b.compare(ctx, phone, customer.HolderID)
}

// GivenAway tells whoever is about to hand something over that the number was given to
// somebody else, and unbinds it. Unlike a reading it has to know: what the carrier does
// not say is an error. A number that the carrier does not know is nobody's, and what is
// ordered for it is refused.
func (b *heldBook) GivenAway(ctx context.Context, phone model.Phone) (bool, error) {
	customer, err := b.account.Customer(ctx, phone)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ask for the holder: %w", err)
	case customer.HolderID == "":
		return false, account.ErrUnavailable.With(errors.New("the carrier names no holder"))
	}
	return b.compare(ctx, phone, customer.HolderID)
}

// compare tells that a number's holder is not who bound it, and unbinds it. Of several
// questions at once one unbinds; the others find that nobody has it bound any more.
func (b *heldBook) compare(ctx context.Context, phone model.Phone, holder string) (bool, error) {
	if b.same(phone, holder) {
		return false, nil
	}
	unbound, err := b.members.Recycle(ctx, phone, holder)
	if err == nil && !unbound {
		_, err = b.members.ByPhone(ctx, phone)
		unbound = errors.Is(err, member.ErrNobody)
	}
	if unbound {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare the holder: %w", err)
	}
	b.compared.Set(phone, holder)
	return false, nil
}

// same tells that the number was last compared with this holder.
func (b *heldBook) same(phone model.Phone, holder string) bool {
	before, ok := b.compared.GetIfPresent(phone)
	return ok && before == holder
}

// holders is the held book for what hands something over, which is built before it.
type holders struct{ *domains }

// GivenAway is the held book's.
func (d holders) GivenAway(ctx context.Context, phone model.Phone) (bool, error) {
	return d.held.GivenAway(ctx, phone)
}

// released deletes what the account keeps of a number that has changed hands: the
// next holder must not be shown it while the carrier is down.
func (d *domains) released(g ground) func(context.Context, model.Phone) {
	return func(ctx context.Context, phone model.Phone) {
		if err := d.account.Erase(ctx, phone); err != nil {
			g.log.ErrorContext(ctx, "account of a number that changed hands not erased", "phone", phone, "error", err)
		}
	}
}
