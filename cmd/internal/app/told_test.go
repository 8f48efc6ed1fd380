package app

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/member"
	"kaimenhong/service/notice"
)

// toldOf is the members with their list of what they were told.
func toldOf(t *testing.T, pool *sql.DB) (*member.Members, *notice.Notices) {
	t.Helper()
	ids, sealer := groundOf(t, pool, time.Now)
	notices, err := notice.New(pool, ids, time.Now, notice.Options{})
	if err != nil {
		t.Fatal(err)
	}
	members, err := member.New(member.Deps{
		DB: pool, Redis: dbtest.EmbeddedRedis(t), Sealer: sealer, Outbox: unsaid{}, Carrier: &registry{holder: "h1"}, IDs: ids, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, member.Options{}, notices)
	if err != nil {
		t.Fatal(err)
	}
	return members, notices
}

// TestWhoeverAPromiseWasMadeToIsToldAsWhoHeIs keeps the promises made to people as two of
// them become one, after they did, and after they left.
func TestWhoeverAPromiseWasMadeToIsToldAsWhoHeIs(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		const people = 24
		members, notices := toldOf(t, pool)
		var both [people][2]model.MemberID
		group, ctx := errgroup.WithContext(t.Context())
		group.SetLimit(8)
		told := func(i int, which, when string) error {
			for k, id := range both[i] {
				request := model.RequestID(fmt.Sprintf("%s-%d-%d", when, i, k))
				if err := notices.Add(ctx, whoIs(members, id), which, request, "您有 10 积分将到期"); err != nil {
					return err
				}
			}
			return nil
		}
		for i := range people {
			name := fmt.Sprint("p", i)
			for k, app := range []model.App{model.OfficialAccount, model.MiniProgram} {
				m, err := members.Touch(ctx, app, model.OpenID(name))
				if err != nil {
					t.Fatal(err)
				}
				both[i][k] = m.ID
			}
			group.Go(func() error { return told(i, "points.expiring", "meanwhile") })
			group.Go(func() error {
				_, err := members.Join(ctx, model.OfficialAccount, model.OpenID(name), model.UnionID("u"+name))
				if err == nil {
					_, err = members.Join(ctx, model.MiniProgram, model.OpenID(name), model.UnionID("u"+name))
				}
				return errors.Join(err, told(i, "mall.failed", "later"))
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		ctx = t.Context()
		for i := range people {
			who, err := members.Resolve(ctx, both[i][0])
			if err != nil {
				t.Fatal(err)
			}
			if list, err := notices.Export(ctx, who); err != nil || len(list) != 4 {
				t.Errorf("person %d was told %d things, %v, want 4", i, len(list), err)
			}
		}
		if err := members.Close(ctx, both[0][0], "close"); err != nil {
			t.Fatal(err)
		}
		if err := told(0, "mall.failed", "gone"); !errors.Is(err, member.ErrUnknown) {
			t.Errorf("who left is told: %v, want %v", err, member.ErrUnknown)
		}
		for _, id := range both[0] {
			if list, err := notices.Export(ctx, id); err != nil || len(list) != 0 {
				t.Errorf("of who left %d things are kept, %v", len(list), err)
			}
		}
	})
}
