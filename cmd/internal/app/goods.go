package app

import (
	"context"
	"fmt"

	"kaimenhong/service/mall"
)

// Good is a gift with the codes of its pool, which are for coupons.
type Good struct {
	Gift  mall.Gift
	Codes []string
}

// Stock puts the goods on sale, unless something is on sale already.
func (a *App) Stock(ctx context.Context, goods []Good) error {
	there, _, err := a.domains.mall.Gifts(ctx, "", 1)
	if err != nil || len(there) > 0 {
		return err
	}
	for _, good := range goods {
		if err := a.stock(ctx, good); err != nil {
			return fmt.Errorf("stock %s: %w", good.Gift.Title, err)
		}
	}
	return nil
}

func (a *App) stock(ctx context.Context, good Good) error {
	gift, err := a.domains.mall.AddGift(ctx, 0, good.Gift)
	if err != nil {
		return err
	}
	if len(good.Codes) > 0 {
		if _, err := a.domains.mall.ImportCoupons(ctx, 0, gift.ID, good.Codes); err != nil {
			return err
		}
		if gift, err = a.domains.mall.Gift(ctx, gift.ID); err != nil {
			return err
		}
	}
	gift.OnSale = true
	_, err = a.domains.mall.EditGift(ctx, 0, gift)
	return err
}
