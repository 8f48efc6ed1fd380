package push

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// board is what a replica knows of the dispatches that may have to be sent now. It is
// read anew by every look, and one that is too old lets nothing go.
type board struct {
	lookedAt time.Time // by the process' own running clock, which does not jump
	open     []posted
	byID     map[model.ID]posted
	next     chan struct{} // closed by the next look
}

// posted is a dispatch of the board.
type posted struct {
	model.Dispatch
	state    string // open; another one alone when it is over, or dropped
	released bool
	campaign string // running, paused, killed
}

// stale is how many looks may fail before nothing more is called.
const stale = 3

// maxPosted bounds the dispatches that are sent at the same time.
const maxPosted = 500

// Look reads the board. Run does so every second.
func (p *Planner) Look(ctx context.Context) error {
	at := time.Now()
	rows, err := p.q.OpenDispatches(ctx, db.OpenDispatchesParams{StartedBy: int64(p.now()), EndedBy: int64(p.now()), Limit: maxPosted})
	if err != nil {
		return fmt.Errorf("look for dispatches: %w", err)
	}
	b := board{lookedAt: at, byID: make(map[model.ID]posted, len(rows)), next: make(chan struct{})}
	for _, r := range rows {
		d, err := dispatchOf(db.PushDispatch{
			ID: r.ID, CampaignID: r.CampaignID, StepID: r.StepID, FrozenID: r.FrozenID, Purpose: r.Purpose, Holdout: r.Holdout, Canary: r.Canary,
			Variants: r.Variants, StartsAt: r.StartsAt, EndsAt: r.EndsAt, CapDay: r.CapDay, CapWeek: r.CapWeek, CapCampaign: r.CapCampaign,
		})
		if err != nil { // nobody sends it, and all others are sent
			p.Log.ErrorContext(ctx, "dispatch cannot be read", "dispatch", r.ID, "error", err)
			continue
		}
		one := posted{Dispatch: d, state: r.State, released: r.Released, campaign: r.CampaignState}
		b.open = append(b.open, one)
		b.byID[d.ID] = one
	}
	// Transactional before marketing, canaries before a million that nobody has to wait
	// for, then the earlier ones.
	slices.SortStableFunc(b.open, func(x, y posted) int { return cmp.Compare(x.rank(), y.rank()) })
	p.mu.Lock()
	before := p.board.next
	p.board = b
	maps.DeleteFunc(p.bad, func(d model.ID, _ int) bool { _, there := b.byID[d]; return !there })
	p.mu.Unlock()
	if before != nil {
		close(before)
	}
	return nil
}

func (one posted) rank() int {
	switch {
	case one.Purpose == Transactional:
		return 0
	case !one.released:
		return 1
	}
	return 2
}

// posted returns the board, empty when it is too old, and what tells of the next look.
func (p *Planner) posted() ([]posted, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.board.lookedAt) >= stale*p.opts.Look {
		return nil, p.board.next
	}
	return p.board.open, p.board.next
}

// may tells whether calls of the dispatch may begin now.
func (p *Planner) may(d model.Dispatch) bool {
	p.mu.Lock()
	one, there := p.board.byID[d.ID]
	fresh := time.Since(p.board.lookedAt) < stale*p.opts.Look
	p.mu.Unlock()
	if !there || !fresh || one.campaign != running || one.state == dropped {
		return false
	}
	now := p.Now()
	if model.At(now) >= d.EndsAt {
		return false
	}
	return d.Purpose != Marketing || !p.quiet(now)
}

// quiet tells whether it is night where the members are.
func (p *Planner) quiet(now time.Time) bool {
	_, quiet := model.Night(now, p.opts.Zone, p.opts.QuietFrom, p.opts.QuietUntil)
	return quiet
}

// Run sends what is due until ctx ends: any number of replicas do so at once.
func (p *Planner) Run(ctx context.Context) {
	if err := p.Look(ctx); err != nil && ctx.Err() == nil {
		p.Log.WarnContext(ctx, "dispatches not seen", "error", err)
	}
	var crew sync.WaitGroup
	crew.Go(func() { p.watch(ctx) })
	for range p.opts.Workers {
		crew.Go(func() { p.work(ctx) })
	}
	crew.Wait()
}

// watch looks every second and whenever it was woken.
func (p *Planner) watch(ctx context.Context) {
	ticker := time.NewTicker(p.opts.Look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.wakeup:
		}
		if err := p.Look(ctx); err != nil && ctx.Err() == nil {
			p.Log.WarnContext(ctx, "dispatches not seen", "error", err)
		}
	}
}

// work sends one shard after the other.
func (p *Planner) work(ctx context.Context) {
	for ctx.Err() == nil {
		_, next := p.posted()
		did, err := p.sendShard(ctx)
		if err != nil && ctx.Err() == nil {
			p.Log.WarnContext(ctx, "shard not sent", "error", err)
		}
		if did {
			continue
		}
		pause := time.NewTimer(p.opts.Look)
		select {
		case <-ctx.Done():
		case <-next:
		case <-pause.C:
		}
		pause.Stop()
	}
}

// SendDue sends what is due now and returns how many shards it sent. Run does it for
// ever; a rehearsal and tests call it at the instants of their own clock. A shard that
// fails is left to a later call.
func (p *Planner) SendDue(ctx context.Context) (int, error) {
	if err := p.Look(ctx); err != nil {
		return 0, err
	}
	var failed error
	for n := 0; ; n++ {
		did, err := p.sendShard(ctx)
		if err != nil {
			failed = err
		}
		if !did {
			return n, failed
		}
		if err := p.Look(ctx); err != nil {
			return n, err
		}
	}
}

// databaseTime is the time of leases.
func (p *Planner) databaseTime(ctx context.Context) (model.Millis, error) {
	return sqldb.Now(ctx, p.SQL)
}
