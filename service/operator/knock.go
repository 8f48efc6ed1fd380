package operator

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator/internal/db"
)

// Of all attempts to sign in that come from one address, whatever the account, Knocks
// go on within KnockWindow: enough for an office behind one address, too few to try
// many accounts with the passwords that many people have.
const (
	Knocks      = 60
	KnockWindow = 15 * time.Minute
)

// knockDomain separates this index from others.
const knockDomain = "operator.knock"

// Knock counts an attempt to sign in by the address it comes from, before anything of
// it is looked at. Addresses are kept as a keyed index; those of one IPv6 network (/64)
// count as one. Errors: ErrKnocks.
func (o *Operators) Knock(ctx context.Context, address string) error {
	who := o.sealer.IndexText(network(address), knockDomain)
	now := o.now()
	more := db.KnockParams{
		Address: who, NowAt: int64(model.At(now)), Before: int64(model.At(now.Add(-KnockWindow))), Most: Knocks,
	}
	n, err := o.q.Knock(ctx, more)
	if err == nil && n == 0 {
		err = o.q.FirstKnock(ctx, db.FirstKnockParams{Address: who, SinceAt: more.NowAt})
		if sqldb.Duplicate(err) { // there is one: it is full, or another was first a moment ago
			n, err = o.q.Knock(ctx, more)
			if err == nil && n == 0 {
				o.signIns.WithLabelValues("address").Inc()
				return ErrKnocks
			}
		}
	}
	if err != nil {
		return fmt.Errorf("count an attempt: %w", err)
	}
	return nil
}

// network is what one client has: an IPv4 address, or an IPv6 network.
func network(address string) string {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	at = at.Unmap().WithZone("")
	if at.Is4() {
		return at.String()
	}
	return netip.PrefixFrom(at, 64).Masked().String()
}

// purgeKnocks forgets at most limit addresses whose window is over.
func (o *Operators) purgeKnocks(ctx context.Context, limit int32) (int, error) {
	old, err := o.q.OldKnocks(ctx, db.OldKnocksParams{SinceAt: int64(model.At(o.now().Add(-KnockWindow))), Limit: limit})
	if err != nil || len(old) == 0 {
		return 0, err
	}
	n, err := o.q.DropKnocks(ctx, db.DropKnocksParams{Addresses: old, SinceAt: int64(model.At(o.now().Add(-KnockWindow)))})
	return int(n), err
}
