package push

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// The states of a dispatch.
const (
	staging  = "staging" // its rows are being made
	open     = "open"    // it is sent when its time has come
	stopped  = "stopped" // by itself: WeChat refuses what it says; Resume goes on
	dropped  = "dropped" // its campaign's plan has the step no more: who waits is skipped
	finished = "finished"
)

// The bounds of a dispatch.
const (
	maxHoldout  = 15
	maxVariants = 5
	maxWays     = 5
	maxName     = 16 // bytes, of a variant
	allShares   = 10_000
)

// fewest is how many a canary has at least: a mass message goes to no single person.
const fewest = minMass

// heldOut is the variant of those who get nothing.
const heldOut = -1

// stagePage is how many recipients are read and written at a time; a mass message
// has at most as many.
const stagePage = 10_000

// maxPages bounds one call of Stage.
const maxPages = 10_000

// Stage makes one row for each person of the frozen audience, as who he is now, and
// returns how many there are. It is idempotent by the dispatch's id: cut short, it is called again and
// goes on where it stopped; called again after the end it answers the same count. Once its
// campaign was released it may be asked for without its canary, and with another end, which
// changes nothing: KeepTx does.
//
// Errors: ErrDispatch with what to do, ErrMarketingTemplate, ErrDispatchChanged.
func (p *Planner) Stage(ctx context.Context, d model.Dispatch) (int64, error) {
	for range maxPages {
		if total, done, err := p.StageSome(ctx, d); err != nil || done {
			return total, err
		}
	}
	return 0, ErrDispatch.Saying("人群过大，一次推送最多%d人", maxPages*stagePage)
}

// StageSome is a part of Stage, of some pages of people; it is called until it is done. An
// error comes with how many were staged before it.
func (p *Planner) StageSome(ctx context.Context, d model.Dispatch) (total int64, done bool, err error) {
	if err := check(d); err != nil {
		return 0, false, err
	}
	if err := p.begin(ctx, d); err != nil {
		return 0, false, err
	}
	for pages := 0; ; pages++ {
		row, err := p.q.Dispatch(ctx, int64(d.ID))
		if err != nil {
			return 0, false, fmt.Errorf("read dispatch %s: %w", d.ID, err)
		}
		if row.State != staging {
			p.wake()
			return row.Total, true, nil
		}
		if pages == p.opts.Pages {
			return row.Total, false, nil
		}
		if err := p.stage(ctx, d, row); err != nil && !errors.Is(err, sqldb.ErrCommitUnknown) {
			return row.Total, false, fmt.Errorf("stage dispatch %s: %w", d.ID, err)
		}
	}
}

// check finds what is wrong with a dispatch.
func check(d model.Dispatch) error {
	say := ErrDispatch.Saying
	switch c := d.Caps; {
	case d.ID <= 0 || d.Campaign <= 0 || d.Step <= 0 || d.Frozen <= 0:
		return say("推送缺少活动、步骤或人群")
	case d.Purpose != Transactional && d.Purpose != Marketing:
		return say("推送用途须为服务通知或营销")
	case d.Holdout < 0 || d.Holdout > maxHoldout:
		return say("对照组比例须在0到%d%%之间", maxHoldout)
	case d.Canary < 0 || d.Canary > allShares:
		return say("试发比例须在0到100%%之间")
	case d.StartsAt <= 0 || d.EndsAt <= d.StartsAt:
		return say("推送的结束时间须晚于开始时间")
	case c.Day < 0 || c.Week < 0 || c.Campaign < 0:
		return say("频次上限不能为负数")
	case len(d.Variants) == 0 || len(d.Variants) > maxVariants:
		return say("推送须有1到%d个版本", maxVariants)
	}
	sum, names := 0, map[string]bool{}
	for _, v := range d.Variants {
		if v.Name == "" || len(v.Name) > maxName || names[v.Name] || v.Share < 0 {
			return say("版本名称不能为空、过长或重复，比例不能为负数")
		}
		names[v.Name] = true
		sum += v.Share
		if err := checkWays(v, d.Purpose); err != nil {
			return err
		}
	}
	if sum != allShares {
		return say("各版本比例之和须为100%%")
	}
	return nil
}

