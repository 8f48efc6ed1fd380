package material

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

func TestATemplateIsReadAsWeChatShowsIt(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w, ctx := newWorld(t, pool), t.Context()
		tpl, err := w.AddTemplate(ctx, writer, model.MiniChannel, "TPL-1", "活动提醒", "活动名称:{{thing1.DATA}}\n状态：{{phrase2.DATA}}\n")
		if err != nil || len(tpl.Fields) != 2 || tpl.Fields[1].Label != "状态" || tpl.Fields[1].Name != "phrase2" {
			t.Fatalf("AddTemplate = %+v, %v", tpl, err)
		}
		for name, content := range map[string]string{"no field": "活动", "an unknown one": "a:{{hologram1.DATA}}", "twice": "a:{{thing1.DATA}}\nb:{{thing1.DATA}}", "nothing": ""} {
			if _, err := w.AddTemplate(ctx, writer, model.MiniChannel, "TPL-2", "活动", content); !errors.Is(err, ErrTemplate) {
				t.Errorf("%s = %v, want ErrTemplate", name, err)
			}
		}
		if _, err := w.AddTemplate(ctx, writer, model.MiniChannel, "TPL-1", "又来", "a:{{thing1.DATA}}"); !errors.Is(err, ErrTemplateTaken) {
			t.Errorf("the same again = %v", err)
		}
		v := w.publish(Fresh{Kind: Notice, Name: "提醒", Body: Body{Template: tpl.ID, Fields: map[string]string{"thing1": "{{套餐|您的套餐}}到期", "phrase2": "进行中"}}})
		w.values[bob] = map[string]string{"套餐": strings.Repeat("超长套餐名称", 5)}
		messages, _ := w.Render(ctx, v.ID, []model.MemberID{alice, bob})
		for i, want := range []string{"5G畅享套餐到期", "您的套餐到期"} {
			if got := messages[i].Data["thing1"]; got != want || messages[i].Template != "TPL-1" {
				t.Errorf("member %d gets %+v, want %q", i, messages[i], want)
			}
		}
		if err := w.Fits(ctx, v.ID, model.MiniChannel); err != nil {
			t.Errorf("Fits = %v", err)
		}
		if err := w.Fits(ctx, v.ID, model.CustomChannel); !errors.Is(err, ErrChannel) {
			t.Errorf("Fits custom = %v, want ErrChannel", err)
		}
		p, err := w.Preview(ctx, v.ID, bob)
		if err != nil || p.Own || p.Message.Data["thing1"] != "您的套餐到期" || p.Values["套餐"] == "" {
			t.Errorf("Preview = %+v, %v", p, err)
		}
		if page, _, err := w.Templates(ctx, false, "", 10); err != nil || len(page) != 1 || page[0].ID != tpl.ID {
			t.Errorf("Templates = %+v, %v", page, err)
		}
		if problems, fits, err := w.Check(ctx, Text, Body{Text: "{{x}}"}); err != nil || !broken(problems) || len(fits) != len(Channels) {
			t.Errorf("Check = %+v, %+v, %v", problems, fits, err)
		}
	})
}

func TestARetiredTemplateIsForWhatWasPublishedAlone(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w, ctx := newWorld(t, pool), t.Context()
		register := func() Template {
			t.Helper()
			tpl, err := w.AddTemplate(ctx, writer, model.MiniChannel, "TPL-1", "活动提醒", "活动名称:{{thing1.DATA}}\n")
			if err != nil {
				t.Fatal(err)
			}
			return tpl
		}
		body := func(tpl Template) Body {
			return Body{Template: tpl.ID, Fields: map[string]string{"thing1": "回家"}}
		}
		old := register()
		published := w.publish(Fresh{Kind: Notice, Name: "提醒", Body: body(old)})
		if err := w.Fits(ctx, published.ID, model.MiniChannel); err != nil {
			t.Fatalf("before: Fits = %v", err)
		}
		waiting := w.create(Fresh{Kind: Notice, Name: "草稿", Body: body(old)})
		audited := len(w.audited)
		for range 2 {
			if err := w.RetireTemplate(ctx, writer, old.ID); err != nil {
				t.Fatal(err)
			}
		}
		if rows := w.audited[audited:]; len(rows) != 1 || rows[0].Action != "material.template_retire" || rows[0].Operator != writer {
			t.Errorf("the audit of one retirement is %+v", rows)
		}
		if err := w.RetireTemplate(ctx, writer, 77); !errors.Is(err, ErrNoTemplate) {
			t.Errorf("retiring none = %v, want ErrNoTemplate", err)
		}
		if messages, faults := w.Render(ctx, published.ID, []model.MemberID{alice}); faults[0] != nil || messages[0].Template != "TPL-1" {
			t.Errorf("what was published is %+v, %v, want it as before", messages[0], faults[0])
		}
		if err := w.Fits(ctx, published.ID, model.MiniChannel); !errors.Is(err, ErrChannel) || !strings.Contains(fault.Of(err).Text, "模板“活动提醒”已停用") {
			t.Errorf("a new plan: Fits = %v, want ErrChannel with the template", err)
		}
		if problems, _, err := w.Check(ctx, Notice, body(old)); err != nil || len(problems) != 1 || problems[0].Field != "template" || !strings.Contains(problems[0].Text, "已停用") {
			t.Errorf("Check = %+v, %v, want the retired template", problems, err)
		}
		if _, err := w.Submit(ctx, writer, waiting.ID, waiting.Revision); !errors.Is(err, ErrBody) {
			t.Errorf("Submit = %v, want ErrBody", err)
		}
		fresh := register()
		for _, tt := range []struct {
			retired bool
			want    []model.ID
		}{{false, []model.ID{fresh.ID}}, {true, []model.ID{old.ID, fresh.ID}}} {
			page, _, err := w.Templates(ctx, tt.retired, "", 10)
			var got []model.ID
			for _, one := range page {
				got = append(got, one.ID)
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("Templates(retired %v) = %v, %v, want %v", tt.retired, got, err, tt.want)
			}
		}
		if _, err := w.AddTemplate(ctx, writer, model.MiniChannel, "TPL-1", "又来", "a:{{thing1.DATA}}"); !errors.Is(err, ErrTemplateTaken) {
			t.Errorf("registered twice = %v, want ErrTemplateTaken", err)
		}
	})
}
