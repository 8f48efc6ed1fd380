package redpacket

import (
	"context"
	"fmt"

	"kaimenhong/model"
)

// Reconcile is the nightly comparison: every invariant of SQL, then what Redis still
// holds of the pots in this process' memory. What Redis holds wrongly is mended on
// the way and reported, for it should not happen; a slot without a row is written
// first, as Sweep does. An empty report means that all is well.
func (e *Engine) Reconcile(ctx context.Context) ([]Violation, error) {
	found, err := e.Check(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := e.Sweep(ctx); err != nil {
		return found, err
	}
	for _, pot := range e.pots.All() {
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		v, err := e.compare(ctx, pot)
		if err != nil {
			return found, orUnavailable(err)
		}
		found = append(found, v...)
	}
	return found, nil
}

// compare looks for slots that Redis and SQL give to different helpers.
func (e *Engine) compare(ctx context.Context, pot *facts) ([]Violation, error) {
	said, err := e.redis.run(ctx, heldScript, pot.id.slotsKey())
	if err != nil {
		return nil, ErrBusy.With(err)
	}
	holds := readHolds(said)
	if len(holds) == 0 {
		return nil, nil
	}
	rows, err := e.q.HelpsOfPot(ctx, int64(pot.id))
	if err != nil {
		return nil, fmt.Errorf("read the helps of pot %s: %w", pot.id, err)
	}
	slot, helper := map[int]model.MemberID{}, map[model.MemberID]int{}
	for _, row := range rows {
		slot[int(row.K)], helper[model.MemberID(row.HelperID)] = model.MemberID(row.HelperID), int(row.K)
	}
	var found []Violation
	for _, h := range holds {
		k, stands := helper[h.helper]
		if stands && k != h.k || !stands && slot[h.k] != 0 {
			found = append(found, Violation{"redis.slot", pot.id.String(), fmt.Sprintf("helper %s at %d, in SQL at %d", h.helper, h.k, k)})
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	if err := e.merge(ctx, pot); err != nil {
		return found, err
	}
	return found, nil
}
