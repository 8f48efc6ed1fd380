package push

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// whyDied is why nobody knows: whoever sent it died, or was too slow.
const whyDied = "push.died"

// How long WeChat leaves out a second message, by the database's time since the first
// call, less what a call may take.
var dedupes = map[model.Channel]time.Duration{
	model.TemplateChannel: 9 * time.Minute,
	model.MassChannel:     23 * time.Hour,
}

// recover decides about the rows that the lost worker of a shard left "sending": they
// may have been sent. Where WeChat leaves out a second one they are called again by
// the same name, all others are unknown and never sent again.
func (p *Planner) recover(ctx context.Context, s shard) error {
	ticks, err := p.opts.Ticks(ctx)
	if err != nil {
		return err
	}
	for {
		rows, err := p.q.SendingRows(ctx, db.SendingRowsParams{
			DispatchID: int64(s.d.ID), Shard: s.n, FromID: s.from, ToID: s.to, Limit: stagePage,
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		again, unclear, err := p.divide(ctx, s.d, rows, ticks)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := p.giveUp(ctx, s, ticks, unclear); err != nil {
			return err
		}
		if len(again) == 0 {
			continue
		}
		h := p.callAll(ctx, s.d, again, began)
		for _, r := range again {
			if r.out == uncalled { // its first call may have been good
				r.out = wasUnknown
			}
		}
		if err := p.settle(ctx, s, again, h, &progress{}); err != nil {
			return err
		}
	}
}

// divide finds who can be called again by the same name: WeChat still leaves out the
// second one, the dispatch may go on, and everybody of a mass message may be reached
// as before.
func (p *Planner) divide(ctx context.Context, d model.Dispatch, rows []db.SendingRowsRow, ticks model.Millis) (again []*recipient, unclear []int64, err error) {
	members := make([]model.MemberID, len(rows))
	for i, r := range rows {
		members[i] = model.MemberID(r.MemberID)
	}
	reach, err := p.People.Reach(ctx, members)
	if err != nil {
		return nil, nil, fmt.Errorf("read how members are reached: %w", err)
	}
	broken := map[model.ID]bool{} // mass messages that cannot be made again
	for i, row := range rows {
		r := &recipient{
			row:   db.PendingRowsRow{ID: row.ID, MemberID: row.MemberID, Variant: row.Variant, Tried: row.Tried},
			reach: reach[i], channel: model.Channel(row.Channel), batch: model.ID(row.Batch), load: noLoad, maybe: true,
			from: span{p.day(), int64(ticks) / time.Minute.Milliseconds()},
		}
		r.way = slices.IndexFunc(d.Variants[row.Variant].Ways, func(w model.Way) bool { return w.Channel == r.channel })
		fine := r.way >= 0 && p.may(d) && ticks < model.Millis(row.CalledAt).Add(dedupes[r.channel]) &&
			int64(r.reach.Member) == row.MemberID && r.reachable(r.channel) && (d.Purpose != Marketing || r.reach.Agrees)
		if fine {
			again = append(again, r)
		} else if r.batch != 0 {
			broken[r.batch] = true
		}
	}
	if again, err = p.remake(ctx, d, again, broken); err != nil {
		return nil, nil, err
	}
	kept := map[int64]bool{}
	for _, r := range again {
		kept[r.row.ID] = true
	}
	for _, row := range rows {
		if !kept[row.ID] {
			unclear = append(unclear, row.ID)
		}
	}
	return again, unclear, nil
}

// remake makes the messages once more; who has none, and whose mass message is
// broken, is left out.
func (p *Planner) remake(ctx context.Context, d model.Dispatch, list []*recipient, broken map[model.ID]bool) ([]*recipient, error) {
	material := func(r *recipient) (int64, bool) { return int64(d.Variants[r.row.Variant].Ways[r.way].Material), true }
	for _, g := range groups(list, material) {
		members := make([]model.MemberID, len(g.list))
		for i, r := range g.list {
			members[i] = r.reach.Member
		}
		messages, errs := p.Material.Render(ctx, model.ID(g.key), members)
		for i, r := range g.list {
			switch {
			case errs[i] == nil:
				r.msg = &messages[i]
				if r.channel != model.MassChannel {
					p.stamp(r.msg, model.ID(r.row.ID))
				}
			case passing(errs[i]):
				return nil, fmt.Errorf("render again: %w", errs[i])
			case r.batch != 0:
				broken[r.batch] = true
			}
		}
	}
	return slices.DeleteFunc(list, func(r *recipient) bool { return r.msg == nil || broken[r.batch] }), nil
}

// giveUp calls rows unknown, for ever, while the shard is ours.
func (p *Planner) giveUp(ctx context.Context, s shard, ticks model.Millis, ids []int64) error {
	err := sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		c := claim{Planner: p, q: db.New(tx), tx: tx, d: s.d, ticks: int64(ticks)}
		kept, err := c.hold(ctx, s)
		if err != nil {
			return err
		}
		if !kept {
			return errLost
		}
		for part := range slices.Chunk(ids, maxIn) {
			_, err := c.q.SettleRows(ctx, db.SettleRowsParams{
				State: string(model.DeliveryUnknown), Why: whyDied, ChangedAt: int64(p.now()), FromState: string(model.DeliverySending), Ids: part,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(ids) > 0 {
		p.counts.deliveries.WithLabelValues(string(s.d.Purpose), "", string(model.DeliveryUnknown)).Add(float64(len(ids)))
	}
	return err
}
