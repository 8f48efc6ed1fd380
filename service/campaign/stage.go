package campaign

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// The bounds of staging.
const (
	stagedAtOnce = 20  // occurrences that are listed
	stagers      = 4   // occurrences that one replica stages at a time
	stageRounds  = 5   // turns of one call; what is left is taken up by the next one
	turnPages    = 100 // of a collection that one turn has
	retryAfter   = 30 * time.Second
	collectPage  = 2000 // members of one step of a collection
)

// failing is the reason for the operator while a try is repeated, after why a variant won.
const failing = "暂时失败，稍后自动重试"

// fails adds it to a reason; a repeat changes nothing. lasting takes it off.
func fails(why string) string {
	if why = lasting(why); why != "" {
		why += "；"
	}
	return why + failing
}

func lasting(why string) string { return strings.TrimSuffix(strings.TrimSuffix(why, failing), "；") }

// errHanded comes with a failure of an occurrence that the pushes have, or a part of it: it
// was begun, and goes on however late that is.
var errHanded = errors.New("some of the people are handed over")

// errTurn ends a turn of an occurrence of so many people that others would wait for it.
var errTurn = errors.New("more people are to be staged in another turn")

// Stage brings what is due to the pushes. Any number of replicas may call it at once:
// each occurrence is leased to one, and a lease that ran out costs nothing, for the
// pushes know a dispatch by its id. A replica stages four at a time, each in turns of some
// 200,000 people: between two turns comes what was not begun yet, and any replica may take
// the next one. It returns how many were settled.
func (c *Campaigns) Stage(ctx context.Context) (int, error) {
	settled := 0
	var failed []error
	for range stageRounds {
		taken, err := c.take(ctx)
		if err != nil {
			failed = append(failed, err)
		}
		results := make([]error, len(taken))
		var all sync.WaitGroup
		for i, t := range taken {
			all.Go(func() { results[i] = model.Guarded(func() error { return c.turn(ctx, t) }) })
		}
		all.Wait()
		for i, err := range results {
			switch {
			case err == nil:
				settled++
			case !errors.Is(err, errTurn):
				failed = append(failed, fmt.Errorf("stage step %d of campaign %d: %w", taken[i].StepID, taken[i].CampaignID, err))
			}
		}
		if len(taken) == 0 || ctx.Err() != nil {
			break
		}
	}
	return settled, errors.Join(failed...)
}

// leased is an occurrence that is ours; Token is that of its row before, empty when
// nothing of it was begun.
type leased struct {
	db.CampaignOccurrence
	token string
}

// take leases what is staged now: what was not begun before what was, then the earlier.
func (c *Campaigns) take(ctx context.Context) (taken []leased, err error) {
	now := c.millis()
	list, err := c.q.DueOccurrences(ctx, db.DueOccurrencesParams{Now: now, FreeAt: now, Limit: stagedAtOnce})
	if err != nil {
		return nil, fmt.Errorf("list due pushes: %w", err)
	}
	for _, o := range list {
		token := rand.Text()
		n, err := c.q.LeaseOccurrence(ctx, db.LeaseOccurrenceParams{
			StepID: o.StepID, ScheduledFor: o.ScheduledFor, Part: o.Part, Token: token, Now: now, LeasedUntil: int64(model.At(c.Now().Add(c.opts.Lease))),
		})
		if err != nil {
			return taken, fmt.Errorf("take a due push: %w", err)
		}
		if n > 0 {
			taken = append(taken, leased{o, token})
		}
		if len(taken) == stagers {
			break
		}
	}
	return taken, nil
}

// turn stages an occurrence, or so much of it as one turn has, and lays it down.
func (c *Campaigns) turn(ctx context.Context, o leased) error {
	err := c.stage(ctx, o.CampaignOccurrence)
	if err == nil {
		return nil
	}
	rest := db.PutOffParams{
		StepID: o.StepID, ScheduledFor: o.ScheduledFor, Part: o.Part, Token: o.token, NextToken: o.token, Why: lasting(o.Why), FreeAt: c.millis(),
	}
	if !errors.Is(err, errTurn) && ctx.Err() == nil { // a process that ends did not fail
		rest.NextToken, rest.Why, rest.FreeAt = o.LeaseToken, fails(o.Why), int64(model.At(c.Now().Add(retryAfter)))
		if errors.Is(err, errHanded) {
			rest.NextToken = o.token
		}
		c.occurrences.WithLabelValues("failed").Inc()
	}
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if put := c.q.PutOff(done, rest); put != nil {
		return errors.Join(err, put)
	}
	return err
}

