package material

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
)

// The people of the tests.
const (
	writer  = model.ID(1)
	second  = model.ID(2)
	checker = model.ID(3)
	alice   = model.MemberID(11)
	bob     = model.MemberID(12)
)

// world is all that the library needs from outside.
type world struct {
	*Materials
	t       testing.TB
	values  map[model.MemberID]map[string]string
	audited []model.AuditEntry
	asked   int
	down    error
	uploads int
	game    error
}

func (w *world) Values(_ context.Context, members []model.MemberID, names []string) ([]map[string]string, error) {
	w.asked++
	all := make([]map[string]string, len(members))
	for i, m := range members {
		all[i] = map[string]string{}
		for _, name := range names {
			if v, ok := w.values[m][name]; ok {
				all[i][name] = v
			}
		}
	}
	return all, w.down
}

func (w *world) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	if !e.Target.Valid() {
		return errors.New("not a target")
	}
	w.audited = append(w.audited, e)
	return nil
}

func (w *world) AddPicture(_ context.Context, name string, content []byte) (mediaID, url string, err error) {
	w.uploads++
	if w.down != nil {
		return "", "", w.down
	}
	return "media-" + name, "https://mmbiz.qpic.cn/" + name, nil
}

func (w *world) Game(context.Context, model.ID) (string, error) { return "春节红包", w.game }

func (w *world) Offer(_ context.Context, o Offer) (string, error) {
	if o.ID == "none" {
		return "", fault.New(fault.NotFound, "mall.no_gift", "没有这件礼品")
	}
	return "春节流量包", nil
}

func newWorld(t testing.TB, pool *sql.DB) *world {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, model.Shanghai) }
	node, err := sqldb.Node(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, values: map[model.MemberID]map[string]string{
		alice: {"称呼": "张先生", "积分": "1280", "套餐": "5G畅享套餐"},
	}}
	w.Materials, err = New(Deps{
		DB: pool, IDs: ids, Now: now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Values: w, Audit: w, Store: w, Catalogue: w,
	}, Options{Cached: 2})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// create makes a material and returns its draft.
