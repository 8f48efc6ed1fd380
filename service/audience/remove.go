package audience

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

const (
	// maxUsers is how many of those that use a thing are named.
	maxUsers = 5
	// freezing is how long an audience that is being frozen holds the tags and lists that
	// it names. One that was given up is done anew.
	freezing = 24 * time.Hour
	// removeBatch bounds one transaction that takes people off a tag or list, removeRounds
	// one call; the nightly Prune does the rest.
	removeBatch  = 5000
	removeRounds = 10_000
	// leftAtOnce bounds what one Prune looks for.
	leftAtOnce = 1000
)

// hold keeps what the tree names from being deleted or archived until the transaction
// ends. It is called before the tree is saved, and Delete… and ArchiveSegment look for
// trees after they have the row. Errors: ErrSegment, ErrArchived.
func hold(ctx context.Context, q *db.Queries, tree *Node) error {
	var tags []string
	var lists, segments []int64
	var walk func(n *Node)
	walk = func(n *Node) {
		switch {
		case n.Tag != "":
			tags = append(tags, n.Tag)
		case n.List != 0:
			lists = append(lists, int64(n.List))
		case n.Segment != 0:
			segments = append(segments, int64(n.Segment))
		}
		nodes, _ := n.children("")
		for _, kid := range nodes {
			walk(kid)
		}
	}
	walk(tree)
	slices.Sort(tags) // everybody takes rows in the same order
	slices.Sort(lists)
	slices.Sort(segments)
	gone := ErrSegment.Saying("条件中引用的标签、名单或人群刚被删除，请刷新后再试")
	held := func(n int64, err error) error {
		if err != nil {
			return fmt.Errorf("hold what a segment names: %w", err)
		}
		if n == 0 {
			return gone
		}
		return nil
	}
	for _, tag := range slices.Compact(tags) {
		if err := held(q.HoldTag(ctx, tag)); err != nil {
			return err
		}
	}
	for _, list := range slices.Compact(lists) {
		if err := held(q.HoldList(ctx, list)); err != nil {
			return err
		}
	}
	for _, segment := range slices.Compact(segments) {
		switch err := holdSegment(ctx, q, segment); {
		case errors.Is(err, ErrNoSegment):
			return gone
		case err != nil:
			return err
		}
	}
	return nil
}

// naming is a node that names something, as the JSON of a tree has it.
func naming(n Node) (string, error) {
	text, err := json.Marshal(n)
	return strings.Trim(string(text), "{}"), err
}

// inUse is ErrInUse in the words of who uses it and what to do about that, nil when nobody
// does.
func inUse(what, verb string, users []string, advice string) error {
	if len(users) == 0 {
		return nil
	}
	more := ""
	if len(users) > maxUsers {
		users, more = users[:maxUsers], "等"
	}
	return ErrInUse.Saying("%s正被使用，不能%s：%s%s。%s", what, verb, strings.Join(users, "、"), more, advice)
}

// takeOut is what to do about those who use a thing.
const takeOut = "请先在那里去掉它"

