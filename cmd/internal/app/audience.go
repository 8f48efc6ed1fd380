package app

import (
	"fmt"

	"kaimenhong/service/audience"
)

// people's portraits are built apart from the members, whom they watch.
func (d *domains) crowd(g ground) (err error) {
	d.audience, err = audience.New(audience.Deps{DB: g.stores.db, Sealer: g.sealer, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg}, audience.Options{})
	if err != nil {
		return fmt.Errorf("audience: %w", err)
	}
	return nil
}
