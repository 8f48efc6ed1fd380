package campaign

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// The bounds of looking for events.
const (
	watchLease = 2 * time.Minute
	watchPages = 20 // of one call and step
	// askedPage is how many members are asked about at a time at the carrier, which may
	// take 14 seconds for each, eight at once for all watchers of a replica: the lease must
	// not run out meanwhile, for then another replica begins with the same page, and none
	// comes to its end.
	askedPage = 60 / watchers
	hourRound = time.Hour
	dayRound  = 24 * time.Hour
	dayHour   = 8 * time.Hour // when the rounds of a day begin
	maxRef    = 32
)

// roundOf is when the round that is due began.
func roundOf(e Event, now time.Time) time.Time {
	if e == JoinedSegment || e == Payment {
		return now.Truncate(hourRound)
	}
	start := model.DayOf(now).Start().Add(dayHour)
	if start.After(now) {
		start = start.Add(-dayRound)
	}
	return start
}

// watchStep goes on with the round of one step.
func (c *Campaigns) watchStep(ctx context.Context, v *Version, s Step) (int, error) {
	round := model.At(roundOf(s.When.Event, c.Now()))
	w, err := c.q.Watch(ctx, int64(s.ID))
	if missing, err := none(err); err != nil {
		return 0, fmt.Errorf("read the watch: %w", err)
	} else if missing {
		if w, err = c.beginWatch(ctx, v, s, round); err != nil {
			return 0, err
		}
	}
	if model.Millis(w.RoundAt) >= round && w.DoneAt != 0 {
		return 0, nil
	}
	token, now := rand.Text(), c.Now()
	lease := func() int64 { return int64(model.At(c.Now().Add(watchLease))) }
	n, err := c.q.LeaseWatch(ctx, db.LeaseWatchParams{StepID: int64(s.ID), Token: token, Now: int64(model.At(now)), LeasedUntil: lease()})
	if err != nil || n == 0 {
		return 0, err
	}
	// A round that was not ended within its time ends here: the next asks everybody, those
	// first whom it did not come to.
	begun, err := c.q.NextRound(ctx, db.NextRoundParams{StepID: int64(s.ID), Token: token, RoundAt: int64(round)})
	if err != nil {
		return 0, fmt.Errorf("begin a round: %w", err)
	}
	if begun > 0 && w.DoneAt == 0 {
		c.Log.WarnContext(ctx, "round of a watch not ended in its time", "campaign", v.Campaign, "step", s.ID, "round", model.Millis(w.RoundAt))
	}
	if w, err = c.q.Watch(ctx, int64(s.ID)); err != nil {
		return 0, fmt.Errorf("read the watch: %w", err)
	}
	happened, page := 0, c.pageOf(s.When.Event)
	for range watchPages * c.opts.Page / page {
		if w.DoneAt != 0 {
			break
		}
		found, unheard, through, err := c.look(ctx, v, s, w)
		if err != nil {
			return happened, err
		}
		if err := c.signals(ctx, v, s, found); err != nil {
			return happened, err
		}
		happened += len(found)
		advance := db.AdvanceWatchParams{StepID: int64(s.ID), Token: token, AfterID: int64(through), Unheard: int64(unheard), LeasedUntil: lease()}
		switch {
		case through == 0 && rest(w): // now those before them
		case through == 0, !rest(w) && w.FromID > 0 && int64(through) >= w.FromID:
			advance.AfterID, advance.DoneAt = w.AfterID, c.millis()
		}
		if n, err := c.q.AdvanceWatch(ctx, advance); err != nil || n == 0 {
			return happened, err
		}
		if w.AfterID, w.DoneAt = advance.AfterID, advance.DoneAt; c.Now().Sub(now) >= watchTurn {
			break
		}
	}
	_, err = c.q.AdvanceWatch(ctx, db.AdvanceWatchParams{StepID: int64(s.ID), Token: token, AfterID: w.AfterID, DoneAt: w.DoneAt})
	return happened, err
}

// beginWatch remembers, for those who wait for somebody to join a segment, who is in
// it already.
func (c *Campaigns) beginWatch(ctx context.Context, v *Version, s Step, round model.Millis) (db.CampaignWatch, error) {
	baseline := v.Frozen
	if s.When.Event == JoinedSegment && s.When.Segment != 0 && s.When.Segment != v.Plan.Segment {
		var err error
		request := model.RequestID(fmt.Sprintf("campaign/watch/%d", s.ID))
		if baseline, _, err = c.Frozen.Freeze(ctx, s.When.Segment, request); err != nil {
			return db.CampaignWatch{}, fmt.Errorf("freeze who is in already: %w", err)
		}
	}
	err := c.q.InsertWatch(ctx, db.InsertWatchParams{
		StepID: int64(s.ID), CampaignID: int64(v.Campaign), BaselineID: int64(baseline), RoundAt: int64(round),
	})
	if err != nil && !sqldb.Duplicate(err) {
		return db.CampaignWatch{}, fmt.Errorf("begin a watch: %w", err)
	}
	return c.q.Watch(ctx, int64(s.ID))
}

