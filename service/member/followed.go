package member

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/member/internal/db"
)

// Followed is when a member began to follow the official account.
type Followed struct {
	At   model.Millis
	Left model.Millis // when he ended it after that; 0: not yet
}

// The bounds of one question.
const (
	maxFollowed   = 2000
	maxFollowRows = 200_000
)

// Followed tells which of at most 2,000 members began to follow from the one instant to
// before the other, not following before; for each the first time. Whoever did not is
// missing. What happened to somebody before he became one of them happened to that one.
func (m *Members) Followed(ctx context.Context, members []model.MemberID, from, to model.Millis) (map[model.MemberID]Followed, error) {
	if len(members) == 0 {
		return nil, nil
	}
	if len(members) > maxFollowed {
		return nil, fmt.Errorf("followed: %d members, %d are allowed", len(members), maxFollowed)
	}
	rows, err := m.follows(ctx, members)
	if err != nil {
		return nil, fmt.Errorf("read who followed: %w", err)
	}
	found, following := map[model.MemberID]Followed{}, map[int64]bool{}
	for _, r := range rows {
		id, at := model.MemberID(r.MemberID), model.Millis(r.HappenedAt)
		began := r.Action == "follow"
		f, was := found[id]
		switch {
		case began && !was && !following[r.MemberID] && at >= from && at < to:
			found[id] = Followed{At: at}
		case !began && was && f.Left == 0:
			f.Left = at
			found[id] = f
		}
		following[r.MemberID] = began
	}
	return found, nil
}

// follows reads the history of members until now, also of who became one of them, as
// theirs: each one's in the order of time.
func (m *Members) follows(ctx context.Context, members []model.MemberID) ([]db.FollowsOfRow, error) {
	ids, whose := make([]int64, len(members)), make(map[int64]int64, len(members))
	for i, id := range members {
		ids[i], whose[int64(id)] = int64(id), int64(id)
	}
	q := db.New(m.DB)
	formers, err := q.FormersOf(ctx, db.FormersOfParams{Members: ids, Limit: maxFollowRows})
	if err != nil {
		return nil, err
	}
	for _, f := range formers {
		if whose[f.ID] == 0 {
			ids, whose[f.ID] = append(ids, f.ID), f.MergedInto
		}
	}
	rows, err := q.FollowsOf(ctx, db.FollowsOfParams{Members: ids, Before: int64(model.At(m.Now())) + 1, Limit: maxFollowRows})
	for i := range rows {
		rows[i].MemberID = whose[rows[i].MemberID]
	}
	slices.SortStableFunc(rows, func(a, b db.FollowsOfRow) int {
		return cmp.Or(cmp.Compare(a.MemberID, b.MemberID), cmp.Compare(a.HappenedAt, b.HappenedAt))
	})
	return rows, err
}

// MaxAway bounds one question of Away and one of Nameless.
const MaxAway = 1000

// Away tells which of at most MaxAway openids of the official account belong to members
// who do not follow it, for all that is known here.
func (m *Members) Away(ctx context.Context, openIDs []model.OpenID) ([]model.OpenID, error) {
	return among(openIDs, func(asked []string) ([]string, error) {
		return m.q.AwayAmong(ctx, db.AwayAmongParams{App: string(model.OfficialAccount), Openids: asked})
	})
}

// Nameless tells which of at most MaxAway openids of the official account belong to
// followers whose unionid WeChat has not told yet.
func (m *Members) Nameless(ctx context.Context, openIDs []model.OpenID) ([]model.OpenID, error) {
	return among(openIDs, func(asked []string) ([]string, error) {
		return m.q.NamelessAmong(ctx, db.NamelessAmongParams{App: string(model.OfficialAccount), Openids: asked})
	})
}

// among asks which of some openids are of a kind.
func among(openIDs []model.OpenID, ask func(asked []string) ([]string, error)) ([]model.OpenID, error) {
	if len(openIDs) == 0 {
		return nil, nil
	}
	if len(openIDs) > MaxAway {
		return nil, fmt.Errorf("who of %d followers: %d are allowed", len(openIDs), MaxAway)
	}
	asked := make([]string, len(openIDs))
	for i, o := range openIDs {
		asked[i] = string(o)
	}
	found, err := ask(asked)
	if err != nil {
		return nil, fmt.Errorf("look followers up: %w", err)
	}
	out := make([]model.OpenID, len(found))
	for i, o := range found {
		out[i] = model.OpenID(o)
	}
	return out, nil
}
