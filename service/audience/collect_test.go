package audience_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestACollectedAudienceGoesOnWhereItStopped(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		cut := errors.New("cut off")
		fail := true
		var asked []model.MemberID
		next := func(_ context.Context, after model.MemberID) ([]model.MemberID, model.MemberID, error) {
			asked = append(asked, after)
			switch {
			case after >= 30:
				return nil, 0, nil
			case after == 20 && fail:
				fail = false
				return nil, 0, cut
			case after == 10: // nobody of this page
				return nil, 20, nil
			}
			return []model.MemberID{after + 3, after + 7}, after + 10, nil
		}
		if _, err := a.Collect(t.Context(), 5, "part-1", next); !errors.Is(err, cut) {
			t.Fatalf("Collect = %v, want that it was cut off", err)
		}
		f, err := a.Collect(t.Context(), 5, "part-1", next)
		if err != nil || f.Size != 4 || f.DoneAt == 0 {
			t.Fatalf("Collect = %+v, %v, want 4 people", f, err)
		}
		again, err := a.Collect(t.Context(), 5, "part-1", func(context.Context, model.MemberID) ([]model.MemberID, model.MemberID, error) {
			t.Error("what is done was asked for again")
			return nil, 0, nil
		})
		if err != nil || again != f {
			t.Errorf("again = %+v, %v, want the same", again, err)
		}
		members, err := a.FrozenMembers(t.Context(), f.ID, 0, 100)
		if want := []model.MemberID{3, 7, 23, 27}; err != nil || !slices.Equal(members, want) {
			t.Errorf("members %v, %v, want %v", members, err, want)
		}
		if want := []model.MemberID{0, 10, 20, 20, 30}; !slices.Equal(asked, want) {
			t.Errorf("asked after %v, want %v", asked, want)
		}
		if _, err := a.Collect(t.Context(), 6, "part-1", next); !errors.Is(err, audience.ErrRequestReused) {
			t.Errorf("for another segment = %v, want ErrRequestReused", err)
		}
		among, err := a.FrozenAmong(t.Context(), f.ID, []model.MemberID{1, 7, 23, 99})
		if want := []model.MemberID{7, 23}; err != nil || !slices.Equal(among, want) {
			t.Errorf("among %v, %v, want %v", among, err, want)
		}
	})
}

func TestMembersAreAskedAboutInParts(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		importText(t, a, "手机号,上月ARPU,出生日期\n13900000001,500,1990-02-28\n13900000002,60,1992-02-29\n13900000003,700,1990-03-01\n")
		s, err := a.CreateSegment(t.Context(), 1, "高价值", tree(t, `{"attribute":"arpu1","op":"gte","value":10000}`))
		if err != nil {
			t.Fatal(err)
		}
		all, err := a.Sample(t.Context(), nil, tree(t, `{"attribute":"arpu1","op":"known"}`), 10)
		if err != nil || len(all) != 3 {
			t.Fatalf("people %v, %v, want 3", all, err)
		}
		slices.Sort(all)
		byARPU := func(fen int) model.MemberID { // the ids of customers have no order that a file gives
			ids, err := a.Sample(t.Context(), nil, tree(t, fmt.Sprintf(`{"attribute":"arpu1","op":"eq","value":%d}`, fen)), 2)
			if err != nil || len(ids) != 1 {
				t.Fatalf("people with %d fen: %v, %v, want 1", fen, ids, err)
			}
			return ids[0]
		}
		one, two, three := byARPU(50_000), byARPU(6000), byARPU(70_000)
		ordered := func(ids ...model.MemberID) []model.MemberID {
			slices.Sort(ids)
			return ids
		}
		if err := a.Did(t.Context(), []audience.Act{{Member: two, Kind: audience.TopUp, At: model.At(a.Now()), N: 1}}); err != nil {
			t.Fatal(err)
		}
		day := func(y, m, d int) model.Day {
			return model.DayOf(time.Date(y, time.Month(m), d, 12, 0, 0, 0, model.Shanghai))
		}
		for _, tt := range []struct {
			name string
			ask  func() ([]model.MemberID, error)
			want []model.MemberID
		}{
			{"in the segment", func() ([]model.MemberID, error) { return a.Matching(t.Context(), s.ID, all) }, ordered(one, three)},
			{"in the segment, of a few", func() ([]model.MemberID, error) { return a.Matching(t.Context(), s.ID, ordered(two, three)) }, []model.MemberID{three}},
			{"nobody asked about", func() ([]model.MemberID, error) { return a.Matching(t.Context(), s.ID, nil) }, nil},
			{"a page", func() ([]model.MemberID, error) { return a.MatchingAfter(t.Context(), s.ID, min(one, three), 5) }, []model.MemberID{max(one, three)}},
			{"birthdays of the 28th", func() ([]model.MemberID, error) { return a.BornOn(t.Context(), day(2028, 2, 28), all) }, []model.MemberID{one}},
			{"and those of the 29th", func() ([]model.MemberID, error) { return a.BornOn(t.Context(), day(2026, 2, 28), all) }, ordered(one, two)},
			{"in a leap year", func() ([]model.MemberID, error) { return a.BornOn(t.Context(), day(2028, 2, 29), all) }, []model.MemberID{two}},
			{"paid today", func() ([]model.MemberID, error) {
				return a.DidOn(t.Context(), model.DayOf(a.Now()), []audience.Kind{audience.TopUp, audience.Pack}, all)
			}, []model.MemberID{two}},
		} {
			got, err := tt.ask()
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
			}
		}
		if _, err := a.Matching(t.Context(), s.ID, make([]model.MemberID, audience.MaxAmong+1)); !errors.Is(err, audience.ErrTooMany) {
			t.Errorf("too many = %v, want ErrTooMany", err)
		}
	})
}
