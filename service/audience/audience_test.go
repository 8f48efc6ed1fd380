package audience_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	"kaimenhong/service/audience"
)

// now is the instant of every test: the morning of 2026-11-21 in China.
var now = time.Date(2026, 11, 21, 9, 0, 0, 0, model.Shanghai)

func open(t testing.TB, db *sql.DB, opts audience.Options) *audience.Audience {
	t.Helper()
	return openAt(t, db, opts, func() time.Time { return now })
}

// observe lets the audience look at a member who stands still.
func observe(ctx context.Context, a *audience.Audience, m model.Member) error {
	_, err := a.Observe(ctx, func(context.Context, *sql.Tx) (model.Member, error) { return m, nil })
	return err
}

func openAt(t testing.TB, db *sql.DB, opts audience.Options, clock model.Clock) *audience.Audience {
	t.Helper()
	return openWith(t, db, opts, clock, clock)
}

// openWith has another clock for ids.
func openWith(t testing.TB, db *sql.DB, opts audience.Options, clock, forIDs model.Clock) *audience.Audience {
	t.Helper()
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, seal.KeySize)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(nodes.Add(1)%8192, forIDs)
	if err != nil {
		t.Fatal(err)
	}
	a, err := audience.New(audience.Deps{
		DB: db, Sealer: sealer, IDs: ids, Now: clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func phone(t testing.TB, s string) model.Phone {
	t.Helper()
	p, err := model.ParsePhone(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tree(t testing.TB, s string) audience.Node {
	t.Helper()
	n, err := audience.ParseTree([]byte(s))
	if err != nil {
		t.Fatalf("ParseTree(%s) = %v", s, err)
	}
	return n
}

func daysAgo(n int) model.Millis { return model.At(now.AddDate(0, 0, -n)) }

func TestWhatMembersDoAddsUpByDayAndCounts(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		did := func(acts ...audience.Act) {
			t.Helper()
			if err := a.Did(t.Context(), acts); err != nil {
				t.Fatal(err)
			}
		}
		did(audience.Act{Member: 1, Kind: audience.Help, At: daysAgo(0)}, audience.Act{Member: 1, Kind: audience.Help, At: daysAgo(0), N: 2},
			audience.Act{Member: 2, Kind: audience.Help, At: daysAgo(29)}, audience.Act{Member: 3, Kind: audience.Help, At: daysAgo(30)})
		did(audience.Act{Member: 1, Kind: audience.Help, At: daysAgo(0)}, audience.Act{Member: 4, Kind: audience.Tap, At: daysAgo(0)})
		for _, tt := range []struct {
			tree string
			want int64
		}{
			{`{"did":"help","days":30}`, 2},
			{`{"did":"help","days":31}`, 3},
			{`{"did":"help","days":30,"times":4}`, 1},
			{`{"did":"help","days":30,"times":5}`, 0},
			{`{"didNot":"help","days":30}`, 2},
			{`{"did":"help","since":"2026-10-22"}`, 3},
			{`{"not":{"did":"help","days":31}}`, 1},
		} {
			if got, err := a.Count(t.Context(), tree(t, tt.tree)); got != tt.want || err != nil {
				t.Errorf("Count(%s) = %d, %v, want %d", tt.tree, got, err, tt.want)
			}
		}
		for _, act := range []audience.Act{{Member: 1, Kind: "fly", At: 1}, {Kind: audience.Tap, At: 1}, {Member: 1, Kind: audience.Tap}} {
			if err := a.Did(t.Context(), []audience.Act{act}); !errors.Is(err, audience.ErrAct) {
				t.Errorf("Did(%v) = %v, want ErrAct", act, err)
			}
		}
	})
}

func TestOldDeedsAreForgotten(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		acts := []audience.Act{
			{Member: 1, Kind: audience.Tap, At: daysAgo(audience.Retention)}, {Member: 1, Kind: audience.Tap, At: daysAgo(audience.Retention - 1)},
			{Member: 2, Kind: audience.Buy, At: daysAgo(900)},
		}
		if err := a.Did(t.Context(), acts); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{2, 0} {
			if n, err := a.Prune(t.Context()); n != want || err != nil {
				t.Errorf("Prune = %d, %v, want %d", n, err, want)
			}
		}
	})
}

