package story_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/service/operator"
)

// nonsense is what a broken or a hostile client sends in place of any value.
var nonsense = []string{
	`null`, `true`, `-1`, `1.5`, `1e400`, `9223372036854775808`, `""`, `"x"`, `"\u0000"`, `"=1+1"`, `"2026-02-30T25:00:00+08:00"`,
	`[]`, `[null]`, `[[]]`, `[{}]`, `["x","x"]`, `{}`, `{"x":{"x":[]}}`, `"` + strings.Repeat("测", 3000) + `"`,
}

// deepest is how far below the body values are replaced; schemas may hold themselves.
const deepest = 5

// TestNonsenseIsRefusedAndNothingFalls puts nonsense in the place of every value that
// the two descriptions name, the others being as described, and leaves each of them out:
// nothing of it is our fault.
func TestNonsenseIsRefusedAndNothingFalls(t *testing.T) {
	t.Parallel()
	w := story.Begin(t, story.Embedded(t))
	w.Replica()
	li := w.Operator("li.lei", operator.Admin, operator.Planner, operator.Editor, operator.Reviewer, operator.Support, operator.Analyst, operator.Auditor)
	zhang := w.Person("ordinary").Opens().SignsIn().BindsPhone()
	for name, token := range map[string]string{story.MembersAPI: zhang.Access, story.OperatorsAPI: li.Token} {
		doc, err := story.Spec(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		tried := 0
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				if leaves[op.OperationID] {
					continue
				}
				at := strings.NewReplacer("{id}", "999").Replace(path)
				for _, q := range queries(op) {
					tried += sends(t, w, method, at+"?"+q, token, nil)
				}
				for _, body := range bodies(op) {
					tried += sends(t, w, method, at, token, body)
				}
			}
		}
		if tried < 500 {
			t.Errorf("only %d requests were made of %s", tried, name)
		}
	}
}

// leaves are what would end the one who tries.
var leaves = map[string]bool{"endSession": true, "closeMe": true, "signOut": true}

// queries are the nonsense for each parameter of a query.
func queries(op *openapi3.Operation) (all []string) {
	for _, p := range op.Parameters {
		if p.Value.In == openapi3.ParameterInQuery {
			for _, v := range []string{"", "-1", "1.5", "x", "%00", "%ff", "9223372036854775808", strings.Repeat("9", 3000)} {
				all = append(all, p.Value.Name+"="+v)
			}
		}
	}
	return all
}

// bodies are an operation's body with nonsense in the place of each value, once, and
// without each.
func bodies(op *openapi3.Operation) (all [][]byte) {
	if op.RequestBody == nil {
		return nil
	}
	content := op.RequestBody.Value.GetMediaType("application/json")
	if content == nil {
		return [][]byte{[]byte(`{`), nil, []byte(`"x"`)}
	}
	whole := sample(content.Schema, 0)
	for _, n := range nonsense {
		all = append(all, []byte(n))
	}
	replace(whole, func() {
		for _, n := range nonsense {
			text, err := json.Marshal(whole)
			if err != nil {
				panic(err) // it is made of maps, lists and raw JSON
			}
			all = append(all, bytes.Replace(text, []byte(`"`+mark+`"`), []byte(n), 1))
		}
	})
	without(whole, func() {
		text, err := json.Marshal(whole)
		if err != nil {
			panic(err)
		}
		all = append(all, text)
	})
	return all
}

// without calls run with each value that has a name below v left out: all those beside it
// that come after it in the alphabet, too, and then it alone.
func without(v any, run func()) {
	switch at := v.(type) {
	case map[string]any:
		whole := maps.Clone(at)
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(whole))) {
			delete(at, name)
			run()
		}
		maps.Copy(at, whole)
		for name, was := range whole {
			delete(at, name)
			run()
			at[name] = was
			without(was, run)
		}
	case []any:
		for _, one := range at {
			without(one, run)
		}
	}
}

// mark stands where nonsense comes.
const mark = "here comes nonsense"

// replace calls run with each value below v replaced by the mark, one at a time.
func replace(v any, run func()) {
	switch at := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(at)) {
			was := at[name]
			at[name] = mark
			run()
			at[name] = was
			replace(was, run)
		}
	case []any:
		for i, was := range at {
			at[i] = mark
			run()
			at[i] = was
			replace(was, run)
		}
	}
}

// sample is a value as a schema describes it.
func sample(ref *openapi3.SchemaRef, depth int) any {
	s := ref.Value
	switch {
	case depth > deepest:
		return nil
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Is("object"):
		out := map[string]any{}
		for name, p := range s.Properties {
			out[name] = sample(p, depth+1)
		}
		return out
	case s.Type.Is("array"):
		return []any{sample(s.Items, depth+1)}
	case s.Type.Is("integer"), s.Type.Is("number"):
		if s.Min != nil {
			return *s.Min
		}
		return 1
	case s.Type.Is("boolean"):
		return true
	case s.Format == "date-time":
		return time.Now().Add(time.Hour).Format(time.RFC3339)
	case s.Format == "date":
		return time.Now().Format(time.DateOnly)
	}
	return strings.Repeat("1", max(1, int(s.MinLength)))
}

// sends makes one request and tells that it did.
func sends(t *testing.T, w *story.World, method, path, token string, body []byte) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.Base()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	if method != http.MethodGet {
		request.Header.Set("Idempotency-Key", story.Key())
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusUnauthorized && !strings.Contains(path, "/session") {
		t.Errorf("%s %s with %.200s is answered %d %s", method, path, body, response.StatusCode, said)
	}
	return 1
}