// rest tells that a round is at those to whom the one before it did not come; whom that
// one asked is asked after them.
func rest(w db.CampaignWatch) bool { return w.FromID > 0 && w.AfterID >= w.FromID }

// pageOf is how many members are asked about at a time.
func (c *Campaigns) pageOf(e Event) int {
	if e == DataLow || e == PackExpiry {
		return min(askedPage, c.opts.Page)
	}
	return c.opts.Page
}

// look asks about one page of members; unheard is of how many nobody could say, through 0
// tells that there is nobody behind, or nobody who was not asked in this round.
func (c *Campaigns) look(ctx context.Context, v *Version, s Step, w db.CampaignWatch) (found []happening, unheard int, through model.MemberID, err error) {
	after, joins := model.MemberID(w.AfterID), s.When.Event == JoinedSegment
	var members []model.MemberID
	if joins {
		members, err = c.Happened.Joined(ctx, cmp.Or(s.When.Segment, v.Plan.Segment), after, c.opts.Page)
	} else {
		members, err = c.Frozen.Members(ctx, v.Frozen, after, c.pageOf(s.When.Event))
	}
	if w.FromID > 0 && !rest(w) { // those behind were asked
		members = slices.DeleteFunc(members, func(m model.MemberID) bool { return int64(m) > w.FromID })
	}
	if err != nil || len(members) == 0 {
		return nil, 0, 0, err
	}
	through = members[len(members)-1]
	people, err := c.People.Persons(ctx, nil, members)
	if err != nil {
		return nil, 0, 0, err
	}
	all := map[model.MemberID]model.Person{}
	for _, p := range people {
		all[p.Now] = p
	}
	var happened []Happening
	var silent []model.MemberID
	switch round := model.Millis(w.RoundAt); {
	case joins:
		happened, err = c.joined(ctx, model.ID(w.BaselineID), all)
	case s.When.Event == Payment:
		happened, silent, err = c.paid(ctx, v, s, slices.Sorted(maps.Keys(all)), round)
	case s.When.Event == PackExpiry:
		happened, silent, err = c.expiring(ctx, v, s, w, slices.Sorted(maps.Keys(all)))
	default:
		happened, silent, err = c.Happened.Look(ctx, s.When, slices.Sorted(maps.Keys(all)), round)
	}
	for _, h := range happened {
		found = append(found, happening{h, all[h.Member].Former})
	}
	return found, len(silent), through, err
}

// paid are those who paid on the day of a round or on the one before it, of which the
// carrier may tell late, but not before the day on which the campaign began.
func (c *Campaigns) paid(ctx context.Context, v *Version, s Step, members []model.MemberID, round model.Millis) (found []Happening, unheard []model.MemberID, err error) {
	for at := round; at > round.Add(-2*dayRound) && model.DayOf(at.Time()) >= model.DayOf(v.Plan.StartsAt.Time()); at = at.Add(-dayRound) {
		did, silent, err := c.Happened.Look(ctx, s.When, members, at)
		if err != nil {
			return nil, nil, err
		}
		for _, h := range did {
			h.At = round // when it is known
			found = append(found, h)
		}
		unheard = append(unheard, silent...)
	}
	return found, unheard, nil
}

// unasked is that nobody said in a round whether it happened to a member: a signal that is
// never due. Other refs begin with a digit.
const (
	unasked = "?"
	never   = math.MaxInt64
)

// expiring are those of whom a pack expires in so many days, also counted from an earlier
// round in which nobody could say it of them, or that did not come to them: it is one day
// alone on which it does, and no later round would find it.
func (c *Campaigns) expiring(ctx context.Context, v *Version, s Step, w db.CampaignWatch, members []model.MemberID) (found []Happening, unheard []model.MemberID, err error) {
	round := model.Millis(w.RoundAt)
	if found, unheard, err = c.Happened.Look(ctx, s.When, members, round); err != nil {
		return nil, nil, err
	}
	ids := make([]int64, len(members))
	for i, m := range members {
		ids[i] = int64(m)
	}
	first := round.Add(-time.Duration(s.When.Days) * dayRound) // whose pack expires today
	rows, err := c.q.UnaskedAmong(ctx, db.UnaskedAmongParams{StepID: int64(s.ID), Members: ids, Never: never, Since: int64(first), Before: int64(round)})
	if err != nil {
		return nil, nil, fmt.Errorf("read who was not asked: %w", err)
	}
	missed, still := map[model.Millis][]model.MemberID{}, map[model.Millis][]model.MemberID{round: unheard}
	for _, r := range rows {
		missed[model.Millis(r.HappenedAt)] = append(missed[model.Millis(r.HappenedAt)], model.MemberID(r.MemberID))
	}
	if cut := model.Millis(w.CutAt); cut >= first && (w.FromID == 0 || rest(w)) {
		missed[cut], still[cut] = members, unheard
	}
	for _, at := range slices.Sorted(maps.Keys(missed)) {
		again := slices.DeleteFunc(slices.Clone(missed[at]), func(m model.MemberID) bool { return slices.Contains(unheard, m) })
		if len(again) == 0 {
			continue
		}
		late, silent, err := c.Happened.Look(ctx, s.When, again, at)
		if err != nil {
			return nil, nil, err
		}
		for _, h := range late {
			h.At = round
			found = append(found, h)
		}
		still[at] = append(still[at], silent...)
	}
	return found, unheard, c.keepUnasked(ctx, v, s, still)
}

