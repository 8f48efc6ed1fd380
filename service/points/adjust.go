package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// The faults of adjustments.
var (
	ErrNoMember     = fault.New(fault.NotFound, "points.no_member", "没有这位会员，请核对会员编号")
	ErrReason       = fault.New(fault.Invalid, "points.reason", "请填写调整原因（不超过200字）")
	ErrNoAdjustment = fault.New(fault.NotFound, "points.no_adjustment", "没有这笔调整申请")
	ErrDecided      = fault.New(fault.Conflict, "points.adjustment_decided", "这笔调整已被处理")
	ErrSamePerson   = fault.New(fault.Forbidden, "points.same_person", "申请人不能审批自己的调整")
)

// The states of an adjustment.
const (
	AdjustRequested = "requested"
	AdjustPosted    = "posted"
	AdjustRejected  = "rejected"
)

// refAdjustment is the type of the ref of an adjustment's posting.
const refAdjustment = "points.adjustment"

// maxReason is the length, in characters, of a reason.
const maxReason = 200

// Adjustment is a correction of a member's points by an operator.
type Adjustment struct {
	ID        model.ID
	Member    model.MemberID
	Amount    model.Points // + credits, - debits
	Reason    string
	State     string
	Maker     model.ID
	Checker   model.ID // 0: nobody decided, or nobody had to
	CreatedAt model.Millis
	DecidedAt model.Millis
}

// Adjust credits or debits a member by hand. Within the limits of one adjustment
// and of the maker's day it is posted at once; beyond either it is kept as a
// request that a second person approves or rejects. The request id belongs to the
// maker.
//
// Errors: ErrReason, ErrAmount, ErrNoMember, ErrInsufficient, ErrClosed, ErrRequest,
// ErrRequestReused.
func (l *Ledger) Adjust(ctx context.Context, maker model.ID, member model.MemberID, amount model.Points, reason string, request model.RequestID) (Adjustment, error) {
	reason = strings.TrimSpace(reason)
	switch {
	case reason == "" || cut(reason, maxReason) != reason:
		return Adjustment{}, ErrReason
	case amount == 0 || amount > MaxAmount || amount < -MaxAmount:
		return Adjustment{}, ErrAmount
	case !request.Valid():
		return Adjustment{}, ErrRequest
	}
	_, err := l.phones.Resolve(ctx, member)
	if fault.KindOf(err) == fault.NotFound {
		return Adjustment{}, ErrNoMember
	}
	if err != nil {
		return Adjustment{}, fmt.Errorf("find the member of an adjustment: %w", err)
	}
	var a Adjustment
	err = l.inTxPlain(ctx, kindAdjust, func(tx *sql.Tx) error {
		now := model.At(l.now())
		a = Adjustment{
			ID: l.ids.Next(), Member: member, Amount: amount, Reason: reason, State: AdjustRequested, Maker: maker, CreatedAt: now,
		}
		return l.adjust(ctx, tx, &a, request)
	})
	return a, err
}

