package redpacket

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

// The refusals of drafts.
var (
	ErrNoDraft     = fault.New(fault.NotFound, "redpacket.no_draft", "没有这份红包草稿，可能已经批准或放弃")
	ErrDraftEdited = fault.New(fault.Conflict, "redpacket.draft_edited", "草稿刚被修改过，请刷新后再操作")
	ErrOthersDraft = fault.New(fault.Forbidden, "redpacket.others_draft", "只有起草人可以修改或放弃这份草稿")
	ErrDraftsFull  = fault.New(fault.Limited, "redpacket.drafts_full", "待批准的红包太多了，请先处理一些")
)

// maxDrafts bounds the drafts that wait at once.
const maxDrafts = 200

// Draft is a game that waits for the approval of somebody who did not make it. Its
// money is real from that moment on, and not before.
type Draft struct {
	ID        GameID
	Rules     Rules
	Revision  int64
	MadeBy    model.ID
	CreatedAt model.Millis
	UpdatedAt model.Millis
}

// lasting refuses rules that cannot be played any more, besides what Validate refuses.
func (e *Engine) lasting(rules Rules) error {
	if err := rules.Validate(); err != nil {
		return err
	}
	if rules.EndsAt <= model.At(e.now()) {
		return ErrRules.Saying("活动配置不正确：结束时间已经过去")
	}
	if value := rules.undeliverable(e.opts.Sold); value > 0 {
		return ErrRules.Saying("活动配置不正确：没有可以发放的%s包", rules.Prize.Say(value))
	}
	return nil
}

// undeliverable is a value that a pot may win in data of a size that is not sold, 0
// without one: its prize would fail when it is won.
func (r Rules) undeliverable(sold func(megabytes int64) bool) model.Fen {
	if r.Prize.Kind != model.DataPrize || sold == nil {
		return 0
	}
	for _, a := range r.Amounts {
		if !sold(r.Prize.quantity(a.Target)) {
			return a.Target
		}
		if r.Unfilled != Collected { // the split is equal then
			continue
		}
		share, larger := a.Target/model.Fen(r.Helps), a.Target%model.Fen(r.Helps)
		for k := model.Fen(1); k < model.Fen(r.Helps); k++ {
			for more := max(0, k-model.Fen(r.Helps)+larger); more <= min(k, larger); more++ {
				if value := k*share + more; !sold(r.Prize.quantity(value)) {
					return value
				}
			}
		}
	}
	return 0
}

// DraftGame keeps a game for approval; by is the operator who answers for it. Errors:
// ErrRules and the sharing rules' own, with what is wrong; ErrDraftsFull.
func (e *Engine) DraftGame(ctx context.Context, by model.ID, rules Rules) (Draft, error) {
	if err := e.lasting(rules); err != nil {
		return Draft{}, err
	}
	now := model.At(e.now())
	d := Draft{ID: GameID(e.ids.Next()), Rules: rules, Revision: 1, MadeBy: by, CreatedAt: now, UpdatedAt: now}
	text, err := json.Marshal(rules)
	if err != nil {
		return Draft{}, fmt.Errorf("write the rules: %w", err)
	}
	err = e.drafting(ctx, by, d.ID, "redpacket.draft", map[string]any{"name": rules.Name, "budgetFen": rules.Budget}, func(q *db.Queries) error {
		n, err := q.CountDrafts(ctx)
		if err == nil && n >= maxDrafts {
			return ErrDraftsFull
		}
		if err != nil {
			return err
		}
		return q.InsertDraft(ctx, db.InsertDraftParams{ID: int64(d.ID), Rules: string(text), MadeBy: int64(by), CreatedAt: int64(now), UpdatedAt: int64(now)})
	})
	return d, err
}

// EditDraft replaces the rules of a draft as it was read; only its maker may. Errors:
// those of DraftGame, ErrNoDraft, ErrDraftEdited, ErrOthersDraft.
func (e *Engine) EditDraft(ctx context.Context, by model.ID, id GameID, revision int64, rules Rules) (Draft, error) {
	if err := e.lasting(rules); err != nil {
		return Draft{}, err
	}
	text, err := json.Marshal(rules)
	if err != nil {
		return Draft{}, fmt.Errorf("write the rules: %w", err)
	}
	var d Draft
	err = e.drafting(ctx, by, id, "redpacket.edit", map[string]any{"name": rules.Name, "budgetFen": rules.Budget}, func(q *db.Queries) error {
		n, err := q.EditDraft(ctx, db.EditDraftParams{Rules: string(text), Now: int64(model.At(e.now())), ID: int64(id), Revision: revision, MadeBy: int64(by)})
		if err != nil {
			return err
		}
		if d, err = draftIn(ctx, q, id); err == nil && n == 0 {
			err = d.refused(revision, d.MadeBy != by, ErrOthersDraft)
		}
		return err
	})
	return d, err
}

