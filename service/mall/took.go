package mall

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"kaimenhong/model"
	"kaimenhong/service/mall/internal/db"
)

// maxCarrierGifts bounds the gifts among which those of one pack are looked for.
const maxCarrierGifts = 10_000

// HandOver are the gifts, on sale or not, that hand over a pack of the carrier's
// catalogue, newest first.
func (m *Mall) HandOver(ctx context.Context, offering string) (gifts []model.ID, err error) {
	const some = 500
	before := int64(math.MaxInt64)
	for range maxCarrierGifts / some {
		rows, err := db.New(m.DB).CarrierGifts(ctx, db.CarrierGiftsParams{Before: before, Limit: some})
		if err != nil {
			return nil, fmt.Errorf("read the carrier's gifts: %w", err)
		}
		for _, r := range rows {
			var spec Spec
			if err := json.Unmarshal([]byte(r.Spec), &spec); err != nil {
				return nil, fmt.Errorf("read gift %d: %w", r.ID, err)
			}
			if spec.Offering == offering {
				gifts = append(gifts, model.ID(r.ID))
			}
			before = r.ID
		}
		if len(rows) < some {
			break
		}
	}
	return gifts, nil
}

// Took counts how often each of at most a thousand members redeemed one of the gifts,
// from since until before until, and has it or waits for it. Who never did is missing.
func (m *Mall) Took(ctx context.Context, gifts []model.ID, members []model.MemberID, since, until model.Millis) (map[model.MemberID]int64, error) {
	if len(gifts) == 0 || len(members) == 0 {
		return nil, nil
	}
	in := db.TookParams{Since: int64(since), Before: int64(until)}
	for _, id := range gifts {
		in.Gifts = append(in.Gifts, int64(id))
	}
	for _, id := range members {
		in.Members = append(in.Members, int64(id))
	}
	rows, err := db.New(m.DB).Took(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("count who redeemed: %w", err)
	}
	took := make(map[model.MemberID]int64, len(rows))
	for _, r := range rows {
		took[model.MemberID(r.MemberID)] = r.N
	}
	return took, nil
}
