package story_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/service/operator"
)

// TestListsAreSearchedByName asks for two pages of a list by words that two of its three
// rows have in their names, in capitals or not.
func TestListsAreSearchedByName(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		planner := w.Operator("planner", operator.Planner, operator.Editor)
		reviewer := w.Operator("reviewer", operator.Reviewer)
		makes := func(path string, body map[string]any, id string) string {
			var made map[string]any
			planner.Does("POST", path, body, http.StatusCreated).Into(w, &made)
			return named(made, id)
		}
		until := w.Now().AddDate(0, 1, 0).Format(time.RFC3339)
		segment := makes("/audience/segments", map[string]any{"name": "众人", "tree": map[string]any{"attribute": "follows", "op": "eq", "value": true}}, "id")
		content := map[string]any{"text": "回家吧"}
		part := makes("/materials", map[string]any{"kind": "text", "name": "短信", "content": content}, "openVersionId")
		planner.Does("POST", "/material-versions/"+part+"/submit", map[string]any{"revision": 1}, http.StatusOK)
		reviewer.Does("POST", "/material-versions/"+part+"/publish", map[string]any{"revision": 1}, http.StatusOK)
		lists := map[string]func(name string){
			"/audience/segments": func(name string) {
				makes("/audience/segments", map[string]any{"name": name, "tree": map[string]any{"attribute": "follows", "op": "eq", "value": true}}, "id")
			},
			"/campaigns": func(name string) {
				makes("/campaigns", map[string]any{"name": name, "goal": "care", "segmentId": segment, "holdout": 10, "budgetFen": 0, "startsAt": w.Now(), "endsAt": until, "steps": []any{}}, "campaignId")
			},
			"/kits": func(name string) {
				makes("/kits", map[string]any{"name": name, "parts": []map[string]any{{"role": "短信", "versionId": part}}}, "kitId")
			},
			"/gifts": func(name string) {
				makes("/gifts", map[string]any{"kind": "coupon", "category": "新春", "title": name, "points": 5, "endsAt": until}, "id")
			},
		}
		for path, add := range lists {
			for _, name := range []string{"春节5G回家", "元宵灯会", "5g回家过年"} {
				add(name)
			}
			names, cursor := "", ""
			for range 2 {
				var got struct {
					Items []struct{ Name, Title string }
					Next  string
				}
				query := url.Values{"words": {"5G回"}, "limit": {"1"}, "cursor": {cursor}}
				planner.Does("GET", path+"?"+query.Encode(), nil, http.StatusOK).Into(w, &got)
				for _, one := range got.Items {
					names += one.Name + one.Title + " "
				}
				cursor = got.Next
			}
			if names != "5g回家过年 春节5G回家 " || cursor != "" {
				t.Errorf("%s lists %q and goes on with %q, want the two of 5G, newest first", path, names, cursor)
			}
		}
	})
}
