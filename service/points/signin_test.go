package points

import (
	"database/sql"
	"slices"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// TestSignInsOfMembersWhoAreOneAreHis joins two members in the middle of their days in a
// row: what today gave either is what he is told, and a row goes on that both made.
func TestSignInsOfMembersWhoAreOneAreHis(t *testing.T) {
	for _, tt := range []struct {
		name        string
		alice, bob  []int // the days on which each came; the last of all is today
		then, after SignedIn
	}{
		{"the former came today", []int{0}, nil, SignedIn{1, 1, true}, SignedIn{2, 2, false}},
		{"each made a part of the row", []int{3, 4}, []int{0, 1, 2}, SignedIn{2, 5, true}, SignedIn{6, 6, false}},
		{"they take turns", []int{1, 3}, []int{0, 2}, SignedIn{1, 4, true}, SignedIn{5, 5, false}},
		{"the former's row is the longer", []int{0, 1, 2}, []int{2}, SignedIn{1, 3, true}, SignedIn{4, 4, false}},
		{"the former's row ended long ago", []int{0, 1}, []int{4}, SignedIn{1, 1, true}, SignedIn{2, 2, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				f := newLedger(t, pool)
				come := func(who model.MemberID) SignedIn {
					got, err := f.SignIn(t.Context(), who)
					if err != nil {
						t.Fatal(err)
					}
					return got
				}
				last := slices.Max(slices.Concat(tt.alice, tt.bob))
				for today := range last + 1 {
					if slices.Contains(tt.alice, today) {
						come(alice)
					}
					if slices.Contains(tt.bob, today) {
						come(bob)
					}
					if today < last {
						f.clock.add(day)
					}
				}
				err := f.inTx(t.Context(), kindJoin, func(tx *sql.Tx) error { return f.JoinTx(t.Context(), tx, alice, bob) })
				if err != nil {
					t.Fatal(err)
				}
				if got := come(bob); got != tt.then {
					t.Errorf("the sign-in of the day is %+v, want %+v", got, tt.then)
				}
				f.clock.add(day)
				if got := come(bob); got != tt.after {
					t.Errorf("the next day's is %+v, want %+v", got, tt.after)
				}
				f.wantClean(t)
			})
		})
	}
}
