package audience_test

import (
	"database/sql"
	"errors"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestWhatComesLateOfAMemberIsHisSuccessorsOrNobodys(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		ctx := t.Context()
		observe := func(ids ...model.MemberID) {
			t.Helper()
			for _, id := range ids {
				if err := a.Observe(ctx, model.Member{ID: id, JoinedAt: daysAgo(9)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		join := func(from, into model.MemberID) {
			t.Helper()
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(a.JoinTx(ctx, tx, from, into), tx.Commit()); err != nil {
				t.Fatal(err)
			}
		}
		tap := func(who ...model.MemberID) {
			t.Helper()
			var acts []audience.Act
			for _, id := range who {
				acts = append(acts, audience.Act{Member: id, Kind: audience.Tap, At: daysAgo(1)})
			}
			if err := a.Did(ctx, acts); err != nil {
				t.Fatal(err)
			}
		}
		people := func(want int64, of string) {
			t.Helper()
			if n, err := a.Count(ctx, tree(t, of)); n != want || err != nil {
				t.Errorf("%d people of %s, %v, want %d", n, of, err, want)
			}
		}
		observe(1, 2, 3)
		join(3, 2)
		join(2, 1)
		tap(3, 2, 1)
		observe(2, 3)
		people(1, `{"did":"tap","days":9,"times":3}`)
		people(1, `{"did":"tap","days":9}`)
		people(1, `{"not":{"did":"help","days":9}}`)
		if err := a.Forget(ctx, 1); err != nil {
			t.Fatal(err)
		}
		tap(1, 2, 3, 4)
		observe(1, 2, 3)
		people(1, `{"did":"tap","days":9}`)
		people(1, `{"not":{"did":"help","days":9}}`)
		for _, id := range []model.MemberID{1, 2, 3} {
			if _, err := a.Portrait(ctx, id); !errors.Is(err, audience.ErrUnknown) {
				t.Errorf("Portrait of %d, who is no more, = %v, want ErrUnknown", id, err)
			}
		}
	})
}
