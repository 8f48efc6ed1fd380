package push

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/push/internal/db"
)

// How long what is no longer needed is kept.
const (
	// keep is of settled messages, of rights that are used up or over, of WeChat's reports
	// and of the receipts that they are found by; request ids live for 7 days.
	keep = 90 * 24 * time.Hour
	// keepLoads is of the loads, in days: the longest cap looks at seven.
	keepLoads = 14
	// keepTaps is of taps that may turn out to be the recipient's: WeChat tells who a
	// follower is within hours.
	keepTaps = 7 * 24 * time.Hour
)

// maxForget bounds one deletion; one mass message more has 10,000 receipts.
const maxForget = 1000

// Forget deletes what is no longer needed, at most 1,000 rows of each kind, and returns
// how many.
func (p *Pusher) Forget(ctx context.Context) (int, error) {
	deleted := 0
	for _, part := range []struct {
		name   string
		forget func(context.Context, model.Millis) (int, error)
	}{
		{"messages", p.forgetMessages}, {"rights", p.forgetRights}, {"receipts", p.forgetReceipts},
		{"reports", p.forgetReports}, {"loads", p.forgetLoads}, {"taps", p.forgetTaps},
	} {
		n, err := part.forget(ctx, model.At(p.Now().Add(-keep)))
		if deleted += n; err != nil {
			return deleted, fmt.Errorf("forget %s: %w", part.name, err)
		}
	}
	return deleted, nil
}

func (p *Pusher) forgetMessages(ctx context.Context, before model.Millis) (int, error) {
	deleted := 0
	for _, state := range []State{Pending, Sent, Refused, Skipped, Unknown} {
		ids, err := p.q.OldMessages(ctx, db.OldMessagesParams{State: string(state), UpdatedBefore: int64(before), Limit: maxForget})
		if err == nil && len(ids) > 0 {
			err = p.q.ForgetMessages(ctx, ids)
		}
		if err != nil {
			return deleted, err
		}
		deleted += len(ids)
	}
	return deleted, nil
}

// forgetRights deletes the rights that were used up or over long ago. It walks along the
// key, for an index of what is left would move with every message.
func (p *Pusher) forgetRights(ctx context.Context, before model.Millis) (int, error) {
	return p.rights.pass(p.Now(), func(last db.EntitlementsAfterRow) ([]db.EntitlementsAfterRow, error) {
		return p.q.EntitlementsAfter(ctx, db.EntitlementsAfterParams{After: last.ID, Limit: sweepPage})
	}, func(r db.EntitlementsAfterRow) bool {
		return r.Remaining == 0 && r.GrantedAt < int64(before) || r.ExpiresAt != 0 && r.ExpiresAt < int64(before)
	}, func(old []db.EntitlementsAfterRow) error {
		ids := make([]int64, len(old))
		for i, r := range old {
			ids[i] = r.ID
		}
		return p.q.ForgetEntitlements(ctx, ids)
	})
}

// forgetReceipts deletes the receipts of recipients who were staged long ago, reported or
// not: WeChat reports within hours.
func (p *Pusher) forgetReceipts(ctx context.Context, before model.Millis) (int, error) {
	oldest := int64(model.IDAt(before))
	return p.receipts.pass(p.Now(), func(last db.PushReceipt) ([]db.PushReceipt, error) {
		return p.q.ReceiptsAfter(ctx, db.ReceiptsAfterParams{MsgID: last.MsgID, DeliveryID: last.DeliveryID, Limit: sweepPage})
	}, func(r db.PushReceipt) bool { return r.DeliveryID < oldest }, func(old []db.PushReceipt) error {
		ids := make([]string, len(old))
		for i, r := range old {
			ids[i] = r.MsgID
		}
		return p.q.ForgetReceipts(ctx, db.ForgetReceiptsParams{Ids: ids, Before: oldest})
	})
}

func (p *Pusher) forgetReports(ctx context.Context, before model.Millis) (int, error) {
	ids, err := p.q.OldReports(ctx, db.OldReportsParams{ReportedAt: int64(before), Limit: maxForget})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return len(ids), p.q.ForgetReports(ctx, ids)
}

func (p *Pusher) forgetLoads(ctx context.Context, _ model.Millis) (int, error) {
	loads, err := p.q.OldLoads(ctx, db.OldLoadsParams{Day: int32(model.DayOf(p.Now())) - keepLoads, Limit: maxForget})
	if err != nil {
		return 0, err
	}
	members := map[int32][]int64{}
	for _, l := range loads {
		members[l.Day] = append(members[l.Day], l.MemberID)
	}
	for day, list := range members {
		if err := p.q.ForgetLoads(ctx, db.ForgetLoadsParams{Day: day, Members: list}); err != nil {
			return 0, err
		}
	}
	return len(loads), nil
}

func (p *Pusher) forgetTaps(ctx context.Context, _ model.Millis) (int, error) {
	old, err := p.q.OldTaps(ctx, db.OldTapsParams{TappedAt: int64(model.At(p.Now().Add(-keepTaps))), Limit: maxForget})
	if err != nil || len(old) == 0 {
		return 0, err
	}
	return len(old), p.q.ForgetTaps(ctx, old[len(old)-1])
}

// The bounds of one pass along a table.
const (
	sweepPage  = 10_000
	sweepPages = 1_000
	// sweepRest is how long a table is left alone whose end was reached.
	sweepRest = 12 * time.Hour
)

// sweep walks along a table, whose rows R hold its key, for rows that are old. A pass
// goes on where the one before it stopped.
type sweep[R any] struct {
	mu    sync.Mutex
	last  R // the last row that was looked at
	ended time.Time
}

// pass drops at most maxForget rows and answers how many; next is the page behind a row.
func (s *sweep[R]) pass(now time.Time, next func(last R) ([]R, error), old func(R) bool, drop func([]R) error) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.ended) < sweepRest {
		return 0, nil
	}
	last, ended := s.last, false
	var found []R
	for range sweepPages {
		page, err := next(last)
		if err != nil {
			return 0, err
		}
		for _, r := range page {
			if last = r; old(r) {
				found = append(found, r)
			}
			if len(found) == maxForget {
				break
			}
		}
		if ended = len(page) < sweepPage && len(found) < maxForget; ended || len(found) == maxForget {
			break
		}
	}
	if len(found) > 0 {
		if err := drop(found); err != nil {
			return 0, err
		}
	}
	if s.last = last; ended {
		var first R
		s.last, s.ended = first, now
	}
	return len(found), nil
}
