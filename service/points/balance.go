package points

import (
	"context"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"kaimenhong/model"
	"kaimenhong/model/gather"
	"kaimenhong/service/points/internal/db"
)

// How a balance is read. The sums of the account, and its version, come from SQL each
// time. What expires next and whether he signed in today needs the lots and costs six
// times as much; it is kept in memory beside the version that it was read with, in one
// statement, and shown again only under that version: every transaction that changes a
// lot or a sign-in adds to the version of the account. Either question is shared by
// those who ask at the same time.
//
// A version begins anew only when a database is put back from a backup; so what is kept
// is shown for maxDetailAge at most.
const (
	maxDetails   = 50_000 // about 10 MB
	maxDetailAge = time.Minute
	readLimit    = 2 * time.Second // for one question
)

// detail is a whole balance as it was read.
type detail struct {
	row    db.BalancesRow
	day    model.Day // of which SignedIn tells
	readAt time.Time
}

// reads are what balance needs.
type reads struct {
	sums    *gather.Group[int64, db.SumsRow]
	whole   *gather.Group[int64, detail]
	details *otter.Cache[int64, detail]
}

func (l *Ledger) newReads() (r reads, err error) {
	r.sums = gather.New(l.loadSums, gather.Options{Timeout: readLimit})
	r.whole = gather.New(l.loadWhole, gather.Options{Timeout: readLimit})
	if r.details, err = otter.New(&otter.Options[int64, detail]{MaximumSize: maxDetails}); err != nil {
		return r, fmt.Errorf("make the cache of balances: %w", err)
	}
	return r, nil
}

// balance asks for the account of a member, and tells it when it is called; found is
// false when he never earned.
func (l *Ledger) balance(member int64) func(context.Context) (row db.BalancesRow, found bool, err error) {
	now := l.now()
	kept, ok := l.reads.details.GetIfPresent(member)
	if !ok || kept.day != model.DayOf(now) || now.Sub(kept.readAt).Abs() >= maxDetailAge {
		return l.whole(member)
	}
	asked := l.reads.sums.Ask(member)
	return func(ctx context.Context) (row db.BalancesRow, found bool, err error) {
		sums, found, err := asked.Wait(ctx, 0)
		if err != nil {
			return row, false, err
		}
		if !found || sums.Version != kept.row.Version {
			return l.whole(member)(ctx)
		}
		row = kept.row
		row.Balance, row.Pending, row.DueAt = sums.Balance, sums.Pending, sums.DueAt
		return row, true, nil
	}
}

func (l *Ledger) whole(member int64) func(context.Context) (row db.BalancesRow, found bool, err error) {
	asked := l.reads.whole.Ask(member)
	return func(ctx context.Context) (row db.BalancesRow, found bool, err error) {
		d, found, err := asked.Wait(ctx, 0)
		if err == nil && found {
			l.reads.details.Set(member, d)
		}
		return d.row, found, err
	}
}

func (l *Ledger) loadSums(ctx context.Context, members []int64) (map[int64]db.SumsRow, error) {
	rows, err := db.New(l.db).Sums(ctx, members)
	if err != nil {
		return nil, err
	}
	sums := make(map[int64]db.SumsRow, len(rows))
	for _, row := range rows {
		sums[row.MemberID] = row
	}
	return sums, nil
}

func (l *Ledger) loadWhole(ctx context.Context, members []int64) (map[int64]detail, error) {
	now := l.now()
	day := model.DayOf(now)
	rows, err := db.New(l.db).Balances(ctx, db.BalancesParams{Today: int32(day), Members: members})
	if err != nil {
		return nil, err
	}
	details := make(map[int64]detail, len(rows))
	for _, row := range rows {
		details[row.MemberID] = detail{row, day, now}
	}
	return details, nil
}
