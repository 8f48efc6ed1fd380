package points

import (
	"context"
	"fmt"
	"math"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/points/internal/db"
)

// maxMerged is how many absorbed members' histories are read as one.
const maxMerged = 32

// PointsBalance is what the member may spend now, what is pending and what
// expires next, as of no earlier than the call: see balance.go. Only in the minutes
// between an expiry and the job that books it there are three statements more.
func (l *Ledger) PointsBalance(ctx context.Context, member model.MemberID) (model.PointsBalance, error) {
	return l.AskBalance(member)(ctx)
}

// AskBalance begins PointsBalance and returns what ends it: whoever has other things to
// ask does so in between.
func (l *Ledger) AskBalance(member model.MemberID) func(context.Context) (model.PointsBalance, error) {
	now, told := int64(model.At(l.now())), l.balance(int64(member))
	return func(ctx context.Context) (model.PointsBalance, error) {
		row, found, err := told(ctx)
		if err != nil {
			return model.PointsBalance{}, fmt.Errorf("read the balance of member %s: %w", member, err)
		}
		if !found {
			return model.PointsBalance{}, nil
		}
		if row.DueAt <= now {
			if err := unsettled(ctx, db.New(l.db), int64(member), now, &row); err != nil {
				return model.PointsBalance{}, err
			}
		}
		b := model.PointsBalance{Available: model.Points(row.Balance), Pending: model.Points(row.Pending), SignedIn: row.SignedIn > 0}
		if b.ExpiresAt = shown(row.FirstExpiry); b.ExpiresAt != 0 {
			b.Expiring = model.Points(row.Expiring)
		}
		return b, nil
	}
}

// unsettled corrects a balance for what is due and not yet booked.
func unsettled(ctx context.Context, q *db.Queries, member, now int64, row *db.BalancesRow) error {
	due, err := q.Unsettled(ctx, db.UnsettledParams{Now: now, MemberID: some(member)})
	if err != nil {
		return fmt.Errorf("read what is due of member %d: %w", member, err)
	}
	row.Balance += due.Active - due.Expired
	row.Pending -= due.Ripe
	if row.FirstExpiry, err = q.LiveExpiry(ctx, db.LiveExpiryParams{Now: now, MemberID: some(member)}); err != nil {
		return fmt.Errorf("read the next expiry of member %d: %w", member, err)
	}
	row.Expiring, err = q.LiveExpiring(ctx, db.LiveExpiringParams{ExpiresAt: row.FirstExpiry, MemberID: some(member), Now: now})
	if err != nil {
		return fmt.Errorf("read what expires next of member %d: %w", member, err)
	}
	return nil
}

// Entry is one change as the member sees it, with its explanation.
type Entry struct {
	ID     model.ID
	Kind   string       // earn, spend, hold, confirm, void, reverse, expire, activate, adjust, join, close
	Amount model.Points // gained (+) or lost (-); 0 for confirm, activate and join
	Why    string       // 签到奖励
	Source string       // of an earning
	Ref    model.Ref    // zero: none
	Lots   []EntryLot
	At     model.Millis
}

// EntryLot is what an entry did to one lot.
type EntryLot struct {
	Lot       model.ID
	Title     string // where the lot came from
	Amount    model.Points
	ExpiresAt model.Millis // 0: never
}

