package handler

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/material"
	"kaimenhong/service/operator"
)

// persons are operators whose token is their number and their role: 1.editor.
type persons struct{}

func (persons) Find(ctx context.Context, token string) (operator.Operator, error) {
	number, role, _ := strings.Cut(token, ".")
	id, err := model.ParseID(number)
	if err != nil {
		return operator.Operator{}, operator.ErrSession
	}
	who, err := badges{}.Find(ctx, role)
	who.ID = id
	return who, err
}

// outer is what the library needs of others.
type outer struct{ audited int }

func (*outer) Values(_ context.Context, members []model.MemberID, _ []string) ([]map[string]string, error) {
	all := make([]map[string]string, len(members))
	for i := range all {
		all[i] = map[string]string{"称呼": "张先生"}
	}
	return all, nil
}

func (o *outer) RecordTx(context.Context, *sql.Tx, model.AuditEntry) error {
	o.audited++
	return nil
}

func (*outer) AddPicture(_ context.Context, name string, _ []byte) (mediaID, url string, err error) {
	return "media-" + name, "https://mmbiz.qpic.cn/" + name, nil
}
func (*outer) Game(context.Context, model.ID) (string, error)        { return "春节红包", nil }
func (*outer) Offer(context.Context, material.Offer) (string, error) { return "春节流量包", nil }

type libraryDesk struct {
	t     *testing.T
	http  http.Handler
	outer *outer
	key   int
}

func newLibraryDesk(t *testing.T) *libraryDesk {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, model.Shanghai) }
	ids, err := model.NewIDs(1, now)
	if err != nil {
		t.Fatal(err)
	}
	log, world := slog.New(slog.DiscardHandler), &outer{}
	library, err := material.New(material.Deps{
		DB: dbtest.SQLite(t), IDs: ids, Now: now, Log: log, Metrics: prometheus.NewRegistry(), Values: world, Audit: world, Store: world, Catalogue: world,
	}, material.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Routes(Handlers{
		OpsGate: OpsGate{Operators: persons{}, Gate: Gate{Requests: forgetful{}, Log: log}}, Material: Material{Library: library},
		Log: log, Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &libraryDesk{t: t, http: r, outer: world}
}

// ask makes a call and reads its answer.
func (d *libraryDesk) ask(who, method, path string, body any, want int) map[string]any {
	d.t.Helper()
	content, raw := body.([]byte)
	kind := "application/octet-stream"
	if !raw && body != nil {
		kind = "application/json"
		var err error
		if content, err = json.Marshal(body); err != nil {
			d.t.Fatal(err)
		}
	}
	request := httptest.NewRequest(method, opsPrefix+path, bytes.NewReader(content))
	request.Header.Set("Authorization", "Bearer "+who)
	request.Header.Set("Content-Type", kind)
	request.Header.Set(headerKey, "k"+model.ID(d.key+1).String())
	d.key++
	answer := httptest.NewRecorder()
	d.http.ServeHTTP(answer, request)
	if answer.Code != want {
		d.t.Fatalf("%s %s as %s = %d %s, want %d", method, path, who, answer.Code, answer.Body, want)
	}
	out := map[string]any{}
	if strings.Contains(answer.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
			d.t.Fatalf("%s %s: %v in %s", method, path, err, answer.Body)
		}
	}
	return out
}

func TestAKitIsMadeThroughTheAPI(t *testing.T) {
	d := newLibraryDesk(t)
	const editor, planner, reviewer = "1.editor", "2.planner", "3.reviewer"
	var dot bytes.Buffer
	if err := png.Encode(&dot, image.NewGray(image.Rect(0, 0, 900, 500))); err != nil {
		t.Fatal(err)
	}
	picture := d.ask(editor, "POST", "/pictures", dot.Bytes(), 201)
	d.ask(editor, "POST", "/pictures", []byte("<svg onload=alert(1)>"), 400)
	d.ask(editor, "POST", "/pictures", make([]byte, material.MaxPicture+2), 413)
	d.ask(reviewer, "GET", "/pictures/"+picture["id"].(string)+"/content", nil, 200)
	folder := d.ask(editor, "POST", "/folders", map[string]any{"name": "春节"}, 201)
	news := map[string]any{
		"kind": "news", "name": "《回家》", "folderId": folder["id"], "tags": []string{"春节"},
		"content": map[string]any{"articles": []map[string]any{{"title": "{{称呼}}，回家吧", "picture": picture["id"], "url": "https://kaimenhong.example/home"}}},
	}
	made := d.ask(editor, "POST", "/materials", news, 201)
	version := "/material-versions/" + made["openVersionId"].(string)
	if p := d.ask(editor, "POST", version+"/submit", map[string]any{"revision": 1}, 400); !strings.Contains(p["detail"].(string), "备用文字") {
		t.Errorf("a variable without a fallback is refused with %v", p["detail"])
	}
	news["content"].(map[string]any)["articles"].([]map[string]any)[0]["title"] = "{{称呼|您}}，回家吧"
	d.ask(editor, "PUT", version, map[string]any{"revision": 1, "content": news["content"]}, 200)
	shown := d.ask(editor, "GET", version+"/preview?member=5", nil, 200)
	title := shown["message"].(map[string]any)["content"].(map[string]any)["articles"].([]any)[0].(map[string]any)["title"]
	if title != "张先生，回家吧" || len(shown["problems"].([]any)) != 0 {
		t.Errorf("preview = %v", shown)
	}
	d.ask(editor, "POST", version+"/submit", map[string]any{"revision": 2}, 200)
	if list := d.ask(reviewer, "GET", "/material-reviews", nil, 200); len(list["items"].([]any)) != 1 {
		t.Errorf("reviews = %v", list)
	}
	d.ask(editor, "POST", version+"/publish", map[string]any{"revision": 2}, 403)
	d.ask("1.reviewer", "POST", version+"/publish", map[string]any{"revision": 2}, 403)
	if v := d.ask(reviewer, "POST", version+"/publish", map[string]any{"revision": 2}, 200); v["state"] != "published" || v["publishedBy"] != "3" {
		t.Errorf("published = %v", v)
	}
	kit := d.ask(planner, "POST", "/kits", map[string]any{
		"name": "春节回家", "parts": []map[string]any{{"role": "图文", "versionId": made["openVersionId"]}}, "gameId": "9",
		"offer": map[string]any{"kind": "pack", "id": "DATA10G"},
	}, 201)
	if kit["number"] != 1.0 || kit["offer"].(map[string]any)["name"] != "春节流量包" {
		t.Errorf("kit = %v", kit)
	}
	d.ask(planner, "PUT", "/kits/"+kit["kitId"].(string), map[string]any{
		"number": 1, "name": "春节回家", "parts": []map[string]any{{"role": "图文", "versionId": made["openVersionId"]}},
	}, 200)
	if all := d.ask(planner, "GET", "/kits/"+kit["kitId"].(string)+"/versions", nil, 200); len(all["items"].([]any)) != 2 {
		t.Errorf("kit versions = %v", all)
	}
	for _, path := range []string{"/materials?tag=春节&published=true", "/folders", "/pictures", "/templates", "/kits", "/material-options", "/materials/" + made["id"].(string) + "/versions"} {
		d.ask(planner, "GET", path, nil, 200)
	}
	if d.outer.audited != 8 {
		t.Errorf("%d lines of audit, want one for each of 8 writes", d.outer.audited)
	}
}
