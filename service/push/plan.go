package push

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/push/internal/db"
)

// Why a recipient is skipped, beside what Tell says.
const (
	whyMerged      = "push.merged"
	whyCapDay      = "push.cap_day"
	whyCapWeek     = "push.cap_week"
	whyCapCampaign = "push.cap_campaign"
	whyQuota       = "push.quota"
	whyAlone       = "push.mass_alone"
)

// recipient is one row on its way.
type recipient struct {
	row   db.PendingRowsRow
	reach model.Reach
	tried int32  // ways that cannot be taken, by index
	why   string // the last of them
	// What was chosen.
	way     int
	channel model.Channel // empty: nothing is sent now
	msg     *model.Message
	take    []int64 // rights that it takes
	drop    []int64 // rights that are gone when WeChat says so
	newMass bool    // the month's right is made with it
	batch   model.ID
	load    int // what he got today, noLoad without a row
	from    span
	// What happens without a call.
	state model.DeliveryState // skipped or refused
	wait  model.Millis        // stays pending until then
	// What the call said.
	out   outcome
	asked bool // the call was made
	maybe bool // an earlier call may have been good
	msgID string
}

// noLoad is the load of a member without a row today.
const noLoad = -1

// facts are what is known of a chunk's members at this moment, read in bulk.
type facts struct {
	d         model.Dispatch
	caps      model.Caps // the plan's or the installation's, whichever is less
	now       model.Millis
	rights    map[int64][]db.RightsOfRow
	today     map[int64]int
	week      map[int64]int
	campaign  map[int64]int
	templates map[model.ID]string
	problems  map[model.ID]string // why a material has no template
	left      map[model.Channel]*allowance
}

// plan decides for each row who gets what by which channel. Nothing is written.
func (p *Planner) plan(ctx context.Context, d model.Dispatch, rows []db.PendingRowsRow) ([]*recipient, error) {
	members := make([]model.MemberID, len(rows))
	for i, r := range rows {
		members[i] = model.MemberID(r.MemberID)
	}
	reach, err := p.People.Reach(ctx, members)
	if err != nil {
		return nil, fmt.Errorf("read how members are reached: %w", err)
	}
	if err := p.follow(ctx, rows, reach); err != nil {
		return nil, err
	}
	for i, r := range rows {
		members[i] = model.MemberID(r.MemberID)
	}
	f, err := p.facts(ctx, d, members)
	if err != nil {
		return nil, err
	}
	all := make([]*recipient, len(rows))
	for i, row := range rows {
		r := &recipient{row: row, reach: reach[i], tried: row.Tried, why: row.Why, load: noLoad}
		all[i] = r
		if n, ok := f.today[row.MemberID]; ok {
			r.load = n
		}
		if why := f.bars(r); why != "" {
			r.state, r.why = model.DeliverySkipped, why
			continue
		}
		f.choose(r)
	}
	// A message that cannot be made, or a mass message to one, leads to the next way.
	for range 2 * maxWays {
		again, err := p.render(ctx, f, all)
		if err != nil {
			return nil, err
		}
		if !p.group(f, all) && !again {
			break
		}
	}
	return all, nil
}

