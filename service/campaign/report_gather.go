package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// The groups that people were drawn into. Who was held out of one push and got another,
// because the plan's holdout changed in between, belongs to neither.
const (
	armMixed   = 0
	armTreated = 1
	armHeld    = 2
)

// gather reads all deliveries, page by page, and adds them up by person.
func (r *Reports) gather(ctx context.Context, run *run) error {
	after := model.ID(0)
	for range maxPages {
		page, err := r.Sendings.Deliveries(ctx, run.campaign, after, r.opts.Page)
		if err != nil {
			return fmt.Errorf("read deliveries: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		last := page[len(page)-1].ID
		if last <= after {
			return fmt.Errorf("deliveries after %s do not ascend", after)
		}
		after = last
		if err := r.merge(ctx, run, page); err != nil {
			return fmt.Errorf("add deliveries up: %w", err)
		}
		for _, d := range page {
			run.count(d)
		}
	}
	return fmt.Errorf("more than %d pages of deliveries", maxPages)
}

// person is one row of campaign_report_person.
type person = db.CampaignReportPerson

// merge adds a page to what stands of its people.
func (r *Reports) merge(ctx context.Context, run *run, page []model.Delivery) error {
	members := make([]int64, 0, len(page))
	for _, d := range page {
		members = append(members, int64(d.Member))
	}
	slices.Sort(members)
	members = slices.Compact(members)
	return sqldb.InTx(ctx, r.DB, func(tx *sql.Tx) error {
		q := r.q.WithTx(tx)
		if err := r.hold(ctx, q, run); err != nil {
			return err
		}
		rows, err := q.ReportPeople(ctx, db.ReportPeopleParams{CampaignID: int64(run.campaign), Run: int64(run.id), Members: members})
		if err != nil {
			return err
		}
		people := make(map[int64]person, len(members))
		for _, p := range rows {
			people[p.MemberID] = p
		}
		for _, d := range page {
			p, met := people[int64(d.Member)]
			p.CampaignID, p.MemberID, p.Run = int64(run.campaign), int64(d.Member), int64(run.id)
			p = with(p, d, !met)
			p.Variants = run.tries(p.Variants, d)
			people[p.MemberID] = p
		}
		if err := q.DropReportPeople(ctx, db.DropReportPeopleParams{CampaignID: int64(run.campaign), Members: members}); err != nil {
			return err
		}
		return insertPeople(ctx, tx, members, people)
	})
}

// with adds a delivery to a person.
func with(p person, d model.Delivery, first bool) person {
	arm := int32(armTreated)
	if d.State == model.DeliveryHeldOut {
		arm = armHeld
	}
	switch {
	case first:
		p.Arm = arm
	case p.Arm != arm:
		p.Arm = armMixed
	}
	if d.State == model.DeliverySent {
		p.Sent++
		if p.SentAt == 0 || int64(d.At) < p.SentAt {
			p.SentAt, p.Channel = int64(d.At), string(d.Channel)
		}
	}
	if d.DeliveredAt != 0 {
		p.Delivered++
	}
	if d.TappedAt != 0 {
		p.Tapped++
	}
	return p
}

// maxTried bounds what a person's row says of his variants, in bytes, as the column has
// it: what lies beyond is in the messages alone.
const maxTried = 255

// tries adds the variant of a delivery to those that a person was drawn into: their
// numbers among the variants of the run, each followed by a comma. A person has one of
// each step that he was in.
func (run *run) tries(had string, d model.Delivery) string {
	if d.Variant == "" {
		return had
	}
	name := variantLine(d.Step, d.Variant)
	at := slices.Index(run.variants, name)
	if at < 0 {
		at, run.variants = len(run.variants), append(run.variants, name)
	}
	one := strconv.Itoa(at) + ","
	if strings.Contains(","+had, ","+one) || len(had)+len(one) > maxTried {
		return had
	}
	return had + one
}

// tried are the names of the lines of a person's variants.
func (run *run) tried(variants string) (names []string) {
	for one := range strings.SplitSeq(strings.TrimSuffix(variants, ","), ",") {
		if at, err := strconv.Atoi(one); err == nil && at < len(run.variants) {
			names = append(names, run.variants[at])
		}
	}
	return names
}

// variantLine names a variant of a step: each step has an A of its own.
func variantLine(step model.ID, variant string) string { return step.String() + "/" + variant }

// insertPeople writes the rows in the order of their key, 100 a statement.
func insertPeople(ctx context.Context, tx *sql.Tx, members []int64, people map[int64]person) error {
	const columns = 11
	for part := range slices.Chunk(members, 100) {
		args := make([]any, 0, columns*len(part))
		for _, m := range part {
			p := people[m]
			args = append(args, p.CampaignID, p.MemberID, p.Run, p.Arm, "", p.Variants, p.Channel, p.Sent, p.Delivered, p.Tapped, p.SentAt)
		}
		const one = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		_, err := tx.ExecContext(ctx, "INSERT INTO campaign_report_person (campaign_id, member_id, run, arm, variant, variants, channel, sent, delivered, tapped, sent_at) VALUES "+
			one+strings.Repeat(", "+one, len(part)-1), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// count adds one delivery to the raw numbers.
func (run *run) count(d model.Delivery) {
	total := &run.out.Messages
	total.add(d)
	if d.State == model.DeliveryHeldOut {
		return
	}
	if d.Variant != "" {
		run.line(ByVariant, variantLine(d.Step, d.Variant)).Messages.add(d)
	}
	if d.Channel != "" {
		run.line(ByChannel, string(d.Channel)).Messages.add(d)
	}
	if d.State == model.DeliverySent {
		run.line(ByHour, fmt.Sprintf("%02d", d.At.Time().Hour())).Messages.add(d)
	}
	if d.Why != "" {
		run.line(ByWhy, d.Why).Messages.add(d)
	}
}

// add counts a delivery by its state.
func (m *Messages) add(d model.Delivery) {
	switch d.State {
	case model.DeliveryHeldOut:
		m.HeldOut++
		return
	case model.DeliverySent:
		m.Sent++
	case model.DeliveryRefused:
		m.Refused++
	case model.DeliverySkipped:
		m.Skipped++
	case model.DeliveryUnknown:
		m.Unknown++
	case model.DeliveryPending, model.DeliverySending:
		m.Waiting++
	}
	m.Planned++
	if d.DeliveredAt != 0 {
		m.Delivered++
	}
	if d.TappedAt != 0 {
		m.Tapped++
	}
}

// weigh reads the people once more, in the order of their ids, with what they did.
func (r *Reports) weigh(ctx context.Context, run *run) error {
	after := int64(0)
	for range maxPages {
		if err := r.hold(ctx, r.q, run); err != nil {
			return err
		}
		people, err := r.q.ReportPeopleAfter(ctx, db.ReportPeopleAfterParams{CampaignID: int64(run.campaign), After: after, Run: int64(run.id), Limit: int32(r.opts.Page)})
		if err != nil {
			return fmt.Errorf("read the people of a report: %w", err)
		}
		if len(people) == 0 {
			return nil
		}
		after = people[len(people)-1].MemberID
		members := make([]model.MemberID, 0, len(people))
		for _, p := range people {
			members = append(members, model.MemberID(p.MemberID))
		}
		did, err := r.Conduct.Conduct(ctx, run.kits, members, run.from, run.to)
		if err != nil {
			return fmt.Errorf("read what people did: %w", err)
		}
		if len(did) != len(people) {
			return fmt.Errorf("read what people did: %d answers for %d people", len(did), len(people))
		}
		if err := r.aside(ctx, run, did); err != nil {
			return fmt.Errorf("look for friends in the audience: %w", err)
		}
		now := model.At(r.Now())
		for i, p := range people {
			run.judge(p, did[i], now)
		}
	}
	return fmt.Errorf("more than %d pages of people", maxPages)
}

// aside leaves those of the friends out who are in the audience themselves: they follow
// for the group that they were drawn into, once.
func (r *Reports) aside(ctx context.Context, run *run, did []Conduct) error {
	var friends []int64
	for _, d := range did {
		for _, m := range d.Brought {
			friends = append(friends, int64(m))
		}
	}
	slices.Sort(friends)
	in := map[model.MemberID]bool{}
	for part := range slices.Chunk(slices.Compact(friends), maxReportPage) {
		rows, err := r.q.ReportPeople(ctx, db.ReportPeopleParams{CampaignID: int64(run.campaign), Run: int64(run.id), Members: part})
		if err != nil {
			return err
		}
		for _, p := range rows {
			in[model.MemberID(p.MemberID)] = true
		}
	}
	for i := range did {
		did[i].Brought = slices.DeleteFunc(did[i].Brought, func(m model.MemberID) bool { return in[m] })
	}
	return nil
}

// judge adds one person to the groups that he belongs to.
func (run *run) judge(p person, did Conduct, now model.Millis) {
	if p.Arm == armMixed {
		run.out.Mixed++
		return
	}
	held := p.Arm == armHeld
	group := &run.out.Treated
	if held {
		group = &run.out.Held
	}
	group.add(p, did, now)
	for cut, name := range map[Cut]string{BySegment: cmp.Or(did.Segment, unknownName), ByCity: cmp.Or(did.City, unknownName)} {
		run.line(cut, name).side(held).add(p, did, now)
	}
	if held {
		return
	}
	for _, name := range run.tried(p.Variants) {
		run.line(ByVariant, name).Treated.add(p, did, now)
	}
	if p.Channel != "" {
		run.line(ByChannel, p.Channel).Treated.add(p, did, now)
	}
	if p.SentAt != 0 {
		run.line(ByHour, fmt.Sprintf("%02d", model.Millis(p.SentAt).Time().Hour())).Treated.add(p, did, now)
	}
}

func (l *Line) side(held bool) *Group {
	if held {
		return &l.Held
	}
	return &l.Treated
}

// add counts a person.
func (g *Group) add(p person, did Conduct, now model.Millis) {
	g.People++
	one := func(n *int64, is bool) {
		if is {
			*n++
		}
	}
	one(&g.Reached, p.Sent > 0)
	one(&g.Delivered, p.Delivered > 0)
	one(&g.Tapped, p.Tapped > 0)
	one(&g.Played, did.Played > 0)
	one(&g.Opened, did.Opened > 0)
	g.FriendsOpened += did.Opened
	one(&g.Took, did.Took > 0)
	one(&g.Bought, did.Bought > 0)
	g.Purchases += did.Bought
	g.Spent.add(int64(did.Spent))
	one(&g.Followed, did.FollowedAt != 0)
	followers := int64(len(did.Brought))
	if did.FollowedAt != 0 {
		followers++
		g.Retained7.add(did, 7, now)
		g.Retained30.add(did, 30, now)
	}
	g.Followers.add(followers)
}

// add counts a new follower who began long enough ago to be asked about.
func (t *Retention) add(did Conduct, days int, now model.Millis) {
	then := model.At(did.FollowedAt.Time().AddDate(0, 0, days))
	if now < then {
		return
	}
	t.Of++
	if did.LeftAt == 0 || did.LeftAt >= then {
		t.Stayed++
	}
}
