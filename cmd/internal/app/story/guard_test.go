package story_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
)

// forged are tokens that nobody may pass with; good is a true one.
func forged(good string) map[string]string {
	parts := strings.Split(good, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err) // the application made it
	}
	encode := base64.RawURLEncoding.EncodeToString
	none, nobody := encode([]byte(`{"alg":"none","typ":"JWT"}`)), encode([]byte(`{"alg":"HS256","kid":"AAAAAAAA","typ":"JWT"}`))
	another := encode([]byte(strings.Replace(string(claims), `"sub":"`, `"sub":"1`, 1)))
	return map[string]string{
		"alg none":            none + "." + parts[1] + ".",
		"alg none, signed":    none + "." + parts[1] + "." + parts[2],
		"a key of nobody":     nobody + "." + parts[1] + "." + parts[2],
		"another's id":        parts[0] + "." + another + "." + parts[2],
		"a changed signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"no signature":        parts[0] + "." + parts[1] + ".",
		"no token at all":     "nonsense",
		"an endless token":    parts[0] + "." + strings.Repeat("A", 4000) + "." + parts[2],
	}
}

// guarded is one operation of the API that needs a member.
type guarded struct {
	id, method, path string // the path without /api/v1
}

// guards are all that the committed description says.
func guards(t *testing.T) (all []guarded) {
	t.Helper()
	doc, err := story.Spec(t.Context(), story.MembersAPI)
	if err != nil {
		t.Fatal(err)
	}
	public := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !strings.HasPrefix(path, "/api/v1/") {
				continue
			}
			if op.Security == nil || len(*op.Security) == 0 {
				public++
				continue
			}
			all = append(all, guarded{op.OperationID, method, strings.TrimPrefix(path, "/api/v1")})
		}
	}
	if public != 2 || len(all) < 33 {
		t.Fatalf("%d public and %d guarded operations are described, want 2 (sign in, refresh) and 33 or more", public, len(all))
	}
	slices.SortFunc(all, func(a, b guarded) int { return strings.Compare(a.id, b.id) })
	return all
}

// at is the path with an id in it.
func (g guarded) at(id string) string { return strings.ReplaceAll(g.path, "{id}", id) }

// TestEveryRouteIsGuarded takes every operation that the description holds with no
// token, forged ones, an expired one, one of an ended session, another member's, and
// with another member's ids. What is refused is counted, and changes nothing.
func TestEveryRouteIsGuarded(t *testing.T) {
	t.Parallel()
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica().Stock(shelf(w.Now())...)
	zhang, li := w.Person("ordinary").Opens().SignsIn().BindsPhone(), w.Person("arrears").Opens().SignsIn()
	w.Until("the points of the first binding are there", func() bool { return zhang.Get("/points").Number("available") == 100 })
	his := zhang.Do("POST", "/redemptions", "bag", map[string]any{
		"giftId": zhang.Finds("physical"), "address": map[string]any{"name": "张三", "phone": "13800138001", "text": "长安街1号"},
	}).Is(http.StatusCreated).Text("id")
	out := w.Person("ordinary").Opens().SignsIn()
	out.Do("DELETE", "/session", "out", nil).Is(http.StatusNoContent)
	w.Settle()
	all, before, counted := guards(t), w.Books(), r.Metric("session_refused_total")
	good, tricks, refused := zhang.Access, forged(zhang.Access), 0
	for _, g := range all {
		key, at := "guard-"+g.id, g.at(his)
		for name, token := range tricks {
			if got := zhang.With(token).Do(g.method, at, key, nil); !got.Says(http.StatusUnauthorized, "session.token") {
				t.Errorf("%s with %s is answered %d %s", g.id, name, got.Status, got.Raw)
			}
		}
		if got := zhang.With("").Do(g.method, at, key, nil); !got.Says(http.StatusUnauthorized, "session.missing") {
			t.Errorf("%s without a token is answered %d %s", g.id, got.Status, got.Raw)
		}
		if got := zhang.With(out.Access).Do(g.method, at, key, nil); !got.Says(http.StatusUnauthorized, "session.ended") {
			t.Errorf("%s with the token of an ended session is answered %d %s", g.id, got.Status, got.Raw)
		}
		if g.id == "endSession" || g.id == "closeMe" { // an ended token gets the answer of its own request there, which is none
			refused--
		}
		refused += len(tricks) + 2
	}
	if n := int(r.Metric("session_refused_total") - counted); n != refused {
		t.Errorf("%d refusals are counted of %d", n, refused)
	}
	zhang.With(good)
	for _, g := range all {
		foreign(t, g, zhang, li, his)
	}
	w.Settle()
	if after := w.Books(); !sameExcept(before, after, "idempotency") { // the keys of refused requests are kept
		t.Errorf("the books changed:\n%v\nwas\n%v", after, before)
	}
	w.Passes(16 * time.Minute)
	for _, g := range all {
		if got := zhang.Do(g.method, g.at(his), "late-"+g.id, nil); !got.Says(http.StatusUnauthorized, "session.expired") {
			t.Errorf("%s with an expired token is answered %d %s", g.id, got.Status, got.Raw)
		}
	}
}

// foreign tries what a signed-in member may not: ids of somebody else, of nobody, of
// no shape, and a write without a key.
func foreign(t *testing.T, g guarded, zhang, li *story.Mini, his string) {
	t.Helper()
	if g.method != http.MethodGet {
		if got := zhang.Do(g.method, g.at(his), "", nil); !got.Says(http.StatusBadRequest, "request.key") {
			t.Errorf("%s without a key is answered %d %s", g.id, got.Status, got.Raw)
		}
	}
	if !strings.Contains(g.path, "{id}") {
		return
	}
	var body any
	if g.id == "helpPot" {
		body = map[string]any{"shown": false}
	}
	for who, got := range map[string]story.Answer{
		"somebody else's id": li.Do(g.method, g.at(his), "li-"+g.id, body),
		"nobody's id":        zhang.Do(g.method, g.at("999"), "no-"+g.id, body),
	} {
		if got.Status != http.StatusNotFound || got.Text("code") == "" {
			t.Errorf("%s with %s is answered %d %s, want 404", g.id, who, got.Status, got.Raw)
		}
	}
	if got := zhang.Do(g.method, g.at("0x1"), "shape-"+g.id, body); !got.Says(http.StatusBadRequest, "request.invalid") {
		t.Errorf("%s with an id of no shape is answered %d %s", g.id, got.Status, got.Raw)
	}
}

// sameExcept compares books, tables with these beginnings left out.
func sameExcept(a, b map[string][]string, out ...string) bool {
	for name := range b {
		left := slices.ContainsFunc(out, func(begin string) bool { return strings.HasPrefix(name, begin) })
		if !left && !slices.Equal(a[name], b[name]) {
			return false
		}
	}
	return true
}
