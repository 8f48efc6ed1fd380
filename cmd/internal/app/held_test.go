package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/account"
	"kaimenhong/service/carrier"
	"kaimenhong/service/member"
	"kaimenhong/service/payout"
)

// registry is a carrier whose word on a number's holder is set.
type registry struct {
	line
	holder string
	err    error
}

func (r *registry) Customer(context.Context, model.Phone) (model.Customer, error) {
	return model.Customer{HolderID: r.holder}, r.err
}

// groundOf makes ids and seals.
func groundOf(t *testing.T, pool *sql.DB, clock model.Clock) (*model.IDs, *seal.Sealer) {
	t.Helper()
	node, err := sqldb.Node(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, clock)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, seal.KeySize)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ids, sealer
}

// bookOf is the account and the members in front of a carrier.
func bookOf(t *testing.T, pool *sql.DB, says *registry, clock model.Clock) (*account.Service, *member.Members) {
	t.Helper()
	ids, sealer := groundOf(t, pool, clock)
	redis, log := dbtest.EmbeddedRedis(t), slog.New(slog.DiscardHandler)
	book, err := account.New(says, says, account.Stores{
		DB: pool, Redis: redis, Sealer: sealer, Index: func(p model.Phone) string { return sealer.IndexText(p.Digits(), "account") },
	}, clock, log, prometheus.NewRegistry(), account.Options{})
	if err != nil {
		t.Fatal(err)
	}
	people, err := member.New(member.Deps{
		DB: pool, Redis: redis, Sealer: sealer, Outbox: unsaid{}, Carrier: book, IDs: ids, Now: clock, Log: log, Metrics: prometheus.NewRegistry(),
	}, member.Options{CacheLifetime: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	return book, people
}

func TestWhoHandsSomethingOverKnowsWhoseTheNumberIs(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		now := time.Now()
		clock := func() time.Time { return now }
		says := &registry{holder: "h1"}
		book, people := bookOf(t, pool, says, clock)
		held, err := newHeldBook(book, people)
		if err != nil {
			t.Fatal(err)
		}
		phone, err := model.ParsePhone("13800138001")
		if err != nil {
			t.Fatal(err)
		}
		alice, err := people.Touch(t.Context(), model.OfficialAccount, "oAlice")
		if err == nil {
			err = people.BindVerified(t.Context(), alice.ID, phone, "b")
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name    string
			holder  string
			err     error
			given   bool
			unknown bool
			bound   bool
		}{
			{"who bound it has it", "h1", nil, false, false, true},
			{"the carrier does not answer", "", carrier.ErrUnavailable, false, true, true},
			{"it refuses our account", "", carrier.ErrDenied, false, true, true},
			{"it names nobody", "", nil, false, true, true},
			{"it knows no such number, and will refuse", "", carrier.ErrNoSubscriber, false, false, true},
			{"who bound it has it still", "h1", nil, false, false, true},
			{"somebody else has it", "h2", nil, true, false, false},
			{"nobody has bound it since", "h2", nil, true, false, false},
		} {
			now = now.Add(time.Hour) // nothing is remembered for so long
			says.holder, says.err = tt.holder, tt.err
			given, err := held.GivenAway(t.Context(), phone)
			if given != tt.given || (err != nil) != tt.unknown {
				t.Errorf("%s: GivenAway = %v, %v, want %v, unknown %v", tt.name, given, err, tt.given, tt.unknown)
			}
			now = now.Add(time.Hour)
			_, err = winners{holders{&domains{held: held}}}.GivenAway(t.Context(), phone)
			if errors.Is(err, payout.ErrDenied) != errors.Is(tt.err, carrier.ErrDenied) {
				t.Errorf("%s: the payer hears %v, want of our account only where it is refused", tt.name, err)
			}
			if _, err := people.ByPhone(t.Context(), phone); errors.Is(err, member.ErrNobody) == tt.bound {
				t.Errorf("%s: who bound it = %v, want it bound %v", tt.name, err, tt.bound)
			}
		}
	})
}