func checkWays(v model.Variant, purpose model.Purpose) error {
	if len(v.Ways) == 0 || len(v.Ways) > maxWays {
		return ErrDispatch.Saying("版本%s须有1到%d个渠道", v.Name, maxWays)
	}
	seen := map[model.Channel]bool{}
	for _, w := range v.Ways {
		switch {
		case seen[w.Channel] || w.Material <= 0 || quotas[w.Channel].Day == 0:
			return ErrDispatch.Saying("版本%s的渠道重复、未知或缺少素材", v.Name)
		case w.Channel == model.TemplateChannel && purpose == Marketing:
			return ErrMarketingTemplate
		}
		seen[w.Channel] = true
	}
	return nil
}

// begin writes the dispatch, or makes sure that the one that is there is the same.
func (p *Planner) begin(ctx context.Context, d model.Dispatch) error {
	variants, err := json.Marshal(d.Variants)
	if err != nil {
		return err
	}
	want := db.AddDispatchParams{
		ID: int64(d.ID), CampaignID: int64(d.Campaign), StepID: int64(d.Step), FrozenID: int64(d.Frozen), Purpose: string(d.Purpose),
		Holdout: int32(d.Holdout), Canary: int32(d.Canary), Variants: string(variants), StartsAt: int64(d.StartsAt), EndsAt: int64(d.EndsAt),
		CapDay: int32(d.Caps.Day), CapWeek: int32(d.Caps.Week), CapCampaign: int32(d.Caps.Campaign), Released: d.Canary == 0, CreatedAt: int64(p.now()),
	}
	row, err := p.q.Dispatch(ctx, int64(d.ID))
	if errors.Is(err, sql.ErrNoRows) {
		if d.EndsAt <= p.now() {
			return ErrDispatch.Saying("推送的结束时间已过")
		}
		if err := p.q.AddDispatch(ctx, want); err == nil || !sqldb.Duplicate(err) {
			return err
		}
		row, err = p.q.Dispatch(ctx, int64(d.ID))
	}
	if err != nil {
		return fmt.Errorf("read dispatch %s: %w", d.ID, err)
	}
	if d.Canary == 0 { // its campaign was released since
		want.Canary = row.Canary
	}
	want.EndsAt = row.EndsAt // its campaign's end was moved since
	there := db.AddDispatchParams{
		ID: row.ID, CampaignID: row.CampaignID, StepID: row.StepID, FrozenID: row.FrozenID, Purpose: row.Purpose,
		Holdout: row.Holdout, Canary: row.Canary, Variants: row.Variants, StartsAt: row.StartsAt, EndsAt: row.EndsAt,
		CapDay: row.CapDay, CapWeek: row.CapWeek, CapCampaign: row.CapCampaign, Released: want.Released, CreatedAt: want.CreatedAt,
	}
	if there != want {
		return ErrDispatchChanged
	}
	return nil
}

// stage writes the rows of the next page; without one the dispatch is open. Only
// one of several stagers moves the checkpoint, the rows of the others are undone.
func (p *Planner) stage(ctx context.Context, d model.Dispatch, row db.PushDispatch) error {
	members, err := p.Audience.FrozenMembers(ctx, d.Frozen, model.MemberID(row.StagedTo), stagePage)
	if err != nil {
		return err
	}
	if len(members) == 0 {
		_, err := p.q.SetDispatchState(ctx, db.SetDispatchStateParams{State: open, ID: int64(d.ID), FromState: staging})
		return err
	}
	people, err := p.recipients(ctx, d, members)
	if err != nil {
		return err
	}
	first, err := p.first(ctx, d, people, row.Shards == 0)
	if err != nil {
		return err
	}
	sheet := p.sheet(d, people, first, row.Shards)
	err = sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		q := db.New(tx)
		n, err := q.Staged(ctx, db.StagedParams{
			StagedTo: int64(members[len(members)-1]), N: int64(len(people)), NewShards: int32(len(sheet.shards)), ID: row.ID, Was: row.StagedTo,
		})
		if err != nil || n == 0 {
			return err
		}
		for _, s := range sheet.shards {
			if err := q.AddShard(ctx, s); err != nil {
				return err
			}
		}
		return insertDeliveries(ctx, tx, sheet.rows)
	})
	if err == nil {
		p.counts.staged.Add(float64(len(people)))
	}
	return err
}

