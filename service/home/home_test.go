package home_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/home"
)

var (
	errAway    = fault.New(fault.Unavailable, "test.away", "运营商暂时没有回应")
	errUnknown = fault.New(fault.NotFound, "test.unknown", "没有这个会员")
)

// world is everything around Home; each answer is what the test says.
type world struct {
	who       model.Member
	whoErr    error
	balance   func(ctx context.Context) (model.Balance, error)
	planErr   error
	pointsErr error
	unread    func() (int, error)
	cached    bool // the carrier's parts and the count are in memory
	erased    int
	closeErr  error
	done      []string // in order
}

func (w *world) Get(context.Context, model.MemberID, model.App) (model.Member, error) {
	return w.who, w.whoErr
}

func (w *world) Balance(ctx context.Context, _ model.Phone) (model.Balance, error) {
	if w.balance != nil {
		return w.balance(ctx)
	}
	return model.Balance{Available: 1234}, nil
}

func (w *world) Usage(context.Context, model.Phone) (model.Usage, error) {
	return model.Usage{Stale: true, AsOf: 7}, nil
}

func (w *world) Plan(context.Context, model.Phone) (model.Plan, error) {
	return model.Plan{}, w.planErr
}

func (w *world) AskBalance(member model.MemberID) func(context.Context) (model.PointsBalance, error) {
	return func(context.Context) (model.PointsBalance, error) {
		if member != w.who.ID {
			return model.PointsBalance{Available: 1}, w.pointsErr
		}
		return model.PointsBalance{Available: 88}, w.pointsErr
	}
}

func (w *world) Cached(model.Phone) (b model.Balance, u model.Usage, p model.Plan, ok bool) {
	return model.Balance{Available: 4321}, model.Usage{AsOf: 8}, model.Plan{AsOf: 9}, w.cached
}

func (w *world) Known(model.MemberID) (int, bool) { return 5, w.cached }

func (w *world) Unread(context.Context, model.MemberID) (int, error) {
	if w.unread != nil {
		return w.unread()
	}
	return 3, nil
}

func (w *world) Bills(context.Context, model.Phone) (model.Bills, error) { return model.Bills{}, nil }

func (w *world) UsageDays(_ context.Context, _ model.Phone, days int) ([]model.UsageDay, error) {
	return make([]model.UsageDay, days), nil
}

func (w *world) Erase(context.Context, model.Phone) error {
	w.done = append(w.done, "erase")
	w.erased++
	return nil
}

func (w *world) Close(context.Context, model.MemberID, model.RequestID) error {
	w.done = append(w.done, "close")
	return w.closeErr
}

// bound is a member with a number.
func bound(t *testing.T) model.Member {
	t.Helper()
	phone, err := model.ParsePhone("13800138001")
	if err != nil {
		t.Fatal(err)
	}
	return model.Member{ID: 7, Phone: phone}
}

func newHome(t *testing.T, w *world, log *strings.Builder, export ...home.Section) (*home.Home, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	h, err := home.New(home.Deps{
		People: w, Account: w, Memory: w, Records: w, Points: w, Notices: w, Members: w, Export: export,
		Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: reg,
	}, home.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return h, reg
}

func TestAPartThatFailsIsMarkedAndTheOthersAreShown(t *testing.T) {
	var log strings.Builder
	w := &world{who: bound(t), planErr: errAway, unread: func() (int, error) { panic("a bug") }}
	h, reg := newHome(t, w, &log)
	s, err := h.Me(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if s.Balance.Err != nil || s.Balance.Value.Available != 1234 || s.Points.Value.Available != 88 || !s.Usage.Value.Stale {
		t.Errorf("the screen is %+v", s)
	}
	if s.Plan.Err == nil || s.Plan.Err.Code != "test.away" {
		t.Errorf("the plan's fault is %v, want %v", s.Plan.Err, errAway)
	}
	if s.Unread.Err == nil || s.Unread.Err.Kind != fault.Internal || strings.Contains(s.Unread.Err.Text, "a bug") {
		t.Errorf("the panic is shown as %+v", s.Unread.Err)
	}
	want := "# HELP home_parts_failed_total Parts of the first screen that could not be shown, by part.\n# TYPE home_parts_failed_total counter\nhome_parts_failed_total{part=\"plan\"} 1\nhome_parts_failed_total{part=\"unread\"} 1\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "plan") || !strings.Contains(log.String(), "panic") {
		t.Errorf("the log is %q, want the panic and not the carrier's silence", log.String())
	}
}

func TestWhatIsInMemoryIsShownWithoutAsking(t *testing.T) {
	failing := errors.New("asked all the same")
	w := &world{
		who: bound(t), cached: true, planErr: failing, unread: func() (int, error) { return 0, failing },
		balance: func(context.Context) (model.Balance, error) { return model.Balance{}, failing },
	}
	h, _ := newHome(t, w, &strings.Builder{})
	s, err := h.Me(t.Context(), 7)
	if err != nil || s.Balance.Err != nil || s.Plan.Err != nil || s.Unread.Err != nil {
		t.Fatalf("Me = %+v, %v", s, err)
	}
	if s.Balance.Value.Available != 4321 || s.Usage.Value.AsOf != 8 || s.Plan.Value.AsOf != 9 || s.Unread.Value != 5 || s.Points.Value.Available != 88 {
		t.Errorf("the screen is %+v, want what is in memory and fresh points", s)
	}
}

func TestASlowPartIsCutOffAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{who: bound(t), balance: func(ctx context.Context) (model.Balance, error) {
			<-ctx.Done()
			return model.Balance{}, errAway.With(ctx.Err())
		}}
		h, _ := newHome(t, w, &strings.Builder{})
		begin := time.Now()
		s, err := h.Me(t.Context(), 7)
		if took := time.Since(begin); err != nil || took != 2*time.Second || s.Balance.Err == nil || s.Points.Value.Available != 88 {
			t.Errorf("Me = %+v, %v after %s, want all but the balance after 2 s", s, err, took)
		}
	})
}

