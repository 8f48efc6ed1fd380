// Package home puts together what a member sees of himself: the first screen, his
// bills, usage and services, and what is kept of him. It keeps nothing itself.
//
// Invariants: the parts of the first screen are fetched at once under one deadline;
// a part that fails is marked and the others are shown; nothing is made up for it.
package home

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// The faults of this domain.
var (
	ErrNotBound = fault.New(fault.Conflict, "home.not_bound", "请先绑定手机号码")
	errPanic    = fault.New(fault.Internal, "home.part", "系统开小差了，请稍后再试")
)

type (
	// people finds a member, also by an id that was merged away.
	people interface {
		Get(ctx context.Context, id model.MemberID, app model.App) (model.Member, error)
	}
	// account is what the carrier knows of a number.
	account interface {
		Balance(ctx context.Context, phone model.Phone) (model.Balance, error)
		Usage(ctx context.Context, phone model.Phone) (model.Usage, error)
		Plan(ctx context.Context, phone model.Phone) (model.Plan, error)
	}
	ledger interface {
		AskBalance(member model.MemberID) func(context.Context) (model.PointsBalance, error)
	}
	// memory is what account answers without asking; ok is false when it has to ask.
	memory interface {
		Cached(phone model.Phone) (b model.Balance, u model.Usage, p model.Plan, ok bool)
	}
	// notices counts what a member has not read; Known does so without asking.
	notices interface {
		Unread(ctx context.Context, member model.MemberID) (int, error)
		Known(member model.MemberID) (count int, known bool)
	}
)

// Options have good defaults.
type Options struct {
	Deadline time.Duration // of the first screen as a whole; default 2 s
}

// Deps are what Home needs from outside; all are required.
type Deps struct {
	People  people
	Account account
	Memory  memory // of Account
	Records records
	Points  ledger
	Notices notices
	Members closer
	Export  []Section
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Home is the domain. It is safe for use by many goroutines.
type Home struct {
	Deps
	opts   Options
	failed *prometheus.CounterVec
}

// New returns a home.
func New(deps Deps, opts Options) (*Home, error) {
	opts.Deadline = cmp.Or(opts.Deadline, 2*time.Second)
	h := &Home{Deps: deps, opts: opts, failed: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "home_parts_failed_total", Help: "Parts of the first screen that could not be shown, by part.",
	}, []string{"part"})}
	if err := deps.Metrics.Register(h.failed); err != nil {
		return nil, fmt.Errorf("register the metrics of home: %w", err)
	}
	return h, nil
}

// Part is a part of the first screen: a value, or the fault for which there is none.
type Part[T any] struct {
	Value T
	Err   *fault.Error // nil: Value is there
}

// Screen is the first screen. Without a number Balance, Usage and Plan are
// ErrNotBound.
type Screen struct {
	Member  model.Member
	Balance Part[model.Balance]
	Usage   Part[model.Usage]
	Plan    Part[model.Plan]
	Points  Part[model.PointsBalance]
	Unread  Part[int]
}

// Me is the first screen. Only a member who cannot be found is an error.
func (h *Home) Me(ctx context.Context, id model.MemberID) (Screen, error) {
	ctx, cancel := context.WithTimeout(ctx, h.opts.Deadline)
	defer cancel()
	points := h.Points.AskBalance(id) // beside the member, who is hardly ever another
	who, err := h.People.Get(ctx, id, model.MiniProgram)
	if err != nil {
		return Screen{}, err
	}
	if who.ID != id {
		points = h.Points.AskBalance(who.ID)
	}
	s := Screen{Member: who}
	var wait sync.WaitGroup
	h.askCarrier(ctx, &s, &wait)
	if n, known := h.Notices.Known(who.ID); known {
		s.Unread.Value = n
	} else {
		wait.Go(func() {
			s.Unread = part(h, "unread", func() (int, error) { return h.Notices.Unread(ctx, who.ID) })
		})
	}
	// The points are fetched here: one goroutine less, and the longest of the parts
	// while the carrier's are in memory.
	s.Points = part(h, "points", func() (model.PointsBalance, error) { return points(ctx) })
	wait.Wait() // each part ends with ctx
	return s, nil
}

// askCarrier fills in the parts of the carrier: at once when they are in memory, else
// each in a goroutine of wait.
func (h *Home) askCarrier(ctx context.Context, s *Screen, wait *sync.WaitGroup) {
	phone := s.Member.Phone
	if !s.Member.Bound() {
		s.Balance.Err, s.Usage.Err, s.Plan.Err = ErrNotBound, ErrNotBound, ErrNotBound
		return
	}
	var ok bool
	if s.Balance.Value, s.Usage.Value, s.Plan.Value, ok = h.Memory.Cached(phone); ok {
		return
	}
	wait.Go(func() {
		s.Balance = part(h, "balance", func() (model.Balance, error) { return h.Account.Balance(ctx, phone) })
	})
	wait.Go(func() {
		s.Usage = part(h, "usage", func() (model.Usage, error) { return h.Account.Usage(ctx, phone) })
	})
	wait.Go(func() {
		s.Plan = part(h, "plan", func() (model.Plan, error) { return h.Account.Plan(ctx, phone) })
	})
}

// part runs one part; what fails is counted, and logged when it is ours to mend.
func part[T any](h *Home, name string, read func() (T, error)) Part[T] {
	var value T
	err := model.Guarded(func() (err error) { // it may run in a goroutine of its own
		value, err = read()
		return err
	})
	if err == nil {
		return Part[T]{Value: value}
	}
	h.failed.WithLabelValues(name).Inc()
	var panicked *model.Panic
	if errors.As(err, &panicked) {
		h.Log.Error("panic", "part", name, "stack", string(panicked.Stack))
		return Part[T]{Err: errPanic.With(err)}
	}
	f := fault.Of(err)
	if f.Kind == fault.Internal {
		h.Log.Error("part of the first screen failed", "part", name, "error", err)
	}
	return Part[T]{Err: f}
}
