package push

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// shard is a range of rows that this worker has.
type shard struct {
	d     model.Dispatch
	n     int32
	from  int64
	to    int64
	token string
	lost  bool // by the worker who had it before
}

// errLost says that the lease ran out and somebody else may have the shard.
var errLost = errors.New("the lease of the shard was lost")

// Why nobody is asked any more.
const (
	whyKilled  = "push.killed"
	whyEnded   = "push.ended"
	whyDropped = "push.dropped"
)

// choices is how many shards a worker looks at to take one: two who look at once
// seldom take the same.
const choices = 8

// sendShard takes one shard that is due and sends it; false when none was sent. A
// dispatch whose shard fails keeps none of the others: theirs is the next turn.
func (p *Planner) sendShard(ctx context.Context) (bool, error) {
	list, _ := p.posted()
	now := p.Now()
	var failed error
	for _, one := range list {
		over := one.campaign == killed || one.state == dropped || model.At(now) >= one.EndsAt
		if !over && (one.state != open || one.campaign != running || one.Purpose == Marketing && p.quiet(now)) {
			continue
		}
		if one.state != open && one.state != dropped { // no row is added from now on
			if _, err := p.q.SetDispatchState(ctx, db.SetDispatchStateParams{State: open, ID: int64(one.ID), FromState: one.state}); err != nil {
				return false, errors.Join(failed, err)
			}
		}
		s, ok, err := p.lease(ctx, one, over)
		if err != nil {
			return false, errors.Join(failed, err)
		}
		if !ok {
			continue
		}
		if over {
			err = p.sweep(ctx, s, one)
		} else {
			err = p.serve(ctx, s)
		}
		if err == nil || ctx.Err() != nil {
			return err == nil, errors.Join(failed, err)
		}
		failed = errors.Join(failed, fmt.Errorf("dispatch %s: %w", one.ID, err))
	}
	return false, failed
}

// lease takes a shard of the dispatch by token and the database's time. Without an
// open one the dispatch is finished.
func (p *Planner) lease(ctx context.Context, one posted, over bool) (shard, bool, error) {
	ticks, err := p.opts.Ticks(ctx)
	if err != nil {
		return shard{}, false, err
	}
	wave, due := int32(0), int64(p.now())
	if one.released || over {
		wave = 1
	}
	if over {
		due = 1<<63 - 1
	}
	found, err := p.q.DueShards(ctx, db.DueShardsParams{DispatchID: int64(one.ID), Wave: wave, DueBy: due, LeaseBefore: int64(ticks), Limit: choices})
	if err != nil {
		return shard{}, false, fmt.Errorf("look for shards: %w", err)
	}
	if len(found) == 0 {
		return shard{}, false, p.finish(ctx, one)
	}
	mathrand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	for _, f := range found {
		s := shard{d: one.Dispatch, n: f.N, from: f.FromID, to: f.ToID, token: rand.Text(), lost: f.Token != ""}
		n, err := p.q.LeaseShard(ctx, db.LeaseShardParams{
			Token: s.token, LeaseUntil: int64(ticks.Add(p.opts.Lease)), DispatchID: int64(one.ID), N: f.N, WasUntil: f.LeaseUntil, WasToken: f.Token,
		})
		if err != nil {
			return shard{}, false, fmt.Errorf("lease a shard: %w", err)
		}
		if n > 0 {
			if s.lost {
				p.counts.lost.Inc()
				p.Log.WarnContext(ctx, "shard of a lost worker taken over", "dispatch", one.ID, "shard", f.N)
			}
			return s, true, nil
		}
	}
	return shard{}, false, nil
}

// finish ends a dispatch of which nothing is open.
func (p *Planner) finish(ctx context.Context, one posted) error {
	n, err := p.q.OpenShards(ctx, int64(one.ID))
	if err != nil || n > 0 {
		return err
	}
	end := db.SetDispatchStateParams{State: finished, ID: int64(one.ID), FromState: open}
	if one.state == dropped {
		end.Why, end.FromState = whyDropped, dropped
	}
	_, err = p.q.SetDispatchState(ctx, end)
	return err
}