func (l *Ledger) adjust(ctx context.Context, tx *sql.Tx, a *Adjustment, request model.RequestID) error {
	q := queries(tx)
	hash := body(kindAdjust, a.Member, a.Amount, a.Reason)
	alone, err := l.mayAlone(ctx, q, *a)
	if err != nil {
		return err
	}
	if alone {
		a.State, a.DecidedAt = AdjustPosted, a.CreatedAt
	}
	err = q.InsertAdjustment(ctx, db.InsertAdjustmentParams{
		ID: int64(a.ID), MemberID: int64(a.Member), Amount: int64(a.Amount), Reason: a.Reason, State: a.State, MakerID: int64(a.Maker),
		RequestID: string(request), BodyHash: hash, DecidedAt: int64(a.DecidedAt), CreatedAt: int64(a.CreatedAt),
	})
	if sqldb.Duplicate(err) {
		first, err := q.AdjustmentByRequest(ctx, db.AdjustmentByRequestParams{MakerID: int64(a.Maker), RequestID: string(request)})
		if err != nil {
			return fmt.Errorf("read adjustment: %w", err)
		}
		if first.BodyHash != hash {
			return ErrRequestReused
		}
		*a = adjustment(db.AdjustmentRow(first))
		return l.noteAdjustment(ctx, tx, a.Maker, "points.adjust", *a, true)
	}
	if err != nil {
		return fmt.Errorf("insert adjustment: %w", err)
	}
	if alone {
		if err := addCap(ctx, q, int64(a.Maker), capAdjust, dayPeriod(a.CreatedAt), abs(a.Amount)); err != nil {
			return err
		}
		if err := l.postAdjustment(ctx, tx, *a, a.CreatedAt); err != nil {
			return err
		}
	}
	return l.noteAdjustment(ctx, tx, a.Maker, "points.adjust", *a, false)
}

// noteAdjustment adds a line to the audit. again tells a request that was repeated and
// changed nothing.
func (l *Ledger) noteAdjustment(ctx context.Context, tx *sql.Tx, by model.ID, action string, a Adjustment, again bool) error {
	detail := map[string]any{"member": a.Member, "amount": a.Amount, "state": a.State, "reason": a.Reason}
	if again {
		detail["again"] = true
	}
	return l.recordTx(ctx, tx, by, action, model.Ref{Type: refAdjustment, ID: a.ID.String()}, detail)
}

// capAdjust is the source under which an operator's day is counted.
const capAdjust = "adjust.alone"

// mayAlone tells whether the maker may post it without a second person. The
// maker's row of the day is locked by touching it, so that two at once cannot
// both take the last of the day.
func (l *Ledger) mayAlone(ctx context.Context, q *db.Queries, a Adjustment) (bool, error) {
	if abs(a.Amount) > l.opts.AdjustLimit {
		return false, nil
	}
	period := dayPeriod(a.CreatedAt)
	if err := lockCap(ctx, q, int64(a.Maker), capAdjust, period); err != nil {
		return false, err
	}
	used, err := q.CapUsed(ctx, db.CapUsedParams{OwnerID: int64(a.Maker), Source: capAdjust, Period: period})
	if err != nil {
		return false, fmt.Errorf("read the maker's day: %w", err)
	}
	return model.Points(used)+abs(a.Amount) <= l.opts.AdjustDayLimit, nil
}

// lockCap makes sure that the row is there and locks it.
func lockCap(ctx context.Context, q *db.Queries, owner int64, source, period string) error {
	err := q.InsertCap(ctx, db.InsertCapParams{OwnerID: owner, Source: source, Period: period})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("insert cap: %w", err)
	}
	return addCap(ctx, q, owner, source, period, 0)
}

// Approve posts a requested adjustment. checker is another operator than the
// maker, which the statement itself makes sure of. Approving what the same
// checker approved before changes nothing.
//
// Errors: ErrNoAdjustment, ErrSamePerson, ErrDecided, ErrInsufficient, ErrClosed.
func (l *Ledger) Approve(ctx context.Context, id, checker model.ID) (Adjustment, error) {
	return l.decide(ctx, id, checker, AdjustPosted)
}

// Reject ends a requested adjustment without posting it.
//
// Errors: ErrNoAdjustment, ErrSamePerson, ErrDecided.
func (l *Ledger) Reject(ctx context.Context, id, checker model.ID) (Adjustment, error) {
	return l.decide(ctx, id, checker, AdjustRejected)
}