// recipients are the people of a page as who they are now, each once: of those who were
// two and are one, the first has the row.
func (p *Planner) recipients(ctx context.Context, d model.Dispatch, members []model.MemberID) ([]model.Person, error) {
	audiences := d.Drawn
	if len(audiences) == 0 {
		audiences = []model.ID{d.Frozen}
	}
	people, err := p.Audience.Persons(ctx, audiences, members)
	if err != nil {
		return nil, err
	}
	var once []int64 // who may have a row by another id
	for _, one := range people {
		if one.Former != nil {
			once = append(once, int64(one.Now))
		}
	}
	taken := make(map[int64]bool, len(once))
	slices.Sort(once)
	for part := range slices.Chunk(slices.Compact(once), maxIn) {
		rows, err := p.q.StagedAmong(ctx, db.StagedAmongParams{DispatchID: int64(d.ID), Members: part})
		if err != nil {
			return nil, fmt.Errorf("look for who has a row: %w", err)
		}
		for _, member := range rows {
			taken[member] = true
		}
	}
	return slices.DeleteFunc(people, func(one model.Person) bool {
		if one.Former == nil {
			return false
		}
		had := taken[int64(one.Now)]
		taken[int64(one.Now)] = true
		return had
	}), nil
}

// first are those of a page who are sent to before Release: so many by chance, and on a
// dispatch's first page at least fewest whom a message can reach. Of a small audience
// chance may choose nobody, of one with few followers nobody who can be reached, and a
// canary that nobody gets shows nothing.
func (p *Planner) first(ctx context.Context, d model.Dispatch, people []model.Person, begins bool) (map[model.MemberID]bool, error) {
	if d.Canary == 0 {
		return nil, nil
	}
	chosen, drawn, others := map[model.MemberID]bool{}, []model.MemberID{}, []model.MemberID{}
	for _, one := range people {
		m := one.DrawnAs()[0]
		switch {
		case model.BucketOf(m) < d.Holdout:
		case draw(^uint64(d.ID), m) < d.Canary:
			chosen[one.Now], drawn = true, append(drawn, one.Now)
		default:
			others = append(others, one.Now)
		}
	}
	if !begins {
		return chosen, nil
	}
	reached := 0
	for part := range slices.Chunk(append(drawn, others...), maxIn) {
		reach, err := p.People.Reach(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("read who can be reached: %w", err)
		}
		for i, r := range reach {
			if reached < fewest && reachable(r, d.Purpose) {
				chosen[part[i]] = true
				reached++
			}
		}
		if reached >= fewest {
			return chosen, nil
		}
	}
	for _, m := range others[:max(0, min(fewest-len(chosen), len(others)))] { // nobody gets it, and they say why
		chosen[m] = true
	}
	return chosen, nil
}

// reachable tells that there is an app by which a member may be sent something.
func reachable(r model.Reach, purpose model.Purpose) bool {
	return (r.Official != "" && r.Follows || r.Mini != "") && (purpose != Marketing || r.Agrees)
}

// sheet is the rows of some recipients, by shard, and those of the holdout.
type sheet struct {
	rows   []db.PushDelivery
	shards []db.AddShardParams
}

