package push_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/push"
)

const (
	alice    = model.MemberID(7)
	template = "T1"
)

var noon = time.Date(2026, 2, 17, 12, 0, 0, 0, model.Shanghai)

// world is WeChat and the members, as one test wants them.
type world struct {
	mu       sync.Mutex
	now      time.Time
	follows  bool
	mini     model.OpenID
	agrees   bool
	answers  map[push.Channel]error // what a channel answers; nil is taken
	reached  []push.Channel
	onCustom func()
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) Get(_ context.Context, id model.MemberID, app model.App) (model.Member, error) {
	if id != alice {
		return model.Member{}, fault.New(fault.NotFound, "member.unknown", "没有找到这个用户")
	}
	m := model.Member{ID: id, OpenID: "o-alice", Follows: w.follows}
	if app == model.MiniProgram {
		m.OpenID = w.mini
	}
	return m, nil
}

func (w *world) Recent(ctx context.Context, app model.App, _ model.OpenID) (model.Member, error) {
	return w.Get(ctx, alice, app)
}

func (w *world) AgreesToMarketing(context.Context, model.MemberID) (bool, error) {
	return w.agrees, nil
}

func (w *world) send(c push.Channel) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.answers[c]; err != nil {
		return err
	}
	w.reached = append(w.reached, c)
	return nil
}

func (w *world) SendCustom(context.Context, model.OpenID, model.Content) error {
	if w.onCustom != nil {
		w.onCustom()
	}
	return w.send(push.Custom)
}

func (w *world) SendSubscribe(context.Context, model.OpenID, model.Notice) (string, error) {
	return "1", w.send(push.Mini)
}

func (w *world) SendNotice(context.Context, model.OpenID, model.Notice) (string, error) {
	return "1", w.send(push.Official)
}

func (w *world) SendTemplate(context.Context, model.OpenID, model.Notice, model.RequestID) (string, error) {
	return "1", w.send(push.Template)
}

func newWorld() *world {
	return &world{now: noon, follows: true, mini: "m-alice", agrees: true, answers: map[push.Channel]error{}}
}

func newPusher(t *testing.T, pool *sql.DB, w *world) *push.Pusher {
	t.Helper()
	ids, err := model.NewIDs(1, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	return push.New(push.Needs{
		SQL: pool, Redis: dbtest.EmbeddedRedis(t), People: w, Consents: w, Sender: w, Templates: w, IDs: ids,
		Now: w.clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, push.Options{})
}

func notice(request model.RequestID, purpose push.Purpose) push.Notice {
	n := model.Notice{Template: template, Fields: map[string]string{"thing1": "您的红包"}}
	return push.Notice{Topic: "test", Request: request, Purpose: purpose, Custom: model.Text("好"), Mini: n, Official: n, Template: n}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMessageGoesByTheFirstChannelWithARight(t *testing.T) {
	window := func(ctx context.Context, p *push.Pusher) error {
		return p.Touched(ctx, alice, push.Messaged, model.At(noon))
	}
	grant := func(c push.Channel) func(context.Context, *push.Pusher) error {
		return func(ctx context.Context, p *push.Pusher) error { return p.Grant(ctx, alice, string(c), template, "g") }
	}
	refuse := func(code string) error { return fault.New(fault.Conflict, code, "") }
	type give = func(context.Context, *push.Pusher) error
	for _, tt := range []struct {
		name    string
		purpose push.Purpose
		rights  []give
		world   func(w *world)
		state   push.State
		channel push.Channel
	}{
		{"an open window goes first", push.Marketing, []give{window, grant(push.Mini)}, nil, push.Sent, push.Custom},
		{"then a consent in the mini-program", push.Marketing, []give{grant(push.Official), grant(push.Mini)}, nil, push.Sent, push.Mini},
		{"then a consent in the account", push.Marketing, []give{grant(push.Official)}, nil, push.Sent, push.Official},
		{"a service notice needs no right", push.Transactional, nil, nil, push.Sent, push.Template},
		{"marketing has no template", push.Marketing, nil, nil, push.Skipped, ""},
		{"nor does it go without consent", push.Marketing, []give{window}, func(w *world) { w.agrees = false }, push.Skipped, ""},
		{"a service notice does", push.Transactional, []give{window}, func(w *world) { w.agrees = false }, push.Sent, push.Custom},
		{"who left the account is met in the mini-program", push.Transactional, []give{window, grant(push.Mini)}, func(w *world) { w.follows = false }, push.Sent, push.Mini},
		{"or not at all", push.Transactional, []give{window}, func(w *world) { w.follows, w.mini = false, "" }, push.Skipped, ""},
		{"a window that WeChat shut leads on", push.Transactional, []give{window, grant(push.Mini)}, func(w *world) { w.answers[push.Custom] = refuse("wechat.window_shut") }, push.Sent, push.Mini},
		{"refused everywhere is refused", push.Marketing, []give{grant(push.Mini)}, func(w *world) { w.answers[push.Mini] = refuse("wechat.no_consent") }, push.Refused, push.Mini},
		{"who does not know is not asked twice", push.Transactional, []give{window, grant(push.Mini)}, func(w *world) {
			w.answers[push.Custom] = fault.New(fault.Internal, "wechat.unknown_outcome", "")
		}, push.Unknown, push.Custom},
		{"an error that is no fault is unknown as well", push.Transactional, []give{window, grant(push.Mini)}, func(w *world) {
			w.answers[push.Custom] = errors.New("cut")
		}, push.Unknown, push.Custom},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				if tt.world != nil {
					tt.world(w)
				}
				p := newPusher(t, pool, w)
				for _, give := range tt.rights {
					must(t, give(t.Context(), p))
				}
				got, err := p.Tell(t.Context(), alice, notice("r", tt.purpose))
				must(t, err)
				if got.State != tt.state || got.Channel != tt.channel {
					t.Fatalf("Tell = %+v, want %s by %q", got, tt.state, tt.channel)
				}
				sent := len(w.reached)
				w.answers = map[push.Channel]error{}
				again, err := p.Tell(t.Context(), alice, notice("r", tt.purpose))
				if err != nil || again != got || len(w.reached) != sent {
					t.Errorf("told again = %+v, %v with %d messages, want %+v and %d", again, err, len(w.reached), got, sent)
				}
			})
		})
	}
}

func TestAConsentCountsOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w := newWorld()
		p := newPusher(t, pool, w)
		for _, request := range []model.RequestID{"a", "a", "b"} {
			must(t, p.Grant(t.Context(), alice, string(push.Mini), template, request))
		}
		for i, want := range []push.State{push.Sent, push.Sent, push.Skipped} {
			got, err := p.Tell(t.Context(), alice, notice(model.RequestID(rune('a'+i)), push.Marketing))
			if err != nil || got.State != want {
				t.Errorf("message %d = %+v, %v, want %s", i, got, err, want)
			}
		}
		for name, err := range map[string]error{
			"a channel without consents": p.Grant(t.Context(), alice, "custom", template, "c"),
			"no template":                p.Grant(t.Context(), alice, string(push.Mini), "", "c"),
			"no request":                 p.Grant(t.Context(), alice, string(push.Mini), template, ""),
		} {
			if !errors.Is(err, push.ErrGrant) {
				t.Errorf("%s: %v, want %v", name, err, push.ErrGrant)
			}
		}
	})
}
