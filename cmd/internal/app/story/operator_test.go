package story_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/service/operator"
)

// auditOf counts the lines of the audit.
func auditOf(w *story.World) int { return len(w.Books()["operator_audit"]) }

func TestAnOperatorIsHiredWorksAndLeaves(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		boss := w.Operator("boss", operator.Admin)
		before := auditOf(w)

		var hired struct{ ID string }
		account := map[string]any{"username": "zhang", "name": "张丽", "password": "begin with this one", "roles": []string{"planner"}, "regions": []map[string]string{{"province": "广东"}}}
		boss.Does("POST", "/operators", account, http.StatusCreated).Into(w, &hired)
		boss.Does("POST", "/operators", account, http.StatusConflict)
		if got := auditOf(w) - before; got != 1 {
			t.Errorf("hiring, and failing to, left %d lines in the audit, want 1", got)
		}

		var session struct {
			Token       string
			Rights      []string
			NewPassword bool
		}
		zhang := *boss
		zhang.Token = ""
		zhang.Does("POST", "/session", map[string]string{"username": "zhang", "password": "begin with this one"}, http.StatusCreated).Into(w, &session)
		zhang.Token = session.Token
		if !session.NewPassword || len(session.Rights) != 1 {
			t.Errorf("who has a password that another gave has %v", session)
		}
		if a := zhang.Does("GET", "/audit", nil, http.StatusForbidden); !strings.Contains(string(a.Body), "operator.new_password") {
			t.Errorf("working with it = %s", a.Body)
		}
		zhang.Does("PUT", "/me/password", map[string]string{"old": "wrong", "new": "one of my own, 12"}, http.StatusBadRequest)
		zhang.Does("PUT", "/me/password", map[string]string{"old": "begin with this one", "new": "one of my own, 12"}, http.StatusNoContent)
		if a := zhang.Does("GET", "/operators", nil, http.StatusForbidden); !strings.Contains(string(a.Body), "operator.second_factor") {
			t.Errorf("working without a second factor = %s", a.Body)
		}

		boss.Does("POST", "/operators/"+hired.ID+"/disable", nil, http.StatusOK)
		zhang.Does("GET", "/me", nil, http.StatusUnauthorized)
		boss.Does("POST", "/operators/"+boss.ID.String()+"/disable", nil, http.StatusConflict)
		boss.Does("PUT", "/operators/"+boss.ID.String(), map[string]any{"name": "老板", "roles": []string{"planner"}}, http.StatusConflict)
		boss.Does("GET", "/operators/"+hired.ID, nil, http.StatusOK)

		var trail struct {
			Items []struct{ Action, Target, OperatorName string }
		}
		boss.Does("GET", "/audit?target=operator/"+hired.ID, nil, http.StatusOK).Into(w, &trail)
		var actions []string
		for _, line := range trail.Items {
			actions = append(actions, line.Action)
		}
		if got, want := strings.Join(actions, " "), "operator.disable operator.password operator.sign_in operator.add"; got != want {
			t.Errorf("the trail is %q, want %q", got, want)
		}
		today := model.DayOf(w.Now())
		boss.Does("GET", fmt.Sprintf("/audit?from=%s&to=%s", today, today), nil, http.StatusOK).Into(w, &trail)
		if len(trail.Items) == 0 {
			t.Error("nothing was done today")
		}
		boss.Does("GET", "/audit?from="+(today+1).String(), nil, http.StatusOK).Into(w, &trail)
		if len(trail.Items) != 0 {
			t.Errorf("tomorrow %v was done", trail.Items)
		}
		boss.Does("GET", "/audit?from=2026-02-30", nil, http.StatusBadRequest)

		w.Passes(31 * time.Minute)
		boss.Does("GET", "/me", nil, http.StatusUnauthorized)
		boss.SignsIn().Does("DELETE", "/session", nil, http.StatusNoContent)
		boss.Does("GET", "/me", nil, http.StatusUnauthorized)
	})
}