func TestAStrangerSeesHisPoints(t *testing.T) {
	h, _ := newHome(t, &world{who: model.Member{ID: 7}}, &strings.Builder{})
	s, err := h.Me(t.Context(), 7)
	if err != nil || s.Balance.Err != home.ErrNotBound || s.Usage.Err != home.ErrNotBound || s.Plan.Err != home.ErrNotBound || s.Points.Value.Available != 88 {
		t.Errorf("Me = %+v, %v", s, err)
	}
	if _, err := h.Bills(t.Context(), 7); !errors.Is(err, home.ErrNotBound) {
		t.Errorf("Bills = %v, want %v", err, home.ErrNotBound)
	}
	if _, err := h.Services(t.Context(), 7); !errors.Is(err, home.ErrNotBound) {
		t.Errorf("Services = %v, want %v", err, home.ErrNotBound)
	}
	if _, err := h.UsageDays(t.Context(), 7, 7); !errors.Is(err, home.ErrNotBound) {
		t.Errorf("UsageDays = %v, want %v", err, home.ErrNotBound)
	}
}

func TestWhoBecameAnotherSeesThatOnesPoints(t *testing.T) {
	h, _ := newHome(t, &world{who: model.Member{ID: 7}}, &strings.Builder{})
	if s, err := h.Me(t.Context(), 6); err != nil || s.Member.ID != 7 || s.Points.Value.Available != 88 {
		t.Errorf("Me = %+v, %v, want the points of member 7", s, err)
	}
}

func TestNobodyHasNoScreen(t *testing.T) {
	h, _ := newHome(t, &world{whoErr: errUnknown}, &strings.Builder{})
	if _, err := h.Me(t.Context(), 7); !errors.Is(err, errUnknown) {
		t.Errorf("Me = %v, want %v", err, errUnknown)
	}
}

func TestClosingErasesTheNumberBeforeAndAfter(t *testing.T) {
	for _, tt := range []struct {
		name  string
		world *world
		want  error
		done  string
	}{
		{"a member with a number", &world{who: bound(t)}, nil, "erase close erase"},
		{"a member without", &world{who: model.Member{ID: 7}}, nil, "close"},
		{"one who has gone", &world{whoErr: errUnknown}, nil, "close"},
		{"the store fails", &world{whoErr: errAway}, errAway, ""},
		{"closing fails", &world{who: bound(t), closeErr: errAway}, errAway, "erase close"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := newHome(t, tt.world, &strings.Builder{})
			if err := h.Close(t.Context(), 7, "r"); !errors.Is(err, tt.want) || strings.Join(tt.world.done, " ") != tt.done {
				t.Errorf("Close = %v, did %v, want %v and %q", err, tt.world.done, tt.want, tt.done)
			}
		})
	}
}

func TestAnExportIsWholeOrNothing(t *testing.T) {
	good := home.Section{Name: "a", Read: func(context.Context, model.MemberID) (any, error) { return 1, nil }}
	bad := home.Section{Name: "b", Read: func(context.Context, model.MemberID) (any, error) { return nil, errAway }}
	h, _ := newHome(t, &world{}, &strings.Builder{}, good)
	if all, err := h.ExportMe(t.Context(), 7); err != nil || all["a"] != 1 {
		t.Errorf("ExportMe = %v, %v", all, err)
	}
	h, _ = newHome(t, &world{}, &strings.Builder{}, good, bad)
	if all, err := h.ExportMe(t.Context(), 7); !errors.Is(err, errAway) || all != nil {
		t.Errorf("ExportMe = %v, %v, want %v", all, err, errAway)
	}
}