// usedBy tells which segments name what n names, and whether it is being frozen.
func (a *Audience) usedBy(ctx context.Context, q *db.Queries, n Node) ([]string, error) {
	part, err := naming(n)
	if err != nil {
		return nil, err
	}
	found, err := q.SegmentsNaming(ctx, db.SegmentsNamingParams{Part: part, Limit: maxUsers + 1})
	if err != nil {
		return nil, fmt.Errorf("find who uses it: %w", err)
	}
	var users []string
	for _, s := range found {
		user := "人群“" + s.Name + "”"
		if s.ArchivedAt != 0 {
			user += "（已归档）" // where it is found
		}
		users = append(users, user)
	}
	if n.Segment != 0 { // a frozen tree has other segments written out
		return users, nil
	}
	after := int64(a.nowMillis().Add(-freezing))
	now, err := q.FreezingNow(ctx, db.FreezingNowParams{After: after, Part: part, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("find who freezes it: %w", err)
	}
	if len(now) > 0 {
		users = append(users, "正在冻结的人群")
	}
	return users, nil
}

// segmentUsers names who uses a segment: other segments, and plans beyond a draft; one
// more than maxUsers of each at most.
func (a *Audience) segmentUsers(ctx context.Context, tx *sql.Tx, id model.ID) ([]string, error) {
	users, err := a.usedBy(ctx, a.q.WithTx(tx), Node{Segment: id})
	if err != nil || a.Plans == nil {
		return users, err
	}
	plans, err := a.Plans.NamingTx(ctx, tx, id, maxUsers+1)
	for _, name := range plans {
		users = append(users, "活动“"+name+"”")
	}
	return users, err
}

// SegmentUsers names who uses a segment and keeps it from being deleted, a few of them.
func (a *Audience) SegmentUsers(ctx context.Context, id model.ID) (users []string, err error) {
	err = sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) (err error) {
		users, err = a.segmentUsers(ctx, tx, id)
		return err
	})
	return users, err
}

// DeleteSegment removes a segment that no other segment and no plan beyond a draft
// names. What was frozen of it stays, with its name and rule. A refusal names archiving
// when that would do.
// Errors: ErrNoSegment, ErrInUse.
func (a *Audience) DeleteSegment(ctx context.Context, by, id model.ID) error {
	return a.remove(ctx, segmentRef(id), by, "segment.delete", func(tx *sql.Tx, q *db.Queries) (string, error) {
		found, err := q.Segment(ctx, int64(id))
		if err != nil {
			return "", absent(err, ErrNoSegment)
		}
		if n, err := q.DeleteSegment(ctx, int64(id)); err != nil || n == 0 {
			return "", absent(err, ErrNoSegment)
		}
		users, err := a.segmentUsers(ctx, tx, id)
		if err != nil || len(users) == 0 {
			return found.Name, err
		}
		advice, err := a.insteadOfDeleting(ctx, tx, found)
		return found.Name, errors.Join(err, inUse("人群“"+found.Name+"”", "删除", users, advice))
	})
}

// insteadOfDeleting is what to do with a segment that is used: by what is over nobody can
// take it out.
func (a *Audience) insteadOfDeleting(ctx context.Context, tx *sql.Tx, s db.AudienceSegment) (string, error) {
	if s.ArchivedAt != 0 {
		return "它已归档，保留即可", nil
	}
	users, err := a.goingOn(ctx, tx, model.ID(s.ID))
	if err != nil || len(users) > 0 {
		return takeOut, err
	}
	return "可改为归档", nil
}

// DeleteTag removes a tag that no segment names, from everybody who has it.
// Errors: ErrNoTag, ErrInUse.
func (a *Audience) DeleteTag(ctx context.Context, by, id model.ID) error {
	err := a.remove(ctx, tagRef(int64(id)), by, "tag.delete", func(_ *sql.Tx, q *db.Queries) (string, error) {
		found, err := q.Tag(ctx, int64(id))
		if err != nil {
			return "", absent(err, ErrNoTag)
		}
		if n, err := q.DeleteTag(ctx, int64(id)); err != nil || n == 0 {
			return "", absent(err, ErrNoTag)
		}
		users, err := a.usedBy(ctx, q, Node{Tag: found.Name})
		return found.Name, errors.Join(err, inUse("标签“"+found.Name+"”", "删除", users, takeOut))
	})
	if err != nil {
		return err
	}
	a.later(ctx, "tag", id, a.untagAll(ctx, int64(id)))
	return nil
}

