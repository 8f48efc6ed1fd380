package audience_test

import (
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience"
)

// overtaken is an audience that others overtake: what happens meanwhile happens once, when
// it has the answer of a statement. SQLite lets no other write within a transaction: there
// it happens before.
func overtaken(t *testing.T, db *sql.DB, clock model.Clock, statement string, meanwhile func()) *audience.Audience {
	t.Helper()
	once := sync.Once{}
	if sqldb.Embedded(db) {
		once.Do(meanwhile)
	}
	return openAt(t, dbtest.WatchedBy(db, func(at dbtest.Trip) error {
		if at.Done && strings.Contains(at.Statement, statement) {
			once.Do(meanwhile)
		}
		return nil
	}), audience.Options{}, clock)
}

func TestWhatIsDoneWhileTwoBecomeOneIsTheOnes(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		ctx, a := t.Context(), open(t, db, audience.Options{})
		for _, id := range []model.MemberID{1, 2} {
			if err := observe(ctx, a, model.Member{ID: id, Follows: true, JoinedAt: daysAgo(9)}); err != nil {
				t.Fatal(err)
			}
		}
		late := overtaken(t, db, func() time.Time { return now }, "-- name: Gone ", func() {
			if err := sqldb.InTx(ctx, db, func(tx *sql.Tx) error { return a.JoinTx(ctx, tx, 2, 1) }); err != nil {
				t.Error(err)
			}
		})
		if err := late.Did(ctx, []audience.Act{{Member: 2, Kind: audience.Help, At: model.At(now), Ref: "help:1"}}); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Portrait(ctx, 1); err != nil || len(p.Deeds) != 1 || p.Deeds[0].All != 1 {
			t.Errorf("the one did %+v, %v, want the help", p.Deeds, err)
		}
		if _, err := a.Portrait(ctx, 2); !errors.Is(err, audience.ErrUnknown) {
			t.Errorf("who became the other: %v, want that there is nobody", err)
		}
	})
}

func TestWhoBindsWhileStagesAreFoundIsACustomer(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		ctx := t.Context()
		clock := now
		a := openAt(t, db, audience.Options{}, func() time.Time { return clock })
		m := model.Member{ID: 5, JoinedAt: daysAgo(9)}
		if err := errors.Join(a.Did(ctx, []audience.Act{{Member: m.ID, Kind: audience.Ask, At: model.At(now)}}), observe(ctx, a, m)); err != nil {
			t.Fatal(err)
		}
		clock = clock.AddDate(0, 0, 100) // he did nothing since
		late := overtaken(t, db, func() time.Time { return clock }, "-- name: PortraitsOf ", func() {
			m.Phone, m.BoundAt = phone(t, "13800000001"), model.At(clock)
			if err := observe(ctx, a, m); err != nil {
				t.Error(err)
			}
		})
		if _, err := late.Restage(ctx); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Portrait(ctx, m.ID); err != nil || p.Stage.Key != "customer" {
			t.Errorf("he is %+v, %v, want a customer", p.Stage, err)
		}
	})
}

func TestTheNameOfAFileIsNotLostToWhoBindsMeanwhile(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		ctx, a := t.Context(), open(t, db, audience.Options{})
		importText(t, a, "手机号,姓名,套餐\n13800000001,张三丰,畅享129\n")
		late := overtaken(t, db, func() time.Time { return now }, "-- name: CustomerByPhone ", func() {
			importText(t, a, "手机号,姓名,套餐\n13800000001,李四,畅享199\n")
		})
		m := model.Member{ID: 77, JoinedAt: daysAgo(9), Phone: phone(t, "13800000001"), BoundAt: daysAgo(0)}
		if err := observe(ctx, late, m); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Portrait(ctx, m.ID); err != nil || p.Name != "李*" || fact(p, "plan").Value != "畅享199" {
			t.Errorf("he is %q with %v, %v, want what the last file said", p.Name, fact(p, "plan").Value, err)
		}
	})
}

// TestANumberThatGoesOnMeanwhileTakesNobodyElsesWord lets somebody bind a number whose
// member before has just bound another one.
func TestANumberThatGoesOnMeanwhileTakesNobodyElsesWord(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		ctx, a := t.Context(), open(t, db, audience.Options{})
		importText(t, a, "手机号,套餐\n13800000001,畅享129\n13800000002,畅享199\n")
		before := model.Member{ID: 78, JoinedAt: daysAgo(9), Phone: phone(t, "13800000001"), BoundAt: daysAgo(5)}
		if err := observe(ctx, a, before); err != nil {
			t.Fatal(err)
		}
		late := overtaken(t, db, func() time.Time { return now }, "-- name: CustomerByPhone ", func() {
			before.Phone, before.BoundAt = phone(t, "13800000002"), daysAgo(0)
			if err := observe(ctx, a, before); err != nil {
				t.Error(err)
			}
		})
		after := model.Member{ID: 79, JoinedAt: daysAgo(9), Phone: phone(t, "13800000001"), BoundAt: daysAgo(0)}
		if err := observe(ctx, late, after); err != nil {
			t.Fatal(err)
		}
		if p, err := a.Portrait(ctx, after.ID); err != nil || fact(p, "plan").Value != nil {
			t.Errorf("who has the number has the plan %v, %v, want nothing that was said of another", fact(p, "plan").Value, err)
		}
		if p, err := a.Portrait(ctx, before.ID); err != nil || fact(p, "plan").Value != "畅享199" || p.Phone != "138****0002" {
			t.Errorf("who had it is %q with %v, %v, want his own number and plan", p.Phone, fact(p, "plan").Value, err)
		}
	})
}
