package points

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// JoinTx makes two members one: every lot with its expiry, every hold, request
// id, cap and sign-in of from goes over to into, once. From then on whatever is
// asked of from is done for into. The history stays where it is and is read as
// one.
//
// Errors: ErrMerged when from went to somebody else or into was absorbed itself,
// ErrClosed, ErrAmount when both are the same.
func (l *Ledger) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	if from == into {
		return ErrMerged
	}
	now := model.At(l.now())
	rows := map[model.MemberID]account{}
	for _, member := range []model.MemberID{min(from, into), max(from, into)} { // one order for all, against deadlocks
		row, err := l.lock(ctx, tx, int64(member), true, now)
		if err != nil {
			return err
		}
		rows[member] = row
	}
	if rows[from].MemberID == int64(into) && rows[into].MemberID == int64(into) {
		return nil // done before
	}
	if rows[from].MemberID != int64(from) || rows[into].MemberID != int64(into) {
		return ErrMerged
	}
	if rows[from].ClosedAt != 0 || rows[into].ClosedAt != 0 {
		return ErrClosed
	}
	source, err := l.settle(ctx, tx, rows[from], now)
	if err != nil {
		return err
	}
	target, err := l.settle(ctx, tx, rows[into], now)
	if err != nil {
		return err
	}
	if err := l.joinValue(ctx, tx, source, target, now); err != nil {
		return err
	}
	return l.joinRecords(ctx, tx, source.MemberID, target.MemberID, now)
}

// joinValue moves the sums, lots and holds.
func (l *Ledger) joinValue(ctx context.Context, tx *sql.Tx, from, into account, now model.Millis) error {
	q := queries(tx)
	if from.Balance+from.Pending > 0 {
		id := l.ids.Next()
		err := q.InsertPosting(ctx, db.InsertPostingParams{
			ID: int64(id), MemberID: into.MemberID, Kind: kindJoin, Reason: "账号合并", CreatedAt: int64(now),
		})
		if err != nil {
			return fmt.Errorf("insert posting: %w", err)
		}
		for _, side := range []db.InsertJoinEntriesParams{
			{PostingID: int64(id), AccountID: from.MemberID, Sign: -1, FromID: from.MemberID},
			{PostingID: int64(id), AccountID: into.MemberID, Sign: 1, FromID: from.MemberID},
		} {
			if err := q.InsertJoinEntries(ctx, side); err != nil {
				return fmt.Errorf("insert entries: %w", err)
			}
		}
	}
	err := q.OwnLots(ctx, db.OwnLotsParams{IntoID: into.MemberID, IntoOpen: some(into.MemberID), IntoPending: some(into.MemberID), FromID: from.MemberID})
	if err != nil {
		return fmt.Errorf("own lots: %w", err)
	}
	if err := q.OwnHolds(ctx, db.OwnHoldsParams{IntoID: into.MemberID, FromID: from.MemberID}); err != nil {
		return fmt.Errorf("own holds: %w", err)
	}
	for _, change := range []db.MoveAccountParams{
		{MemberID: from.MemberID, Balance: -from.Balance, Pending: -from.Pending, Held: -from.Held, DueAt: int64(never)},
		{MemberID: into.MemberID, Balance: from.Balance, Pending: from.Pending, Held: from.Held, DueAt: from.DueAt},
	} {
		if err := move(ctx, q, change); err != nil {
			return err
		}
	}
	return nil
}

// maxCaps bounds the rows of caps that go over: two a source and month, for years.
const maxCaps = 2000

// signInDays is how far back days in a row are looked for, and signInsKept how many days
// go over: a sign-in asks for today's and yesterday's, by a clock that may be slow.
const (
	signInDays  = 400
	signInsKept = 3
)

// joinRecords moves what keeps the rules: requests, caps, sign-ins, first-bind.
func (l *Ledger) joinRecords(ctx context.Context, tx *sql.Tx, from, into int64, now model.Millis) error {
	q := queries(tx)
	if err := q.CopyRequests(ctx, db.CopyRequestsParams{IntoID: into, FromID: from}); err != nil {
		return fmt.Errorf("copy requests: %w", err)
	}
	caps, err := q.CapsOf(ctx, db.CapsOfParams{OwnerID: from, Limit: maxCaps})
	if err != nil {
		return fmt.Errorf("read caps: %w", err)
	}
	for _, c := range caps {
		if c.Period == dayPeriod(now) || c.Period == monthPeriod(now) {
			if err := addCap(ctx, q, into, c.Source, c.Period, model.Points(c.Used)); err != nil {
				return err
			}
		}
	}
	if err := joinSignIns(ctx, q, from, into, model.DayOf(now.Time())); err != nil {
		return fmt.Errorf("join sign-ins: %w", err)
	}
	// When both earned for a first number, each row stays: both numbers are used up.
	err = q.OwnFirstBind(ctx, db.OwnFirstBindParams{IntoID: into, FromID: from})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("own first bind: %w", err)
	}
	if err := q.MergeEarlier(ctx, db.MergeEarlierParams{IntoID: into, FromID: from}); err != nil {
		return fmt.Errorf("merge earlier ones: %w", err)
	}
	if err := q.MergeAccount(ctx, db.MergeAccountParams{IntoID: into, DueAt: int64(never), FromID: from}); err != nil {
		return fmt.Errorf("merge account: %w", err)
	}
	return nil
}

