package app

import (
	"context"
	"errors"
	"sync"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
)

// reminding is where the reminders of pots that end soon stand. A million pots may end
// with their game: a run whose time is over is followed by one that goes on behind it,
// for one from the front would look again at those who were told until its time is over.
type reminding struct {
	mu    sync.Mutex
	after redpacket.PotLine // zero: from the front
}

// run reminds of the pots that list tells, page by page, and returns how many there were.
func (r *reminding) run(ctx context.Context, list func(after redpacket.PotLine) ([]redpacket.PotLine, error), remind func(redpacket.PotLine) error) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := 0
	var failed fault.Several
	for ctx.Err() == nil {
		page, err := list(r.after)
		if err != nil {
			return seen, errors.Join(err, failed.Err())
		}
		beside(page, remindAtOnce, func(p redpacket.PotLine) {
			err := model.Guarded(func() error { return remind(p) })
			if !errors.Is(err, push.ErrSending) { // another run is at it; the next one sees what became of it
				failed.Add(err)
			}
		})
		seen += len(page)
		if ctx.Err() != nil {
			break
		}
		if len(page) < remindPage {
			r.after = redpacket.PotLine{}
			break
		}
		r.after = page[len(page)-1]
	}
	return seen, errors.Join(failed.Err(), ctx.Err())
}