// sweep settles a shard of which nothing is sent any more.
func (p *Planner) sweep(ctx context.Context, s shard, one posted) error {
	why := whyEnded
	switch {
	case one.state == dropped:
		why = whyDropped
	case one.campaign == killed:
		why = whyKilled
	}
	if s.lost {
		if err := p.recover(ctx, s); err != nil {
			return err
		}
	}
	return sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		q := db.New(tx)
		n, err := q.LeaveShard(ctx, db.LeaveShardParams{State: "done", DueAt: 0, DispatchID: int64(s.d.ID), N: s.n, Token: s.token})
		if err != nil || n == 0 {
			return err
		}
		_, err = q.SweepRows(ctx, db.SweepRowsParams{
			Why: why, ChangedAt: int64(p.now()), DispatchID: int64(s.d.ID), Shard: s.n, FromID: s.from, ToID: s.to,
		})
		return err
	})
}

// progress is what a pass over a shard did.
type progress struct {
	left  int          // rows that stay pending
	again bool         // some of them have another way to be tried at once
	due   model.Millis // when the others are looked at again
	halt  bool         // nothing more of this shard now
}

func (g *progress) wait(until model.Millis) {
	if g.due == 0 || until < g.due {
		g.due = until
	}
}

// maxPasses bounds the passes over one shard: each way may refuse once.
const maxPasses = maxWays + 2

// serve sends a shard and gives it back. After an error that leaves rows "sending"
// the lease is left to run out.
func (p *Planner) serve(ctx context.Context, s shard) error {
	if s.lost {
		if err := p.recover(ctx, s); err != nil {
			return err
		}
	}
	var g progress
	for range maxPasses {
		var err error
		if g, err = p.pass(ctx, s); err != nil {
			if errors.Is(err, errLost) {
				p.Log.WarnContext(ctx, "shard was too slow", "dispatch", s.d.ID, "shard", s.n)
				return nil
			}
			return err
		}
		if !g.again || g.halt {
			break
		}
	}
	state := "done"
	if g.left > 0 {
		state = "open"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	_, err := p.q.LeaveShard(ctx, db.LeaveShardParams{State: state, DueAt: int64(g.due), DispatchID: int64(s.d.ID), N: s.n, Token: s.token})
	return err
}

// pass goes once over the rows of a shard that are pending.
func (p *Planner) pass(ctx context.Context, s shard) (progress, error) {
	var g progress
	after, chunk, misses := s.from-1, p.chunkSize(s.d), 0
	for !g.halt {
		if ctx.Err() != nil || !p.may(s.d) {
			g.halt, g.left = true, g.left+1
			break
		}
		rows, err := p.q.PendingRows(ctx, db.PendingRowsParams{
			DispatchID: int64(s.d.ID), Shard: s.n, FromID: after + 1, ToID: s.to, Limit: int32(chunk),
		})
		if err != nil {
			return g, fmt.Errorf("read rows: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		err = p.chunk(ctx, s, rows, &g)
		switch {
		case errors.Is(err, errRaced) && misses < maxMisses:
			// Somebody took the same rights, loads or quota: look again, at fewer.
			misses++
			chunk = max(1, chunk/8)
			continue
		case err != nil:
			return g, err
		}
		after, chunk, misses = rows[len(rows)-1].ID, p.chunkSize(s.d), 0
	}
	return g, nil
}

// chunkSize is how many rows are written at a time now.
func (p *Planner) chunkSize(d model.Dispatch) int {
	if usesMass(d) {
		return stagePage
	}
	return p.pace.chunk(p.opts.Chunk)
}

// maxMisses bounds how often the same rows are lost to others in a row.
const maxMisses = 20

// chunk plans some rows, commits "sending", calls and commits what became of them.
func (p *Planner) chunk(ctx context.Context, s shard, rows []db.PendingRowsRow, g *progress) error {
	all, err := p.plan(ctx, s.d, rows)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := p.commit(ctx, s, all); err != nil {
		return err
	}
	for _, r := range all {
		if r.wait != 0 {
			g.left++
			g.wait(r.wait)
		}
	}
	called := p.Now()
	h := p.callAll(ctx, s.d, all, began)
	p.pace.note(asked(all), p.Now().Sub(called))
	return p.settle(ctx, s, all, h, g)
}

// asked counts those who were called.
func asked(all []*recipient) (n int) {
	for _, r := range all {
		if r.asked {
			n++
		}
	}
	return n
}