// joinSignIns makes the last days of two members those of one: what a day gave either is
// what it gave him, and his days in a row are those of both.
func joinSignIns(ctx context.Context, q *db.Queries, from, into int64, today model.Day) error {
	rows, err := q.SignInsOf(ctx, db.SignInsOfParams{Members: []int64{from, into}, Since: int32(today - signInDays), Limit: 3 * signInDays})
	if err != nil {
		return err
	}
	streaks, has := map[int32]int32{}, map[int32]bool{}
	for _, r := range rows {
		streaks[r.Day] = max(streaks[r.Day], r.Streak)
		has[r.Day] = has[r.Day] || r.MemberID == into
	}
	for _, r := range rows {
		if r.Day <= int32(today-signInsKept) {
			continue
		}
		streak := int32(0)
		for day := r.Day; streaks[day] > 0; day = r.Day - streak {
			streak += streaks[day]
		}
		switch {
		case r.MemberID == into && r.Streak != streak:
			err = q.SetStreak(ctx, db.SetStreakParams{Streak: streak, MemberID: into, Day: r.Day})
		case r.MemberID == from && !has[r.Day]:
			err = q.InsertSignIn(ctx, db.InsertSignInParams{MemberID: into, Day: r.Day, Streak: streak, Points: r.Points})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// CloseTx ends a member's account: what is left, pending points too, expires; the
// ledger stays under the member id, which says nothing of a person. Closing again
// does nothing. Points that a reversal gives back later expire at once, and who never
// earned any earns none later: a prize may still be on its way to him.
//
// Errors: ErrHeld while a hold is open.
func (l *Ledger) CloseTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error {
	now := model.At(l.now())
	row, err := l.lock(ctx, tx, int64(member), true, now)
	if err != nil {
		return err
	}
	if row.ClosedAt != 0 {
		return nil
	}
	if row.Held > 0 {
		return ErrHeld
	}
	if err := l.forfeitAll(ctx, tx, row.MemberID, now); err != nil {
		return err
	}
	if err := queries(tx).CloseAccount(ctx, db.CloseAccountParams{ClosedAt: int64(now), MemberID: row.MemberID}); err != nil {
		return fmt.Errorf("close account: %w", err)
	}
	return nil
}

// forfeitAll expires every open and pending lot.
func (l *Ledger) forfeitAll(ctx context.Context, tx *sql.Tx, member int64, now model.Millis) error {
	q := queries(tx)
	for range maxPages {
		open, err := q.DueLots(ctx, db.DueLotsParams{MemberID: some(member), Now: int64(never), Limit: batch})
		if err != nil {
			return fmt.Errorf("find open lots: %w", err)
		}
		pending, err := q.DuePending(ctx, db.DuePendingParams{MemberID: some(member), Now: int64(never), Limit: batch})
		if err != nil {
			return fmt.Errorf("find pending lots: %w", err)
		}
		if len(open)+len(pending) == 0 {
			if err := q.SetDue(ctx, db.SetDueParams{DueAt: int64(never), MemberID: member}); err != nil {
				return fmt.Errorf("set what is due next: %w", err)
			}
			return nil
		}
		var ones, others []piece
		for _, r := range open {
			ones = append(ones, piece{lot: r.ID, amount: r.Remaining})
		}
		for _, r := range pending {
			others = append(others, piece{lot: r.ID, amount: r.Remaining})
		}
		for from, pieces := range map[string][]piece{accountMember: ones, accountPending: others} {
			if len(pieces) == 0 {
				continue
			}
			p := posting{id: l.ids.Next(), member: member, kind: kindClose, reason: "账户注销，积分作废", at: now}
			if err := l.forfeit(ctx, tx, p, from, pieces); err != nil {
				return err
			}
		}
	}
	return ErrTooManyLots
}
