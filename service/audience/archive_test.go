package audience_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

// book is an audit of which the stories read the actions and details.
type book []string

func (b *book) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	*b = append(*b, fmt.Sprintf("%s %s %s %+v", e.Operator, e.Action, e.Target.Type, e.Detail))
	return nil
}

// archived archives a segment that nobody uses.
func archived(t *testing.T, a *audience.Audience, id model.ID) audience.Segment {
	t.Helper()
	s, err := a.ArchiveSegment(t.Context(), 2, id)
	if err != nil {
		t.Fatalf("ArchiveSegment: %v, %s", err, text(err))
	}
	return s
}

// listed are the names of all pages of two.
func listed(t *testing.T, a *audience.Audience, archived bool) (names []string) {
	t.Helper()
	for cursor := ""; ; {
		page, next, err := a.Segments(t.Context(), archived, "", cursor, 2)
		if err != nil || len(page) > 2 || next != "" && len(page) < 2 {
			t.Fatalf("a page of %d, next %q, %v, want two of each page but the last", len(page), next, err)
		}
		for _, s := range page {
			names = append(names, s.Name)
		}
		if cursor = next; cursor == "" {
			return names
		}
	}
}

// told is an audit of which the details are read as they are kept.
type told []string

func (l *told) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	detail, err := json.Marshal(e.Detail)
	*l = append(*l, e.Action+" "+string(detail))
	return err
}

func TestTheAuditKeepsASegmentsNameAndRule(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := openAt(t, db, audience.Options{}, func() time.Time { return now })
		var lines told
		a.Audit = &lines
		s := segment(t, a, "高价值", `{"stage":["会员"]}`)
		s.Name, s.Tree.Stage = "低价值", []string{"过客"}
		if _, err := a.UpdateSegment(t.Context(), 2, s); err != nil {
			t.Fatal(err, text(err))
		}
		if len(lines) != 2 || !strings.Contains(lines[0], "高价值") || !strings.Contains(lines[0], "会员") {
			t.Fatalf("the audit has %q, want the new segment's name and rule first", lines)
		}
		for _, want := range []string{"高价值", "低价值", "过客"} {
			if !strings.Contains(lines[1], want) {
				t.Errorf("the audit of a change has %q, want %s in it", lines[1], want)
			}
		}
	})
}

func TestAnArchivedSegmentLeavesTheListUntilItIsRestored(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		at := now
		a, ctx := openAt(t, db, audience.Options{}, func() time.Time { return at }), t.Context()
		var all []audience.Segment
		for _, name := range []string{"一", "二", "三", "四", "五", "六", "七"} {
			all = append(all, segment(t, a, name, `{"stage":["会员"]}`))
		}
		var lines book
		a.Audit = &lines
		for _, i := range []int{1, 2, 3, 5} {
			archived(t, a, all[i].ID)
		}
		if got := listed(t, a, false); !slices.Equal(got, []string{"七", "五", "一"}) {
			t.Errorf("listed %v, want those that are not archived", got)
		}
		if got := listed(t, a, true); !slices.Equal(got, []string{"六", "四", "三", "二"}) {
			t.Errorf("archived %v, want the four", got)
		}
		lines, at = nil, at.Add(time.Hour)
		for _, tt := range []struct {
			name string
			run  func(context.Context, model.ID, model.ID) (audience.Segment, error)
			want model.Millis
			line string
		}{
			{"archived again stays as it is", a.ArchiveSegment, model.At(now), "2 segment.archive segment {Name:二 Already:true}"},
			{"restored is as it was", a.RestoreSegment, 0, "2 segment.restore segment {Name:二 Already:false}"},
			{"restored again stays as it is", a.RestoreSegment, 0, "2 segment.restore segment {Name:二 Already:true}"},
			{"archived once more is so since then", a.ArchiveSegment, model.At(at), "2 segment.archive segment {Name:二 Already:false}"},
		} {
			lines = nil
			s, err := tt.run(ctx, 2, all[1].ID)
			read, readErr := a.Segment(ctx, all[1].ID)
			if err != nil || readErr != nil || s.ArchivedAt != tt.want || read.ArchivedAt != tt.want || s.Version != 1 || s.Name != "二" {
				t.Errorf("%s: %+v, %v; read %+v, %v", tt.name, s, err, read, readErr)
			}
			if !slices.Equal(lines, book{tt.line}) {
				t.Errorf("%s: the audit has %q, want the one line %q", tt.name, lines, tt.line)
			}
		}
		for name, run := range map[string]func(context.Context, model.ID, model.ID) (audience.Segment, error){"archived": a.ArchiveSegment, "restored": a.RestoreSegment} {
			if _, err := run(ctx, 2, 7); !errors.Is(err, audience.ErrNoSegment) {
				t.Errorf("one that is not there, %s: %v, want ErrNoSegment", name, err)
			}
		}
	})
}

