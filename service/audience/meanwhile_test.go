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
