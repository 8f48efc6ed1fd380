package member

import (
	"context"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/member/internal/db"
)

// maxReach is how many members one statement asks for.
const maxReach = 1000

// Reach tells how members are reached at this moment and whether they agree to
// marketing, one answer for each and in their order. Who is unknown or closed his
// account has the zero Reach; who was merged away has nothing but the id of whom he
// became. Nothing of it comes from a cache.
func (m *Members) Reach(ctx context.Context, members []model.MemberID) ([]model.Reach, error) {
	found := make(map[int64]*model.Reach, len(members))
	for part := range slices.Chunk(members, maxReach) {
		ids := make([]int64, len(part))
		for i, id := range part {
			ids[i] = int64(id)
		}
		if err := m.reach(ctx, ids, found); err != nil {
			return nil, fmt.Errorf("read how %d members are reached: %w", len(part), err)
		}
	}
	out := make([]model.Reach, len(members))
	for i, id := range members {
		if r := found[int64(id)]; r != nil {
			out[i] = *r
		}
	}
	return out, nil
}

func (m *Members) reach(ctx context.Context, ids []int64, found map[int64]*model.Reach) error {
	rows, err := m.q.ReachOf(ctx, ids)
	if err != nil {
		return err
	}
	newest := map[model.OpenID]db.ReachOfRow{}
	for _, row := range rows {
		r := found[row.ID]
		if r == nil {
			r = &model.Reach{Member: model.MemberID(row.ID), Follows: row.Follows}
			found[row.ID] = r
		}
		if row.MergedInto != 0 {
			*r = model.Reach{Member: model.MemberID(row.MergedInto)}
			continue
		}
		of := &r.Official
		if model.App(row.App.String) == model.MiniProgram {
			of = &r.Mini
		}
		if before, there := newest[*of]; row.Openid.Valid && (!there || newer(row, before)) {
			*of = model.OpenID(row.Openid.String)
			newest[*of] = row
		}
	}
	consents, err := m.q.ConsentsTo(ctx, db.ConsentsToParams{Purpose: string(Marketing), Members: ids})
	if err != nil {
		return err
	}
	for _, c := range consents {
		if r := found[c.MemberID]; r != nil {
			r.Agrees = Consent{Granted: true, Version: int(c.Version), Current: m.version(Marketing)}.Agrees()
		}
	}
	return nil
}

// newer tells which of two identities in one app counts, as Get does.
func newer(a, b db.ReachOfRow) bool {
	if a.CreatedAt != b.CreatedAt {
		return a.CreatedAt.Int64 > b.CreatedAt.Int64
	}
	return a.Openid.String < b.Openid.String
}
