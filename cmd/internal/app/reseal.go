package app

import (
	"context"
	"fmt"
	"slices"

	"kaimenhong/config"
	"kaimenhong/model/seal/reseal"
	"kaimenhong/service/account"
	"kaimenhong/service/audience"
	"kaimenhong/service/chat"
	"kaimenhong/service/idempotency"
	"kaimenhong/service/inbox"
	"kaimenhong/service/mall"
	"kaimenhong/service/member"
	"kaimenhong/service/operator"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

// sealed are all columns that the newest of security.phone_key seals.
func sealed() []reseal.Column {
	return slices.Concat(
		operator.Sealed(), member.Sealed(), audience.Sealed(), mall.Sealed(), redpacket.Sealed(), payout.Sealed(),
		chat.Sealed(), inbox.Sealed(), idempotency.Sealed(), account.Sealed(),
	)
}

// Reseal seals whatever an older version of security.phone_key sealed with the newest
// one, and tells each column when it is done. It returns that version and how many
// values no version opens. It may be cut off and run again, beside replicas that serve.
func Reseal(ctx context.Context, cfg config.Config, tell func(reseal.Column, reseal.Count)) (newest, shut int, err error) {
	b, err := openBook(ctx, cfg)
	if err != nil {
		return 0, 0, err
	}
	defer b.stores.stop()
	sealer, err := b.stores.sealer(ctx, cfg)
	if err != nil {
		return 0, 0, err
	}
	for _, c := range sealed() {
		n, err := reseal.Move(ctx, b.stores.db, sealer, c)
		if err != nil {
			return 0, 0, fmt.Errorf("seal anew: %w", err)
		}
		tell(c, n)
		shut += n.Shut
	}
	return sealer.Newest(), shut, nil
}
