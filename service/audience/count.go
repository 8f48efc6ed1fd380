package audience

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
)

// An exact count asks range by range: the sets of a condition stay small enough for
// the database to keep them in memory (MariaDB gives each 16 MB), several cores
// help, and it takes four times as long for four times as many people, not more.
// Options.CountRange is how many people a range has, about.
const (
	// countWorkers is how many ranges are asked at a time.
	countWorkers = 4
	// maxMarks bounds what ranges are made of: enough for 100,000,000 people.
	maxMarks = 100_000
)

// Count is how many people the tree selects, exactly. A person who changes while it
// is counted is counted as he was or as he is. Errors: ErrSegment.
func (a *Audience) Count(ctx context.Context, tree Node) (int64, error) {
	e, err := a.ready(ctx, &tree, 0, model.DayOf(a.Now()))
	if err != nil {
		return 0, err
	}
	a.segments.WithLabelValues("count").Inc()
	ranges, err := a.ranges(ctx)
	if err != nil {
		return 0, err
	}
	var total atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(countWorkers)
	for _, within := range ranges {
		group.Go(func() error {
			return model.Guarded(func() error {
				n, err := a.number(ctx, counting(&e, within))
				total.Add(n)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return total.Load(), nil
}

// ranges parts all people into ranges of about the same size: those of one sample
// number are a thousandth of them, spread evenly.
func (a *Audience) ranges(ctx context.Context) ([]people, error) {
	marks, err := a.q.SampleIDs(ctx, maxMarks)
	if err != nil {
		return nil, fmt.Errorf("part the people: %w", err)
	}
	rest, step := everybody, max(1, a.opts.CountRange/samples)
	var all []people
	for i := step; i < len(marks); i += step {
		all = append(all, people{rest.after, marks[i]})
		rest.after = marks[i]
	}
	return append(all, rest), nil
}

func (a *Audience) number(ctx context.Context, s *statement) (int64, error) {
	var n int64
	if err := a.DB.QueryRowContext(ctx, s.text.String(), s.args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count a segment: %w", err)
	}
	return n, nil
}
