package job

import (
	"context"
	"time"
)

// Work is what the jobs do, by domain.
type Work struct {
	Outbox outboxWork
}

type outboxWork interface {
	Deliver(ctx context.Context) (int, error)
	Forget(ctx context.Context) (int, error)
}

// Schedule is every job, its time (seconds first, China's time zone) and its limit.
func Schedule(w Work) []Job {
	return []Job{
		{Name: "outbox-deliver", Spec: "* * * * * *", Limit: time.Minute, Everywhere: true, Run: counted(w.Outbox.Deliver)},
		{Name: "outbox-forget", Spec: "0 20 4 * * *", Limit: 10 * time.Minute, Run: untilNone(w.Outbox.Forget)},
	}
}

// counted drops the count, which the domain's own metrics tell.
func counted(run func(context.Context) (int, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := run(ctx)
		return err
	}
}

// maxRounds bounds how many slices one run works through.
const maxRounds = 10_000

// untilNone repeats a slice until nothing is left.
func untilNone(run func(context.Context) (int, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		for range maxRounds {
			n, err := run(ctx)
			if err != nil || n == 0 {
				return err
			}
		}
		return nil
	}
}
