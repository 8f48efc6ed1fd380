package audience

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// archiving is the detail of the line of the audit.
type archiving struct {
	Name    string `json:"name"`
	Already bool   `json:"already,omitempty"` // it was so before: nothing changed
}

// ArchiveSegment puts a segment away: it leaves the list and nothing new may name it.
// Campaigns that are over, and archived segments, name it on and are read, copied and
// explained as before. One that is archived is answered as it is.
// Errors: ErrNoSegment, ErrInUse.
func (a *Audience) ArchiveSegment(ctx context.Context, by, id model.ID) (Segment, error) {
	return a.putAway(ctx, by, id, "segment.archive",
		func(q *db.Queries) (int64, error) {
			return q.ArchiveSegment(ctx, db.ArchiveSegmentParams{Now: int64(a.nowMillis()), ID: int64(id)})
		},
		func(tx *sql.Tx, s Segment) error {
			users, err := a.goingOn(ctx, tx, id)
			if err != nil {
				return err
			}
			return inUse("人群“"+s.Name+"”", "归档", users, "请先在那里去掉它，或等活动结束")
		})
}

// RestoreSegment takes a segment back that was archived, as it was. What it names has to
// be restored first. One that is not archived is answered as it is.
// Errors: ErrNoSegment, ErrArchived.
func (a *Audience) RestoreSegment(ctx context.Context, by, id model.ID) (Segment, error) {
	return a.putAway(ctx, by, id, "segment.restore",
		func(q *db.Queries) (int64, error) { return q.RestoreSegment(ctx, int64(id)) },
		func(tx *sql.Tx, s Segment) error { return hold(ctx, a.q.WithTx(tx), &s.Tree) })
}

// putAway changes whether a segment is archived. Once its row is this transaction's, who
// is about to name it waits; check looks at those who were first and may refuse.
func (a *Audience) putAway(ctx context.Context, by, id model.ID, action string, change func(q *db.Queries) (int64, error), check func(tx *sql.Tx, s Segment) error) (Segment, error) {
	var now Segment
	err := sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		n, err := change(q)
		if err != nil {
			return err
		}
		found, err := q.Segment(ctx, int64(id))
		if err != nil {
			return absent(err, ErrNoSegment)
		}
		if now, err = decode(found); err != nil {
			return err
		}
		if n > 0 {
			if err := check(tx, now); err != nil {
				return err
			}
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: action, Target: segmentRef(id), Detail: archiving{now.Name, n == 0}})
	})
	if err != nil {
		return Segment{}, fmt.Errorf("%s %s: %w", action, id, err)
	}
	return now, nil
}

// goingOn names who keeps a segment from being archived: segments that are not, and plans
// beyond a draft of campaigns that are not over; one more than maxUsers of each at most.
func (a *Audience) goingOn(ctx context.Context, tx *sql.Tx, id model.ID) ([]string, error) {
	part, err := naming(Node{Segment: id})
	if err != nil {
		return nil, err
	}
	names, err := a.q.WithTx(tx).UnarchivedNaming(ctx, db.UnarchivedNamingParams{Part: part, Limit: maxUsers + 1})
	if err != nil {
		return nil, fmt.Errorf("find who uses it: %w", err)
	}
	var users []string
	for _, name := range names {
		users = append(users, "人群“"+name+"”")
	}
	if a.Plans == nil {
		return users, nil
	}
	plans, err := a.Plans.UsingTx(ctx, tx, id, maxUsers+1)
	for _, name := range plans {
		users = append(users, "活动“"+name+"”")
	}
	return users, err
}

// archived is ErrArchived for a segment.
func archived(name string) error {
	return ErrArchived.Saying("人群“%s”已归档，请先恢复它再使用", name)
}

// HoldTx keeps a segment from being archived or deleted until the transaction ends, for
// whoever is about to name it. Errors: ErrNoSegment, ErrArchived.
func (a *Audience) HoldTx(ctx context.Context, tx *sql.Tx, segment model.ID) error {
	return holdSegment(ctx, a.q.WithTx(tx), int64(segment))
}

func holdSegment(ctx context.Context, q *db.Queries, id int64) error {
	n, err := q.HoldSegment(ctx, id)
	if err != nil {
		return fmt.Errorf("hold segment %d: %w", id, err)
	}
	if n > 0 {
		return nil
	}
	found, err := q.Segment(ctx, id)
	if err != nil {
		return absent(err, ErrNoSegment)
	}
	return archived(found.Name)
}
