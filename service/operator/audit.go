package operator

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator/internal/db"
)

// Bounds of what a row of the audit holds, as the table has them, in bytes.
const (
	maxAction = 64
	maxDetail = 62_000
)

// RecordTx adds a line within the transaction of what it tells, so that the one stands
// exactly when the other does. Writers stand in line from here to their commit:
// call it last. Errors: ErrAudit.
func (o *Operators) RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return ErrAudit.With(err)
	}
	if e.Action == "" || len(e.Action) > maxAction || !e.Target.Valid() || len(detail) > maxDetail {
		return ErrAudit.With(fmt.Errorf("action %q: a field is too long, or the action or the target is missing", e.Action))
	}
	q := o.q.WithTx(tx)
	n, err := q.NextSeq(ctx)
	if err == nil && n == 0 {
		err = q.AddHead(ctx)
		if sqldb.Duplicate(err) { // another was first
			_, err = q.NextSeq(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("take a place in the audit: %w", err)
	}
	head, err := q.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the audit's end: %w", err)
	}
	row := db.AddAuditParams{
		Seq: head.Seq, OperatorID: int64(e.Operator), Action: e.Action, Target: e.Target.String(), Detail: string(detail),
		HappenedAt: int64(model.At(o.now())),
	}
	row.Hash = o.link(head.Hash, db.OperatorAudit(row))
	if err := q.AddAudit(ctx, row); err != nil {
		return fmt.Errorf("add to the audit: %w", err)
	}
	if err := q.SetHead(ctx, row.Hash); err != nil {
		return fmt.Errorf("move the audit's end: %w", err)
	}
	if m, ok := ctx.Value(markKey{}).(*Mark); ok {
		m.made.Store(true)
	}
	return nil
}

// Mark tells whether a line was added while a request ran.
type Mark struct{ made atomic.Bool }

// Made tells whether there was one.
func (m *Mark) Made() bool { return m.made.Load() }

type markKey struct{}

// Marked returns a context in which RecordTx leaves a mark.
func Marked(ctx context.Context) (context.Context, *Mark) {
	m := &Mark{}
	return context.WithValue(ctx, markKey{}, m), m
}

// target is that of what is done to an account.
func target(id model.ID) model.Ref { return model.Ref{Type: "operator", ID: id.String()} }

// link authenticates a row together with the one before it. Every field has its
// length before it, so that no two rows have the same bytes.
func (o *Operators) link(before string, row db.OperatorAudit) string {
	var b []byte
	for _, s := range []string{before, row.Action, row.Target, row.Detail} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	for _, n := range []int64{row.Seq, row.OperatorID, row.HappenedAt} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return o.sealer.IndexText(string(b), "operator.audit")
}

// Chain is what Verify found. Written down elsewhere (a log, a printed page), Head
// proves later that no row up to Rows was cut off.
type Chain struct {
	Rows int64
	Head string
}

// verifyPage is how many rows are read at once.
const verifyPage = 1000

// Verify reads the audit from its beginning and proves that no row was changed,
// left out, added or moved, and that it ends where the last writer left it.
// Errors: ErrTampered, with the first row that is wrong.
func (o *Operators) Verify(ctx context.Context) (Chain, error) {
	var c Chain
	// The end is read first: rows that are added meanwhile lie behind it.
	head, err := o.q.Head(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		head, err = db.HeadRow{}, nil
	}
	if err != nil {
		return c, fmt.Errorf("read the audit's end: %w", err)
	}
	for {
		rows, err := o.q.AuditAfter(ctx, db.AuditAfterParams{Seq: c.Rows, Limit: verifyPage})
		if err != nil {
			return c, fmt.Errorf("read the audit: %w", err)
		}
		for _, row := range rows {
			if row.Seq != c.Rows+1 || !hmac.Equal([]byte(o.link(c.Head, row)), []byte(row.Hash)) {
				return c, ErrTampered.With(fmt.Errorf("row %d does not follow row %d", row.Seq, c.Rows))
			}
			c.Rows, c.Head = row.Seq, row.Hash
			if row.Seq == head.Seq && row.Hash != head.Hash {
				return c, ErrTampered.With(fmt.Errorf("row %d is not the end that was written", row.Seq))
			}
		}
		if len(rows) < verifyPage {
			break
		}
	}
	if c.Rows < head.Seq {
		return c, ErrTampered.With(fmt.Errorf("%d rows, %d were written", c.Rows, head.Seq))
	}
	return c, nil
}
