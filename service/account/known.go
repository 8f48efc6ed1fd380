package account

import (
	"context"
	"encoding/json"

	"kaimenhong/model"
)

// KnownBalance is the money of a number as it was last seen, however old, without
// asking the carrier; known is false when it was never seen or is too old to be shown.
// Whoever tells it tells AsOf too.
func (s *Service) KnownBalance(ctx context.Context, phone model.Phone) (b model.Balance, known bool) {
	known = s.known(ctx, phone, kindBalance, &b) && s.young(b.AsOf)
	return b, known
}

// KnownUsage is KnownBalance for the allowances.
func (s *Service) KnownUsage(ctx context.Context, phone model.Phone) (u model.Usage, known bool) {
	known = s.known(ctx, phone, kindUsage, &u) && s.young(u.AsOf)
	return u, known
}

// Cached is what Balance, Usage and Plan answer from memory; ok is false when one of
// them has to ask.
func (s *Service) Cached(phone model.Phone) (b model.Balance, u model.Usage, p model.Plan, ok bool) {
	if phone.IsZero() {
		return b, u, p, false
	}
	key := s.index(phone)
	b, hasBalance := s.balance.fresh(key)
	u, hasUsage := s.usage.fresh(key)
	p, hasPlan := s.plan.fresh(key)
	if !hasBalance || !hasUsage || !hasPlan {
		return b, u, p, false
	}
	s.balance.hit.Inc()
	s.usage.hit.Inc()
	s.plan.hit.Inc()
	return b, u, p, true
}

// FreshCustomer is Customer if it would be answered from memory, now.
func (s *Service) FreshCustomer(phone model.Phone) (c model.Customer, fresh bool) {
	if phone.IsZero() {
		return c, false
	}
	if c, fresh = s.customer.fresh(s.index(phone)); fresh {
		s.customer.hit.Inc()
	}
	return c, fresh
}

func (s *Service) known(ctx context.Context, phone model.Phone, kind string, into any) bool {
	if phone.IsZero() {
		return false
	}
	plain, found := s.snapshot(ctx, s.index(phone), kind)
	return found && json.Unmarshal(plain, into) == nil
}

func (s *Service) young(asOf model.Millis) bool {
	return asOf != 0 && s.now().Sub(asOf.Time()) <= s.opts.MaxStale
}