func (l *Ledger) decide(ctx context.Context, id, checker model.ID, state string) (Adjustment, error) {
	var a Adjustment
	err := l.inTxPlain(ctx, "adjust_decide", func(tx *sql.Tx) error {
		q, now := queries(tx), model.At(l.now())
		n, err := q.DecideAdjustment(ctx, db.DecideAdjustmentParams{State: state, CheckerID: int64(checker), DecidedAt: int64(now), ID: int64(id)})
		if err != nil {
			return fmt.Errorf("decide adjustment: %w", err)
		}
		row, err := q.Adjustment(ctx, int64(id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoAdjustment
		}
		if err != nil {
			return fmt.Errorf("read adjustment: %w", err)
		}
		a = adjustment(row)
		action := map[string]string{AdjustPosted: "points.approve", AdjustRejected: "points.reject"}[state]
		switch {
		case n == 1 && state == AdjustPosted:
			err = l.postAdjustment(ctx, tx, a, now)
		case n == 1 || a.State == state && a.Checker == checker:
		case a.State == AdjustRequested:
			return ErrSamePerson
		default:
			return ErrDecided
		}
		if err != nil {
			return err
		}
		return l.noteAdjustment(ctx, tx, checker, action, a, n == 0)
	})
	return a, err
}

func (l *Ledger) postAdjustment(ctx context.Context, tx *sql.Tx, a Adjustment, now model.Millis) error {
	id := l.ids.Next()
	ref := model.Ref{Type: refAdjustment, ID: a.ID.String()}
	if a.Amount < 0 {
		_, missing, err := l.take(ctx, tx, id, taking{
			member: int64(a.Member), kind: kindAdjust, amount: -int64(a.Amount), to: accountAdjusted,
			source: SourceAdjustment, ref: ref, reason: a.Reason, operator: a.Maker,
		}, now)
		if missing > 0 {
			return ErrInsufficient.Saying("积分不足，还差%d积分", missing)
		}
		return err
	}
	row, err := l.lockSettled(ctx, tx, int64(a.Member), true, now)
	if err != nil {
		return err
	}
	p := posting{
		id: id, member: row.MemberID, kind: kindAdjust, amount: int64(a.Amount), source: SourceAdjustment,
		ref: ref, reason: a.Reason, operator: a.Maker, at: now,
	}
	return l.issue(ctx, tx, p, accountAdjusted, l.opts.Rules[SourceAdjustment])
}

// Adjustment is one of any state. Errors: ErrNoAdjustment.
func (l *Ledger) Adjustment(ctx context.Context, id model.ID) (Adjustment, error) {
	row, err := db.New(l.db).Adjustment(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Adjustment{}, ErrNoAdjustment
	}
	if err != nil {
		return Adjustment{}, fmt.Errorf("read adjustment %d: %w", id, err)
	}
	return adjustment(row), nil
}

// Adjustments are those in a state, oldest first; cursor is "" or the one that came
// with the page before. Errors: page.ErrCursor.
func (l *Ledger) Adjustments(ctx context.Context, state, cursor string, limit int) (list []Adjustment, next string, err error) {
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := db.New(l.db).Adjustments(ctx, db.AdjustmentsParams{State: state, AfterID: after, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read adjustments: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.AdjustmentsRow) string { return page.Cursor(r.ID) })
	for _, r := range rows {
		list = append(list, adjustment(db.AdjustmentRow(r)))
	}
	return list, next, nil
}

func adjustment(r db.AdjustmentRow) Adjustment {
	return Adjustment{
		ID: model.ID(r.ID), Member: model.MemberID(r.MemberID), Amount: model.Points(r.Amount), Reason: r.Reason, State: r.State,
		Maker: model.ID(r.MakerID), Checker: model.ID(r.CheckerID), CreatedAt: model.Millis(r.CreatedAt), DecidedAt: model.Millis(r.DecidedAt),
	}
}

// inTxPlain runs fn in a transaction that any fault rolls back.
func (l *Ledger) inTxPlain(ctx context.Context, operation string, fn func(tx *sql.Tx) error) error {
	err := sqldb.InTx(ctx, l.db, fn)
	l.count(operation, err)
	return err
}

func abs(n model.Points) model.Points { return max(n, -n) }
