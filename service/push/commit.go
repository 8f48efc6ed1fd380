package push

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// errRaced says that a right, a load, a row or the quota was taken by somebody else
// after the plan was made: nothing was written.
var errRaced = errors.New("what was planned is no longer so")

// commit writes "sending" for those who are called and the end of those who are not,
// in one transaction with the rights, loads and quota that it takes and with the
// lease, which begins anew. Each statement is for many rows and must hit all of them.
func (p *Planner) commit(ctx context.Context, s shard, all []*recipient) error {
	ticks, err := p.opts.Ticks(ctx)
	if err != nil {
		return err
	}
	err = sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		c := claim{Planner: p, q: db.New(tx), tx: tx, d: s.d, day: p.day(), ticks: int64(ticks), now: int64(p.now())}
		kept, err := c.hold(ctx, s)
		if err != nil {
			return err
		}
		if !kept {
			return errLost
		}
		for _, step := range []func(context.Context, []*recipient) error{c.skips, c.loads, c.rights, c.rows, c.quotas} {
			if err := step(ctx, all); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.forgetTaken(ctx, all)
	p.count(s.d, all, func(r *recipient) bool { return r.state != "" })
	return nil
}

// claim is a transaction that begins to send.
type claim struct {
	*Planner
	q     *db.Queries
	tx    *sql.Tx
	d     model.Dispatch
	day   int32
	ticks int64
	now   int64
}

// hold begins the lease anew and keeps everybody else from the shard until the
// transaction ends; false when it is no longer ours.
func (c *claim) hold(ctx context.Context, s shard) (bool, error) {
	n, err := c.q.KeepShard(ctx, db.KeepShardParams{
		LeaseUntil: c.ticks + c.opts.Lease.Milliseconds(), DispatchID: int64(s.d.ID), N: s.n, Token: s.token, Now: c.ticks,
	})
	return n > 0, err
}

// all makes sure that a statement hit every row.
func all(hit int64, err error, want int) error {
	if err == nil && hit != int64(want) {
		return errRaced
	}
	return err
}

// groups collects recipients by a key; the keys come in their order, so that two
// transactions take their locks in the same one.
func groups[K cmp.Ordered](all []*recipient, key func(*recipient) (K, bool)) []group[K] {
	found := map[K][]*recipient{}
	for _, r := range all {
		if k, ok := key(r); ok {
			found[k] = append(found[k], r)
		}
	}
	out := make([]group[K], 0, len(found))
	for k, list := range found {
		for part := range slices.Chunk(list, maxIn) {
			out = append(out, group[K]{k, part})
		}
	}
	slices.SortStableFunc(out, func(a, b group[K]) int { return cmp.Compare(a.key, b.key) })
	return out
}

type group[K cmp.Ordered] struct {
	key  K
	list []*recipient
}

func (g group[K]) rows() []int64 {
	ids := make([]int64, len(g.list))
	for i, r := range g.list {
		ids[i] = r.row.ID
	}
	return ids
}

func (g group[K]) members() []int64 {
	ids := make([]int64, len(g.list))
	for i, r := range g.list {
		ids[i] = r.row.MemberID
	}
	return ids
}

// skips writes the end of those who are not called.
func (c *claim) skips(ctx context.Context, list []*recipient) error {
	for _, g := range groups(list, func(r *recipient) (string, bool) { return string(r.state) + " " + r.why, r.state != "" }) {
		first := g.list[0]
		hit, err := c.q.SkipRows(ctx, db.SkipRowsParams{State: string(first.state), Why: first.why, ChangedAt: c.now, Ids: g.rows()})
		if err := all(hit, err, len(g.list)); err != nil {
			return err
		}
	}
	return nil
}

// loads counts a marketing message for each member; n is what the plan read, so that
// nobody gets more than his caps by two plans at once.
func (c *claim) loads(ctx context.Context, list []*recipient) error {
	if c.d.Purpose != Marketing {
		return nil
	}
	for _, g := range groups(list, func(r *recipient) (int, bool) { return r.load, r.channel != "" }) {
		if g.key == noLoad {
			if err := c.firstLoads(ctx, g.members()); err != nil {
				return err
			}
			continue
		}
		hit, err := c.q.AddLoads(ctx, db.AddLoadsParams{Day: c.day, Was: int32(g.key), Members: g.members()})
		if err := all(hit, err, len(g.list)); err != nil {
			return err
		}
	}
	return nil
}

func (c *claim) firstLoads(ctx context.Context, members []int64) error {
	slices.Sort(members)
	args := make([]any, 0, 2*len(members))
	for _, m := range members {
		args = append(args, m, c.day)
	}
	_, err := c.tx.ExecContext(ctx, "INSERT INTO push_load (member_id, day, n) VALUES (?, ?, 1)"+strings.Repeat(", (?, ?, 1)", len(members)-1), args...)
	if sqldb.Duplicate(err) {
		return errRaced
	}
	return err
}

// rights takes one of each right, and makes the month's of those who get their first
// mass message.
func (c *claim) rights(ctx context.Context, list []*recipient) error {
	var ids []int64
	var fresh []*recipient
	for _, r := range list {
		if r.channel == "" {
			continue
		}
		ids = append(ids, r.take...)
		if r.newMass {
			fresh = append(fresh, r)
		}
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, maxIn) {
		hit, err := c.q.TakeRights(ctx, part)
		if err := all(hit, err, len(part)); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(fresh, maxIn) {
		if err := c.massRights(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// massAMonth is how many mass messages a follower gets in a calendar month.
const massAMonth = 4

func (c *claim) massRights(ctx context.Context, list []*recipient) error {
	at := c.Now().In(model.Shanghai)
	begin := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, model.Shanghai)
	source, from, until := massSource(model.At(at)), int64(model.At(begin)), int64(model.At(begin.AddDate(0, 1, 0)))
	args := make([]any, 0, 8*len(list))
	for _, r := range list {
		args = append(args, int64(c.IDs.Next()), r.row.MemberID, string(model.MassChannel), "", source, from, until, massAMonth-1)
	}
	const values = "(?, ?, ?, ?, ?, ?, ?, ?)"
	_, err := c.tx.ExecContext(ctx, "INSERT INTO push_entitlement (id, member_id, channel, template, source, granted_at, expires_at, remaining) VALUES "+
		values+strings.Repeat(", "+values, len(list)-1), args...)
	if sqldb.Duplicate(err) {
		return errRaced
	}
	return err
}

// rows says "sending".
func (c *claim) rows(ctx context.Context, list []*recipient) error {
	key := func(r *recipient) (string, bool) { return fmt.Sprint(r.channel, " ", r.batch), r.channel != "" }
	for _, g := range groups(list, key) {
		first := g.list[0]
		hit, err := c.q.SendRows(ctx, db.SendRowsParams{
			Channel: string(first.channel), Batch: int64(first.batch), CalledAt: c.ticks, ChangedAt: c.now, Ids: g.rows(),
		})
		if err := all(hit, err, len(g.list)); err != nil {
			return err
		}
	}
	return nil
}

// quotas come last, for every replica waits for these rows.
func (c *claim) quotas(ctx context.Context, list []*recipient) error {
	for _, u := range used(list) {
		from, err := c.spend(ctx, c.q, u.channel, c.d.Purpose, u.n)
		if err != nil {
			return fmt.Errorf("take from the quota of %s: %w", u.channel, err)
		}
		for _, r := range list {
			if r.channel == u.channel {
				r.from = from
			}
		}
	}
	return nil
}

type use struct {
	channel model.Channel
	n       int64
	from    span // the same for all of a chunk
}

// used counts the calls by channel, in the channels' order.
func used(list []*recipient) []use {
	n, from, batches := map[model.Channel]int64{}, map[model.Channel]span{}, map[model.ID]bool{}
	for _, r := range list {
		switch {
		case r.channel == "" || r.batch != 0 && batches[r.batch]:
		default:
			n[r.channel]++
			from[r.channel], batches[r.batch] = r.from, true
		}
	}
	out := make([]use, 0, len(n))
	for c, k := range n {
		out = append(out, use{c, k, from[c]})
	}
	slices.SortFunc(out, func(a, b use) int { return cmp.Compare(a.channel, b.channel) })
	return out
}

// forgetTaken lets the next action of those whose window was taken from be written
// (Pusher.Touched). Without Redis the step ends by itself.
func (p *Planner) forgetTaken(ctx context.Context, list []*recipient) {
	pipe := p.Redis.Pipeline()
	for _, r := range list {
		if r.channel == model.CustomChannel {
			for _, source := range sources {
				pipe.Del(ctx, windowKey(r.reach.Member, source))
			}
		}
	}
	if pipe.Len() == 0 {
		return
	}
	if _, err := pipe.Exec(ctx); err != nil {
		p.Log.WarnContext(ctx, "windows not forgotten", "error", err)
	}
}

// count counts what became of those that hold.
func (p *Planner) count(d model.Dispatch, list []*recipient, holds func(*recipient) bool) {
	type key struct {
		channel model.Channel
		state   model.DeliveryState
	}
	n := map[key]int{}
	for _, r := range list {
		if holds(r) {
			n[key{r.channel, r.state}]++
		}
	}
	for k, c := range n {
		p.counts.deliveries.WithLabelValues(string(d.Purpose), string(k.channel), string(k.state)).Add(float64(c))
	}
}
