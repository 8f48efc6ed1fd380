package mall

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/mall/internal/db"
)

// maxLooked bounds how many gifts are looked at for a few that a member may have.
const maxLooked = 50

// maxTier is the highest that a gift may want.
const maxTier = 1000

// Affordable are gifts that the member can have now for points alone and without an
// address, at most limit, in the order of the shelf. points is what he may spend.
func (m *Mall) Affordable(ctx context.Context, member model.Member, points model.Points, limit int) ([]model.Offer, error) {
	q := db.New(m.DB)
	rows, err := q.GiftsFor(ctx, db.GiftsForParams{Now: m.millis(), Points: int64(points), Tier: maxTier, Limit: maxLooked})
	if err != nil || len(rows) == 0 {
		return nil, wrapped("find gifts", err)
	}
	ids := make([]int64, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	counts, err := q.TakenOf(ctx, db.TakenOfParams{Gifts: ids, MemberID: int64(member.ID)})
	if err != nil {
		return nil, fmt.Errorf("count the member's redemptions: %w", err)
	}
	taken := map[int64]int64{}
	for _, c := range counts {
		taken[c.GiftID] = c.Taken
	}
	var offers []model.Offer
	tier := m.lowestTier(ctx, rows, member.Phone)
	for _, r := range rows {
		if len(offers) == limit {
			break
		}
		if int(r.Tier) > tier || r.EachLimit > 0 && taken[r.ID] >= int64(r.EachLimit) || Kind(r.Kind) == Carrier && !member.Bound() {
			continue
		}
		offers = append(offers, model.Offer{Gift: model.ID(r.ID), Title: r.Title, Points: model.Points(r.Points)})
	}
	return offers, nil
}

// lowestTier is what the member's tier is known to be, asked for only when one of the
// gifts wants one; while nobody can tell he is shown what everybody may have.
func (m *Mall) lowestTier(ctx context.Context, gifts []db.MallGift, phone model.Phone) int {
	wanted := int32(0)
	for _, g := range gifts {
		wanted = max(wanted, g.Tier)
	}
	tier, err := m.tier(ctx, wanted, phone)
	if err != nil {
		m.Log.WarnContext(ctx, "tier not known, gifts for everybody are shown", "err", err)
		return 0
	}
	return tier
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
