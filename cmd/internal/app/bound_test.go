package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member"
	"kaimenhong/service/payout"
	"kaimenhong/service/points"
)

// untold is a Redis that is about to tell the caches of a change.
type untold struct {
	redis.UniversalClient
	before func() // once
}

func (u *untold) Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	if before := u.before; before != nil {
		u.before = nil
		before()
	}
	return u.UniversalClient.Pipelined(ctx, fn)
}

// TestABindingIsKeptBeforeTheCachesAreTold binds the number of a winner whom a cache has
// without one: the promise of the binding is kept between its commit and its being told.
func TestABindingIsKeptBeforeTheCachesAreTold(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		ctx, now := t.Context(), time.Now()
		clock, log := func() time.Time { return now }, slog.New(slog.DiscardHandler) // a cache lives as long as the test
		ids, sealer := groundOf(t, pool, clock)
		caches := &untold{UniversalClient: dbtest.EmbeddedRedis(t)}
		d := &domains{payer: payout.New(payout.Needs{SQL: pool, Now: clock, Metrics: prometheus.NewRegistry()}, payout.Options{})}
		var err error
		d.members, err = member.New(member.Deps{
			DB: pool, Redis: caches, Sealer: sealer, Outbox: unsaid{}, Carrier: &registry{holder: "h1"}, IDs: ids, Now: clock, Log: log, Metrics: prometheus.NewRegistry(),
		}, member.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d.points, err = points.New(pool, ids, clock, log, prometheus.NewRegistry(), unsaid{}, d.members, points.Options{}); err != nil {
			t.Fatal(err)
		}
		alice, err := d.members.Touch(ctx, model.OfficialAccount, "oAlice")
		if err != nil {
			t.Fatal(err)
		}
		waiting(t, pool, alice.ID, now.Add(time.Hour))
		if m, err := d.members.Get(ctx, alice.ID, model.OfficialAccount); err != nil || m.Bound() {
			t.Fatalf("before the binding: bound %t, %v", m.Bound(), err)
		}
		payload, err := json.Marshal(member.Event{Member: alice.ID})
		if err != nil {
			t.Fatal(err)
		}
		kept := false
		caches.before = func() {
			kept = true
			if err := d.bound(ground{sealer: sealer})(ctx, "bind", payload); err != nil {
				t.Error(err)
			}
		}
		phone, err := model.ParsePhone("13800138001")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.members.BindVerified(ctx, alice.ID, phone, "bind"); err != nil || !kept {
			t.Fatalf("BindVerified = %v, promise kept meanwhile: %t", err, kept)
		}
		if b, err := d.points.PointsBalance(ctx, alice.ID); err != nil || b.Available != 100 {
			t.Errorf("the first binding gave %d points, %v, want 100", b.Available, err)
		}
		var next int64
		if err := pool.QueryRowContext(ctx, "SELECT next_at FROM payout").Scan(&next); err != nil || next > int64(model.At(now)) {
			t.Errorf("the prize is looked at %d ms from now, %v, want now", next-int64(model.At(now)), err)
		}
	})
}

// waiting books a prize that is noted to wait for its winner's number.
func waiting(t *testing.T, pool *sql.DB, winner model.MemberID, until time.Time) {
	t.Helper()
	prize := model.Prize{Pot: 1, Game: 1, Member: winner, Kind: model.PhoneCreditPrize, Value: 500, Quantity: 500, At: model.At(time.Now())}
	err := sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error {
		if err := payout.NewBook().CreateTx(t.Context(), tx, []model.Prize{prize}); err != nil {
			return err
		}
		_, err := tx.ExecContext(t.Context(), "UPDATE payout SET held_why = 'payout.no_phone', next_at = ?", int64(model.At(until)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
