package push

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// settleLimit bounds the writing of what became of a chunk; it and the calls end
// before the lease does.
const settleLimit = 15 * time.Second

// busyPause is when a shard is looked at again whose calls WeChat was too busy for.
const busyPause = 5 * time.Second

// settle commits what the calls said. What happened is written, also when the
// process is asked to stop; when it cannot be, the rows stay "sending" and whoever
// takes the shard over decides. Only who still has the shard makes rows pending again:
// whoever took it over may have called them once more. It is errLost when there were
// such.
func (p *Planner) settle(ctx context.Context, s shard, list []*recipient, h *halts, g *progress) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	var called []*recipient
	for _, r := range list {
		if r.channel != "" {
			called = append(called, r)
		}
	}
	if len(called) == 0 {
		return nil
	}
	kept, err := p.write(ctx, s, called, h)
	for err != nil && ctx.Err() == nil { // each part is guarded by "sending"
		p.Log.WarnContext(ctx, "what was sent is not written yet", "dispatch", s.d.ID, "rows", len(called), "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
			kept, err = p.write(ctx, s, called, h)
		}
	}
	if err != nil {
		return fmt.Errorf("write what was sent: %w", err)
	}
	p.after(ctx, s.d, called, h, g)
	if !kept {
		return errLost
	}
	return nil
}

// write is the transaction of settle. kept tells that nothing was left out because the
// shard is no longer ours.
func (p *Planner) write(ctx context.Context, s shard, called []*recipient, h *halts) (kept bool, err error) {
	var ticks model.Millis
	again := slices.ContainsFunc(called, func(r *recipient) bool { return r.out == wasRefused || r.out == uncalled })
	if again {
		if ticks, err = p.opts.Ticks(ctx); err != nil {
			return false, err
		}
	}
	err = sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		e := ending{claim{Planner: p, q: db.New(tx), tx: tx, d: s.d, day: p.day(), ticks: int64(ticks), now: int64(p.now())}}
		steps := []func(context.Context, []*recipient) error{e.sent, e.unknown}
		kept = true
		if again {
			if kept, err = e.hold(ctx, s); err != nil {
				return err
			}
		}
		if kept {
			steps = append(steps, e.refused, e.uncalled)
		}
		for _, step := range steps {
			if err := step(ctx, called); err != nil {
				return err
			}
		}
		for _, u := range used(called) {
			if err := p.shut(ctx, e.q, u.channel, u.from, h.day[u.channel], h.minute[u.channel]); err != nil {
				return err
			}
		}
		if h.stop == "" {
			return nil
		}
		_, err := e.q.SetDispatchState(ctx, db.SetDispatchStateParams{State: stopped, Why: h.stop, ID: int64(s.d.ID), FromState: open})
		return err
	})
	return kept, err
}

// after tells the pass and the metrics what was written.
func (p *Planner) after(ctx context.Context, d model.Dispatch, called []*recipient, h *halts, g *progress) {
	for _, r := range called {
		switch r.out {
		case wasSent:
			r.state = model.DeliverySent
		case wasUnknown:
			r.state = model.DeliveryUnknown
		case wasRefused:
			r.state, g.left, g.again = model.DeliveryPending, g.left+1, true
		default:
			r.state, g.left = model.DeliveryPending, g.left+1
		}
	}
	p.count(d, called, func(r *recipient) bool { return r.state != model.DeliveryPending })
	switch {
	case h.stop != "":
		g.halt = true
		p.counts.stopped.Inc()
		p.Log.ErrorContext(ctx, "dispatch stopped, WeChat refuses its template or data", "dispatch", d.ID, "campaign", d.Campaign, "step", d.Step, "why", h.stop)
	case h.busy > 0: // for few, or for all
		g.halt = g.halt || h.busy >= maxBusy
		g.wait(p.now().Add(busyPause))
	}
	if h.stop != "" {
		if err := p.Look(ctx); err != nil {
			p.Log.WarnContext(ctx, "dispatches not seen", "error", err)
		}
	}
	if err := p.applyEarly(ctx, called); err != nil {
		p.Log.WarnContext(ctx, "early reports not applied", "error", err)
	}
}

// ending is a transaction that writes what calls said.
type ending struct{ claim }

// sent is final; the receipts lead from WeChat's reports to the rows.
func (e ending) sent(ctx context.Context, list []*recipient) error {
	for _, g := range groups(list, func(r *recipient) (int, bool) { return 0, r.out == wasSent }) {
		hit, err := e.q.SettleRows(ctx, db.SettleRowsParams{
			State: string(model.DeliverySent), ChangedAt: e.now, FromState: string(model.DeliverySending), Ids: g.rows(),
		})
		if err != nil {
			return err
		}
		if hit == 0 {
			continue // written before, by a transaction whose answer was lost
		}
		if err := e.receipts(ctx, g.list); err != nil {
			return err
		}
	}
	return nil
}