// stage settles one occurrence: staged, skipped or empty.
func (c *Campaigns) stage(ctx context.Context, o db.CampaignOccurrence) error {
	v, err := c.Version(ctx, model.ID(o.CampaignID), int(o.Version))
	if err != nil {
		return err
	}
	s, ok := v.Plan.step(model.ID(o.StepID))
	if !ok {
		return fmt.Errorf("version %d has no such step", o.Version)
	}
	if s.Winner, err = c.splitOf(ctx, &v, s, o); err != nil {
		return err
	}
	removed, err := c.removed(ctx, o)
	if err != nil {
		return err
	}
	now := c.Now()
	switch late := now.Sub(model.Millis(o.DueAt).Time()); {
	case removed:
		return c.settle(ctx, o, skipped, 0, 0, "新版方案去掉了这个步骤")
	case model.At(now) >= model.Millis(o.EndsAt):
		return c.settle(ctx, o, skipped, 0, 0, "已过送达时限")
	case late > c.opts.Late && s.Late == LateSkip && o.Part == 0 && o.LeaseToken == "": // one that was begun in time goes on
		return c.settle(ctx, o, skipped, 0, 0, fmt.Sprintf("晚了%d分钟，按方案跳过", int(late.Minutes())))
	}
	drawn, err := c.drawn(ctx, v.Campaign)
	if err != nil {
		return err
	}
	frozen, size, err := c.audienceOf(ctx, &v, s, o, drawn)
	if err != nil {
		return fmt.Errorf("collect the audience: %w", err)
	}
	if size == 0 {
		return c.settle(ctx, o, empty, frozen, 0, "没有符合条件的人")
	}
	return c.push(ctx, &v, s, o, frozen, drawn)
}

// removed tells that the version that holds now has the step no more.
func (c *Campaigns) removed(ctx context.Context, o db.CampaignOccurrence) (bool, error) {
	r, err := c.q.Campaign(ctx, o.CampaignID)
	if err != nil {
		return false, fmt.Errorf("read a campaign: %w", err)
	}
	if r.LiveVersion == o.Version {
		return false, nil
	}
	v, err := c.Version(ctx, model.ID(o.CampaignID), int(r.LiveVersion))
	if err != nil {
		return false, err
	}
	_, there := v.Plan.step(model.ID(o.StepID))
	return !there, nil
}

// push hands the dispatch over.
func (c *Campaigns) push(ctx context.Context, v *Version, s Step, o db.CampaignOccurrence, frozen model.ID, drawn []model.ID) error {
	r, err := c.q.Campaign(ctx, o.CampaignID)
	if err != nil {
		return fmt.Errorf("read a campaign: %w", err)
	}
	if r.State == string(Scheduled) {
		n, err := c.q.BeginCanary(ctx, db.BeginCanaryParams{ID: r.ID, Now: c.millis()})
		if err != nil {
			return fmt.Errorf("begin the canary: %w", err)
		}
		if n > 0 {
			c.moved.WithLabelValues(string(Canary)).Inc()
		}
	}
	d := v.Plan.dispatch(s, variants(s, o))
	d.ID, d.Campaign, d.Frozen, d.Drawn = model.ID(o.DispatchID), v.Campaign, frozen, drawn
	d.StartsAt, d.EndsAt = model.Millis(o.DueAt), model.Millis(o.EndsAt)
	if r.ReleasedAt == 0 {
		d.Canary = canaryShare
	}
	total, done, err := c.Pushes.StageSome(ctx, d)
	switch {
	case err != nil && total > 0:
		return fmt.Errorf("hand over to the pushes: %w, %w", err, errHanded)
	case err != nil:
		return fmt.Errorf("hand over to the pushes: %w", err)
	case !done:
		return errTurn
	}
	if err := c.handed(ctx, o, frozen, total); err != nil {
		return fmt.Errorf("%w, %w", err, errHanded)
	}
	return nil
}

// handed settles what the pushes have as a whole.
func (c *Campaigns) handed(ctx context.Context, o db.CampaignOccurrence, frozen model.ID, total int64) error {
	// The campaign may have been released, paused, stopped or changed while this was staged.
	// The pushes hear of it before it is settled: who dies in between leaves it to the next
	// try.
	r, err := c.q.Campaign(ctx, o.CampaignID)
	if err != nil {
		return fmt.Errorf("read a campaign: %w", err)
	}
	if r.State != string(Canary) && r.State != string(Scheduled) {
		if err := c.tell(ctx, r); err != nil {
			return err
		}
	}
	if r.LiveVersion != o.Version {
		if err := c.keep(ctx, r.ID); err != nil {
			return err
		}
	}
	return c.settle(ctx, o, staged, frozen, total, lasting(o.Why))
}

// keep lets what was handed over of a version before stand as the one that holds has it.
// The campaign's row is held, so that no other one goes live meanwhile.
func (c *Campaigns) keep(ctx context.Context, id int64) error {
	err := sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		q := c.q.WithTx(tx)
		if err := q.HoldCampaign(ctx, id); err != nil {
			return err
		}
		r, err := q.Campaign(ctx, id)
		if err != nil {
			return err
		}
		row, err := q.Version(ctx, db.VersionParams{CampaignID: id, Version: r.LiveVersion})
		if err != nil {
			return err
		}
		v, err := versionOf(row)
		if err != nil {
			return err
		}
		return c.keepTx(ctx, tx, model.ID(id), &v.Plan)
	})
	if err != nil {
		return fmt.Errorf("keep what is under way of campaign %d to its plan: %w", id, err)
	}
	return nil
}

