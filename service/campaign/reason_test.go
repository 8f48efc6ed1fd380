package campaign

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// lacking are people who lack these conditions.
type lacking []string

func (l lacking) Unmet(context.Context, model.ID, model.MemberID) ([]string, error) { return l, nil }

// joined says who had another id before, which he had alone.
type joined map[model.MemberID]model.MemberID

func (j joined) AllIDs(_ context.Context, id model.MemberID) ([]model.MemberID, error) {
	if was, ok := j[id]; ok {
		return []model.MemberID{was, id}, nil
	}
	return []model.MemberID{id}, nil
}

func TestWhoGotNothingIsToldWhy(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		const in, out, now model.MemberID = 7, 9000, 9001 // now was in before he was joined
		who := joined{now: in}
		poor := lacking{"没有满足：上月ARPU不低于50元（他：30元）"}
		says := func(stage string, id model.ID, one model.MemberID, lacks lacking, words ...string) {
			t.Helper()
			r, err := Reasons{Campaigns: c, People: lacks, Who: who}.Why(ctx, id, one)
			for _, word := range words {
				if err != nil || !strings.Contains(r.Sentence, word) || r.In != (one != out && stage != "draft") {
					t.Errorf("%s: Why = %+v, %v, want %s", stage, r, err, word)
				}
			}
		}
		v := must[Version](t)(c.Create(ctx, planner, plan()))
		says("draft", v.Campaign, in, nil, "现在符合", "草稿")
		says("draft", v.Campaign, out, poor, "不在活动的人群中", "30元", "草稿")
		v = must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
		says("review", v.Campaign, in, nil, "在活动的人群中", "等待审批")
		says("review", v.Campaign, now, nil, "在活动的人群中", "等待审批")
		must[Version](t)(c.Approve(ctx, checker, v.Campaign, 1, v.FrozenSize))
		must[Campaign](t)(c.Schedule(ctx, planner, v.Campaign, 1))
		says("scheduled", v.Campaign, out, nil, "2月9日09:00冻结", "他现在符合条件")
		must[Campaign](t)(c.Pause(ctx, checker, v.Campaign, "看一看"))
		says("paused", v.Campaign, in, nil, "暂停（看一看）")
		w.passes(365 * 24 * time.Hour)
		says("a year later", v.Campaign, out, nil, "2026年2月9日09:00冻结")
		if _, err := (Reasons{Campaigns: c, People: lacking{}, Who: who}).Why(ctx, 1, in); !errors.Is(err, ErrUnknown) {
			t.Errorf("of no campaign: %v, want ErrUnknown", err)
		}
	})
}
