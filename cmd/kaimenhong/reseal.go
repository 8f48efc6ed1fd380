package main

import (
	"context"
	"fmt"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/model/seal/reseal"
)

// reseal is the command after which an older key of security.phone_key may leave.
func (s *settings) reseal(ctx context.Context, _ []string) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	newest, shut, err := app.Reseal(ctx, cfg, func(c reseal.Column, n reseal.Count) {
		fmt.Printf("%s: %d values, %d sealed anew, %d that no key opens\n", c, n.Values, n.Moved, n.Shut)
	})
	if err != nil {
		return err
	}
	if shut > 0 {
		return fmt.Errorf("%d values open with no version of security.phone_key; leave every version where it is until you know why", shut)
	}
	fmt.Printf("all is sealed with version %d\n", newest)
	return nil
}