func (w *world) create(f Fresh) Version {
	w.t.Helper()
	mat, err := w.Create(w.t.Context(), writer, f)
	if err != nil {
		w.t.Fatalf("Create(%+v) = %v", f, err)
	}
	v, err := w.Version(w.t.Context(), mat.Open)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// publish brings a new material to its first publication.
func (w *world) publish(f Fresh) Version {
	w.t.Helper()
	v := w.create(f)
	if _, err := w.Submit(w.t.Context(), writer, v.ID, v.Revision); err != nil {
		w.t.Fatalf("Submit = %v: %s", err, fault.Of(err).Text)
	}
	v, err := w.Publish(w.t.Context(), checker, v.ID, v.Revision)
	if err != nil {
		w.t.Fatalf("Publish = %v: %s", err, fault.Of(err).Text)
	}
	return v
}

func (w *world) picture() model.ID {
	w.t.Helper()
	p, err := w.AddPicture2(dot(w.t, 2, 2))
	if err != nil {
		w.t.Fatal(err)
	}
	return p.ID
}

// AddPicture2 is the library's, which the fake of the store hides.
func (w *world) AddPicture2(content []byte) (Picture, error) {
	return w.Materials.AddPicture(w.t.Context(), writer, content)
}

func dot(t testing.TB, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func text(s string) Fresh { return Fresh{Kind: Text, Name: "回家问候", Body: Body{Text: s}} }

func TestAVersionIsPublishedByAnotherThanItsAuthors(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w, ctx := newWorld(t, pool), t.Context()
		v := w.create(text("{{称呼|您}}好"))
		if _, err := w.Publish(ctx, checker, v.ID, v.Revision); !errors.Is(err, ErrState) {
			t.Errorf("a draft published = %v, want ErrState", err)
		}
		v, err := w.Edit(ctx, second, v.ID, v.Revision, Body{Text: "{{称呼|您}}好，春节回家"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Edit(ctx, writer, v.ID, v.Revision-1, Body{Text: "x"}); !errors.Is(err, ErrEdited) {
			t.Errorf("an edit of what is not there any more = %v, want ErrEdited", err)
		}
		if v, err = w.Submit(ctx, second, v.ID, v.Revision); err != nil || v.State != Review {
			t.Fatalf("Submit = %+v, %v", v, err)
		}
		if _, err := w.Edit(ctx, writer, v.ID, v.Revision, Body{Text: "x"}); !errors.Is(err, ErrState) {
			t.Errorf("an edit under review = %v, want ErrState", err)
		}
		for _, author := range []model.ID{writer, second} {
			if _, err := w.Publish(ctx, author, v.ID, v.Revision); !errors.Is(err, ErrSelf) {
				t.Errorf("published by author %s = %v, want ErrSelf", author, err)
			}
		}
		if list, _, err := w.Reviews(ctx, "", 10); err != nil || len(list) != 1 || list[0].ID != v.ID {
			t.Errorf("Reviews = %+v, %v", list, err)
		}
		if v, err = w.Return(ctx, checker, v.ID, "请补充活动时间"); err != nil || v.State != Draft || v.Note != "请补充活动时间" {
			t.Fatalf("Return = %+v, %v", v, err)
		}
		if v, err = w.Submit(ctx, writer, v.ID, v.Revision); err != nil {
			t.Fatal(err)
		}
		if v, err = w.Publish(ctx, checker, v.ID, v.Revision); err != nil || v.State != Published || v.CheckedBy != checker {
			t.Fatalf("Publish = %+v, %v", v, err)
		}
		for name, err := range map[string]error{
			"edit":    second2(w.Edit(ctx, writer, v.ID, v.Revision, Body{Text: "x"})),
			"return":  second2(w.Return(ctx, checker, v.ID, "晚了")),
			"discard": w.Discard(ctx, writer, v.ID),
			"publish": second2(w.Publish(ctx, checker, v.ID, v.Revision)),
		} {
			if !errors.Is(err, ErrState) {
				t.Errorf("%s of a published version = %v, want ErrState", name, err)
			}
		}
		next, err := w.Draft(ctx, second, v.Material)
		if err != nil || next.Number != 2 || next.Body.Text != v.Body.Text {
			t.Fatalf("Draft = %+v, %v", next, err)
		}
		if _, err := w.Draft(ctx, second, v.Material); !errors.Is(err, ErrOpen) {
			t.Errorf("a second draft = %v, want ErrOpen", err)
		}
		if err := w.Discard(ctx, second, next.ID); err != nil {
			t.Fatal(err)
		}
		mat, err := w.Material(ctx, v.Material)
		if err != nil || mat.Open != 0 || mat.Live != v.ID {
			t.Errorf("Material = %+v, %v", mat, err)
		}
		if last := w.audited[len(w.audited)-1]; last.Action != "material.discard" || last.Operator != second {
			t.Errorf("audit ends with %+v", last)
		}
	})
}

func second2[T any](_ T, err error) error { return err }

func TestEverybodyGetsAMessage(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w, ctx := newWorld(t, pool), t.Context()
		v := w.publish(text("{{称呼|您}}好，您有{{积分|不少}}积分，今天是{{今天}}"))
		w.values[bob] = map[string]string{"称呼": "<a href=\"https://evil.example\">李\n四</a>\x00\u202e", "积分": strings.Repeat("9", 5000)}
		messages, errs := w.Render(ctx, v.ID, []model.MemberID{alice, bob, 99})
		want := []string{
			"张先生好，您有1280积分，今天是11月21日",
			"＜a href=\"https://evil.example\"＞李 四＜/a＞好，您有" + strings.Repeat("9", maxValue) + "积分，今天是11月21日",
			"您好，您有不少积分，今天是11月21日",
		}
		for i := range want {
			if errs[i] != nil || messages[i].Content.Kind != model.TextContent || messages[i].Content.Text != want[i] {
				t.Errorf("member %d gets %q, %v, want %q", i, messages[i].Content.Text, errs[i], want[i])
			}
		}
		if w.asked != 1 {
			t.Errorf("asked for values %d times, want once for all", w.asked)
		}
		w.down = errors.New("down")
		if _, errs := w.Render(ctx, v.ID, []model.MemberID{alice}); !errors.Is(errs[0], ErrUnrenders) {
			t.Errorf("without values = %v, want ErrUnrenders", errs[0])
		}
		draft := w.create(text("草稿"))
		if _, errs := w.Render(ctx, draft.ID, []model.MemberID{alice}); !errors.Is(errs[0], ErrState) {
			t.Errorf("a draft renders: %v", errs[0])
		}
		if _, errs := w.Render(ctx, 5, []model.MemberID{alice}); !errors.Is(errs[0], ErrVersion) {
			t.Errorf("no version renders: %v", errs[0])
		}
	})
}

