package audience_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestAFrozenAudienceStaysAndGoesOnAfterAKill(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{FreezeRange: 10})
		importText(t, a, customers(200))
		s, err := a.CreateSegment(t.Context(), 1, "全部", tree(t, `{"attribute":"arpu1","op":"gte","value":10000}`))
		if err != nil {
			t.Fatal(err)
		}
		freeze := func() (audience.Frozen, []model.MemberID) {
			t.Helper()
			f, err := a.Freeze(t.Context(), s.ID, "campaign-1")
			if err != nil {
				t.Fatal(err)
			}
			members, err := a.FrozenMembers(t.Context(), f.ID, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			return f, members
		}
		f, want := freeze()
		if f.Size != 90 || len(want) != 90 || f.DoneAt == 0 {
			t.Fatalf("Freeze = %+v with %d members, want 90", f, len(want))
		}
		// What a kill between two ranges leaves behind.
		for _, q := range []struct {
			text string
			args []any
		}{
			{"DELETE FROM audience_frozen_member WHERE frozen_id = ? AND member_id > ?", []any{int64(f.ID), int64(want[40])}},
			{"UPDATE audience_frozen SET done_to = ?, size = 41, done_at = 0 WHERE id = ?", []any{int64(want[40]), int64(f.ID)}},
		} {
			if _, err := db.ExecContext(t.Context(), q.text, q.args...); err != nil {
				t.Fatal(err)
			}
		}
		s.Tree = tree(t, `{"attribute":"arpu1","op":"lt","value":10000}`)
		if _, err := a.UpdateSegment(t.Context(), 1, s); err != nil {
			t.Fatal(err)
		}
		if again, members := freeze(); again != f || !slices.Equal(members, want) {
			t.Errorf("after the kill and a change = %+v with %d members, want what was begun", again, len(members))
		}
		importText(t, a, "手机号,上月ARPU\n13900000000,500\n")
		if again, members := freeze(); again != f || !slices.Equal(members, want) {
			t.Errorf("after an import = %+v with %d members, want the same", again, len(members))
		}
		if _, err := a.Freeze(t.Context(), s.ID+1, "campaign-1"); !errors.Is(err, audience.ErrRequestReused) {
			t.Errorf("the request for another segment = %v, want ErrRequestReused", err)
		}
	})
}

func TestTwoWhoFreezeAtOnceShareTheWork(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{FreezeRange: 5})
		importText(t, a, customers(200))
		s, err := a.CreateSegment(t.Context(), 1, "全部", tree(t, `{"attribute":"plan","op":"known"}`))
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				f, err := a.Freeze(t.Context(), s.ID, "campaign-1")
				if err != nil || f.Size != 180 || f.DoneAt == 0 {
					t.Errorf("Freeze = %+v, %v, want 180", f, err)
				}
			})
		}
		group.Wait()
	})
}

func TestAnEstimateIsMarkedAndNear(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{SampleRows: 10_000})
		var file strings.Builder
		file.WriteString("手机号,上月ARPU\n")
		// A thousandth of the people decides whether estimating is worth while; of this
		// many it is never so few.
		for i := range 60_000 {
			fmt.Fprintf(&file, "138%08d,%d\n", i, i%100)
		}
		importText(t, a, file.String())
		for _, s := range []string{
			`{"attribute":"arpu1","op":"gte","value":5000}`, `{"attribute":"arpu1","op":"eq","value":5000}`,
			`{"bucket":{"from":0,"to":9}}`, `{"and":[{"attribute":"arpu1","op":"gte","value":5000},{"didNot":"tap","days":9}]}`,
		} {
			n := tree(t, s)
			exact, err := a.Count(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Estimate(t.Context(), n)
			// Five standard deviations of a count whose sixth part was looked at.
			off := math.Abs(float64(got.Count - exact))
			if err != nil || got.Exact || off > 5*math.Sqrt(6*float64(exact)) || got.Low > got.Count || got.High < got.Count || !strings.HasPrefix(got.Text, "约") {
				t.Errorf("Estimate(%s) = %+v, %v, want about %d", s, got, err, exact)
			}
			if again, err := a.Estimate(t.Context(), n); again != got || err != nil {
				t.Errorf("again = %+v, %v, want the same", again, err)
			}
		}
		none, err := a.Estimate(t.Context(), tree(t, `{"attribute":"plan","op":"known"}`))
		if err != nil || none.Count != 0 || none.Low != 0 || none.High == 0 {
			t.Errorf("Estimate of nobody = %+v, %v, want 0 with an upper bound", none, err)
		}
	})
}
