package job_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"kaimenhong/job"
)

// idle is every kind of work with nothing to do.
type idle struct{}

func (idle) Deliver(context.Context) (int, error)       { return 0, nil }
func (idle) SettleDue(context.Context) (int, error)     { return 0, nil }
func (idle) RemindDue(context.Context) (int, error)     { return 0, nil }
func (idle) VoidOverdue(context.Context) (int, error)   { return 0, nil }
func (idle) FulfilDue(context.Context) (int, error)     { return 0, nil }
func (idle) Lose(context.Context) (int, error)          { return 0, nil }
func (idle) Forget(context.Context) (int, error)        { return 0, nil }
func (idle) CloseDue(context.Context, int) (int, error) { return 0, nil }
func (idle) FillDue(context.Context) (int, error)       { return 0, nil }
func (idle) Sweep(context.Context) (int, error)         { return 0, nil }
func (idle) Due(context.Context) (int, error)           { return 0, nil }
func (idle) Remind(context.Context) (int, error)        { return 0, nil }
func (idle) Reconcile(context.Context) error            { return nil }
func (idle) ComputeDue(context.Context) (int, error)    { return 0, nil }
func (idle) Advance(context.Context) (int, error)       { return 0, nil }
func (idle) Stage(context.Context) (int, error)         { return 0, nil }
func (idle) Watch(context.Context) (int, error)         { return 0, nil }
func (idle) Recall(context.Context) (int, error)        { return 0, nil }
func (idle) Restage(context.Context) (int, error)       { return 0, nil }
func (idle) Purge(context.Context, int) (int, error)    { return 0, nil }

// inbox forgets without a count.
type inbox struct{}

func (inbox) Refresh(context.Context) error    { return nil }
func (inbox) DeliverDue(context.Context) error { return nil }
func (inbox) Forget(context.Context) error     { return nil }

type pruned struct{ idle }

func (pruned) Prune(context.Context) (int64, error) { return 0, nil }

type shelf struct{}

func (shelf) Prune(context.Context, int) (int, error) { return 0, nil }

// vault has numbers to reseal, and some that cannot be opened.
type vault struct{ left int }

var errShut = errors.New("numbers cannot be opened")

func (v *vault) Reseal(_ context.Context, limit int) (int, error) {
	n := min(limit, v.left)
	v.left -= n
	return n, errShut
}

func (v *vault) CheckHolders(context.Context, time.Duration, int) (int, int, error) { return 0, 0, nil }
func (v *vault) Purge(context.Context, int) (int64, error)                          { return 0, nil }

func TestWhatFailsInASliceKeepsNoneOfTheNext(t *testing.T) {
	v := &vault{left: 1700}
	jobs := job.Schedule(job.Work{
		Outbox: idle{}, Inbox: inbox{}, Members: v, Followers: idle{}, Points: idle{}, Account: shelf{}, Mall: idle{}, Push: idle{}, Redpacket: idle{},
		Payout: idle{}, Moments: idle{}, Session: idle{}, Request: idle{}, Notice: idle{}, Operators: idle{}, Campaign: idle{},
		Audience: pruned{}, Report: idle{},
	})
	i := slices.IndexFunc(jobs, func(j job.Job) bool { return j.Name == "member-reseal" })
	if err := jobs[i].Run(t.Context()); !errors.Is(err, errShut) || v.left != 0 {
		t.Errorf("%d numbers are left, %v, want 0 and what failed", v.left, err)
	}
}