// maxMsgID is the length that the tables leave for WeChat's id of a message.
const maxMsgID = 32

func (e ending) receipts(ctx context.Context, list []*recipient) error {
	args := make([]any, 0, 2*len(list))
	for _, r := range list {
		if r.msgID != "" && len(r.msgID) <= maxMsgID {
			args = append(args, r.msgID, r.row.ID)
		}
	}
	if len(args) == 0 {
		return nil
	}
	_, err := e.tx.ExecContext(ctx, "INSERT INTO push_receipt (msg_id, delivery_id) VALUES (?, ?)"+strings.Repeat(", (?, ?)", len(args)/2-1), args...)
	return err
}

// unknown is final: the right, the load and the quota stay taken.
func (e ending) unknown(ctx context.Context, list []*recipient) error {
	for _, g := range groups(list, func(r *recipient) (int, bool) { return 0, r.out == wasUnknown }) {
		_, err := e.q.SettleRows(ctx, db.SettleRowsParams{
			State: string(model.DeliveryUnknown), Why: errUnknownOutcome.Code, ChangedAt: e.now, FromState: string(model.DeliverySending), Ids: g.rows(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// refused makes the row pending again without the way, and gives the load back. The
// rights that WeChat says are not there are dropped, others given back.
func (e ending) refused(ctx context.Context, list []*recipient) error {
	key := func(r *recipient) (string, bool) { return fmt.Sprint(r.way, " ", r.why), r.out == wasRefused }
	for _, g := range groups(list, key) {
		first := g.list[0]
		hit, err := e.q.RetryRows(ctx, db.RetryRowsParams{Way: 1 << first.way, Why: first.why, ChangedAt: e.now, Ids: g.rows()})
		if err != nil {
			return err
		}
		if hit != int64(len(g.list)) {
			continue // settled before
		}
		ids := taken
		give := func(ids []int64) error { return e.q.GiveBackRights(ctx, ids) }
		if gone(first.why) {
			ids = func(r *recipient) []int64 { return r.drop }
			give = func(ids []int64) error {
				return e.q.DropRights(ctx, db.DropRightsParams{Ids: ids, GrantedBefore: e.now})
			}
		}
		if err := inParts(g.list, ids, give); err != nil {
			return err
		}
		if err := e.unload(ctx, g.members()); err != nil {
			return err
		}
	}
	return nil
}

// gone tells that WeChat knows of no such right.
func gone(why string) bool {
	return why == errNoConsent.Code || why == errWindowShut.Code || why == errWindowUsed.Code
}

func taken(r *recipient) []int64 { return r.take }

// uncalled makes the row pending again as it was, and gives back all that it took.
func (e ending) uncalled(ctx context.Context, list []*recipient) error {
	for _, g := range groups(list, func(r *recipient) (string, bool) { return r.row.Why, r.out == uncalled }) {
		hit, err := e.q.RetryRows(ctx, db.RetryRowsParams{Way: 0, Why: g.key, ChangedAt: e.now, Ids: g.rows()})
		if err != nil {
			return err
		}
		if hit != int64(len(g.list)) {
			continue // settled before
		}
		if err := inParts(g.list, taken, func(ids []int64) error { return e.q.GiveBackRights(ctx, ids) }); err != nil {
			return err
		}
		if err := e.unload(ctx, g.members()); err != nil {
			return err
		}
		if err := e.unspend(ctx, g.list); err != nil {
			return err
		}
	}
	return nil
}

// unload takes the message from the members' day again.
func (e ending) unload(ctx context.Context, members []int64) error {
	if e.d.Purpose != Marketing {
		return nil
	}
	return e.q.TakeLoads(ctx, db.TakeLoadsParams{Day: e.day, Members: members})
}

// unspend gives the quota back of calls that were not made.
func (e ending) unspend(ctx context.Context, list []*recipient) error {
	var never []*recipient
	for _, r := range list {
		if !r.asked {
			never = append(never, r)
		}
	}
	for _, u := range used(never) {
		err := e.q.GiveBackQuota(ctx, db.GiveBackQuotaParams{N: u.n, Channel: string(u.channel), Day: u.from.day})
		if err != nil {
			return err
		}
	}
	return nil
}

// inParts hands over the ids of all recipients, at most maxIn at a time and in order.
func inParts(list []*recipient, idsOf func(*recipient) []int64, give func([]int64) error) error {
	var ids []int64
	for _, r := range list {
		ids = append(ids, idsOf(r)...)
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, maxIn) {
		if err := give(part); err != nil {
			return err
		}
	}
	return nil
}