func (c *Campaigns) settle(ctx context.Context, o db.CampaignOccurrence, state string, frozen model.ID, total int64, why string) error {
	n, err := c.q.SettleOccurrence(ctx, db.SettleOccurrenceParams{
		StepID: o.StepID, ScheduledFor: o.ScheduledFor, Part: o.Part, State: state, FrozenID: int64(frozen), Total: total, Why: why, Now: c.millis(),
	})
	if err != nil {
		return fmt.Errorf("settle a push: %w", err)
	}
	if n > 0 {
		c.occurrences.WithLabelValues(state).Inc()
	}
	return nil
}

// variants are those that this occurrence pushes: the winner alone after a test.
func variants(s Step, o db.CampaignOccurrence) []Variant {
	if o.Winner == "" {
		return s.Variants
	}
	for _, v := range s.Variants {
		if v.Name == o.Winner {
			v.Share = allShares
			return []Variant{v}
		}
	}
	return s.Variants
}

// drawn are the audiences by which people were drawn so far, the oldest first: in a later
// version's, whoever became another has his new id alone.
func (c *Campaigns) drawn(ctx context.Context, campaign model.ID) ([]model.ID, error) {
	rows, err := c.q.DrawnAudiences(ctx, db.DrawnAudiencesParams{CampaignID: int64(campaign), Limit: maxVersions})
	if err != nil {
		return nil, fmt.Errorf("list the audiences of a campaign: %w", err)
	}
	audiences := make([]model.ID, len(rows))
	for i, id := range rows {
		audiences[i] = model.ID(id)
	}
	return audiences, nil
}

// audienceOf is the frozen audience of one occurrence: the campaign's own, or a part
// of it.
func (c *Campaigns) audienceOf(ctx context.Context, v *Version, s Step, o db.CampaignOccurrence, drawn []model.ID) (model.ID, int64, error) {
	event := s.When.Kind == OnEvent
	if !event && s.Condition == 0 && s.Winner == nil {
		return v.Frozen, v.FrozenSize, nil
	}
	request, pages := model.RequestID(fmt.Sprintf("campaign/dispatch/%d", o.DispatchID)), 0
	return c.Frozen.Collect(ctx, v.Plan.Segment, request, func(ctx context.Context, after model.MemberID) ([]model.MemberID, model.MemberID, error) {
		if pages++; pages > turnPages {
			return nil, 0, errTurn
		}
		members, err := c.candidates(ctx, v, event, o, after)
		if err != nil || len(members) == 0 {
			return nil, 0, err
		}
		through := members[len(members)-1]
		members, err = c.chosen(ctx, s, o, drawn, members)
		return members, through, err
	})
}

// chosen are those of the candidates to whom the occurrence goes, by the ids that they
// came by. Who meets the condition is asked of who they are now.
func (c *Campaigns) chosen(ctx context.Context, s Step, o db.CampaignOccurrence, drawn []model.ID, members []model.MemberID) ([]model.MemberID, error) {
	people, err := c.People.Persons(ctx, drawn, members)
	if err != nil {
		return nil, err
	}
	tries := map[model.MemberID]bool{} // by who they are now: the variants of a test
	for _, p := range people {
		tries[p.Now] = tries[p.Now] || s.Winner != nil && slices.ContainsFunc(p.DrawnAs(), func(m model.MemberID) bool { return inTest(s, m) })
	}
	now := slices.DeleteFunc(slices.Sorted(maps.Keys(tries)), func(m model.MemberID) bool { return s.Winner != nil && tries[m] != (o.Part == 0) })
	if s.Condition != 0 && len(now) > 0 {
		if now, err = c.Segments.Matching(ctx, s.Condition, now); err != nil {
			return nil, fmt.Errorf("ask for the condition: %w", err)
		}
	}
	var in []model.MemberID
	for i, p := range people {
		if _, chosen := slices.BinarySearch(now, p.Now); chosen {
			in = append(in, members[i])
		}
	}
	return in, nil
}

// candidates is a page of those among whom an occurrence chooses.
func (c *Campaigns) candidates(ctx context.Context, v *Version, event bool, o db.CampaignOccurrence, after model.MemberID) ([]model.MemberID, error) {
	if !event {
		return c.Frozen.Members(ctx, v.Frozen, after, collectPage)
	}
	found, err := c.q.SignalMembers(ctx, db.SignalMembersParams{StepID: o.StepID, TakenFor: o.ScheduledFor, After: int64(after), Limit: collectPage})
	if err != nil {
		return nil, fmt.Errorf("read whom it happened to: %w", err)
	}
	members := make([]model.MemberID, len(found))
	for i, m := range found {
		members[i] = model.MemberID(m)
	}
	return members, nil
}

// inTest tells whether an id is in the part of the audience that tries the variants of a
// step: drawn anew for each step. A person tries them when one of his ids does, also one
// that was another person's when they were tried: he got one then.
func inTest(s Step, m model.MemberID) bool {
	return int(model.Mix64(uint64(m)^model.Mix64(uint64(s.ID)))%100) < s.Winner.TestPercent
}