func TestPicturesAreWhatTheirBytesSay(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld(t, pool)
		for name, tt := range map[string]struct {
			content []byte
			want    error
		}{
			"html":                    {[]byte("<html><script>"), ErrPicture},
			"nothing":                 {nil, ErrPicture},
			"a head without a body":   {dot(t, 2, 2)[:12], ErrPicture},
			"more than two megabytes": {append(dot(t, 2, 2), make([]byte, MaxPicture)...), ErrSize},
			"a giant in few bytes":    {dot(t, 5000, 1), ErrSize},
		} {
			if _, err := w.AddPicture2(tt.content); !errors.Is(err, tt.want) {
				t.Errorf("%s = %v, want %v", name, err, tt.want)
			}
		}
		if w.uploads != 0 {
			t.Fatalf("%d uploads of what is refused", w.uploads)
		}
		w.down = errors.New("down")
		lost, err := w.AddPicture2(dot(t, 3, 2))
		if err == nil || lost.ID == 0 || lost.MediaID != "" {
			t.Fatalf("with WeChat down = %+v, %v", lost, err)
		}
		w.down = nil
		p, err := w.AddPicture2(dot(t, 3, 2))
		if err != nil || p.ID != lost.ID || p.MediaID == "" || p.Format != "png" || p.Width != 3 || p.Height != 2 {
			t.Fatalf("brought again = %+v, %v", p, err)
		}
		if again, err := w.AddPicture2(dot(t, 3, 2)); err != nil || again != p || w.uploads != 2 {
			t.Errorf("brought a third time = %+v, %v after %d uploads", again, err, w.uploads)
		}
		content, kind, err := w.PictureContent(t.Context(), p.ID)
		if err != nil || kind != "image/png" || !bytes.Equal(content, dot(t, 3, 2)) {
			t.Errorf("PictureContent = %d bytes of %s, %v", len(content), kind, err)
		}
		if page, next, err := w.Pictures(t.Context(), "", 10); err != nil || len(page) != 1 || next != "" || page[0] != p {
			t.Errorf("Pictures = %+v, %q, %v", page, next, err)
		}
		v := w.publish(Fresh{Kind: Image, Name: "海报", Body: Body{Picture: p.ID}})
		messages, errs := w.Render(t.Context(), v.ID, []model.MemberID{alice})
		if errs[0] != nil || messages[0].Content.MediaID != p.MediaID {
			t.Errorf("Render = %+v, %v", messages, errs)
		}
	})
}

func TestALibraryHasFoldersAndTags(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w, ctx := newWorld(t, pool), t.Context()
		spring, err := w.AddFolder(ctx, writer, 0, "春节")
		if err != nil {
			t.Fatal(err)
		}
		deep := spring.ID
		for range maxDepth - 1 {
			f, err := w.AddFolder(ctx, writer, deep, "回家")
			if err != nil {
				t.Fatal(err)
			}
			deep = f.ID
		}
		for name, tt := range map[string]struct {
			parent model.ID
			folder string
			want   error
		}{
			"the same name":   {0, "春节", ErrTaken},
			"too deep":        {deep, "再深", ErrFolder},
			"nowhere":         {77, "哪里", ErrNoFolder},
			"a formula":       {0, "=1+1", ErrFolder},
			"a hidden letter": {0, "春\u200b节", ErrFolder},
		} {
			if _, err := w.AddFolder(ctx, writer, tt.parent, tt.folder); !errors.Is(err, tt.want) {
				t.Errorf("%s = %v, want %v", name, err, tt.want)
			}
		}
		one := w.create(Fresh{Kind: Text, Name: "问候", Folder: spring.ID, Tags: []string{"春节", "回家", "春节"}, Body: Body{Text: "好"}})
		w.create(Fresh{Kind: Text, Name: "提醒", Tags: []string{"回家"}, Body: Body{Text: "好"}})
		for name, tt := range map[string]struct {
			filter Filter
			want   int
		}{
			"all": {Filter{}, 2}, "a folder": {Filter{Folder: &spring.ID}, 1}, "the top": {Filter{Folder: new(model.ID)}, 1}, "a tag": {Filter{Tag: "回家"}, 2},
			"a word": {Filter{Words: "提"}, 1}, "published": {Filter{Live: true}, 0}, "cards": {Filter{Kind: Card}, 0},
		} {
			if page, _, err := w.Materials.Materials(ctx, tt.filter, "", 10); err != nil || len(page) != tt.want {
				t.Errorf("%s lists %d, %v, want %d", name, len(page), err, tt.want)
			}
		}
		mat, err := w.Material(ctx, one.Material)
		if err != nil || len(mat.Tags) != 2 {
			t.Fatalf("Material = %+v, %v", mat, err)
		}
		if tags, err := w.Tags(ctx); err != nil || len(tags) != 2 || tags[0].Count != 2 {
			t.Errorf("Tags = %+v, %v", tags, err)
		}
		if err := w.RemoveFolder(ctx, writer, spring.ID); !errors.Is(err, ErrNotEmpty) || !strings.Contains(fault.Of(err).Text, "1个素材") {
			t.Errorf("a full folder removed = %v", err)
		}
		if err := w.RemoveFolder(ctx, writer, deep); err != nil {
			t.Errorf("an empty folder removed = %v", err)
		}
		mat, err = w.Arrange(ctx, second, mat.ID, mat.Revision, Arrangement{Name: "新年问候", Tags: []string{"新年"}, Retired: true})
		if err != nil || !mat.Retired || mat.Folder != 0 || len(mat.Tags) != 1 {
			t.Fatalf("Arrange = %+v, %v", mat, err)
		}
		if _, err := w.Arrange(ctx, second, mat.ID, mat.Revision-1, Arrangement{Name: "x"}); !errors.Is(err, ErrEdited) {
			t.Errorf("an old arrangement = %v, want ErrEdited", err)
		}
		if page, next, err := w.Materials.Materials(ctx, Filter{Retired: true}, "", 1); err != nil || len(page) != 1 || next == "" {
			t.Errorf("a page of one = %+v, %q, %v", page, next, err)
		} else if page, next, err = w.Materials.Materials(ctx, Filter{Retired: true}, next, 1); err != nil || len(page) != 1 || next != "" {
			t.Errorf("the page after = %+v, %q, %v", page, next, err)
		}
	})
}