// DeleteList removes an uploaded list that no segment names. Its file may be uploaded
// again, as another list. Errors: ErrNoList, ErrInUse.
func (a *Audience) DeleteList(ctx context.Context, by, id model.ID) error {
	err := a.remove(ctx, listRef(id), by, "list.delete", func(_ *sql.Tx, q *db.Queries) (string, error) {
		found, err := q.List(ctx, int64(id))
		if err != nil {
			return "", absent(err, ErrNoList)
		}
		if n, err := q.DeleteList(ctx, int64(id)); err != nil || n == 0 {
			return "", absent(err, ErrNoList)
		}
		users, err := a.usedBy(ctx, q, Node{List: id})
		return found.Name, errors.Join(err, inUse("名单“"+found.Name+"”", "删除", users, takeOut))
	})
	if err != nil {
		return err
	}
	a.later(ctx, "list", id, a.clearList(ctx, int64(id)))
	return nil
}

// later tells of what a deletion that stands has left for the night: rows of a thing
// that is gone, which nobody finds.
func (a *Audience) later(ctx context.Context, what string, id model.ID, err error) {
	if err != nil {
		a.Log.WarnContext(ctx, "audience deletion left for the night", "what", what, "id", id, "error", err)
	}
}

func listRef(id model.ID) model.Ref { return model.Ref{Type: "list", ID: id.String()} }

// absent is the fault for a row that is not there: err is nil or says so.
func absent(err error, is *fault.Error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return is
	}
	return err
}

// remove runs a deletion, which answers the name of what went, with its line of the
// audit.
func (a *Audience) remove(ctx context.Context, what model.Ref, by model.ID, action string, run func(tx *sql.Tx, q *db.Queries) (string, error)) error {
	err := sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		name, err := run(tx, a.q.WithTx(tx))
		if err != nil {
			return err
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: action, Target: what, Detail: map[string]string{"name": name}})
	})
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", what.Type, what.ID, err)
	}
	return nil
}

// untagAll takes a tag that is gone off everybody.
func (a *Audience) untagAll(ctx context.Context, tag int64) error {
	return a.inParts(ctx, func(q *db.Queries) (int, error) {
		ids, err := q.TaggedWith(ctx, db.TaggedWithParams{TagID: tag, Limit: removeBatch})
		if err == nil && len(ids) > 0 {
			_, err = q.Untag(ctx, db.UntagParams{TagID: tag, Ids: ids})
		}
		return len(ids), err
	})
}

// clearList takes everybody off a list that is gone.
func (a *Audience) clearList(ctx context.Context, list int64) error {
	return a.inParts(ctx, func(q *db.Queries) (int, error) {
		ids, err := q.OnList(ctx, db.OnListParams{ListID: list, Limit: removeBatch})
		if err == nil && len(ids) > 0 {
			err = q.TakeOffList(ctx, db.TakeOffListParams{ListID: list, Ids: ids})
		}
		return len(ids), err
	})
}

// inParts runs a part in a transaction each, until one finds fewer than removeBatch.
func (a *Audience) inParts(ctx context.Context, part func(q *db.Queries) (int, error)) error {
	for range removeRounds {
		var n int
		err := sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) (err error) {
			n, err = part(a.q.WithTx(tx))
			return err
		})
		if err != nil || n < removeBatch {
			return err
		}
	}
	return nil
}

// pruneLeft finishes what a deletion of a tag or list began.
func (a *Audience) pruneLeft(ctx context.Context) error {
	tags, err := a.q.TagsLeft(ctx, leftAtOnce)
	if err != nil {
		return fmt.Errorf("find what is left of tags: %w", err)
	}
	for _, tag := range tags {
		if err := a.untagAll(ctx, tag); err != nil {
			return fmt.Errorf("finish the deletion of tag %d: %w", tag, err)
		}
	}
	lists, err := a.q.ListsLeft(ctx, leftAtOnce)
	if err != nil {
		return fmt.Errorf("find what is left of lists: %w", err)
	}
	for _, list := range lists {
		if err := a.clearList(ctx, list); err != nil {
			return fmt.Errorf("finish the deletion of list %d: %w", list, err)
		}
	}
	return nil
}
