package audience_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/audience"
)

// plans are campaigns that name segments: some that go on, some that are over.
type plans struct{ on, over map[model.ID][]string }

func (p plans) NamingTx(_ context.Context, _ *sql.Tx, segment model.ID, _ int) ([]string, error) {
	return slices.Concat(p.on[segment], p.over[segment]), nil
}

func (p plans) UsingTx(_ context.Context, _ *sql.Tx, segment model.ID, _ int) ([]string, error) {
	return p.on[segment], nil
}

func segment(t *testing.T, a *audience.Audience, name, text string) audience.Segment {
	t.Helper()
	s, err := a.CreateSegment(t.Context(), 1, name, tree(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsUsedIsNotDeletedAndSaysByWhom(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{}), t.Context()
		importText(t, a, customers(20))
		tag, err := a.CreateTag(ctx, 1, `a<b"c`)
		if err != nil {
			t.Fatal(err)
		}
		list, err := a.UploadList(ctx, nil, 1, "返乡名单", strings.NewReader("手机号\n13800000001\n"))
		if err != nil {
			t.Fatal(err)
		}
		tagged := segment(t, a, "有标签的", `{"not":{"tag":"a<b\"c"}}`)
		segment(t, a, "在名单的", fmt.Sprintf(`{"and":[{"list":"%s"}]}`, list.ID))
		both := segment(t, a, "都有的", fmt.Sprintf(`{"or":[{"segment":"%s"},{"bucket":{"from":0,"to":9}}]}`, tagged.ID))
		a.Plans = plans{on: map[model.ID][]string{both.ID: {"回家过年"}}}
		for _, tt := range []struct {
			name string
			try  func() error
			want *fault.Error
			says string
		}{
			{"a tag of a segment", func() error { return a.DeleteTag(ctx, 2, tag) }, audience.ErrInUse, "人群“有标签的”"},
			{"a list of a segment", func() error { return a.DeleteList(ctx, 2, list.ID) }, audience.ErrInUse, "人群“在名单的”"},
			{"a segment of a segment", func() error { return a.DeleteSegment(ctx, 2, tagged.ID) }, audience.ErrInUse, "人群“都有的”"},
			{"a segment of a campaign", func() error { return a.DeleteSegment(ctx, 2, both.ID) }, audience.ErrInUse, "活动“回家过年”"},
			{"no tag", func() error { return a.DeleteTag(ctx, 2, 7) }, audience.ErrNoTag, ""},
			{"no list", func() error { return a.DeleteList(ctx, 2, 7) }, audience.ErrNoList, ""},
			{"no segment", func() error { return a.DeleteSegment(ctx, 2, 7) }, audience.ErrNoSegment, ""},
		} {
			if err := tt.try(); !errors.Is(err, tt.want) || !strings.Contains(fault.Of(err).Text, tt.says) {
				t.Errorf("%s is deleted: %v, %s, want %v with %s", tt.name, err, fault.Of(err).Text, tt.want, tt.says)
			}
		}
		if users, err := a.SegmentUsers(ctx, both.ID); err != nil || !slices.Equal(users, []string{"活动“回家过年”"}) {
			t.Errorf("SegmentUsers = %v, %v, want the campaign", users, err)
		}
		if said, found, err := a.Say(ctx, both); err != nil || len(found) > 0 || said != "选出属于人群“有标签的”，或随机分桶在0到9之间的人。" {
			t.Errorf("Say = %s, %v, %v", said, found, err)
		}
		all, _, err := a.Segments(ctx, false, "", "", 10)
		tags, tagsErr := a.Tags(ctx)
		lists, _, listsErr := a.Lists(ctx, "", 10)
		if err = errors.Join(err, tagsErr, listsErr); err != nil || len(all) != 3 || len(tags) != 1 || len(lists) != 1 {
			t.Errorf("%d segments, %d tags, %d lists are left, %v, want all", len(all), len(tags), len(lists), err)
		}
	})
}

