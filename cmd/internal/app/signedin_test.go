package app

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/member"
	"kaimenhong/service/session"
)

// mini is the WeChat of one person.
type mini struct{ openID model.OpenID }

func (m mini) Code2Session(context.Context, string) (model.OpenID, model.UnionID, error) {
	return m.openID, model.UnionID("u" + m.openID), nil
}

func (mini) PhoneNumber(context.Context, string) (model.Phone, error) { return model.Phone{}, nil }

// joining are members of whom one becomes another once the mini-program has found him.
type joining struct {
	*member.Members
	joins func(openID model.OpenID) error
}

func (j joining) Join(ctx context.Context, app model.App, openID model.OpenID, unionID model.UnionID) (model.Member, error) {
	m, err := j.Members.Join(ctx, app, openID, unionID)
	if err == nil {
		err = j.joins(openID)
	}
	return m, err
}

// TestWhoBecomesAnotherWhileHeSignsInIsSignedInAsHim has WeChat say who follows the account
// between two steps of a sign-in to the mini-program.
func TestWhoBecomesAnotherWhileHeSignsInIsSignedInAsHim(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		ctx := t.Context()
		members, _ := toldOf(t, pool)
		for name, apps := range map[model.OpenID][]model.App{ // in the order in which he is met
			"account-first": {model.OfficialAccount, model.MiniProgram}, "mini-first": {model.MiniProgram, model.OfficialAccount},
		} {
			for _, app := range apps {
				if _, err := members.Touch(ctx, app, name); err != nil {
					t.Fatal(err)
				}
			}
			ids, err := model.NewIDs(1, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			s, err := session.New(session.Deps{
				DB: pool, IDs: ids, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
				Keys: []session.Key{session.NewKey(bytes.Repeat([]byte{1}, 32))}, Platform: mini{name}, Binder: members, Living: members,
				People: joining{members, func(openID model.OpenID) error {
					_, err := members.Join(ctx, model.OfficialAccount, openID, model.UnionID("u"+openID))
					return err
				}},
			}, session.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Open(ctx, "code-"+string(name), "open")
			if err != nil {
				t.Fatal(err)
			}
			if is, err := members.Resolve(ctx, got.Member); err != nil || is != got.Member {
				t.Errorf("%s: signed in as %s, who is %s, %v", name, got.Member, is, err)
			}
		}
	})
}