// keepUnasked keeps who is asked about again, by the round that it is about.
func (c *Campaigns) keepUnasked(ctx context.Context, v *Version, s Step, still map[model.Millis][]model.MemberID) error {
	for at, members := range still {
		for _, m := range members {
			err := c.q.InsertSignal(ctx, db.InsertSignalParams{
				StepID: int64(s.ID), MemberID: int64(m), Ref: unasked + model.DayOf(at.Time()).String(), CampaignID: int64(v.Campaign),
				HappenedAt: int64(at), DueAt: never,
			})
			if err != nil && !sqldb.Duplicate(err) {
				return fmt.Errorf("keep of whom nobody could say: %w", err)
			}
		}
	}
	return nil
}

// happening is what happened to somebody who may have been another.
type happening struct {
	Happening
	former []model.MemberID
}

// joined are those of the people of whom the audience of before knows none of their ids.
func (c *Campaigns) joined(ctx context.Context, before model.ID, people map[model.MemberID]model.Person) (found []Happening, err error) {
	known := map[model.MemberID]bool{}
	var ids []model.MemberID
	for now, p := range people {
		ids = append(append(ids, now), p.Former...)
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, MaxMatching) {
		in, err := c.Happened.Among(ctx, before, part)
		if err != nil {
			return nil, err
		}
		for _, m := range in {
			known[m] = true
		}
	}
	for _, now := range slices.Sorted(maps.Keys(people)) {
		if !known[now] && !slices.ContainsFunc(people[now].Former, func(m model.MemberID) bool { return known[m] }) {
			found = append(found, Happening{Member: now, At: model.At(c.Now()), Ref: "joined"})
		}
	}
	return found, nil
}

// signals keeps what happened to a page of members. What is kept already is left out
// first, for a round finds most of it again.
func (c *Campaigns) signals(ctx context.Context, v *Version, s Step, found []happening) error {
	byRef := map[string][]int64{}
	for _, h := range found {
		byRef[h.Ref] = append(byRef[h.Ref], int64(h.Member))
	}
	kept := map[string]map[int64]bool{}
	for ref, members := range byRef {
		rows, err := c.q.SignalledAmong(ctx, db.SignalledAmongParams{StepID: int64(s.ID), Ref: ref, Members: members})
		if err != nil {
			return fmt.Errorf("read what happened before: %w", err)
		}
		kept[ref] = map[int64]bool{}
		for _, m := range rows {
			kept[ref][m] = true
		}
	}
	for _, h := range found {
		if kept[h.Ref][int64(h.Member)] {
			continue
		}
		if err := c.signal(ctx, v, s, h); err != nil {
			return err
		}
	}
	return nil
}

// signal keeps that it happened, once; also when it had before he was who he is now.
func (c *Campaigns) signal(ctx context.Context, v *Version, s Step, h happening) error {
	if h.Ref == "" || len(h.Ref) > maxRef {
		return fmt.Errorf("a happening is named by 1 to %d bytes", maxRef)
	}
	if len(h.former) > 0 {
		former := make([]int64, len(h.former))
		for i, m := range h.former {
			former[i] = int64(m)
		}
		n, err := c.q.Signalled(ctx, db.SignalledParams{StepID: int64(s.ID), Ref: h.Ref, Members: former})
		if err != nil || n > 0 {
			return err
		}
	}
	err := c.q.InsertSignal(ctx, db.InsertSignalParams{
		StepID: int64(s.ID), MemberID: int64(h.Member), Ref: h.Ref, CampaignID: int64(v.Campaign), HappenedAt: int64(h.At),
		DueAt: int64(h.At.Add(time.Duration(s.When.DelayMinutes) * time.Minute)),
	})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("keep what happened: %w", err)
	}
	return nil
}
