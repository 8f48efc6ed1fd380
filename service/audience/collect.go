package audience

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// MaxAmong is how many members one question is about at most.
const MaxAmong = 5000

// Collect saves a frozen audience of whom the caller names: next answers members
// after one, ascending, and how far it has looked, 0 when there is nobody behind. Each
// answer is saved with its checkpoint; the same request goes on where a killed call
// stopped and answers the same audience for ever. segment is noted with it.
//
// Errors: ErrRequest, ErrRequestReused, what next answers.
func (a *Audience) Collect(ctx context.Context, segment model.ID, request model.RequestID,
	next func(ctx context.Context, after model.MemberID) ([]model.MemberID, model.MemberID, error),
) (Frozen, error) {
	if !request.Valid() {
		return Frozen{}, ErrRequest
	}
	f, err := a.q.FrozenByRequest(ctx, string(request))
	if errors.Is(err, sql.ErrNoRows) {
		err = a.q.InsertFrozen(ctx, db.InsertFrozenParams{
			ID: int64(a.IDs.Next()), SegmentID: int64(segment), RequestID: string(request), AsOf: int64(a.nowMillis()),
		})
		if err != nil && !sqldb.Duplicate(err) {
			return Frozen{}, fmt.Errorf("begin a collected audience: %w", err)
		}
		f, err = a.q.FrozenByRequest(ctx, string(request))
	}
	if err != nil {
		return Frozen{}, fmt.Errorf("read a collected audience: %w", err)
	}
	if f.SegmentID != int64(segment) || f.Tree != "" {
		return Frozen{}, ErrRequestReused
	}
	for range freezeRounds {
		if f.DoneAt != 0 {
			break
		}
		members, through, err := next(ctx, model.MemberID(f.DoneTo))
		if err != nil {
			return Frozen{}, err
		}
		if err := a.collect(ctx, f, members, through); err != nil {
			return Frozen{}, fmt.Errorf("save a part of an audience: %w", err)
		}
		if f, err = a.q.Frozen(ctx, f.ID); err != nil {
			return Frozen{}, fmt.Errorf("read a collected audience: %w", err)
		}
	}
	return frozen(f), nil
}

// collectRows is how many rows one INSERT has.
const collectRows = 500

// collect saves one answer. When another worker was first with it, nothing happens.
func (a *Audience) collect(ctx context.Context, f db.AudienceFrozen, members []model.MemberID, through model.MemberID) error {
	return sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		advance := db.AdvanceFrozenParams{ID: f.ID, Was: f.DoneTo, DoneTo: int64(through)}
		if through == 0 {
			advance.DoneTo, advance.DoneAt = f.DoneTo, int64(a.nowMillis())
		}
		if n, err := q.AdvanceFrozen(ctx, advance); err != nil || n == 0 {
			return err
		}
		for rest := members; len(rest) > 0; {
			chunk := rest[:min(len(rest), collectRows)]
			rest = rest[len(chunk):]
			args := make([]any, 0, 2*len(chunk))
			for _, m := range chunk {
				args = append(args, f.ID, int64(m))
			}
			text := "INSERT INTO audience_frozen_member (frozen_id, member_id) VALUES " + strings.TrimSuffix(strings.Repeat("(?, ?),", len(chunk)), ",")
			if _, err := tx.ExecContext(ctx, text, args...); err != nil {
				return err
			}
		}
		return q.AddFrozen(ctx, db.AddFrozenParams{ID: f.ID, N: int64(len(members))})
	})
}

// among adds that the member is one of these.
func (s *statement) among(column string, members []model.MemberID) {
	s.add(column+" IN ("+strings.TrimSuffix(strings.Repeat("?,", len(members)), ",")+")", ids(members)...)
}

func ids(members []model.MemberID) []any {
	all := make([]any, len(members))
	for i, m := range members {
		all[i] = int64(m)
	}
	return all
}