// sheet lays recipients out: the canary's shards, the others', the holdout.
func (p *Planner) sheet(d model.Dispatch, people []model.Person, first map[model.MemberID]bool, shards int32) sheet {
	var waves [2][]db.PushDelivery
	var out sheet
	var held []db.PushDelivery
	for _, one := range people {
		m := one.DrawnAs()[0]
		variant := variantOf(d, m)
		row := db.PushDelivery{
			DispatchID: int64(d.ID), CampaignID: int64(d.Campaign), MemberID: int64(one.Now), Variant: int32(variant),
			Channel: string(d.Variants[variant].Ways[0].Channel), // the likely one: the row does not grow by it later
			State:   string(model.DeliveryPending), ChangedAt: int64(p.now()),
		}
		switch {
		case model.BucketOf(m) < d.Holdout:
			row.Variant, row.Shard, row.State, row.Channel = heldOut, heldOut, string(model.DeliveryHeldOut), ""
			held = append(held, row)
		case first[one.Now]:
			waves[0] = append(waves[0], row)
		default:
			waves[1] = append(waves[1], row)
		}
	}
	for wave, rows := range waves {
		for shard := range slices.Chunk(rows, p.shardSize(d)) {
			for i := range shard {
				shard[i].ID, shard[i].Shard = int64(p.IDs.Next()), shards
			}
			out.shards = append(out.shards, db.AddShardParams{
				DispatchID: int64(d.ID), N: shards, Wave: int32(wave), FromID: shard[0].ID, ToID: shard[len(shard)-1].ID,
			})
			out.rows = append(out.rows, shard...)
			shards++
		}
	}
	for i := range held {
		held[i].ID = int64(p.IDs.Next())
	}
	out.rows = append(out.rows, held...)
	return out
}

// shardSize is large where one call reaches many.
func (p *Planner) shardSize(d model.Dispatch) int {
	if usesMass(d) {
		return stagePage
	}
	return p.opts.Shard
}

func usesMass(d model.Dispatch) bool {
	return slices.ContainsFunc(d.Variants, func(v model.Variant) bool {
		return slices.ContainsFunc(v.Ways, func(w model.Way) bool { return w.Channel == model.MassChannel })
	})
}

// draw is a number of 0…9,999 that member and salt have for ever.
func draw(salt uint64, m model.MemberID) int {
	return int(model.Mix64(model.Mix64(salt)^uint64(m)) % allShares)
}

// variantOf is the same in every occurrence of a step.
func variantOf(d model.Dispatch, m model.MemberID) int {
	n := draw(uint64(d.Step), m)
	for i, v := range d.Variants {
		if n -= v.Share; n < 0 {
			return i
		}
	}
	return len(d.Variants) - 1
}

// insertRows is how many rows one INSERT has: 15 columns each, below the engines'
// 32,766 parameters.
const insertRows = 500

func insertDeliveries(ctx context.Context, tx *sql.Tx, rows []db.PushDelivery) error {
	for part := range slices.Chunk(rows, insertRows) {
		args := make([]any, 0, len(part)*10)
		for _, r := range part {
			args = append(args, r.ID, r.DispatchID, r.CampaignID, r.MemberID, r.Variant, r.Shard, r.State, r.Channel, r.Why, r.ChangedAt)
		}
		const values = "(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, 0, 0)"
		_, err := tx.ExecContext(ctx, "INSERT INTO push_delivery (id, dispatch_id, campaign_id, member_id, variant, shard, state, channel, why, tried, batch, called_at, changed_at, delivered_at, tapped_at) VALUES "+
			values+strings.Repeat(", "+values, len(part)-1), args...)
		if err != nil {
			return fmt.Errorf("insert deliveries: %w", err)
		}
	}
	return nil
}

// dispatchOf reads a row.
func dispatchOf(row db.PushDispatch) (model.Dispatch, error) {
	d := model.Dispatch{
		ID: model.ID(row.ID), Campaign: model.ID(row.CampaignID), Step: model.ID(row.StepID), Frozen: model.ID(row.FrozenID),
		Purpose: model.Purpose(row.Purpose), Holdout: int(row.Holdout), Canary: int(row.Canary),
		StartsAt: model.Millis(row.StartsAt), EndsAt: model.Millis(row.EndsAt),
		Caps: model.Caps{Day: int(row.CapDay), Week: int(row.CapWeek), Campaign: int(row.CapCampaign)},
	}
	if err := json.Unmarshal([]byte(row.Variants), &d.Variants); err != nil {
		return d, fmt.Errorf("read dispatch %d: %w", row.ID, err)
	}
	return d, nil
}