func TestAKitIsFrozen(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w, ctx := newWorld(t, pool), t.Context()
		news := w.publish(Fresh{Kind: News, Name: "回家", Body: Body{Articles: []Entry{{Title: "回家", Picture: w.picture(), URL: "https://a.example/home"}}}})
		plan := Plan{Name: "春节回家", Parts: []Part{{Role: "图文", Version: news.ID}}, Game: 5, Offer: Offer{Kind: PackOffer, ID: "DATA10G"}}
		kit, err := w.AddKit(ctx, writer, plan)
		if err != nil || kit.Number != 1 || kit.Offer.Name != "春节流量包" || kit.Parts[0].Material != news.Material {
			t.Fatalf("AddKit = %+v, %v", kit, err)
		}
		draft := w.create(text("草稿"))
		for name, change := range map[string]func(*Plan){
			"no part":             func(p *Plan) { p.Parts = nil },
			"a draft":             func(p *Plan) { p.Parts = []Part{{Role: "文本", Version: draft.ID}} },
			"the same role twice": func(p *Plan) { p.Parts = append(p.Parts, p.Parts[0]) },
			"an offer of no kind": func(p *Plan) { p.Offer.Kind = "coupon" },
		} {
			bad := plan
			change(&bad)
			if _, err := w.AddKit(ctx, writer, bad); !errors.Is(err, ErrKit) {
				t.Errorf("%s = %v, want ErrKit", name, err)
			}
		}
		plan.Name = "春节回家二期"
		edited, err := w.EditKit(ctx, second, kit.Kit, 1, plan)
		if err != nil || edited.Number != 2 || edited.ID == kit.ID {
			t.Fatalf("EditKit = %+v, %v", edited, err)
		}
		if _, err := w.EditKit(ctx, second, kit.Kit, 1, plan); !errors.Is(err, ErrKitEdited) {
			t.Errorf("an old edit = %v, want ErrKitEdited", err)
		}
		var used Kit
		for n := range 2 {
			if err := sqldb.InTx(ctx, pool, func(tx *sql.Tx) error { return w.UseKitTx(ctx, tx, kit.ID) }); err != nil {
				t.Fatal(err)
			}
			k, err := w.Kit(ctx, kit.ID)
			if err != nil || k.UsedAt == 0 || k.Name != "春节回家" || n > 0 && k.UsedAt != used.UsedAt {
				t.Fatalf("the used kit is %+v, %v, want what it was, and since its first use", k, err)
			}
			used = k
			later := w.Now().Add(time.Hour)
			w.Now = func() time.Time { return later }
		}
		w.game = fault.New(fault.NotFound, "redpacket.no_game", "没有这个游戏")
		if k, err := w.Usable(ctx, edited.ID); !errors.Is(err, w.game) || k.Game != 5 {
			t.Errorf("Usable = %+v, %v, want the kit and why it is not", k, err)
		}
		if page, _, err := w.Kits(ctx, false, "", "", 10); err != nil || len(page) != 1 || page[0].ID != edited.ID {
			t.Errorf("Kits = %+v, %v", page, err)
		}
		if all, err := w.KitVersions(ctx, kit.Kit); err != nil || len(all) != 2 || all[1].UsedAt != used.UsedAt {
			t.Errorf("KitVersions = %+v, %v", all, err)
		}
		if all, _, err := w.Versions(ctx, news.Material, "", 10); err != nil || len(all) != 1 {
			t.Errorf("Versions = %+v, %v", all, err)
		}
	})
}
