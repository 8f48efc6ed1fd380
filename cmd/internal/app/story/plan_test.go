package story_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/service/operator"
)

// homeGame is a game as an operator writes it.
func homeGame(w *story.World) map[string]any {
	anybody := map[string]any{"bound": false, "follower": false, "plans": []string{}, "new": false}
	return map[string]any{
		"name": "回家", "title": "回家的路，一起走", "complaint": "发送“意见反馈”", "startsAt": w.Now().Add(-time.Minute), "endsAt": w.Now().Add(48 * time.Hour),
		"amounts": []map[string]any{{"targetFen": 800, "weight": 1}}, "helps": 2, "split": "double_mean", "potHours": 24, "potsEach": 1, "helpsPerDay": 5,
		"mayOpen": anybody, "mayHelp": anybody, "prize": map[string]any{"kind": "phone_credit", "perYuan": 0}, "unfilled": "nothing", "budgetFen": 80000,
	}
}

// TestOperatorsPlanAGameThatSubscribersPlay: one drafts it, another approves what he
// read, a subscriber opens an envelope, and the kill switch ends it.
func TestOperatorsPlanAGameThatSubscribersPlay(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		planner, reviewer := w.Operator("planner", operator.Planner, operator.Reviewer), w.Operator("reviewer", operator.Reviewer)
		zhang := w.Person("ordinary").Opens().SignsIn().BindsPhone()
		before := auditOf(w)

		luring := homeGame(w)
		luring["shareRewardFen"] = 100
		if a := planner.Does("POST", "/game-drafts", luring, http.StatusBadRequest); !strings.Contains(string(a.Body), "分享奖励") {
			t.Errorf("a reward for sharing is refused with %s", a.Body)
		}
		var d struct {
			ID       string
			Revision int64
			Lines    []string
		}
		planner.Does("POST", "/game-drafts", homeGame(w), http.StatusCreated).Into(w, &d)
		if len(d.Lines) < 7 {
			t.Errorf("the rules are told in %d lines", len(d.Lines))
		}
		if a := zhang.Do("POST", "/campaigns/"+d.ID+"/pots", "early", nil); a.Status != http.StatusNotFound {
			t.Errorf("a draft is played: %d %s", a.Status, a.Raw)
		}
		read := map[string]any{"revision": d.Revision}
		planner.Does("POST", "/game-drafts/"+d.ID+"/approve", read, http.StatusForbidden)
		larger := homeGame(w)
		larger["budgetFen"] = 160000
		planner.Does("PUT", "/game-drafts/"+d.ID, map[string]any{"revision": d.Revision, "rules": larger}, http.StatusOK)
		reviewer.Does("POST", "/game-drafts/"+d.ID+"/approve", read, http.StatusConflict)
		reviewer.Does("POST", "/game-drafts/"+d.ID+"/approve", map[string]any{"revision": d.Revision + 1}, http.StatusOK)

		var game struct{ Rules struct{ BudgetFen int64 } }
		reviewer.Does("GET", "/games/"+d.ID, nil, http.StatusOK).Into(w, &game)
		if game.Rules.BudgetFen != 160000 {
			t.Errorf("the budget is %d, want the one that was approved", game.Rules.BudgetFen)
		}
		zhang.Do("POST", "/campaigns/"+d.ID+"/pots", "open", nil).Is(http.StatusCreated)
		reviewer.Does("POST", "/games/"+d.ID+"/stop", map[string]string{"why": "先停一下"}, http.StatusNoContent)
		w.Until("the kill switch is everywhere", func() bool {
			return zhang.Do("POST", "/campaigns/"+d.ID+"/pots", "late", nil).Says(http.StatusConflict, "redpacket.stopped")
		})
		if got := auditOf(w) - before; got != 4 {
			t.Errorf("drafting, editing, approving and stopping left %d lines in the audit, want 4", got)
		}
	})
}

func TestOperatorsAnswerWordsAndFeedback(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		editor, support := w.Operator("editor", operator.Editor), w.Operator("support", operator.Support)
		zhang := w.Person("ordinary").Bound()
		before := auditOf(w)

		rule := map[string]any{"how": "contains", "pattern": "开门红", "enabled": true, "content": map[string]any{"kind": "text", "text": "红包初一早八点开抢。"}}
		var added struct{ ID string }
		editor.Does("POST", "/rules", rule, http.StatusCreated).Into(w, &added)
		zhang.Says("开门红什么时候开始").Hears("红包初一早八点开抢。")
		rule["content"], rule["version"] = map[string]any{"kind": "image"}, 1
		if a := editor.Does("PUT", "/rules/"+added.ID, rule, http.StatusBadRequest); !strings.Contains(string(a.Body), "素材编号") {
			t.Errorf("a picture without an id is refused with %s", a.Body)
		}
		rule["content"] = map[string]any{"kind": "text", "text": "初二也有。"}
		editor.Does("PUT", "/rules/"+added.ID, rule, http.StatusOK)
		rule["content"] = map[string]any{"kind": "text", "text": "初三也有。"}
		if a := editor.Does("PUT", "/rules/"+added.ID, rule, http.StatusConflict); !strings.Contains(string(a.Body), "已被他人修改") {
			t.Errorf("who read it before the change is refused with %s", a.Body)
		}
		zhang.Says("开门红").Hears("初二也有。")
		support.Does("DELETE", "/rules/"+added.ID, nil, http.StatusForbidden)
		editor.Does("DELETE", "/rules/"+added.ID, nil, http.StatusNoContent)
		editor.Does("GET", "/rules/"+added.ID, nil, http.StatusNotFound)

		zhang.Says("意见反馈").Hears("意见").Says("排队太久了").Hears("记下")
		var notes struct {
			Items []struct{ ID, Message, Remark string }
		}
		editor.Does("GET", "/feedback", nil, http.StatusForbidden)
		support.Does("GET", "/feedback", nil, http.StatusOK).Into(w, &notes)
		if len(notes.Items) != 1 || notes.Items[0].Message != "排队太久了" {
			t.Fatalf("support reads %+v", notes.Items)
		}
		done := "/feedback/" + notes.Items[0].ID + "/finish"
		support.Does("POST", done, map[string]string{"remark": "已增开窗口"}, http.StatusNoContent)
		support.Does("POST", done, map[string]string{"remark": "再来一次"}, http.StatusConflict)
		support.Does("GET", "/feedback?open=false", nil, http.StatusOK).Into(w, &notes)
		if len(notes.Items) != 1 || notes.Items[0].Remark != "已增开窗口" {
			t.Errorf("support reads %+v", notes.Items)
		}
		if got := auditOf(w) - before; got != 4 {
			t.Errorf("a rule added, changed, dropped and a note finished left %d lines in the audit, want 4", got)
		}
	})
}
