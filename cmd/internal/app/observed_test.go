package app

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

// TestWhoIsLookedAtWhileHeBindsKeepsWhatTheCarrierSaid lets the audience look at people
// at once after they followed, and after they bound a number of the carrier's file, or took
// it over from another member.
func TestWhoIsLookedAtWhileHeBindsKeepsWhatTheCarrierSaid(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		const people = 60
		ctx := t.Context()
		_, members := bookOf(t, pool, &registry{holder: "h1"}, time.Now)
		crowd := crowdOf(t, pool)
		var file strings.Builder
		file.WriteString("手机号,套餐\n")
		for i := range people {
			fmt.Fprintf(&file, "138001380%02d,畅享129\n", i)
		}
		if done, err := crowd.Import(ctx, audience.Upload{Name: "客户.csv", File: strings.NewReader(file.String())}); err != nil || done.Added != people {
			t.Fatalf("imported %+v, %v", done, err)
		}
		who := make([]model.MemberID, people)
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(16)
		for i := range people {
			phone, err := model.ParsePhone(fmt.Sprintf("138001380%02d", i))
			if err != nil {
				t.Fatal(err)
			}
			m, err := members.Follow(ctx, model.OpenID(fmt.Sprintf("o%d", i)), "", model.At(time.Now()))
			if err != nil {
				t.Fatal(err)
			}
			who[i] = m.ID
			look := func() error {
				_, err := crowd.Observe(ctx, asIs(members, m.ID))
				return err
			}
			group.Go(look)
			group.Go(func() error { return errors.Join(members.BindVerified(ctx, m.ID, phone, "bind"), look()) })
			group.Go(look)
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		for i, id := range who {
			p, err := crowd.Portrait(t.Context(), id)
			if err != nil || p.Phone != fmt.Sprintf("138****80%02d", i) {
				t.Errorf("member %d has the number %q, %v", i, p.Phone, err)
			}
			for _, f := range p.Facts {
				if f.Key == "plan" && f.Value != "畅享129" {
					t.Errorf("member %d has the plan %v, want what the carrier said", i, f.Value)
				}
			}
		}
	})
}

// crowdOf is the audience alone.
func crowdOf(t *testing.T, pool *sql.DB) *audience.Audience {
	t.Helper()
	ids, sealer := groundOf(t, pool, time.Now)
	crowd, err := audience.New(audience.Deps{
		DB: pool, Sealer: sealer, IDs: ids, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, audience.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return crowd
}