func TestAMemberBringsWhatHisNumberIsKnownFor(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		importText(t, a, "手机号,姓名,套餐,上月ARPU\n13800000001,张三丰,畅享129,88.50\n")
		m := model.Member{ID: 77, Follows: true, JoinedAt: daysAgo(10)}
		look := func() audience.Portrait {
			t.Helper()
			for range 2 { // again changes nothing
				if err := observe(t.Context(), a, m); err != nil {
					t.Fatal(err)
				}
			}
			p, err := a.Portrait(t.Context(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := look(); p.Stage.Title != "看客" || fact(p, "plan").Value != nil || p.Phone != "" {
			t.Errorf("before binding: %+v", p)
		}
		m.Phone, m.BoundAt = phone(t, "13800000001"), daysAgo(1)
		p := look()
		if f := fact(p, "plan"); f.Value != "畅享129" || f.Source != "carrier" || f.At == 0 || f.Import == 0 {
			t.Errorf("plan = %+v, want the carrier's word", f)
		}
		if p.Stage.Title != "顾客" || p.Phone != "138****0001" || p.Name != "张**" || fact(p, "arpu1").Text != "88.50元" {
			t.Errorf("after binding: %+v", p)
		}
		if n, err := a.Count(t.Context(), tree(t, `{"attribute":"plan","op":"eq","value":"畅享129"}`)); n != 1 || err != nil {
			t.Errorf("people with the plan = %d, %v, want 1: the customer became the member", n, err)
		}
		other := model.Member{ID: 78, Phone: m.Phone, BoundAt: daysAgo(0), JoinedAt: daysAgo(3)}
		if err := observe(t.Context(), a, other); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Portrait(t.Context(), m.ID); err != nil || fact(p, "plan").Value != nil || p.Phone != "" {
			t.Errorf("who lost the number has %+v, %v, want nothing of the carrier's", p, err)
		}
		m.Phone, m.BoundAt = model.Phone{}, 0
		if p := look(); p.Stage.Title != "看客" {
			t.Errorf("after unbinding: %+v", p.Stage)
		}
		if err := a.Forget(t.Context(), 78); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Portrait(t.Context(), 78); !errors.Is(err, audience.ErrUnknown) {
			t.Errorf("Portrait of a forgotten one = %v, want ErrUnknown", err)
		}
	})
}

func fact(p audience.Portrait, key string) audience.Fact {
	for _, f := range p.Facts {
		if f.Key == key {
			return f
		}
	}
	return audience.Fact{}
}

func TestTheStageIsTheHighestRuleThatHolds(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		at := now
		a := openAt(t, db, audience.Options{}, func() time.Time { return at })
		bound := phone(t, "13900000001")
		for _, tt := range []struct {
			name   string
			member model.Member
			acts   []audience.Act
			want   string
		}{
			{"nobody yet", model.Member{ID: 1}, nil, "过客"},
			{"follows", model.Member{ID: 2, Follows: true}, nil, "看客"},
			{"asks", model.Member{ID: 3}, []audience.Act{{Kind: audience.Ask, At: daysAgo(1)}}, "看客"},
			{"buys unbound", model.Member{ID: 4}, []audience.Act{{Kind: audience.Buy, At: daysAgo(1)}}, "看客"},
			{"binds", model.Member{ID: 5, Phone: bound, BoundAt: 1}, nil, "顾客"},
			{"signs in", model.Member{ID: 5, Phone: bound, BoundAt: 1}, []audience.Act{{Kind: audience.SignIn, At: daysAgo(89)}}, "会员"},
			{"opens a pot", model.Member{ID: 5, Phone: bound, BoundAt: 1}, []audience.Act{{Kind: audience.Play, At: daysAgo(80)}}, "朋友"},
			{"helps a lot", model.Member{ID: 5, Phone: bound, BoundAt: 1}, []audience.Act{{Kind: audience.Help, At: daysAgo(70), N: 5}}, "伙伴"},
		} {
			for i := range tt.acts {
				tt.acts[i].Member = tt.member.ID
			}
			if err := errors.Join(a.Did(t.Context(), tt.acts), observe(t.Context(), a, tt.member)); err != nil {
				t.Fatal(err)
			}
			if p, err := a.Portrait(t.Context(), tt.member.ID); err != nil || p.Stage.Title != tt.want || p.Stage.Rule == "" {
				t.Errorf("%s: stage = %+v, %v, want %s", tt.name, p.Stage, err, tt.want)
			}
		}
		at = now.AddDate(0, 0, 15) // the pot stays within 90 days, signing in does not, helping does
		if n, err := a.Restage(t.Context()); n != 0 || err != nil {
			t.Errorf("Restage = %d, %v, want 0", n, err)
		}
		at = now.AddDate(0, 0, 95)
		if n, err := a.Restage(t.Context()); n != 3 || err != nil {
			t.Errorf("Restage = %d, %v, want the asker, the buyer and the partner back", n, err)
		}
		if n, err := a.Count(t.Context(), tree(t, `{"stage":["顾客"]}`)); n != 1 || err != nil {
			t.Errorf("customers = %d, %v, want 1", n, err)
		}
	})
}

