package redpacket

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// diary is an audit of the test's own.
type diary struct {
	mu      sync.Mutex
	actions []string
}

func (d *diary) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.actions = append(d.actions, e.Action)
	return nil
}

func TestAGameNeedsTwoPeople(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		h, book := &house{db, dbtest.EmbeddedRedis(t), newClock()}, &diary{}
		e, ctx := h.engine(t, Options{Audit: book}), t.Context()
		const li, wang = model.ID(1), model.ID(2)
		rules := someRules(h.clock)
		d, err := e.DraftGame(ctx, li, rules)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Game(ctx, d.ID); !errors.Is(err, ErrUnknownGame) {
			t.Errorf("a draft is played: %v", err)
		}
		lure := rules
		lure.ShareReward = 100
		for what, tt := range map[string]struct {
			got, want error
		}{
			"drafting one that breaks a sharing rule": {second(e.DraftGame(ctx, li, lure)), ErrRuleShareReward},
			"approving one's own":                     {second(e.ApproveDraft(ctx, li, d.ID, d.Revision)), model.ErrOwnWork},
			"approving what was not read":             {second(e.ApproveDraft(ctx, wang, d.ID, d.Revision+1)), ErrDraftEdited},
			"editing another's":                       {second(e.EditDraft(ctx, wang, d.ID, d.Revision, rules)), ErrOthersDraft},
			"editing what was not read":               {second(e.EditDraft(ctx, li, d.ID, d.Revision+1, rules)), ErrDraftEdited},
			"discarding another's":                    {e.DiscardDraft(ctx, wang, d.ID), ErrOthersDraft},
			"approving none":                          {second(e.ApproveDraft(ctx, wang, 404, 1)), ErrNoDraft},
		} {
			if !errors.Is(tt.got, tt.want) {
				t.Errorf("%s is %v, want %v", what, tt.got, tt.want)
			}
		}
		rules.Helps = 5
		if d, err = e.EditDraft(ctx, li, d.ID, d.Revision, rules); err != nil || d.Rules.Helps != 5 || d.Revision != 2 {
			t.Fatalf("edited as %+v, %v", d, err)
		}
		game, err := e.ApproveDraft(ctx, wang, d.ID, d.Revision)
		if err != nil || game.ID != d.ID || game.Rules.Helps != 5 {
			t.Fatalf("approved as %+v, %v", game, err)
		}
		if b, err := e.Budget(ctx, d.ID); err != nil || b != (Budget{Amount: rules.Budget}) {
			t.Errorf("the budget is %+v, %v, want %d", b, err, rules.Budget)
		}
		if err := second(e.ApproveDraft(ctx, wang, d.ID, d.Revision)); !errors.Is(err, ErrNoDraft) {
			t.Errorf("approving twice is %v, want %v", err, ErrNoDraft)
		}
		if waiting, err := e.Drafts(ctx); err != nil || len(waiting) != 0 {
			t.Errorf("%d drafts wait, %v", len(waiting), err)
		}
		if want := []string{"redpacket.draft", "redpacket.edit", "redpacket.approve"}; !slices.Equal(book.actions, want) {
			t.Errorf("the audit holds %v, want %v", book.actions, want)
		}
	})
}

func TestADraftCanBeGivenUpAndGrowsOld(t *testing.T) {
	h := &house{dbtest.SQLite(t), dbtest.EmbeddedRedis(t), newClock()}
	e, ctx := h.engine(t, Options{}), t.Context()
	old, err := e.DraftGame(ctx, 1, someRules(h.clock))
	if err != nil {
		t.Fatal(err)
	}
	gone, err := e.DraftGame(ctx, 1, someRules(h.clock))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.DiscardDraft(ctx, 1, gone.ID); err != nil {
		t.Error(err)
	}
	if waiting, err := e.Drafts(ctx); err != nil || len(waiting) != 1 || waiting[0].ID != old.ID {
		t.Errorf("%+v wait, %v", waiting, err)
	}
	h.clock.advance(366 * 24 * time.Hour)
	if err := second(e.ApproveDraft(ctx, 2, old.ID, old.Revision)); !errors.Is(err, ErrRules) {
		t.Errorf("approving one that is over is %v, want %v", err, ErrRules)
	}
}

func second[T any](_ T, err error) error { return err }

// What a pot of a data game may win is sold in that size, or the game is not drafted.
func TestADataGameNeedsItsPacks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		packs []int64
		rules func(r *Rules)
		want  error
	}{
		{"sold", []int64{5120}, func(*Rules) {}, nil},
		{"not sold", []int64{1024}, func(*Rules) {}, ErrRules},
		{"one of two amounts is not", []int64{5120}, func(r *Rules) { r.Amounts = append(r.Amounts, Amount{2000, 1}) }, ErrRules},
		{"credit needs none", nil, func(r *Rules) { r.Prize = PrizeRule{Kind: model.PhoneCreditPrize} }, nil},
		{"what is collected is not", []int64{4000}, func(r *Rules) {
			r.Split, r.Unfilled, r.Helps, r.Prize.PerYuan = Equal, Collected, 4, 400
		}, ErrRules},
		{"what is collected is, too", []int64{4000, 3000, 2000, 1000}, func(r *Rules) {
			r.Split, r.Unfilled, r.Helps, r.Prize.PerYuan = Equal, Collected, 4, 400
		}, nil},
		{"the larger shares are not", []int64{4000, 2664, 1332}, func(r *Rules) {
			r.Split, r.Unfilled, r.Helps, r.Prize.PerYuan = Equal, Collected, 3, 400
		}, ErrRules},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
				h := &house{db, dbtest.EmbeddedRedis(t), newClock()}
				e := h.engine(t, Options{Sold: func(megabytes int64) bool { return slices.Contains(tt.packs, megabytes) }})
				rules := someRules(h.clock)
				rules.Prize = PrizeRule{model.DataPrize, 512}
				tt.rules(&rules)
				d, err := e.DraftGame(t.Context(), 1, rules)
				if !errors.Is(err, tt.want) {
					t.Fatalf("DraftGame = %v, want %v", err, tt.want)
				}
				if err == nil {
					if err := e.DiscardDraft(t.Context(), 1, d.ID); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
