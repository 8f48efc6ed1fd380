package app

import (
	"database/sql"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member"
	"kaimenhong/service/payout"
	"kaimenhong/service/push"
)

// unheard is a replica that keeps promises about members whom another one changes, of
// which its caches hear nothing: the two have no Redis together.
type unheard struct {
	domains
	other *member.Members
}

func unheardOf(t *testing.T, pool *sql.DB) *unheard {
	t.Helper()
	at := time.Now()
	now := func() time.Time { return at } // no entry grows old
	node, err := sqldb.Node(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		t.Fatal(err)
	}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	var u unheard
	_, u.members = bookOf(t, pool, &registry{holder: "h1"}, now)
	_, u.other = bookOf(t, pool, &registry{holder: "h1"}, now)
	u.audience = crowdOf(t, pool)
	u.payer = payout.New(payout.Needs{SQL: pool, Now: now, Metrics: reg}, payout.Options{})
	u.planner = push.NewPlanner(push.PlannerNeeds{SQL: pool, Audience: u.audience, People: u.members, IDs: ids, Now: now, Log: log, Metrics: reg}, push.PlannerOptions{})
	return &u
}

// looks lets the replica remember members as they are.
func (u *unheard) looks(t *testing.T, ids ...model.MemberID) {
	t.Helper()
	for _, id := range ids {
		for _, app := range []model.App{model.OfficialAccount, model.MiniProgram} {
			if _, err := u.members.Get(t.Context(), id, app); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestATapIsCountedBeforeTheCachesHearThatTwoAreOne(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		ctx := t.Context()
		u := unheardOf(t, pool)
		follower, err := u.other.Touch(ctx, model.OfficialAccount, "oAlice")
		if err != nil {
			t.Fatal(err)
		}
		visitor, err := u.other.Join(ctx, model.MiniProgram, "mAlice", "uAlice")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			text string
			args []any
		}{
			{`INSERT INTO push_dispatch VALUES (1, 1, 1, 1, 'marketing', 0, 0, '[]', 0, 0, 0, 0, 0, 'open', '', TRUE, 0, 1, 1, 0)`, nil},
			{`INSERT INTO push_delivery VALUES (7, 1, 1, ?, 0, 0, 'sent', 'official', '', 0, 0, 0, 0, 0, 0)`, []any{int64(follower.ID)}},
			{`INSERT INTO push_tap VALUES (?, 7, 1)`, []any{int64(visitor.ID)}},
		} {
			if _, err := pool.ExecContext(ctx, row.text, row.args...); err != nil {
				t.Fatal(err)
			}
		}
		u.looks(t, follower.ID, visitor.ID)
		one, err := u.other.Join(ctx, model.OfficialAccount, "oAlice", "uAlice")
		if err != nil {
			t.Fatal(err)
		}
		if err := u.joined(ctx, member.Merge{From: follower.ID + visitor.ID - one.ID, Into: one.ID}); err != nil {
			t.Fatal(err)
		}
		var tapped int
		if err := pool.QueryRowContext(ctx, "SELECT COUNT(*) FROM push_delivery WHERE tapped_at > 0").Scan(&tapped); err != nil || tapped != 1 {
			t.Errorf("%d messages are tapped, %v, want hers", tapped, err)
		}
	})
}
