package audience_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestAChangeLeavesThoseWhoNameTheSegmentWithinTheirBounds(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		plans := func(n int) string {
			return `{"or":[` + strings.TrimSuffix(strings.Repeat(`{"attribute":"plan","op":"known"},`, n), ",") + `]}`
		}
		deep := func(n int) string {
			return strings.Repeat(`{"not":`, n) + `{"attribute":"plan","op":"known"}` + strings.Repeat("}", n)
		}
		inner := segment(t, a, "内层", plans(1))
		middle := segment(t, a, "中层", fmt.Sprintf(`{"and":[{"segment":"%s"},{"stage":["会员"]}]}`, inner.ID))
		outer := segment(t, a, "外层", fmt.Sprintf(`{"and":[{"segment":"%s"},%s]}`, middle.ID, plans(100)))
		for _, tt := range []struct {
			name, tree, want string
		}{
			{"as large as all may be", plans(93), ""},
			{"one more", plans(94), "外层"},
			{"as deep as all may be", deep(3), ""},
			{"one deeper", deep(4), "外层"},
			{"in a circle", fmt.Sprintf(`{"segment":"%s"}`, outer.ID), "圈"},
		} {
			now, err := a.Segment(t.Context(), inner.ID)
			if err != nil {
				t.Fatal(err)
			}
			now.Tree = tree(t, tt.tree)
			_, err = a.UpdateSegment(t.Context(), 1, now)
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, audience.ErrSegment) || !strings.Contains(text(err), tt.want)) {
				t.Errorf("%s: UpdateSegment = %v, want %q told", tt.name, err, tt.want)
			}
			if _, err := a.Count(t.Context(), outer.Tree); err != nil {
				t.Fatalf("%s: Count of who names it = %v", tt.name, err)
			}
		}
	})
}

func TestTwoWhoNameEachOthersSegmentAtOnceDoNotCloseACircle(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		for round := range 20 {
			pair := []audience.Segment{
				segment(t, a, fmt.Sprintf("左%d", round), `{"stage":["会员"]}`), segment(t, a, fmt.Sprintf("右%d", round), `{"stage":["会员"]}`),
			}
			var wait sync.WaitGroup
			for i := range pair {
				s := pair[i]
				s.Tree = tree(t, fmt.Sprintf(`{"segment":"%s"}`, pair[1-i].ID))
				wait.Go(func() {
					if _, err := a.UpdateSegment(t.Context(), 1, s); err != nil && !errors.Is(err, audience.ErrSegment) {
						t.Errorf("UpdateSegment = %v, want it done, or the circle told", err)
					}
				})
			}
			wait.Wait()
			for _, s := range pair {
				if found, err := a.Validate(t.Context(), tree(t, fmt.Sprintf(`{"segment":"%s"}`, s.ID)), 0); err != nil || len(found) > 0 {
					t.Fatalf("round %d: Validate = %v, %v, want a segment that can be evaluated", round, found, err)
				}
			}
		}
	})
}
