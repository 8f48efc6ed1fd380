package audience

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// Frozen is a segment as it stood when it was used: its members never change.
type Frozen struct {
	ID       model.ID     `json:"id"`
	Segment  model.ID     `json:"segment"`
	Name     string       `json:"name"`     // of the segment then
	Sentence string       `json:"sentence"` // the rule then; empty for a part of an audience that somebody else selected
	AsOf     model.Millis `json:"asOf"`     // what "the last 30 days" is counted from
	Size     int64        `json:"size"`     // exact once it is done; until then what is saved
	DoneAt   model.Millis `json:"doneAt"`
}

// freezeRounds bounds the ranges of one call.
const freezeRounds = 1_000_000

// Freeze saves who is in the segment now, by ranges of ids, each with its
// checkpoint in one transaction. The same request goes on where a killed call
// stopped and answers the same audience for ever; two at once share the work.
//
// A change of the segment does not change what was begun: the tree and the day are
// saved first. A member who changes while it runs is in or out as he stood when
// his range was saved.
//
// Errors: ErrNoSegment, ErrSegment, ErrRequest, ErrRequestReused.
func (a *Audience) Freeze(ctx context.Context, segment model.ID, request model.RequestID) (Frozen, error) {
	if !request.Valid() {
		return Frozen{}, ErrRequest
	}
	f, err := a.begin(ctx, segment, request)
	if err != nil {
		return Frozen{}, err
	}
	if f.DoneAt != 0 { // whatever became since of what the tree names
		return frozen(f), nil
	}
	tree, err := ParseTree([]byte(f.Tree))
	if err != nil {
		return Frozen{}, err
	}
	e, err := a.ready(ctx, &tree, 0, model.DayOf(model.Millis(f.AsOf).Time()))
	if err != nil {
		return Frozen{}, err
	}
	for range freezeRounds {
		if f.DoneAt != 0 {
			break
		}
		if err := a.freezeRange(ctx, &e, f); err != nil {
			return Frozen{}, fmt.Errorf("freeze segment %s: %w", segment, err)
		}
		if f, err = a.q.Frozen(ctx, f.ID); err != nil {
			return Frozen{}, fmt.Errorf("read a frozen audience: %w", err)
		}
	}
	return frozen(f), nil
}

// begin finds or makes the row of the request.
func (a *Audience) begin(ctx context.Context, segment model.ID, request model.RequestID) (db.AudienceFrozen, error) {
	f, err := a.q.FrozenByRequest(ctx, string(request))
	if errors.Is(err, sql.ErrNoRows) {
		if f, err = a.newFrozen(ctx, segment, request); err != nil {
			return f, err
		}
	}
	if err != nil {
		return f, fmt.Errorf("read a frozen audience: %w", err)
	}
	if f.SegmentID != int64(segment) {
		return f, ErrRequestReused
	}
	return f, nil
}

func (a *Audience) newFrozen(ctx context.Context, segment model.ID, request model.RequestID) (db.AudienceFrozen, error) {
	s, err := a.Segment(ctx, segment)
	if err != nil {
		return db.AudienceFrozen{}, err
	}
	now := a.Now()
	e, err := a.ready(ctx, &s.Tree, segment, model.DayOf(now))
	if err != nil {
		return db.AudienceFrozen{}, err
	}
	text, err := json.Marshal(e.written())
	if err != nil {
		return db.AudienceFrozen{}, err
	}
	if len(text) > maxTree {
		return db.AudienceFrozen{}, ErrSegment.Saying("连同引用的人群，条件过长，请精简")
	}
	err = a.q.InsertFrozen(ctx, db.InsertFrozenParams{
		ID: int64(a.IDs.Next()), SegmentID: int64(segment), RequestID: string(request), Tree: string(text), AsOf: int64(model.At(now)),
		Name: known(s.Name), Sentence: known(e.sentence()),
	})
	if err != nil && !sqldb.Duplicate(err) {
		return db.AudienceFrozen{}, fmt.Errorf("begin a frozen audience: %w", err)
	}
	return a.q.FrozenByRequest(ctx, string(request))
}

// known is a text for a column that rows of earlier days lack.
func known(text string) sql.NullString { return sql.NullString{String: text, Valid: true} }

// freezeRange saves the next range. When another worker was first with it, nothing
// happens.
func (a *Audience) freezeRange(ctx context.Context, e *expr, f db.AudienceFrozen) error {
	return sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		end, err := q.RangeEnd(ctx, db.RangeEndParams{MemberID: f.DoneTo, Offset: int32(a.opts.FreezeRange - 1)})
		last := errors.Is(err, sql.ErrNoRows)
		if last {
			end, err = q.LastPortrait(ctx)
		}
		if err != nil {
			return err
		}
		end = max(end, f.DoneTo)
		advance := db.AdvanceFrozenParams{ID: f.ID, Was: f.DoneTo, DoneTo: end}
		if last {
			advance.DoneAt = int64(a.nowMillis())
		}
		if n, err := q.AdvanceFrozen(ctx, advance); err != nil || n == 0 {
			return err
		}
		s := &statement{narrow: true}
		s.add("INSERT INTO audience_frozen_member (frozen_id, member_id) SELECT ?, p.member_id FROM audience_portrait p WHERE p.member_id > ? AND p.member_id <= ? AND ",
			f.ID, f.DoneTo, end)
		s.condition(e)
		result, err := tx.ExecContext(ctx, s.text.String(), s.args...)
		if err != nil {
			return fmt.Errorf("save a range of members: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		return q.AddFrozen(ctx, db.AddFrozenParams{ID: f.ID, N: n})
	})
}

func frozen(f db.AudienceFrozen) Frozen {
	return Frozen{
		ID: model.ID(f.ID), Segment: model.ID(f.SegmentID), Name: f.Name.String, Sentence: f.Sentence.String,
		AsOf: model.Millis(f.AsOf), Size: f.Size, DoneAt: model.Millis(f.DoneAt),
	}
}

// Frozen reads one, also while it is made. Errors: ErrNoFrozen.
func (a *Audience) Frozen(ctx context.Context, id model.ID) (Frozen, error) {
	f, err := a.q.Frozen(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Frozen{}, ErrNoFrozen
	}
	if err != nil {
		return Frozen{}, fmt.Errorf("read a frozen audience: %w", err)
	}
	return frozen(f), nil
}

// MaxFrozenPage is how many members one call of FrozenMembers answers.
const MaxFrozenPage = 10_000

// FrozenMembers are the members after one (0: from the first), in the order of
// their ids, at most limit and MaxFrozenPage.
func (a *Audience) FrozenMembers(ctx context.Context, id model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	found, err := a.q.FrozenMembers(ctx, db.FrozenMembersParams{
		FrozenID: int64(id), After: int64(after), Limit: int32(min(max(limit, 1), MaxFrozenPage)),
	})
	if err != nil {
		return nil, fmt.Errorf("read a frozen audience: %w", err)
	}
	members := make([]model.MemberID, len(found))
	for i, m := range found {
		members[i] = model.MemberID(m)
	}
	return members, nil
}
