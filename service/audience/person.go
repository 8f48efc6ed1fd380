package audience

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// personsAtOnce is how many ids one statement of Persons names.
const personsAtOnce = 1000

// Persons tells who those of the ids are now, in their order, and by which ids each was
// drawn: those that stand in the first of the frozen audiences that knows any of them,
// or else the one that was asked about. Whoever was never another costs two looks at an
// index, and nothing is read of audiences for him.
func (a *Audience) Persons(ctx context.Context, audiences []model.ID, ids []model.MemberID) ([]model.Person, error) {
	people := make([]model.Person, 0, len(ids))
	for part := range slices.Chunk(ids, personsAtOnce) {
		some, err := a.persons(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("ask who %d people are now: %w", len(part), err)
		}
		people = append(people, some...)
	}
	if err := a.drawn(ctx, audiences, ids, people); err != nil {
		return nil, fmt.Errorf("ask as whom people were drawn: %w", err)
	}
	return people, nil
}

// persons is Persons without the audiences.
func (a *Audience) persons(ctx context.Context, ids []model.MemberID) ([]model.Person, error) {
	asked := make(map[int64]bool, len(ids))
	for _, id := range ids {
		asked[int64(id)] = true
	}
	into, err := gone(ctx, a.q, asked)
	if err != nil {
		return nil, err
	}
	people, now := make([]model.Person, len(ids)), make(map[int64]bool, len(ids))
	for i, id := range ids { // who closed his account became nobody, and is his id alone
		people[i].Now = cmp.Or(model.MemberID(into[int64(id)]), id)
		now[int64(people[i].Now)] = true
	}
	if len(now) == 0 {
		return people, nil
	}
	rows, err := a.q.Former(ctx, sorted(now))
	if err != nil {
		return nil, err
	}
	former := make(map[model.MemberID][]model.MemberID, len(rows))
	for _, r := range rows {
		former[model.MemberID(r.IntoID)] = append(former[model.MemberID(r.IntoID)], model.MemberID(r.MemberID))
	}
	for i := range people {
		people[i].Former = former[people[i].Now]
	}
	return people, nil
}

// drawn looks for those who were another in the audiences.
func (a *Audience) drawn(ctx context.Context, audiences []model.ID, ids []model.MemberID, people []model.Person) error {
	var wanted []int64
	for i, p := range people {
		if p.Former == nil {
			continue
		}
		people[i].Drawn = []model.MemberID{ids[i]}
		wanted = append(wanted, int64(p.Now))
		for _, id := range p.Former {
			wanted = append(wanted, int64(id))
		}
	}
	if len(wanted) == 0 || len(audiences) == 0 {
		return nil
	}
	named, in := make([]int64, len(audiences)), map[db.AudienceFrozenMember]bool{}
	for i, id := range audiences {
		named[i] = int64(id)
	}
	slices.Sort(wanted)
	for part := range slices.Chunk(slices.Compact(wanted), personsAtOnce) {
		rows, err := a.q.DrawnIn(ctx, db.DrawnInParams{Audiences: named, Ids: part})
		if err != nil {
			return err
		}
		for _, r := range rows {
			in[r] = true
		}
	}
	for i, p := range people {
		if p.Former == nil {
			continue
		}
		for _, audience := range named {
			there := slices.DeleteFunc(append([]model.MemberID{p.Now}, p.Former...), func(id model.MemberID) bool {
				return !in[db.AudienceFrozenMember{FrozenID: audience, MemberID: int64(id)}]
			})
			if len(there) > 0 {
				slices.SortFunc(there, func(x, y model.MemberID) int {
					return cmp.Or(cmp.Compare(model.BucketOf(x), model.BucketOf(y)), cmp.Compare(x, y))
				})
				people[i].Drawn = there
				break
			}
		}
	}
	return nil
}