func TestTagsAreAddedAndRemovedWithTheirSource(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		if err := a.Did(t.Context(), []audience.Act{{Member: 5, Kind: audience.Tap, At: daysAgo(0)}, {Member: 6, Kind: audience.Tap, At: daysAgo(0)}}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{2, 0} {
			if got, err := a.AddTag(t.Context(), 1, "返乡", []model.MemberID{6, 5, 6, 77}); got.Changed != want || got.Unknown != 1 || got.Tag == 0 || err != nil {
				t.Errorf("AddTag = %+v, %v, want %d changed, one unknown", got, err, want)
			}
		}
		p, err := a.Portrait(t.Context(), 5)
		if err != nil || len(p.Tags) != 1 || p.Tags[0].Source != "operator:1" || p.Tags[0].At != model.At(now) {
			t.Errorf("tags = %+v, %v, want one with its source and date", p.Tags, err)
		}
		if got, err := a.RemoveTag(t.Context(), 1, "返乡", []model.MemberID{5, 99}); got.Changed != 1 || err != nil {
			t.Errorf("RemoveTag = %+v, %v, want 1", got, err)
		}
		if tags, err := a.Tags(t.Context()); err != nil || len(tags) != 1 || tags[0].Members != 1 {
			t.Errorf("Tags = %v, %v, want one member left", tags, err)
		}
		for _, name := range []string{"", "=1+1", " 返乡", "返\u202e乡", strings.Repeat("乡", 21)} {
			if _, err := a.AddTag(t.Context(), 1, name, nil); !errors.Is(err, audience.ErrTag) {
				t.Errorf("AddTag(%q) = %v, want ErrTag", name, err)
			}
		}
	})
}

func TestAPortraitIsOnePageWithoutTheNumber(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	if err := observe(t.Context(), a, model.Member{ID: 9, Phone: phone(t, "13812345678"), BoundAt: 5}); err != nil {
		t.Fatal(err)
	}
	p, err := a.Portrait(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	page, err := json.Marshal(p)
	if err != nil || strings.Contains(string(page), "13812345678") || !strings.Contains(string(page), "138****5678") {
		t.Errorf("page = %s, %v, want the number masked", page, err)
	}
}