// Entries are the changes of a member and of those who were merged into him,
// newest first; cursor is "" or the one that came with the page before, next is
// "" on the last page. A limit beyond 100 is 100.
//
// Errors: page.ErrCursor.
func (l *Ledger) Entries(ctx context.Context, member model.MemberID, cursor string, limit int) (list []Entry, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	q, size := db.New(l.db), page.Size(limit)
	members, err := q.MergedMembers(ctx, db.MergedMembersParams{MemberID: int64(member), Limit: maxMerged})
	if err != nil {
		return nil, "", fmt.Errorf("read who was merged into member %s: %w", member, err)
	}
	rows, err := q.Postings(ctx, db.PostingsParams{Members: append(members, int64(member)), Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read the postings of member %s: %w", member, err)
	}
	rows, next = page.Cut(rows, size, func(r db.PostingsRow) string { return page.Cursor(r.ID) })
	ids := make([]int64, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
		list = append(list, Entry{
			ID: model.ID(r.ID), Kind: r.Kind, Amount: model.Points(r.Amount), Why: r.Reason, Source: r.Source,
			Ref: model.Ref{Type: r.RefType.String, ID: r.RefID.String}, At: model.Millis(r.CreatedAt),
		})
	}
	if len(ids) == 0 {
		return list, "", nil
	}
	return list, next, l.explain(ctx, q, ids, list)
}

// explain adds the lots. Of a move between two accounts of members only the side
// that gains is shown.
func (l *Ledger) explain(ctx context.Context, q *db.Queries, ids []int64, page []Entry) error {
	lots, err := q.EntriesOf(ctx, ids)
	if err != nil {
		return fmt.Errorf("read the lots of entries: %w", err)
	}
	at := make(map[model.ID]*Entry, len(page))
	for i := range page {
		at[page[i].ID] = &page[i]
	}
	for _, r := range lots {
		e := at[model.ID(r.PostingID)]
		within := e.Kind == kindJoin || e.Kind == kindActivate
		other := (e.Kind == kindHold || e.Kind == kindVoid) && r.Account == accountHold
		if other || within && r.Amount < 0 {
			continue
		}
		e.Lots = append(e.Lots, EntryLot{model.ID(r.LotID), l.title(r.Source), model.Points(r.Amount), shown(r.ExpiresAt)})
	}
	return nil
}

// Lot is an earning of which something is left.
type Lot struct {
	ID        model.ID
	Title     string
	Issued    model.Points
	Remaining model.Points
	Pending   bool
	ActiveAt  model.Millis
	ExpiresAt model.Millis // 0: never
}

// Lots are the lots of which something is left: first, on the first page, those
// not yet active (at most 100), then those that may be spent, in the order in
// which they will be.
//
// Errors: page.ErrCursor.
func (l *Ledger) Lots(ctx context.Context, member model.MemberID, cursor string, limit int) (list []Lot, next string, err error) {
	q, size := db.New(l.db), page.Size(limit)
	after := db.OpenLotsParams{MemberID: some(int64(member)), Limit: size + 1}
	if cursor != "" {
		if after.AfterExpiry, after.AfterID, err = page.Pair(cursor); err != nil {
			return nil, "", err
		}
	} else {
		pending, err := q.PendingLots(ctx, db.PendingLotsParams{MemberID: some(int64(member)), Limit: page.Max})
		if err != nil {
			return nil, "", fmt.Errorf("read the pending lots of member %s: %w", member, err)
		}
		for _, r := range pending {
			list = append(list, l.lot(db.OpenLotsRow(r), true))
		}
	}
	// What expired and is not booked yet is not shown.
	now := int64(model.At(l.now()))
	if after.AfterExpiry <= now {
		after.AfterExpiry, after.AfterID = now, math.MaxInt64
	}
	rows, err := q.OpenLots(ctx, after)
	if err != nil {
		return nil, "", fmt.Errorf("read the lots of member %s: %w", member, err)
	}
	rows, next = page.Cut(rows, size, func(r db.OpenLotsRow) string { return page.Cursor(r.ExpiresAt, r.ID) })
	for _, r := range rows {
		list = append(list, l.lot(r, false))
	}
	return list, next, nil
}

func (l *Ledger) lot(r db.OpenLotsRow, pending bool) Lot {
	return Lot{
		ID: model.ID(r.ID), Title: l.title(r.Source), Issued: model.Points(r.Issued), Remaining: model.Points(r.Remaining),
		Pending: pending, ActiveAt: model.Millis(r.ActiveAt), ExpiresAt: shown(r.ExpiresAt),
	}
}

// maxExport bounds what one export carries; More says that there is more, which
// Entries lists.
const maxExport = 10_000

// Export is all that the ledger keeps of a member.
type Export struct {
	Balance model.PointsBalance
	Lots    []Lot
	Entries []Entry
	More    bool
}

// Export collects it.
func (l *Ledger) Export(ctx context.Context, member model.MemberID) (Export, error) {
	var e Export
	var err error
	if e.Balance, err = l.PointsBalance(ctx, member); err != nil {
		return e, err
	}
	var lots, entries string
	e.Lots, lots, err = page.All(maxExport, func(cursor string, limit int) ([]Lot, string, error) { return l.Lots(ctx, member, cursor, limit) })
	if err != nil {
		return e, err
	}
	e.Entries, entries, err = page.All(maxExport, func(cursor string, limit int) ([]Entry, string, error) { return l.Entries(ctx, member, cursor, limit) })
	if err != nil {
		return e, err
	}
	e.More = lots != "" || entries != ""
	return e, nil
}
