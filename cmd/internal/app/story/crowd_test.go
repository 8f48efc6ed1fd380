package story_test

import (
	"archive/zip"
	"bytes"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/service/operator"
)

// upload is a form with one file, after fields: a name, its value, and so on.
func upload(t *testing.T, name string, content []byte, fields ...string) story.File {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for pair := range slices.Chunk(fields, 2) {
		if err := form.WriteField(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return story.File{Type: form.FormDataContentType(), Content: &body}
}

// bomb is an archive that unpacks to far more than it is.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	part, err := archive.Create("xl/worksheets/sheet1.xml")
	for range 200 {
		if err == nil {
			_, err = part.Write(make([]byte, 1<<20))
		}
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnOperatorBringsCustomersAndAsksWhoTheyAre(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		planner := w.Operator("planner", operator.Planner)
		before := auditOf(w)
		people := []byte("手机号,姓名,上月ARPU\n13800001001,张三,88.50\n13800001002,=HYPERLINK(1),60\n139,李四,10\n13800001003,王五,49.99\n")

		var checked struct {
			Total, Refused int
		}
		planner.Does("POST", "/audience/imports/check", upload(t, "people.csv", people), http.StatusOK).Into(w, &checked)
		if checked.Total != 4 || checked.Refused != 2 {
			t.Errorf("the file is checked as %+v, want 4 lines, 2 refused", checked)
		}
		if got := auditOf(w) - before; got != 0 {
			t.Errorf("checking a file left %d lines in the audit, want none", got)
		}

		var done struct {
			ID                    string
			Total, Added, Refused int
		}
		planner.Does("POST", "/audience/imports", upload(t, "people.csv", people), http.StatusOK).Into(w, &done)
		if done.Total != 4 || done.Refused != 2 {
			t.Errorf("the file is imported as %+v, want 4 lines, 2 refused", done)
		}
		again := done
		planner.Does("POST", "/audience/imports", upload(t, "people.csv", people), http.StatusOK).Into(w, &again)
		if again != done {
			t.Errorf("the same file again = %+v, want %+v", again, done)
		}
		broken := planner.Does("GET", "/audience/imports/"+done.ID+"/errors.csv", nil, http.StatusOK)
		if text := string(broken.Body); !strings.Contains(text, "3") || strings.Contains(text, ",=") {
			t.Errorf("the lines that were not imported: %s", text)
		}

		a := planner.Does("POST", "/audience/imports", upload(t, "people.xlsx", bomb(t)), http.StatusBadRequest)
		if !strings.Contains(string(a.Body), "sheet.bomb") {
			t.Errorf("a bomb is answered %s", a.Body)
		}
		planner.Does("POST", "/audience/imports", nil, http.StatusBadRequest)

		var counted struct{ Count int }
		rich := map[string]any{"tree": map[string]any{"attribute": "arpu1", "op": "gte", "value": 5000}}
		planner.Does("POST", "/audience/count", rich, http.StatusOK).Into(w, &counted)
		if counted.Count != 1 {
			t.Errorf("ARPU of 50 yuan and more: %d, want 1", counted.Count)
		}
		var saved struct{ ID string }
		planner.Does("POST", "/audience/segments", map[string]any{"name": "高消费", "tree": rich["tree"]}, http.StatusCreated).Into(w, &saved)
		planner.Does("POST", "/audience/segments", map[string]any{"name": "引用", "tree": map[string]any{"segment": saved.ID}}, http.StatusCreated)
		var shown struct {
			Sentence string
			UsedBy   []string
		}
		planner.Does("GET", "/audience/segments/"+saved.ID, nil, http.StatusOK).Into(w, &shown)
		if shown.Sentence != "选出上月ARPU不低于50元的人。" || !slices.Equal(shown.UsedBy, []string{"人群“引用”"}) {
			t.Errorf("the segment is shown as %+v", shown)
		}
		a = planner.Does("POST", "/audience/tags", map[string]any{"name": "返乡", "members": []string{"77"}}, http.StatusOK)
		if !strings.Contains(string(a.Body), `"changed":0,"unknown":1`) {
			t.Errorf("a tag on nobody is answered %s", a.Body)
		}
		a = planner.Does("POST", "/audience/check", map[string]any{"tree": map[string]any{"attribute": "nonsense", "op": "eq", "value": 1}}, http.StatusOK)
		if !strings.Contains(string(a.Body), "problems") {
			t.Errorf("a condition that cannot be evaluated is answered %s", a.Body)
		}
	})
}

// TestAnOperatorArchivesSegmentsAndTakesThemBack puts two away, of which one names the
// other.
func TestAnOperatorArchivesSegmentsAndTakesThemBack(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		planner := w.Operator("planner", operator.Planner)
		says := func(method, path string, body any, status int, words string) string {
			t.Helper()
			a := planner.Does(method, "/audience/"+path, body, status)
			if !strings.Contains(string(a.Body), words) {
				t.Errorf("%s is answered %s, want %s", path, a.Body, words)
			}
			var made struct{ ID string }
			a.Into(w, &made)
			return made.ID
		}
		lists := func(query string, want ...string) {
			t.Helper()
			var got []string
			for next, first := "", true; first || next != ""; first = false {
				var page struct {
					Items []struct{ ID string }
					Next  string
				}
				planner.Does("GET", "/audience/segments?limit=1"+query+"&cursor="+next, nil, http.StatusOK).Into(w, &page)
				for _, one := range page.Items {
					got = append(got, one.ID)
				}
				next = page.Next
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q lists %v, want %v", query, got, want)
			}
		}
		named := says("POST", "segments", map[string]any{"name": "高消费", "tree": map[string]any{"attribute": "arpu1", "op": "gte", "value": 5000}}, http.StatusCreated, "")
		names := map[string]any{"segment": named}
		naming := says("POST", "segments", map[string]any{"name": "引用", "tree": names}, http.StatusCreated, "")
		says("POST", "segments/"+named+"/archive", nil, http.StatusConflict, "人群“高消费”正被使用，不能归档：人群“引用”")
		lists("", naming, named)
		lists("&archived=true")
		says("POST", "segments/"+naming+"/archive", nil, http.StatusOK, `"archivedAt":"20`)
		says("POST", "segments/"+named+"/archive", nil, http.StatusOK, `"archivedAt":"20`)
		says("GET", "segments/"+named, nil, http.StatusOK, `"archivedAt":"20`)
		lists("&archived=true", naming, named)
		lists("&archived=false")
		says("POST", "segments", map[string]any{"name": "又引用", "tree": names}, http.StatusBadRequest, "人群“高消费”已归档，请先恢复它再使用")
		says("POST", "check", map[string]any{"tree": names}, http.StatusOK, "人群“高消费”已归档，请先恢复它再使用")
		says("POST", "segments/"+naming+"/restore", nil, http.StatusConflict, "人群“高消费”已归档，请先恢复它再使用")
		for _, one := range []string{named, naming} {
			if a := planner.Does("POST", "/audience/segments/"+one+"/restore", nil, http.StatusOK); strings.Contains(string(a.Body), "archivedAt") {
				t.Errorf("restored, it is answered %s", a.Body)
			}
		}
		says("POST", "segments/7/archive", nil, http.StatusNotFound, "没有这个人群")
		lists("", naming, named)
	})
}