func TestWhatIsDeletedIsGoneAndWhatWasFrozenStays(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{}), t.Context()
		importText(t, a, customers(20))
		file := "手机号\n13800000001\n13800000002\n"
		list, err := a.UploadList(ctx, nil, 1, "返乡名单", strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		s := segment(t, a, "返乡的", fmt.Sprintf(`{"list":"%s"}`, list.ID))
		people, err := a.Sample(ctx, nil, s.Tree, 10)
		if err != nil || len(people) != 2 {
			t.Fatalf("Sample = %v, %v, want two", people, err)
		}
		if _, err := a.AddTag(ctx, 1, "返乡", people); err != nil {
			t.Fatal(err)
		}
		frozen, err := a.Freeze(ctx, s.ID, "campaign-1")
		if err != nil || frozen.Size != 2 || frozen.Name != "返乡的" || !strings.Contains(frozen.Sentence, "返乡名单") {
			t.Fatalf("Freeze = %+v, %v, want two with the name and the rule", frozen, err)
		}
		tags, err := a.Tags(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.DeleteSegment(ctx, 2, s.ID), a.DeleteList(ctx, 2, list.ID), a.DeleteTag(ctx, 2, tags[0].ID)); err != nil {
			t.Fatal(err)
		}
		if err := a.DeleteSegment(ctx, 2, s.ID); !errors.Is(err, audience.ErrNoSegment) {
			t.Errorf("deleted twice: %v, want ErrNoSegment", err)
		}
		for table, want := range map[string]int{"audience_segment": 0, "audience_tag": 0, "audience_member_tag": 0, "audience_list": 0, "audience_list_member": 0, "audience_frozen_member": 2} {
			var n int
			if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil || n != want {
				t.Errorf("%s has %d rows, %v, want %d", table, n, err, want)
			}
		}
		for name, again := range map[string]func() (audience.Frozen, error){
			"read":             func() (audience.Frozen, error) { return a.Frozen(ctx, frozen.ID) },
			"the same request": func() (audience.Frozen, error) { return a.Freeze(ctx, s.ID, "campaign-1") },
		} {
			if f, err := again(); f != frozen || err != nil {
				t.Errorf("frozen, %s = %+v, %v, want %+v", name, f, err, frozen)
			}
		}
		if anew, err := a.UploadList(ctx, nil, 1, "再来", strings.NewReader(file)); err != nil || anew.ID == list.ID || anew.Size != 2 || anew.Name != "再来" {
			t.Errorf("the same file anew = %+v, %v, want another list", anew, err)
		}
		if _, err := a.CreateSegment(ctx, 1, "返乡的", tree(t, `{"tag":"返乡"}`)); !errors.Is(err, audience.ErrSegment) {
			t.Errorf("a segment of a tag that is gone = %v, want ErrSegment", err)
		}
	})
}

func TestTheNightFinishesADeletionThatWasCutShort(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{}), t.Context()
		importText(t, a, customers(20))
		people, err := a.Sample(ctx, nil, tree(t, `{"bucket":{"from":0,"to":99}}`), 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.AddTag(ctx, 1, "在用", people)
		_, listErr := a.UploadList(ctx, nil, 1, "在用", strings.NewReader("手机号\n13800000001\n"))
		if err := errors.Join(err, listErr); err != nil {
			t.Fatal(err)
		}
		for _, left := range []string{
			"INSERT INTO audience_member_tag (tag_id, member_id, source, tagged_at) VALUES (7, 1, 'rule', 1)",
			"INSERT INTO audience_list_member (list_id, member_id) VALUES (7, 1)",
		} {
			if _, err := db.ExecContext(ctx, left); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Prune(ctx); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"audience_member_tag", "audience_list_member"} {
			var n int
			if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil || n != 1 {
				t.Errorf("%s has %d rows, %v, want the one that is in use", table, n, err)
			}
		}
	})
}

func TestWhoNamesATagAndWhoDeletesItAreNotBothRight(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{}), t.Context()
		for round := range 20 {
			tag, err := a.CreateTag(ctx, 1, "返乡")
			if err != nil {
				t.Fatal(err)
			}
			var saved, deleted error
			var s audience.Segment
			var group sync.WaitGroup
			group.Go(func() { s, saved = a.CreateSegment(ctx, 1, fmt.Sprint("人群", round), tree(t, `{"tag":"返乡"}`)) })
			group.Go(func() { deleted = a.DeleteTag(ctx, 2, tag) })
			group.Wait()
			switch {
			case saved == nil && errors.Is(deleted, audience.ErrInUse):
				if err := errors.Join(a.DeleteSegment(ctx, 2, s.ID), a.DeleteTag(ctx, 2, tag)); err != nil {
					t.Fatal(err)
				}
			case deleted == nil && errors.Is(saved, audience.ErrSegment):
			default:
				t.Fatalf("saved: %v, deleted: %v, want one of them refused", saved, deleted)
			}
		}
	})
}
