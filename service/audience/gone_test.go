package audience_test

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience"
)

func TestWhatComesLateOfAMemberIsHisSuccessorsOrNobodys(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		ctx := t.Context()
		observe := func(ids ...model.MemberID) {
			t.Helper()
			for _, id := range ids {
				if err := observe(ctx, a, model.Member{ID: id, JoinedAt: daysAgo(9)}); err != nil {
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

func TestWhoBecameAnotherLeadsToWhoHeIs(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		ctx := t.Context()
		if _, err := a.Import(ctx, audience.Upload{Name: "a.csv", File: strings.NewReader("手机号,城市\n13800138000,深圳\n")}); err != nil {
			t.Fatal(err)
		}
		var customer model.MemberID
		if err := db.QueryRowContext(ctx, "SELECT member_id FROM audience_customer").Scan(&customer); err != nil {
			t.Fatal(err)
		}
		became := func(want map[model.MemberID]model.MemberID) {
			t.Helper()
			people, err := a.Persons(ctx, nil, []model.MemberID{1, 2, customer})
			got := map[model.MemberID]model.MemberID{}
			for i, id := range []model.MemberID{1, 2, customer} {
				if err == nil && people[i].Now != id {
					got[id] = people[i].Now
				}
			}
			if err != nil || !maps.Equal(got, want) {
				t.Errorf("of 1, 2 and %d became another %v, %v, want %v", customer, got, err, want)
			}
		}
		became(nil)
		if err := observe(ctx, a, model.Member{ID: 2, JoinedAt: daysAgo(9), Phone: phone(t, "13800138000"), BoundAt: daysAgo(1)}); err != nil {
			t.Fatal(err)
		}
		became(map[model.MemberID]model.MemberID{customer: 2})
		err := errors.Join(observe(ctx, a, model.Member{ID: 1, JoinedAt: daysAgo(9)}),
			sqldb.InTx(ctx, db, func(tx *sql.Tx) error { return a.JoinTx(ctx, tx, 2, 1) }))
		if err != nil {
			t.Fatal(err)
		}
		became(map[model.MemberID]model.MemberID{customer: 1, 2: 1})
		if err := a.Forget(ctx, 1); err != nil {
			t.Fatal(err)
		}
		became(nil)
	})
}

func TestWhoBecameAnotherWasDrawnAsHeStandsInTheFirstAudience(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		ctx := t.Context()
		freeze := func(name model.RequestID, ids ...model.MemberID) model.ID {
			t.Helper()
			f, err := a.Collect(ctx, 5, name, func(_ context.Context, after model.MemberID) ([]model.MemberID, model.MemberID, error) {
				if after != 0 {
					return nil, 0, nil
				}
				return ids, ids[len(ids)-1], nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return f.ID
		}
		for _, pair := range [][2]model.MemberID{{3, 2}, {2, 1}, {7, 6}} {
			err := sqldb.InTx(ctx, db, func(tx *sql.Tx) error { return a.JoinTx(ctx, tx, pair[0], pair[1]) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Forget(ctx, 9); err != nil {
			t.Fatal(err)
		}
		first, second := freeze("first", 2, 3, 4, 9), freeze("second", 1, 4, 6)
		byBucket := []model.MemberID{2, 3}
		if model.BucketOf(3) < model.BucketOf(2) {
			byBucket = []model.MemberID{3, 2}
		}
		for _, tt := range []struct {
			name   string
			in     []model.ID
			id     model.MemberID
			now    model.MemberID
			former []model.MemberID
			drawn  []model.MemberID
		}{
			{"one of three who are one", []model.ID{first, second}, 3, 1, []model.MemberID{2, 3}, byBucket},
			{"the one whom they became", []model.ID{first, second}, 1, 1, []model.MemberID{2, 3}, byBucket},
			{"by the other audience", []model.ID{second, first}, 2, 1, []model.MemberID{2, 3}, []model.MemberID{1}},
			{"in the second alone", []model.ID{first, second}, 7, 6, []model.MemberID{7}, []model.MemberID{6}},
			{"in none", []model.ID{first}, 7, 6, []model.MemberID{7}, []model.MemberID{7}},
			{"without audiences", nil, 3, 1, []model.MemberID{2, 3}, []model.MemberID{3}},
			{"who was never another", []model.ID{first}, 4, 4, nil, []model.MemberID{4}},
			{"who closed his account", []model.ID{first}, 9, 9, nil, []model.MemberID{9}},
		} {
			people, err := a.Persons(ctx, tt.in, []model.MemberID{5, tt.id})
			if err != nil || len(people) != 2 || people[0].Now != 5 || people[0].Former != nil {
				t.Fatalf("%s: Persons = %+v, %v", tt.name, people, err)
			}
			got := people[1]
			slices.Sort(got.Former)
			if got.Now != tt.now || !slices.Equal(got.Former, tt.former) || !slices.Equal(got.DrawnAs(), tt.drawn) {
				t.Errorf("%s: he is %+v, want %d, once %v, drawn as %v", tt.name, got, tt.now, tt.former, tt.drawn)
			}
		}
	})
}