func TestWhatGoesOnKeepsASegmentFromBeingArchivedAndWhatIsOverDoesNot(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{}), t.Context()
		inner := segment(t, a, "里面的", `{"stage":["会员"]}`)
		outer := segment(t, a, "外面的", fmt.Sprintf(`{"not":{"segment":"%s"}}`, inner.ID))
		running := segment(t, a, "进行的", `{"stage":["会员"]}`)
		a.Plans = plans{on: map[model.ID][]string{running.ID: {"回家过年"}}, over: map[model.ID][]string{running.ID: {"去年回家"}, outer.ID: {"去年回家"}}}
		archive := func(id model.ID) error { _, err := a.ArchiveSegment(ctx, 2, id); return err }
		remove := func(id model.ID) error { return a.DeleteSegment(ctx, 2, id) }
		for _, tt := range []struct {
			name string
			try  func(model.ID) error
			id   model.ID
			says string // empty: it is done
		}{
			{"archiving one of a campaign that goes on", archive, running.ID, "人群“进行的”正被使用，不能归档：活动“回家过年”。请先在那里去掉它，或等活动结束"},
			{"archiving one of another segment", archive, inner.ID, "人群“里面的”正被使用，不能归档：人群“外面的”。"},
			{"deleting one of a campaign that goes on", remove, running.ID, "不能删除：活动“回家过年”、活动“去年回家”。请先在那里去掉它"},
			{"deleting one of a campaign that is over", remove, outer.ID, "不能删除：活动“去年回家”。可改为归档"},
			{"archiving one of a campaign that is over", archive, outer.ID, ""},
			{"deleting one that is archived", remove, outer.ID, "不能删除：活动“去年回家”。它已归档，保留即可"},
			{"deleting one of an archived segment", remove, inner.ID, "不能删除：人群“外面的”（已归档）。可改为归档"},
			{"archiving one of an archived segment", archive, inner.ID, ""},
		} {
			err := tt.try(tt.id)
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, audience.ErrInUse) || !strings.Contains(text(err), tt.says)) {
				t.Errorf("%s: %v, %s, want %q", tt.name, err, text(err), tt.says)
			}
		}
		if got := listed(t, a, true); !slices.Equal(got, []string{"外面的", "里面的"}) {
			t.Errorf("archived %v, want what was not refused alone", got)
		}
	})
}

func TestNothingNewNamesAnArchivedSegment(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{}), t.Context()
		away := segment(t, a, "返乡的", `{"stage":["会员"]}`)
		around := segment(t, a, "引用的", fmt.Sprintf(`{"and":[{"segment":"%s"}]}`, away.ID))
		other := segment(t, a, "别的", `{"stage":["会员"]}`)
		archived(t, a, around.ID)
		archived(t, a, away.ID)
		names := tree(t, fmt.Sprintf(`{"and":[{"stage":["会员"]},{"not":{"segment":"%s"}}]}`, away.ID))
		other.Tree = names
		for _, tt := range []struct {
			name string
			try  func() error
			want error
			says string
		}{
			{"a new segment", func() error { _, err := a.CreateSegment(ctx, 1, "新的", names); return err }, audience.ErrSegment, "人群“返乡的”已归档，请先恢复它再使用"},
			{"a changed segment", func() error { _, err := a.UpdateSegment(ctx, 1, other); return err }, audience.ErrSegment, "人群“返乡的”已归档，请先恢复它再使用"},
			{"the archived one itself", func() error { _, err := a.UpdateSegment(ctx, 1, away); return err }, audience.ErrArchived, "人群“返乡的”已归档，请先恢复它再修改"},
			{"one that is restored", func() error { _, err := a.RestoreSegment(ctx, 1, around.ID); return err }, audience.ErrArchived, "人群“返乡的”已归档，请先恢复它再使用"},
			{"its name", func() error {
				_, err := a.CreateSegment(ctx, 1, "返乡的", tree(t, `{"stage":["会员"]}`))
				return err
			}, audience.ErrSegmentTaken, "已归档的人群中有同名的"},
			{"whoever holds it", func() error { return inTx(ctx, db, func(tx *sql.Tx) error { return a.HoldTx(ctx, tx, away.ID) }) }, audience.ErrArchived, "人群“返乡的”已归档"},
		} {
			if err := tt.try(); !errors.Is(err, tt.want) || !strings.Contains(text(err), tt.says) {
				t.Errorf("%s: %v, %s, want %v with %s", tt.name, err, text(err), tt.want, tt.says)
			}
		}
		if found, err := a.Validate(ctx, names, 0); err != nil || len(found) != 1 || found[0].Where != "and[1].not" || !strings.Contains(found[0].Text, "已归档") {
			t.Errorf("Validate = %v, %v, want the archived one where it is named", found, err)
		}
		for _, id := range []model.ID{away.ID, around.ID} {
			if _, err := a.RestoreSegment(ctx, 1, id); err != nil {
				t.Errorf("restored in order: %v, %s", err, text(err))
			}
		}
		if _, err := a.UpdateSegment(ctx, 1, other); err != nil {
			t.Errorf("a restored one is named: %v, %s", err, text(err))
		}
	})
}

