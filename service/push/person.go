package push

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// maxLoads bounds the days of which a member's load moves; they are kept for 14.
const maxLoads = 100

// joinLoads counts what a member got as what the one got that he became.
func joinLoads(ctx context.Context, q *db.Queries, from, into model.MemberID) error {
	loads, err := q.LoadsBefore(ctx, db.LoadsBeforeParams{MemberID: int64(from), Limit: maxLoads})
	if err != nil {
		return err
	}
	for _, l := range loads {
		for range 2 { // the second time the row is there
			n, err := q.MoreLoad(ctx, db.MoreLoadParams{N: l.N, MemberID: int64(into), Day: l.Day})
			if err != nil {
				return err
			}
			if n > 0 {
				break
			}
			if err := q.AddLoad(ctx, db.AddLoadParams{MemberID: int64(into), Day: l.Day, N: l.N}); err == nil {
				break
			} else if !sqldb.Duplicate(err) {
				return err
			}
		}
	}
	return q.DropLoads(ctx, int64(from))
}

// joinRows leaves those messages out that wait for somebody who got them, or was held out
// of them, as the member who has become him.
func joinRows(ctx context.Context, q *db.Queries, from, into model.MemberID, now model.Millis) error {
	ids, err := q.PendingTwice(ctx, db.PendingTwiceParams{FromID: int64(from), IntoID: int64(into), Limit: maxMoved})
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = q.SkipRows(ctx, db.SkipRowsParams{State: string(model.DeliverySkipped), Why: whyMerged, ChangedAt: int64(now), Ids: ids})
	return err
}

// follow makes the rows of those who became others since they were staged the others',
// as long as these have no row of their own.
func (p *Planner) follow(ctx context.Context, rows []db.PendingRowsRow, reach []model.Reach) error {
	var ids []model.MemberID
	for i, r := range rows {
		if int64(reach[i].Member) != r.MemberID {
			ids = append(ids, model.MemberID(r.MemberID))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	people, err := p.Audience.Persons(ctx, nil, ids)
	if err != nil {
		return fmt.Errorf("ask who recipients are now: %w", err)
	}
	now := make(map[int64]model.MemberID, len(ids))
	for i, one := range people {
		if one.Now != ids[i] {
			now[int64(ids[i])] = one.Now
		}
	}
	var moved []int
	var members []model.MemberID
	for i := range rows {
		into := now[rows[i].MemberID]
		if into == 0 {
			continue
		}
		n, err := p.q.MoveRow(ctx, db.MoveRowParams{IntoID: int64(into), ID: rows[i].ID, FromID: rows[i].MemberID})
		switch {
		case sqldb.Duplicate(err):
			reach[i] = model.Reach{Member: into} // he has a row of his own
		case err != nil:
			return fmt.Errorf("give a row to who a recipient is now: %w", err)
		case n > 0:
			rows[i].MemberID = int64(into)
			moved, members = append(moved, i), append(members, into)
		}
	}
	found, err := p.People.Reach(ctx, members)
	if err != nil {
		return fmt.Errorf("read how members are reached: %w", err)
	}
	for i, at := range moved {
		reach[at] = found[i]
	}
	return nil
}

// campaignLoads are how many messages of the campaign members got, by any of their ids.
func (p *Planner) campaignLoads(ctx context.Context, campaign model.ID, members []model.MemberID, n map[int64]int) error {
	people, err := p.Audience.Persons(ctx, nil, members)
	if err != nil {
		return fmt.Errorf("ask who members were: %w", err)
	}
	now := make(map[int64]int64, len(members))
	for i, one := range people {
		now[int64(members[i])] = int64(members[i])
		for _, was := range one.Former {
			now[int64(was)] = int64(members[i])
		}
	}
	ids := make([]int64, 0, len(now))
	for id := range now {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, maxIn) {
		got, err := p.q.CampaignLoads(ctx, db.CampaignLoadsParams{Members: part, CampaignID: int64(campaign)})
		if err != nil {
			return fmt.Errorf("read loads: %w", err)
		}
		for _, l := range got {
			n[now[l.MemberID]] += int(l.N)
		}
	}
	return nil
}

// joinWindows gives the windows that are open to a member to the one that he became.
func (p *Pusher) joinWindows(ctx context.Context, q *db.Queries, from, into model.MemberID) error {
	now := int64(model.At(p.Now()))
	open, err := q.WindowsOf(ctx, db.WindowsOfParams{MemberID: int64(from), Now: now})
	if err != nil || len(open) == 0 {
		return err
	}
	for _, w := range open {
		n, err := q.ResetWindow(ctx, db.ResetWindowParams{
			GrantedAt: w.GrantedAt, ExpiresAt: w.ExpiresAt, Remaining: w.Remaining, MemberID: int64(into), Source: w.Source, NewerThan: w.GrantedAt,
		})
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		err = q.AddEntitlement(ctx, db.AddEntitlementParams{
			ID: int64(p.IDs.Next()), MemberID: int64(into), Channel: string(Custom), Template: "", Source: w.Source,
			GrantedAt: w.GrantedAt, ExpiresAt: w.ExpiresAt, Remaining: w.Remaining,
		})
		if err != nil && !sqldb.Duplicate(err) { // a later action of his own stands
			return err
		}
	}
	return q.ShutWindows(ctx, db.ShutWindowsParams{MemberID: int64(from), GrantedBefore: now})
}

// JoinTx gives a member's consents and loads to the one that he became, within the
// transaction that makes them one, and lets nobody get by one id what he got by the other.
// Of two windows of one kind the later stands: WeChat knows one follower.
func (p *Pusher) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	q := db.New(tx)
	ids, err := q.ConsentsOf(ctx, db.ConsentsOfParams{MemberID: int64(from), Limit: maxMoved})
	if err != nil {
		return fmt.Errorf("read consents: %w", err)
	}
	for _, id := range ids {
		err := q.MoveConsent(ctx, db.MoveConsentParams{IntoID: int64(into), ID: id})
		if err != nil && !sqldb.Duplicate(err) { // the same request of both is one consent
			return fmt.Errorf("move a consent: %w", err)
		}
	}
	if err := p.joinWindows(ctx, q, from, into); err != nil {
		return fmt.Errorf("move windows: %w", err)
	}
	if err := joinLoads(ctx, q, from, into); err != nil {
		return fmt.Errorf("move loads: %w", err)
	}
	if err := joinRows(ctx, q, from, into, model.At(p.Now())); err != nil {
		return fmt.Errorf("leave out what a member got already: %w", err)
	}
	return nil
}
