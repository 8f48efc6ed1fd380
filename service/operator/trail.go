package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/operator/internal/db"
)

// Line is a line of the audit as it is read.
type Line struct {
	Seq      int64
	Operator model.ID // System: no person
	Name     string   // the operator's; empty for System
	Action   string
	Target   string // type/id
	Detail   json.RawMessage
	At       model.Millis
}

// Trail narrows a reading of the audit to what was done to one thing, or by one
// operator, and to some days in China, both among them; all empty: everything.
type Trail struct {
	Target   string // type/id
	Operator model.ID
	From, To model.Day // 0: no bound
}

// span is the time of the days: since is in it, ends is not.
func (t Trail) span() (since, ends int64) {
	since, ends = math.MinInt64, math.MaxInt64
	if t.From != 0 {
		since = int64(model.At(t.From.Start()))
	}
	if t.To != 0 {
		ends = int64(model.At((t.To + 1).Start()))
	}
	return since, ends
}

// Audit is one page of the audit, newest first; next is empty after the last.
// Errors: page.ErrCursor, ErrTrail when a thing and an operator are asked for, or the
// days run backwards.
func (o *Operators) Audit(ctx context.Context, t Trail, cursor string, limit int) (list []Line, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	if t.Target != "" && t.Operator != 0 || t.From != 0 && t.To != 0 && t.To < t.From {
		return nil, "", ErrTrail
	}
	var rows []db.OperatorAudit
	size := page.Size(limit)
	since, ends := t.span()
	switch n := size + 1; {
	case t.Target != "":
		rows, err = o.q.AuditOfTarget(ctx, db.AuditOfTargetParams{Target: t.Target, Before: before, Since: since, Ends: ends, Limit: n})
	case t.Operator != 0:
		rows, err = o.q.AuditOfOperator(ctx, db.AuditOfOperatorParams{OperatorID: int64(t.Operator), Before: before, Since: since, Ends: ends, Limit: n})
	default:
		rows, err = o.q.AuditBefore(ctx, db.AuditBeforeParams{Before: before, Since: since, Ends: ends, Limit: n})
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the audit: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.OperatorAudit) string { return page.Cursor(r.Seq) })
	names, err := o.names(ctx, rows)
	if err != nil {
		return nil, "", err
	}
	for _, row := range rows {
		list = append(list, Line{
			Seq: row.Seq, Operator: model.ID(row.OperatorID), Name: names[row.OperatorID], Action: row.Action, Target: row.Target,
			Detail: json.RawMessage(row.Detail), At: model.Millis(row.HappenedAt),
		})
	}
	return list, next, nil
}

func (o *Operators) names(ctx context.Context, rows []db.OperatorAudit) (map[int64]string, error) {
	names := map[int64]string{}
	var ids []int64
	for _, row := range rows {
		if _, ok := names[row.OperatorID]; !ok {
			names[row.OperatorID] = ""
			ids = append(ids, row.OperatorID)
		}
	}
	if len(ids) == 0 {
		return names, nil
	}
	found, err := o.q.Names(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the names of operators: %w", err)
	}
	for _, f := range found {
		names[f.ID] = f.Name
	}
	return names, nil
}
