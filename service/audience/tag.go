package audience

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// Tag is a label that operators and rules put on members.
type Tag struct {
	ID      model.ID `json:"id"`
	Name    string   `json:"name"`
	Members int64    `json:"members"`
}

// The bounds of tags.
const (
	// MaxTagged is how many members one call of AddTag or RemoveTag takes.
	MaxTagged = 5000
	maxTags   = 1000
	// maxWho is how many members a line of the audit names; it tells how many there were.
	maxWho = 2000
)

// CreateTag makes a tag; one of that name is simply answered. by is the operator, 0
// for a rule. Errors: ErrTag.
func (a *Audience) CreateTag(ctx context.Context, by model.ID, name string) (model.ID, error) {
	id, err := a.makeTag(ctx, name)
	if err == nil {
		err = a.record(ctx, model.AuditEntry{Operator: by, Action: "tag.create", Target: tagRef(int64(id)), Detail: map[string]string{"name": name}})
	}
	return id, err
}

func tagRef(id int64) model.Ref { return model.Ref{Type: "tag", ID: model.ID(id).String()} }

func (a *Audience) makeTag(ctx context.Context, name string) (model.ID, error) {
	if !validName(name) {
		return 0, ErrTag
	}
	id := a.IDs.Next()
	err := a.q.InsertTag(ctx, db.InsertTagParams{ID: int64(id), Name: name, CreatedAt: int64(a.nowMillis())})
	if sqldb.Duplicate(err) {
		found, err := a.q.TagByName(ctx, name)
		if err != nil {
			return 0, fmt.Errorf("find a tag: %w", err)
		}
		return model.ID(found.ID), nil
	}
	if err != nil {
		return 0, fmt.Errorf("create a tag: %w", err)
	}
	return id, nil
}

// Tags lists every tag with how many members have it.
func (a *Audience) Tags(ctx context.Context) ([]Tag, error) {
	found, err := a.q.Tags(ctx, maxTags)
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	list := make([]Tag, 0, len(found))
	for _, t := range found {
		list = append(list, Tag{model.ID(t.ID), t.Name, t.Members})
	}
	return list, nil
}

// Tagged is what became of a tag and members.
type Tagged struct {
	Tag     model.ID
	Changed int // members who did not have it and now do, or the other way round
	Unknown int // ids of nobody: they are left out
}

// AddTag puts the tag on members who are known. by is the operator, 0 for a rule. The tag
// is made when it is not there.
// Errors: ErrTag, ErrTooMany, ErrNoTag when it is deleted meanwhile.
func (a *Audience) AddTag(ctx context.Context, by model.ID, name string, members []model.MemberID) (Tagged, error) {
	if len(members) > MaxTagged {
		return Tagged{}, ErrTooMany
	}
	source := "rule"
	if by != 0 {
		source = "operator:" + by.String()
	}
	tag, err := a.makeTag(ctx, name)
	if err != nil {
		return Tagged{}, err
	}
	ids, out, who := distinct(members), Tagged{}, []model.ID{}
	err = a.inTx(ctx, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		out, who = Tagged{Tag: tag}, who[:0]
		n, err := q.HoldTag(ctx, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNoTag.Saying("标签“%s”刚被删除，请再试一次", name)
		}
		for part := range slices.Chunk(ids, insertBatch) {
			have, err := q.Tagged(ctx, db.TaggedParams{TagID: int64(tag), Ids: part})
			if err != nil {
				return err
			}
			known, err := q.PortraitIDs(ctx, part)
			if err != nil {
				return err
			}
			out.Unknown += len(part) - len(known)
			var args []any
			for _, id := range known {
				if !slices.Contains(have, id) {
					args = append(args, int64(tag), id, source, int64(a.nowMillis()))
					who = append(who, model.ID(id))
				}
			}
			if err := insertRows(ctx, tx, "audience_member_tag", 4, args); err != nil {
				return err
			}
		}
		out.Changed = len(who)
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: "tag.add", Target: tagRef(int64(tag)), Detail: onWhom(name, who)})
	})
	if err != nil {
		return Tagged{}, fmt.Errorf("add a tag: %w", err)
	}
	return out, nil
}

// RemoveTag takes the tag off members and answers how many had it. Errors:
// ErrTooMany, ErrTag when there is no such tag.
func (a *Audience) RemoveTag(ctx context.Context, by model.ID, name string, members []model.MemberID) (Tagged, error) {
	if len(members) > MaxTagged {
		return Tagged{}, ErrTooMany
	}
	tag, err := a.q.TagByName(ctx, name)
	if errors.Is(err, sql.ErrNoRows) {
		return Tagged{}, ErrTag.Saying("没有标签“%s”", short(name))
	}
	if err != nil {
		return Tagged{}, fmt.Errorf("find a tag: %w", err)
	}
	ids, who := distinct(members), []model.ID{}
	err = a.inTx(ctx, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		who = who[:0]
		if _, err := q.HoldTag(ctx, name); err != nil { // so that nobody else takes it off whom we name
			return err
		}
		for part := range slices.Chunk(ids, insertBatch) {
			have, err := q.Tagged(ctx, db.TaggedParams{TagID: tag.ID, Ids: part})
			if err != nil {
				return err
			}
			for _, id := range have {
				who = append(who, model.ID(id))
			}
			if _, err := q.Untag(ctx, db.UntagParams{TagID: tag.ID, Ids: part}); err != nil {
				return err
			}
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: "tag.remove", Target: tagRef(tag.ID), Detail: onWhom(name, who)})
	})
	if err != nil {
		return Tagged{}, fmt.Errorf("remove a tag: %w", err)
	}
	return Tagged{Tag: model.ID(tag.ID), Changed: len(who)}, nil
}

// onWhom is what the audit keeps: the tag's name, how many got or lost it, and who.
func onWhom(name string, who []model.ID) map[string]any {
	return map[string]any{"name": name, "members": len(who), "who": who[:min(len(who), maxWho)]}
}

// distinct are the ids in order, each once.
func distinct(members []model.MemberID) []int64 {
	ids := make([]int64, len(members))
	for i, m := range members {
		ids[i] = int64(m)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