// facts reads what does not depend on the way.
func (p *Planner) facts(ctx context.Context, d model.Dispatch, members []model.MemberID) (*facts, error) {
	f := &facts{
		d: d, caps: d.Caps.Within(p.opts.Caps), now: p.now(), rights: map[int64][]db.RightsOfRow{}, today: map[int64]int{}, week: map[int64]int{}, campaign: map[int64]int{},
		templates: map[model.ID]string{}, problems: map[model.ID]string{}, left: map[model.Channel]*allowance{},
	}
	today := p.day()
	for part := range slices.Chunk(members, maxIn) {
		ids := numbers(part)
		rights, err := p.q.RightsOf(ctx, db.RightsOfParams{Members: ids, Now: int64(f.now)})
		if err != nil {
			return nil, fmt.Errorf("read rights: %w", err)
		}
		for _, r := range rights {
			f.rights[r.MemberID] = append(f.rights[r.MemberID], r)
		}
		if d.Purpose != Marketing {
			continue
		}
		loads, err := p.q.LoadsOf(ctx, db.LoadsOfParams{Members: ids, SinceDay: today - weekDays + 1})
		if err != nil {
			return nil, fmt.Errorf("read loads: %w", err)
		}
		for _, l := range loads {
			f.week[l.MemberID] += int(l.N)
			if l.Day == today {
				f.today[l.MemberID] = int(l.N)
			}
		}
		if d.Caps.Campaign == 0 {
			continue
		}
		if err := p.campaignLoads(ctx, d.Campaign, part, f.campaign); err != nil {
			return nil, err
		}
	}
	for _, rights := range f.rights { // in the order in which they are used up
		slices.SortFunc(rights, func(a, b db.RightsOfRow) int {
			return cmp.Or(cmp.Compare(a.GrantedAt, b.GrantedAt), cmp.Compare(a.ID, b.ID))
		})
	}
	for _, v := range d.Variants {
		for _, w := range v.Ways {
			if err := p.learn(ctx, f, w, members); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// weekDays is how many days the week of a cap has, today included.
const weekDays = 7

// maxIn is how many values one statement lists.
const maxIn = 1000

func numbers(members []model.MemberID) []int64 {
	out := make([]int64, len(members))
	for i, m := range members {
		out[i] = int64(m)
	}
	return out
}

// day is the day in the members' zone, counted from 1970-01-01.
func (p *Planner) day() int32 {
	year, month, day := p.Now().In(p.opts.Zone).Date()
	return int32(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// learn reads what is left of a way's channel and which template its material has.
func (p *Planner) learn(ctx context.Context, f *facts, w model.Way, members []model.MemberID) error {
	if f.left[w.Channel] == nil {
		a, err := p.allowance(ctx, w.Channel, f.d.Purpose)
		if err != nil {
			return err
		}
		f.left[w.Channel] = &a
	}
	if w.Channel != model.MiniChannel && w.Channel != model.OfficialChannel {
		return nil
	}
	p.mu.Lock()
	template := p.templates[w.Material]
	p.mu.Unlock()
	if template != "" {
		f.templates[w.Material] = template
		return nil
	}
	messages, errs := p.Material.Render(ctx, w.Material, members[:min(len(members), samples)])
	for i, m := range messages {
		if errs[i] == nil && m.Template != "" {
			f.templates[w.Material] = m.Template
			p.mu.Lock()
			if len(p.templates) >= maxTemplates {
				clear(p.templates)
			}
			p.templates[w.Material] = m.Template
			p.mu.Unlock()
			return nil
		}
		if errs[i] != nil {
			if passing(errs[i]) {
				return fmt.Errorf("render material %s: %w", w.Material, errs[i])
			}
			f.problems[w.Material] = fault.Of(errs[i]).Code
		}
	}
	return nil
}

const (
	samples      = 20   // members with whom a material's template is looked for
	maxTemplates = 1000 // that a process remembers
)

// bars tells why the member must get nothing by any way, or "".
func (f *facts) bars(r *recipient) string {
	m, caps := r.row.MemberID, f.caps
	switch {
	case r.reach.Member != 0 && int64(r.reach.Member) != m:
		return whyMerged // he has another row, as who he is now
	case r.reach.Member == 0 || r.reach.Official == "" && r.reach.Mini == "":
		return noMember
	case f.d.Purpose != Marketing:
		return ""
	case !r.reach.Agrees:
		return noConsent
	case caps.Day > 0 && f.today[m] >= caps.Day:
		return whyCapDay
	case caps.Week > 0 && f.week[m] >= caps.Week:
		return whyCapWeek
	case caps.Campaign > 0 && f.campaign[m] >= caps.Campaign:
		return whyCapCampaign
	}
	return ""
}

// choose takes the first way that is left, or says why there is none.
func (f *facts) choose(r *recipient) {
	noQuota := false
	for i, w := range f.d.Variants[r.row.Variant].Ways {
		if r.tried&(1<<i) != 0 || !r.reachable(w.Channel) || !f.entitled(r, w) {
			continue
		}
		left := f.left[w.Channel]
		if left.n <= 0 {
			if left.until < f.d.EndsAt {
				r.channel, r.wait = "", left.until
				return
			}
			noQuota = true
			continue
		}
		if w.Channel != model.MassChannel { // whose calls are counted, not its recipients
			left.n--
		}
		r.way, r.channel, r.msg = i, w.Channel, nil
		return
	}
	r.channel, r.state = "", model.DeliverySkipped
	switch {
	case r.row.Tried != 0:
		r.state = model.DeliveryRefused
	case noQuota:
		r.why = whyQuota
	default:
		r.why = cmp.Or(r.why, noRight)
	}
}

func (r *recipient) reachable(c model.Channel) bool {
	if c == model.MiniChannel {
		return r.reach.Mini != ""
	}
	return r.reach.Follows && r.reach.Official != ""
}

// entitled looks for the rights that the way takes.
func (f *facts) entitled(r *recipient, w model.Way) bool {
	r.take, r.drop, r.newMass = nil, nil, false
	month := massSource(f.now)
	for _, right := range f.rights[r.row.MemberID] {
		if model.Channel(right.Channel) != w.Channel {
			continue
		}
		switch w.Channel {
		case model.CustomChannel: // counts in every open window
			r.take, r.drop = append(r.take, right.ID), append(r.drop, right.ID)
		case model.MassChannel:
			if right.Source == month {
				if right.Remaining <= 0 {
					return false
				}
				r.take = []int64{right.ID}
			}
		default:
			if right.Template == f.templates[w.Material] {
				r.take, r.drop = append(r.take[:0], right.ID), append(r.drop, right.ID)
			}
		}
	}
	switch w.Channel {
	case model.TemplateChannel:
		return true
	case model.MassChannel:
		r.newMass = len(r.take) == 0
		return true
	case model.MiniChannel, model.OfficialChannel:
		if f.templates[w.Material] == "" {
			r.why = cmp.Or(r.why, f.problems[w.Material])
			return false
		}
	}
	return len(r.take) > 0
}

// massSource names the right to the mass messages of a calendar month.
func massSource(at model.Millis) string { return "mass-" + at.Time().Format("2006-01") }

// render makes the messages that are missing; true when somebody chose again.
func (p *Planner) render(ctx context.Context, f *facts, all []*recipient) (again bool, err error) {
	byMaterial := map[model.ID][]*recipient{}
	for _, r := range all {
		if r.channel != "" && r.msg == nil {
			w := f.d.Variants[r.row.Variant].Ways[r.way]
			byMaterial[w.Material] = append(byMaterial[w.Material], r)
		}
	}
	for material, whole := range byMaterial {
		for list := range slices.Chunk(whole, maxIn) {
			chose, err := p.renderPart(ctx, f, material, list)
			if err != nil {
				return false, err
			}
			again = again || chose
		}
	}
	return again, nil
}

func (p *Planner) renderPart(ctx context.Context, f *facts, material model.ID, list []*recipient) (again bool, err error) {
	members := make([]model.MemberID, len(list))
	for i, r := range list {
		members[i] = r.reach.Member
	}
	messages, errs := p.Material.Render(ctx, material, members)
	for i, r := range list {
		if errs[i] == nil {
			r.msg = &messages[i]
			if r.channel != model.MassChannel { // the same for all
				p.stamp(r.msg, model.ID(r.row.ID))
			}
			continue
		}
		if passing(errs[i]) {
			return false, fmt.Errorf("render material %s: %w", material, errs[i])
		}
		f.pass(r, fault.Of(errs[i]).Code)
		again = true
	}
	return again, nil
}

// pass leaves the way that was chosen out.
func (f *facts) pass(r *recipient, why string) {
	if r.channel != model.MassChannel {
		f.left[r.channel].n++
	}
	r.tried |= 1 << r.way
	r.why, r.msg, r.batch = why, nil, 0
	f.choose(r)
}

// group makes one mass message of those who get the same; true when somebody chose
// again, for WeChat takes none to one person.
func (p *Planner) group(f *facts, all []*recipient) (again bool) {
	alike := map[string][]*recipient{}
	for _, r := range all {
		if r.channel != model.MassChannel || r.msg == nil || r.batch != 0 {
			continue
		}
		key, err := json.Marshal(r.msg.Content)
		if err != nil {
			f.pass(r, ErrNotice.Code)
			again = true
			continue
		}
		alike[fmt.Sprint(r.way, string(key))] = append(alike[fmt.Sprint(r.way, string(key))], r)
	}
	left := f.left[model.MassChannel]
	for _, list := range alike {
		switch {
		case len(list) < minMass:
			f.pass(list[0], whyAlone)
			again = true
		case left.n <= 0:
			for _, r := range list {
				r.channel, r.wait = "", left.until
			}
		default:
			left.n--
			batch := p.IDs.Next()
			for _, r := range list {
				r.batch = batch
			}
		}
	}
	return again
}

// minMass is the fewest people that a mass message goes to; its most is stagePage.
const minMass = 2