func inTx(ctx context.Context, db *sql.DB, run func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return errors.Join(run(tx), tx.Rollback())
}

func TestWhatIsArchivedIsEvaluatedAsBefore(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{FreezeRange: 5}), t.Context()
		importText(t, a, customers(40))
		inner := segment(t, a, "里面的", `{"attribute":"arpu1","op":"gte","value":2000}`)
		s := segment(t, a, "高消费", fmt.Sprintf(`{"and":[{"segment":"%s"}]}`, inner.ID))
		everybody, err := a.Sample(ctx, nil, tree(t, `{"bucket":{"from":0,"to":99}}`), 100)
		if err != nil {
			t.Fatal(err)
		}
		nobody := slices.IndexFunc(everybody, func(m model.MemberID) bool {
			unmet, err := a.Unmet(ctx, s.ID, m)
			return err == nil && len(unmet) > 0
		})
		asked := func() string {
			t.Helper()
			among, err := a.Matching(ctx, s.ID, everybody)
			joined, joinedErr := a.MatchingAfter(ctx, s.ID, 0, 100)
			unmet, unmetErr := a.Unmet(ctx, s.ID, everybody[nobody])
			n, countErr := a.Count(ctx, s.Tree)
			said, found, sayErr := a.Say(ctx, s)
			again, againErr := a.Freeze(ctx, s.ID, "campaign-1")
			if err := errors.Join(err, joinedErr, unmetErr, countErr, sayErr, againErr); err != nil || len(found) > 0 {
				t.Fatalf("%v, %v", err, found)
			}
			return fmt.Sprint(among, joined, unmet, n, said, again)
		}
		want := asked()
		archived(t, a, s.ID)
		archived(t, a, inner.ID)
		if got := asked(); got != want {
			t.Errorf("archived, it answers %s, want %s", got, want)
		}
		// A step of a campaign that goes on may begin to wait for those who join.
		if f, err := a.Freeze(ctx, s.ID, "campaign/watch/1"); err != nil || f.Size != 18 || f.Name != "高消费" {
			t.Errorf("frozen for a watch = %+v, %v, want its 18", f, err)
		}
	})
}

func TestWhoNamesASegmentAndWhoArchivesItAreNotBothRight(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, ctx := open(t, db, audience.Options{}), t.Context()
		s := segment(t, a, "返乡的", `{"stage":["会员"]}`)
		names := fmt.Sprintf(`{"not":{"segment":"%s"}}`, s.ID)
		changed := segment(t, a, "改的", `{"stage":["会员"]}`)
		put := segment(t, a, "恢复的", names)
		archived(t, a, put.ID)
		for round := range 30 {
			var named, away error
			undo := func() error { return nil }
			var group sync.WaitGroup
			switch round % 3 {
			case 0:
				group.Go(func() {
					var made audience.Segment
					made, named = a.CreateSegment(ctx, 1, fmt.Sprint("人群", round), tree(t, names))
					undo = func() error { return a.DeleteSegment(ctx, 2, made.ID) }
				})
			case 1:
				group.Go(func() {
					var saved audience.Segment
					to := changed
					to.Tree = tree(t, names)
					saved, named = a.UpdateSegment(ctx, 1, to)
					undo = func() (err error) {
						saved.Tree = tree(t, `{"stage":["会员"]}`)
						changed, err = a.UpdateSegment(ctx, 1, saved)
						return err
					}
				})
			case 2:
				group.Go(func() {
					_, named = a.RestoreSegment(ctx, 1, put.ID)
					undo = func() error { _, err := a.ArchiveSegment(ctx, 2, put.ID); return err }
				})
			}
			group.Go(func() { _, away = a.ArchiveSegment(ctx, 2, s.ID) })
			group.Wait()
			switch {
			case named == nil && errors.Is(away, audience.ErrInUse):
				if err := undo(); err != nil {
					t.Fatal(err)
				}
			case away == nil && (errors.Is(named, audience.ErrSegment) || errors.Is(named, audience.ErrArchived)):
				if _, err := a.RestoreSegment(ctx, 2, s.ID); err != nil {
					t.Fatal(err)
				}
			default:
				t.Fatalf("round %d: named: %v, archived: %v, want one of them refused", round, named, away)
			}
		}
	})
}