// DiscardDraft gives a draft up; only its maker may. Errors: ErrNoDraft, ErrOthersDraft.
func (e *Engine) DiscardDraft(ctx context.Context, by model.ID, id GameID) error {
	return e.drafting(ctx, by, id, "redpacket.discard", nil, func(q *db.Queries) error {
		n, err := q.DropDraft(ctx, db.DropDraftParams{ID: int64(id), MadeBy: int64(by)})
		if err != nil || n > 0 {
			return err
		}
		if _, err = draftIn(ctx, q, id); err == nil {
			err = ErrOthersDraft
		}
		return err
	})
}

// ApproveDraft makes a draft, as it was read, a game with a budget, which runs when its
// time comes. Its maker may not. Errors: ErrNoDraft, also when it is approved already,
// ErrDraftEdited, model.ErrOwnWork, and ErrRules for one that is over.
func (e *Engine) ApproveDraft(ctx context.Context, by model.ID, id GameID, revision int64) (Game, error) {
	var game Game
	err := e.drafting(ctx, by, id, "redpacket.approve", nil, func(q *db.Queries) error {
		d, err := draftIn(ctx, q, id)
		if err != nil {
			return err
		}
		if err := e.lasting(d.Rules); err != nil {
			return err
		}
		n, err := q.TakeDraft(ctx, db.TakeDraftParams{ID: int64(id), Revision: revision, CheckedBy: int64(by)})
		if err != nil {
			return err
		}
		if n == 0 {
			return d.refused(revision, d.MadeBy == by, model.ErrOwnWork)
		}
		game = Game{ID: id, Rules: d.Rules, CreatedAt: model.At(e.now())}
		return insertGame(ctx, q, game)
	})
	return game, err
}

// refused says why a change of a draft that was found met no row.
func (d Draft) refused(revision int64, wrongPerson bool, why error) error {
	if wrongPerson {
		return why
	}
	if d.Revision != revision {
		return ErrDraftEdited
	}
	return ErrNoDraft // it went while we looked
}

// drafting changes drafts, and keeps who did, in one transaction.
func (e *Engine) drafting(ctx context.Context, by model.ID, id GameID, action string, detail any, change func(q *db.Queries) error) error {
	err := sqldb.InTx(ctx, e.db, func(tx *sql.Tx) error {
		if err := change(e.q.WithTx(tx)); err != nil || e.opts.Audit == nil {
			return err
		}
		return e.opts.Audit.RecordTx(ctx, tx, model.AuditEntry{
			Operator: by, Action: action, Target: model.Ref{Type: "redpacket", ID: id.String()}, Detail: detail,
		})
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, id, err)
	}
	return nil
}

// Drafts are the games that wait, the oldest first; 200 at most.
func (e *Engine) Drafts(ctx context.Context) ([]Draft, error) {
	rows, err := e.q.Drafts(ctx, maxDrafts)
	if err != nil {
		return nil, fmt.Errorf("list the drafts: %w", err)
	}
	return collect(rows, draftOf)
}

// Draft is one of them. Errors: ErrNoDraft.
func (e *Engine) Draft(ctx context.Context, id GameID) (Draft, error) { return draftIn(ctx, e.q, id) }

func draftIn(ctx context.Context, q *db.Queries, id GameID) (Draft, error) {
	row, err := q.Draft(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Draft{}, ErrNoDraft
	}
	if err != nil {
		return Draft{}, fmt.Errorf("read draft %s: %w", id, err)
	}
	return draftOf(row)
}

func draftOf(row db.RedpacketDraft) (Draft, error) {
	d := Draft{
		ID: GameID(row.ID), Revision: row.Revision, MadeBy: model.ID(row.MadeBy),
		CreatedAt: model.Millis(row.CreatedAt), UpdatedAt: model.Millis(row.UpdatedAt),
	}
	if err := json.Unmarshal([]byte(row.Rules), &d.Rules); err != nil {
		return Draft{}, fmt.Errorf("read the rules of draft %s: %w", d.ID, err)
	}
	return d, nil
}