// asked answers for members among at most MaxAmong; nobody for nobody.
func (a *Audience) asked(ctx context.Context, members []model.MemberID, ask func(*statement)) ([]model.MemberID, error) {
	if len(members) == 0 {
		return nil, nil
	}
	if len(members) > MaxAmong {
		return nil, ErrTooMany
	}
	s := &statement{narrow: true}
	ask(s)
	return a.members(ctx, s)
}

// Matching is who of the members is in the segment now, ascending. Errors:
// ErrNoSegment, ErrSegment, ErrTooMany.
func (a *Audience) Matching(ctx context.Context, segment model.ID, members []model.MemberID) ([]model.MemberID, error) {
	e, err := a.saved(ctx, segment)
	if err != nil {
		return nil, err
	}
	return a.asked(ctx, members, func(s *statement) {
		s.add("SELECT p.member_id FROM audience_portrait p WHERE ")
		s.among("p.member_id", members)
		s.add(" AND ")
		s.condition(&e)
		s.add(" ORDER BY p.member_id")
	})
}

// MatchingAfter is a page of those in the segment now, in the order of their ids, at
// most MaxAmong. Errors: ErrNoSegment, ErrSegment.
func (a *Audience) MatchingAfter(ctx context.Context, segment model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	e, err := a.saved(ctx, segment)
	if err != nil {
		return nil, err
	}
	s := &statement{narrow: true}
	s.add("SELECT p.member_id FROM audience_portrait p WHERE p.member_id > ? AND ", int64(after))
	s.condition(&e)
	s.add(" ORDER BY p.member_id LIMIT ?", min(max(limit, 1), MaxAmong))
	return a.members(ctx, s)
}

func (a *Audience) saved(ctx context.Context, segment model.ID) (expr, error) {
	found, err := a.Segment(ctx, segment)
	if err != nil {
		return expr{}, err
	}
	return a.ready(ctx, &found.Tree, segment, model.DayOf(a.Now()))
}

// FrozenAmong is who of the members is in a frozen audience. Errors: ErrTooMany.
func (a *Audience) FrozenAmong(ctx context.Context, id model.ID, members []model.MemberID) ([]model.MemberID, error) {
	return a.asked(ctx, members, func(s *statement) {
		s.add("SELECT f.member_id FROM audience_frozen_member f WHERE f.frozen_id = ? AND ", int64(id))
		s.among("f.member_id", members)
		s.add(" ORDER BY f.member_id")
	})
}

// BornOn is who of the members has his birthday on the day; those born on 29 February
// have it on the 28th in other years. Errors: ErrTooMany.
func (a *Audience) BornOn(ctx context.Context, day model.Day, members []model.MemberID) ([]model.MemberID, error) {
	at := day.Start()
	dates := []any{int(at.Month())*100 + at.Day()}
	if leap := at.AddDate(0, 0, 1); at.Month() == 2 && leap.Month() == 3 && at.Day() == 28 {
		dates = append(dates, 229)
	}
	return a.asked(ctx, members, func(s *statement) {
		s.add("SELECT p.member_id FROM audience_portrait p WHERE p.birth IN ("+strings.TrimSuffix(strings.Repeat("?,", len(dates)), ",")+") AND ", dates...)
		s.among("p.member_id", members)
		s.add(" ORDER BY p.member_id")
	})
}

// DidOn is who of the members did one of the kinds on the day. Errors: ErrTooMany.
func (a *Audience) DidOn(ctx context.Context, day model.Day, kinds []Kind, members []model.MemberID) ([]model.MemberID, error) {
	if len(kinds) == 0 {
		return nil, nil
	}
	codes := make([]any, len(kinds))
	for i, k := range kinds {
		codes[i] = k.code()
	}
	return a.asked(ctx, members, func(s *statement) {
		s.add("SELECT DISTINCT d.member_id FROM audience_deed d WHERE d.day = ? AND ", int32(day))
		s.add("d.kind IN ("+strings.TrimSuffix(strings.Repeat("?,", len(codes)), ",")+") AND ", codes...)
		s.among("d.member_id", members)
		s.add(" ORDER BY d.member_id")
	})
}
