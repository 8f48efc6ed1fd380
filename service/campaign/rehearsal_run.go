package campaign

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// The bounds of running rehearsals.
const (
	rehearsalLook  = time.Second
	rehearsalLease = time.Minute
	rehearsalLimit = 30 * time.Minute
)

// maxWords is how long the words of a failure may be, in characters, as the column has
// it.
const maxWords = 200

// cutWords tell that a rehearsal was cut off.
const cutWords = "服务进程在预演途中结束，请重新开始预演"

var errRehearsalSlow = fault.New(fault.Unavailable, "campaign.rehearsal_slow", "预演超过30分钟，请在空闲的机器上用命令行预演")

// Stage plays a version of a campaign in a scratch copy; told hears from time to time
// how far it is.
type Stage func(ctx context.Context, id model.ID, version int, b Behaviour, told func(at model.Millis, messages int)) (Rehearsed, error)

// RunRehearsals runs what operators asked for, one at a time on each replica, until ctx
// ends. A rehearsal that is cut off says so.
func (c *Campaigns) RunRehearsals(ctx context.Context, play Stage) {
	tick := time.NewTicker(rehearsalLook)
	defer tick.Stop()
	for {
		if err := model.Guarded(func() error { return c.RehearseDue(ctx, play) }); err != nil && ctx.Err() == nil {
			c.Log.ErrorContext(ctx, "rehearsals not run", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// RehearseDue runs those that wait and gives up those whose replica died.
func (c *Campaigns) RehearseDue(ctx context.Context, play Stage) error {
	if _, err := c.q.CutRehearsals(ctx, db.CutRehearsalsParams{Why: cutWords, Now: c.millis(), LeaseBefore: c.millis()}); err != nil {
		return fmt.Errorf("give up rehearsals: %w", err)
	}
	ids, err := c.q.WaitingRehearsals(ctx, 1)
	if err != nil || len(ids) == 0 {
		return err
	}
	id, token := ids[0], rand.Text()
	n, err := c.q.BeginRehearsal(ctx, db.BeginRehearsalParams{ID: id, Now: c.millis(), Token: token, LeasedUntil: c.lease()})
	if err != nil || n == 0 {
		return err
	}
	r, err := c.Rehearsal(ctx, model.ID(id))
	if err != nil {
		return err
	}
	return c.rehearse(ctx, r, token, play)
}

func (c *Campaigns) lease() int64 { return int64(model.At(c.Now().Add(rehearsalLease))) }

// rehearse runs one and writes what came of it.
func (c *Campaigns) rehearse(ctx context.Context, r Rehearsal, token string, play Stage) error {
	running, cancel := context.WithTimeoutCause(ctx, rehearsalLimit, errRehearsalSlow)
	defer cancel()
	var at, messages atomic.Int64
	var taken atomic.Bool
	beaten := make(chan struct{})
	beating, quiet := context.WithCancel(running)
	go func() {
		defer close(beaten)
		c.beat(beating, func() error {
			n, err := c.q.KeepRehearsal(beating, db.KeepRehearsalParams{
				ID: int64(r.ID), Token: token, ReachedAt: at.Load(), Messages: messages.Load(), LeasedUntil: c.lease(),
			})
			if err == nil && n == 0 {
				taken.Store(true) // given up by others, or cancelled
				cancel()
			}
			return err
		})
	}()
	var result Rehearsed
	err := model.Guarded(func() (err error) {
		result, err = play(running, r.Campaign, r.Version, r.Behaviour, func(now model.Millis, sent int) {
			at.Store(int64(now))
			messages.Store(int64(sent))
		})
		return err
	})
	quiet()
	<-beaten
	if taken.Load() {
		return nil
	}
	end := db.EndRehearsalParams{ID: int64(r.ID), Token: token, Now: c.millis(), State: string(RehearsalDone)}
	switch {
	case err == nil:
		end.Result, err = result.encode()
	case ctx.Err() != nil:
		end.State, end.Why, err = string(RehearsalCut), cutWords, nil
	case running.Err() != nil:
		err = errors.Join(context.Cause(running), err)
	}
	if err != nil {
		words := []rune(fault.Of(err).Text)
		end.State, end.Why = string(RehearsalFailed), string(words[:min(len(words), maxWords)])
		c.Log.WarnContext(ctx, "rehearsal failed", "campaign", r.Campaign, "version", r.Version, "error", err)
	}
	writing, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if _, err := c.q.EndRehearsal(writing, end); err != nil {
		return fmt.Errorf("write the result of a rehearsal: %w", err)
	}
	return nil
}

// CancelRehearsal ends one that waits or runs; whoever runs it stops within five seconds.
// Errors: ErrNoRehearsal, ErrRehearsed.
func (c *Campaigns) CancelRehearsal(ctx context.Context, by, id model.ID) (Rehearsal, error) {
	r, err := c.Rehearsal(ctx, id)
	if err != nil {
		return r, err
	}
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		n, err := c.q.WithTx(tx).CancelRehearsal(ctx, db.CancelRehearsalParams{ID: int64(id), Now: c.millis()})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrRehearsed
		}
		return c.record(ctx, tx, by, "cancel_rehearsal", r.Campaign, inVersion{Version: r.Version})
	})
	if err != nil {
		return r, fmt.Errorf("cancel a rehearsal: %w", err)
	}
	return c.Rehearsal(ctx, id)
}

// beat keeps a lease until ctx ends; one beat that fails is made up for by the next.
func (c *Campaigns) beat(ctx context.Context, keep func() error) {
	tick := time.NewTicker(c.opts.Beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := keep(); err != nil && ctx.Err() == nil {
				c.Log.WarnContext(ctx, "rehearsal not kept", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
