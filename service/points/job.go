package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// TopicExpiring is the topic of the promise to remind a member; its payload is
// Expiring.
const TopicExpiring = "points.expiring"

// Expiring is the payload of a reminder.
type Expiring struct {
	Member    model.MemberID `json:"member"`
	Points    model.Points   `json:"points"`
	ExpiresAt model.Millis   `json:"expiresAt"`
}

// slice is how many rows a job reads at once; maxSlices bounds one run: what is
// left is for the next.
const (
	slice     = 200
	maxSlices = 5000
)

// SettleDue moves every lot that expired to the expired account and makes every
// pending lot active whose time has come; each member in a transaction of its
// own, in the order in which they are due. It returns how many members it
// settled, and may be stopped and repeated at any point. A member who fails is
// logged and left for the next run.
func (l *Ledger) SettleDue(ctx context.Context) (int, error) {
	settled, failed := 0, 0
	after := db.DueAccountsParams{Now: int64(model.At(l.now())), Limit: slice}
	for range maxSlices {
		rows, err := db.New(l.db).DueAccounts(ctx, after)
		if err != nil {
			return settled, fmt.Errorf("find due accounts: %w", err)
		}
		for _, r := range rows {
			after.AfterDue, after.AfterMember = r.DueAt, r.MemberID
			if err := l.settleOne(ctx, r.MemberID); err != nil {
				if ctx.Err() != nil {
					return settled, err
				}
				failed++
				l.log.ErrorContext(ctx, "points account not settled", "member", r.MemberID, "err", err)
				continue
			}
			settled++
		}
		if len(rows) < slice {
			break
		}
	}
	l.moved.WithLabelValues("settle").Add(float64(settled))
	if failed > 0 {
		return settled, fmt.Errorf("%d accounts could not be settled", failed)
	}
	return settled, nil
}

// settleOne settles a member; one with more lots than a transaction carries in as
// many as it takes.
func (l *Ledger) settleOne(ctx context.Context, member int64) error {
	for range maxPages {
		more := false
		err := sqldb.InTx(ctx, l.db, func(tx *sql.Tx) error {
			now := model.At(l.now())
			row, err := l.lock(ctx, tx, member, false, now)
			if err != nil {
				return err
			}
			_, err = l.settle(ctx, tx, row, now)
			if more = errors.Is(err, ErrTooManyLots); more {
				return nil // keep what was moved
			}
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return ErrTooManyLots
}

// RemindDue promises a reminder, once for each member and expiry, for all that
// expires within Options.RemindDays. It returns how many it promised and may be
// stopped and repeated at any point.
func (l *Ledger) RemindDue(ctx context.Context) (int, error) {
	promised := 0
	now := l.now()
	next := db.NextExpiringParams{AfterExpiry: int64(model.At(now)), UntilAt: int64(model.At(now.AddDate(0, 0, l.opts.RemindDays)))}
	page := db.ExpiringAtParams{Limit: slice}
	for range maxSlices {
		if page.ExpiresAt == 0 { // points expire at the ends of days: few instants, many members each
			at, err := db.New(l.db).NextExpiring(ctx, next)
			if errors.Is(err, sql.ErrNoRows) {
				break
			}
			if err != nil {
				return promised, fmt.Errorf("find when something expires: %w", err)
			}
			next.AfterExpiry, page.ExpiresAt, page.AfterMember = at, at, some(0)
		}
		n, last, err := l.remindPage(ctx, page)
		if promised += n; err != nil {
			return promised, err
		}
		if page.AfterMember = some(last); last == 0 {
			page.ExpiresAt = 0
		}
	}
	l.moved.WithLabelValues("remind").Add(float64(promised))
	return promised, nil
}

// remindPage promises the reminders of a page and returns how many, and the last of its
// members; none when no page comes after it.
func (l *Ledger) remindPage(ctx context.Context, page db.ExpiringAtParams) (promised int, last int64, err error) {
	rows, err := db.New(l.db).ExpiringAt(ctx, page)
	if err != nil {
		return 0, 0, fmt.Errorf("find what expires soon: %w", err)
	}
	if len(rows) == 0 {
		return 0, 0, nil
	}
	if len(rows) == slice {
		last = rows[len(rows)-1].MemberID
	}
	n := 0
	if err := sqldb.InTx(ctx, l.db, func(tx *sql.Tx) error {
		n, err = l.remind(ctx, tx, page.ExpiresAt, rows)
		return err
	}); err != nil {
		return 0, 0, fmt.Errorf("promise reminders: %w", err)
	}
	return n, last, nil
}

func (l *Ledger) remind(ctx context.Context, tx *sql.Tx, expires int64, rows []db.ExpiringAtRow) (int, error) {
	q, n := queries(tx), 0
	for _, r := range rows {
		err := q.InsertReminder(ctx, db.InsertReminderParams{MemberID: r.MemberID, ExpiresAt: expires, CreatedAt: int64(model.At(l.now()))})
		if sqldb.Duplicate(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("insert reminder: %w", err)
		}
		request := model.RequestID(fmt.Sprintf("remind/%d/%d", r.MemberID, expires))
		payload := Expiring{model.MemberID(r.MemberID), model.Points(r.Points), model.Millis(expires)}
		if err := l.outbox.AddTx(ctx, tx, TopicExpiring, request, payload); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// VoidOverdue gives back what is held beyond its time and returns how many holds
// it voided. A lot that expired meanwhile stays expired. A hold that fails is logged
// and left for the next run.
func (l *Ledger) VoidOverdue(ctx context.Context) (int, error) {
	voided, failed := 0, 0
	after := db.OverdueHoldsParams{Now: int64(model.At(l.now())), Limit: slice}
	for range maxSlices {
		holds, err := db.New(l.db).OverdueHolds(ctx, after)
		if err != nil {
			return voided, fmt.Errorf("find overdue holds: %w", err)
		}
		for _, id := range holds {
			after.AfterID = id
			err := l.Void(ctx, model.ID(id), 0, "overdue")
			switch {
			case err == nil:
				voided++
			case ctx.Err() != nil:
				return voided, fmt.Errorf("void hold %d: %w", id, err)
			case fault.KindOf(err) != fault.Conflict: // otherwise somebody was faster
				failed++
				l.log.ErrorContext(ctx, "overdue hold not given back", "hold", id, "err", err)
			}
		}
		if len(holds) < slice {
			break
		}
	}
	l.moved.WithLabelValues("void").Add(float64(voided))
	if failed > 0 {
		return voided, fmt.Errorf("%d overdue holds could not be given back", failed)
	}
	return voided, nil
}
