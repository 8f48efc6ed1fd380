package push_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push"
)

func TestMarketingWaitsForTheMorning(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		at := func(day, hour, minute int) time.Time {
			return time.Date(2026, 2, day, hour, minute, 0, 0, model.Shanghai)
		}
		for i, tt := range []struct {
			name    string
			at      time.Time
			purpose push.Purpose
			until   time.Time // zero: it is sent at once
		}{
			{"a minute before nine in the evening", at(17, 20, 59), push.Marketing, time.Time{}},
			{"at nine in the evening", at(17, 21, 0), push.Marketing, at(18, 8, 0)},
			{"after midnight", at(18, 3, 0), push.Marketing, at(18, 8, 0)},
			{"a minute before eight", at(18, 7, 59), push.Marketing, at(18, 8, 0)},
			{"at eight in the morning", at(18, 8, 0), push.Marketing, time.Time{}},
			{"what the member asked for, at night", at(18, 3, 0), push.Transactional, time.Time{}},
		} {
			w := newWorld()
			w.now = tt.at
			p := newPusher(t, pool, w)
			must(t, p.Touched(t.Context(), alice, push.Messaged, model.At(tt.at)))
			n := notice(model.RequestID("quiet-"+model.ID(i+1).String()), tt.purpose)
			got, err := p.Tell(t.Context(), alice, n)
			if tt.until.IsZero() {
				if err != nil || got.State != push.Sent {
					t.Errorf("%s: Tell = %+v, %v, want it sent", tt.name, got, err)
				}
				continue
			}
			if !errors.Is(err, push.ErrQuiet) || got.State != push.Pending || got.Until != model.At(tt.until) || len(w.reached) != 0 {
				t.Errorf("%s: Tell = %+v, %v, want it to wait until %v", tt.name, got, err, tt.until)
			}
			w.now = got.Until.Time()
			if got, err = p.Tell(t.Context(), alice, n); err != nil || got.State != push.Sent || len(w.reached) != 1 {
				t.Errorf("%s: told in the morning = %+v, %v, want it sent once", tt.name, got, err)
			}
		}
	})
}

// dies tells a message in a goroutine that ends while WeChat is being called, as a
// killed process ends: WeChat has it, nothing more is written.
func dies(t *testing.T, p *push.Pusher, w *world, n push.Notice) {
	t.Helper()
	w.onCustom = func() {
		if err := w.send(push.Custom); err != nil {
			t.Error(err)
		}
		runtime.Goexit()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = p.Tell(context.Background(), alice, n) // it does not return
		t.Error("the process lives on")
	}()
	<-done
	w.onCustom = nil
}

func TestAMessageThatDiedWhileItWasSentIsNeverSentAgain(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, p *push.Pusher){
		"and the job finds it":   func(t *testing.T, p *push.Pusher) { lost(t, p, 1) },
		"and it is told a third": func(*testing.T, *push.Pusher) {},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				p := newPusher(t, pool, w)
				must(t, p.Touched(t.Context(), alice, push.Messaged, model.At(noon)))
				n := notice("dies", push.Transactional)
				dies(t, p, w, n)
				if got, err := p.Tell(t.Context(), alice, n); !errors.Is(err, push.ErrLater) || !errors.Is(err, push.ErrSending) {
					t.Errorf("told while its lease holds = %+v, %v, want %v, for %v", got, err, push.ErrLater, push.ErrSending)
				}
				lost(t, p, 0)
				w.now = noon.Add(time.Minute)
				lose(t, p)
				for range 2 {
					got, err := p.Tell(t.Context(), alice, n)
					if err != nil || got.State != push.Unknown || got.Channel != push.Custom || len(w.reached) != 1 {
						t.Errorf("told again = %+v, %v with %d messages, want unknown and one", got, err, len(w.reached))
					}
				}
			})
		})
	}
}

func lost(t *testing.T, p *push.Pusher, want int) {
	t.Helper()
	if n, err := p.Lose(t.Context()); err != nil || n != want {
		t.Errorf("Lose = %d, %v, want %d", n, err, want)
	}
}

func TestOneMessageToldByManyAtOnceIsSentOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		p := newPusher(t, pool, w)
		must(t, p.Touched(t.Context(), alice, push.Messaged, model.At(noon)))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				got, err := p.Tell(t.Context(), alice, notice("many", push.Transactional))
				if err != nil && !errors.Is(err, push.ErrLater) && !errors.Is(err, context.Canceled) || err == nil && got.State != push.Sent {
					t.Errorf("Tell = %+v, %v, want sent or later", got, err)
				}
			})
		}
		all.Wait()
		if len(w.reached) != 1 {
			t.Errorf("%d messages arrived, want 1", len(w.reached))
		}
	})
}

func TestConsentsGoOverToTheMemberWhoRemains(t *testing.T) {
	const bob = model.MemberID(8)
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		p := newPusher(t, pool, w)
		for request, of := range map[model.RequestID]model.MemberID{"alice's": alice, "both's": alice} {
			must(t, p.Grant(t.Context(), of, string(push.Mini), template, request))
		}
		for _, request := range []model.RequestID{"bob's", "both's"} {
			must(t, p.Grant(t.Context(), bob, string(push.Mini), template, request))
		}
		must(t, sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error { return p.JoinTx(t.Context(), tx, bob, alice) }))
		// Three consents: hers, his, and one that both reported under one request.
		for i, want := range []push.State{push.Sent, push.Sent, push.Sent, push.Skipped} {
			got, err := p.Tell(t.Context(), alice, notice(model.RequestID("joined-"+model.ID(i+1).String()), push.Marketing))
			if err != nil || got.State != want {
				t.Errorf("message %d = %+v, %v, want %s", i, got, err, want)
			}
		}
	})
}

// heard tells when a writer has begun to write an action.
type heard struct {
	*world
	touches chan struct{}
}

func (h heard) Recent(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error) {
	h.touches <- struct{}{}
	return h.world.Recent(ctx, app, openID)
}

func TestWhatComesInOpensAWindowThatIsUsedUpAndOpensAnew(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld()
		w.agrees = true
		ids, err := model.NewIDs(1, w.clock)
		must(t, err)
		people := heard{w, make(chan struct{}, 16)}
		p := push.New(push.Needs{
			SQL: dbtest.SQLite(t), Redis: client, People: people, Consents: w, Sender: w, Templates: w, IDs: ids,
			Now: w.clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		}, push.Options{Writers: 1})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		writes := func(kind model.InboundKind) {
			// One writer: when it takes up the second, the first is written.
			for range 2 {
				p.Note(model.Inbound{App: model.OfficialAccount, OpenID: "o-alice", Kind: kind, CreatedAt: model.At(w.clock())})
				<-people.touches
			}
		}
		told := model.ID(0)
		sent := func(want push.State) {
			t.Helper()
			told++
			got, err := p.Tell(t.Context(), alice, notice(model.RequestID("window-"+told.String()), push.Marketing))
			if err != nil || got.State != want {
				t.Errorf("Tell = %+v, %v, want %s", got, err, want)
			}
		}
		sent(push.Skipped) // nothing came in yet
		writes(model.InText)
		for range 5 {
			sent(push.Sent)
		}
		sent(push.Skipped) // five within 48 hours
		w.mu.Lock()
		w.now = noon.Add(time.Minute)
		w.mu.Unlock()
		writes(model.InText)
		sent(push.Sent)                                                                                  // a new message opens it anew, though the step has not ended
		p.Note(model.Inbound{App: model.OfficialAccount, OpenID: "o-alice", Kind: model.InLocationSent}) // opens nothing
		stop()
		<-ended
	})
}
