package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience"
	"kaimenhong/service/campaign"
)

// office is the campaigns on the real audience; messages go nowhere.
type office struct {
	t  *testing.T
	db *sql.DB
	d  *domains

	mu     sync.Mutex
	now    time.Time
	pushed []string // steps with how many people
	steps  map[model.ID]string
	frozen func() // once an audience is frozen
}

// The people who plan.
const (
	author   model.ID = 901
	approver model.ID = 902
)

func newOffice(t *testing.T, pool *sql.DB) *office {
	t.Helper()
	p := &office{t: t, db: pool, d: &domains{}, now: time.Date(2026, 2, 9, 9, 0, 0, 0, model.Shanghai), steps: map[model.ID]string{}}
	node, err := sqldb.Node(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, p.clock)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, seal.KeySize)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	if p.d.audience, err = audience.New(audience.Deps{
		DB: pool, Sealer: sealer, IDs: ids, Now: p.clock, Log: log, Metrics: reg, Plans: naming{p.d},
	}, audience.Options{}); err != nil {
		t.Fatal(err)
	}
	people := crowd{p.d.audience}
	if p.d.campaign, err = campaign.New(campaign.Deps{
		DB: pool, IDs: ids, Now: p.clock, Log: log, Metrics: reg, Audit: p,
		Segments: people, Holds: p.d.audience, Frozen: slow{people, p}, People: p.d.audience, Library: anything{}, Kits: anything{}, Games: anything{},
		Pushes: p, Counts: anything{}, Brakes: anything{}, Keeps: anything{}, Happened: newHappenings(p.d.audience, nil, nil), Cron: job.Times,
	}, campaign.Options{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *office) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// passes lets time go by and the jobs do what is due.
func (p *office) passes(d time.Duration) {
	p.t.Helper()
	p.mu.Lock()
	p.now = p.now.Add(d)
	p.mu.Unlock()
	c := p.d.campaign
	for _, run := range []func(context.Context) (int, error){c.Watch, c.Advance, c.Stage, c.Advance} {
		if _, err := run(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *office) RecordTx(context.Context, *sql.Tx, model.AuditEntry) error { return nil }

// StageSome notes who would get a message.
func (p *office) StageSome(ctx context.Context, d model.Dispatch) (int64, bool, error) {
	f, err := p.d.audience.Frozen(ctx, d.Frozen)
	if err != nil {
		return 0, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed = append(p.pushed, fmt.Sprintf("%s of %d: %d", p.steps[d.Step], len(d.Variants), f.Size))
	return f.Size, true, nil
}

func (*office) Release(context.Context, model.ID) error      { return nil }
func (*office) Open(context.Context, model.ID) (bool, error) { return false, nil }

// slow is the audience, which tells when it has frozen one.
type slow struct {
	crowd
	p *office
}

func (s slow) Freeze(ctx context.Context, segment model.ID, request model.RequestID) (model.ID, int64, error) {
	id, size, err := s.crowd.Freeze(ctx, segment, request)
	if s.p.frozen != nil {
		s.p.frozen()
	}
	return id, size, err
}

// anything is whatever a plan without a kit needs.
type anything struct{}

func (anything) Kit(context.Context, model.ID) (campaign.Kit, error)   { return campaign.Kit{}, nil }
func (anything) UseKitTx(context.Context, *sql.Tx, model.ID) error     { return nil }
func (anything) Check(context.Context, model.Way) ([]string, error)    { return nil, nil }
func (anything) Game(context.Context, model.ID) (campaign.Game, error) { return campaign.Game{}, nil }
func (anything) Pause(context.Context, model.ID, string) error         { return nil }
func (anything) Resume(context.Context, model.ID) error                { return nil }
func (anything) KeepTx(context.Context, *sql.Tx, model.ID, model.Millis, map[model.ID]time.Duration) error {
	return nil
}
func (anything) Kill(context.Context, model.ID) error                        { return nil }
func (anything) Tally(context.Context, model.ID) ([]campaign.Tally, error)   { return nil, nil }
func (anything) TallyOf(context.Context, model.ID) ([]campaign.Tally, error) { return nil, nil }
func (anything) Canary(context.Context, model.ID) (map[model.DeliveryState]int64, error) {
	return nil, nil
}
func (anything) Preview(context.Context, model.ID, model.MemberID) (model.Message, error) {
	return model.Message{}, nil
}

// imports brings customers from one up to another: each has as many yuan as his number.
func (p *office) imports(name string, from, to int) {
	p.t.Helper()
	var file strings.Builder
	file.WriteString("手机号,套餐,上月ARPU\n")
	for i := from; i < to; i++ {
		fmt.Fprintf(&file, "1380000%04d,%s,%d\n", i, name, i)
	}
	done, err := p.d.audience.Import(p.t.Context(), audience.Upload{Name: "客户.csv", Operator: author, File: strings.NewReader(file.String())})
	if err != nil || done.Added != int64(to-from) {
		p.t.Fatalf("Import = %+v, %v, want %d", done, err, to-from)
	}
}

func (p *office) segment(name, text string) model.ID {
	p.t.Helper()
	tree, err := audience.ParseTree([]byte(text))
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := p.d.audience.CreateSegment(p.t.Context(), author, name, tree)
	if err != nil {
		p.t.Fatal(err, fault.Of(err).Text)
	}
	return s.ID
}

// homeward is a plan with a condition that is tried with two wordings, every day, and an
// event.
func (p *office) homeward(all, rich, joined model.ID) campaign.Plan {
	variant := func(name string, share int) campaign.Variant {
		return campaign.Variant{Name: name, Share: share, Ways: []campaign.Way{{Channel: model.CustomChannel, Material: 41}}}
	}
	now := p.clock()
	return campaign.Plan{
		Name: "回家", Goal: campaign.Revenue, Segment: all, Holdout: 10, StartsAt: model.At(now), EndsAt: model.At(now.AddDate(0, 0, 2)),
		Steps: []campaign.Step{
			{
				Name: "每天", Purpose: model.Marketing, When: campaign.When{Kind: campaign.ByCron, Cron: "0 10 * * *"}, Condition: rich, Late: campaign.LateOnce, Hours: 12,
				Variants: []campaign.Variant{variant("A", 5000), variant("B", 5000)}, Winner: &campaign.Winner{TestPercent: 50, Hours: 1, MinSent: 30},
			},
			{
				Name: "欢迎", Purpose: model.Marketing, When: campaign.When{Kind: campaign.OnEvent, Event: campaign.JoinedSegment, Segment: joined}, Late: campaign.LateOnce, Hours: 12,
				Variants: []campaign.Variant{variant("A", 10_000)},
			},
		},
	}
}

// launch brings a plan as far as its schedule.
func (p *office) launch(plan campaign.Plan) model.ID {
	p.t.Helper()
	c, ctx := p.d.campaign, p.t.Context()
	v, err := c.Create(ctx, author, plan)
	if err == nil {
		v, err = c.Submit(ctx, author, v.Campaign, 1)
	}
	if err == nil {
		_, err = c.Approve(ctx, approver, v.Campaign, 1, v.FrozenSize)
	}
	if err == nil {
		_, err = c.Schedule(ctx, author, v.Campaign, 1)
	}
	if err != nil {
		p.t.Fatal(err, fault.Of(err).Text)
	}
	for _, s := range v.Plan.Steps {
		p.steps[s.ID] = s.Name
	}
	return v.Campaign
}

// people adds up what was pushed of a step.
func (p *office) people(step string) (times, people int) {
	for _, said := range p.pushed {
		var variants, n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(said, step), " of %d: %d", &variants, &n); err == nil {
			times, people = times+1, people+n
		}
	}
	return times, people
}

// TestACampaignThatRunsGoesOnWithSegmentsThatAreArchived archives behind the back of a
// campaign, as a replica of before would let somebody: all it still has to ask is answered.
func TestACampaignThatRunsGoesOnWithSegmentsThatAreArchived(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		p, ctx := newOffice(t, pool), t.Context()
		a, c := p.d.audience, p.d.campaign
		p.imports("老用户", 0, 90)
		all, rich, joined := p.segment("全部", `{"attribute":"plan","op":"eq","value":"老用户"}`), p.segment("高消费", `{"attribute":"arpu1","op":"gte","value":5000}`), p.segment("新人", `{"attribute":"plan","op":"eq","value":"新人"}`)
		segments := []model.ID{all, rich, joined}
		id := p.launch(p.homeward(all, rich, joined))
		for _, s := range segments {
			if _, err := a.ArchiveSegment(ctx, author, s); !errors.Is(err, audience.ErrInUse) || !strings.Contains(fault.Of(err).Text, "不能归档：活动“回家”") {
				t.Errorf("archiving what a campaign uses = %v, %s, want ErrInUse", err, fault.Of(err).Text)
			}
		}
		if _, err := pool.ExecContext(ctx, "UPDATE audience_segment SET archived_at = 1"); err != nil {
			t.Fatal(err)
		}
		p.passes(61 * time.Minute) // 10:01
		p.imports("新人", 500, 505)
		p.passes(2*time.Hour + time.Minute)
		p.passes(22 * time.Hour) // 10:02 of the next day
		p.passes(2*time.Hour + time.Minute)
		if times, people := p.people("每天"); times != 4 || people != 2*40 {
			t.Errorf("pushed %v: the daily step to %d in %d parts, want to the 40 in two parts, twice", p.pushed, people, times)
		}
		if times, people := p.people("欢迎"); times != 1 || people != 5 {
			t.Errorf("pushed %v: the welcome to %d, want to the 5 who joined", p.pushed, people)
		}
		p.passes(4 * 24 * time.Hour)
		p.passes(time.Hour)
		if over, err := c.Get(ctx, id); err != nil || over.State != campaign.Finished {
			t.Fatalf("the campaign is %s, %v, want finished", over.State, err)
		}
		said, err := campaign.Advice{Campaigns: c}.Explain(ctx, id, 1)
		if err != nil || !strings.Contains(said.Summary, "面向人群“全部”：选出套餐为“老用户”的人。现有90人") {
			t.Errorf("what is over is explained as %s, %v", said.Summary, err)
		}
		copied, err := c.Copy(ctx, author, id, "明年回家")
		if err != nil {
			t.Fatalf("Copy = %v, %s", err, fault.Of(err).Text)
		}
		found, err := campaign.Advice{Campaigns: c}.Validate(ctx, copied.Campaign, 1)
		var where []string
		for _, f := range found {
			if strings.Contains(f.Text, "已归档，请先恢复它") {
				where = append(where, f.Where)
			}
		}
		if err != nil || !slices.Equal(where, []string{"segment", "steps[0].condition", "steps[1].when.segment"}) {
			t.Errorf("the copy is checked as %v, %v, want what is archived in three places", found, err)
		}
		for _, s := range segments {
			if _, err := a.RestoreSegment(ctx, author, s); err != nil {
				t.Fatal(err)
			}
			if err := a.DeleteSegment(ctx, author, s); !errors.Is(err, audience.ErrInUse) || !strings.Contains(fault.Of(err).Text, "不能删除：活动“回家”。可改为归档") {
				t.Errorf("deleting what a campaign used = %v, %s, want ErrInUse", err, fault.Of(err).Text)
			}
			if _, err := a.ArchiveSegment(ctx, author, s); err != nil {
				t.Errorf("archiving what a campaign used = %v, %s", err, fault.Of(err).Text)
			}
		}
	})
}

// TestWhoHandsAPlanInAndWhoPutsItsSegmentAwayAreNotBothRight lets both begin when the
// audience is frozen, after all looks at the segment but the last.
func TestWhoHandsAPlanInAndWhoPutsItsSegmentAwayAreNotBothRight(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		p, ctx := newOffice(t, pool), t.Context()
		a, c := p.d.audience, p.d.campaign
		p.imports("老用户", 0, 10)
		old := p.segment("全部", `{"attribute":"plan","op":"eq","value":"老用户"}`)
		away := map[string]func(model.ID) error{
			"archived": func(id model.ID) error { _, err := a.ArchiveSegment(ctx, author, id); return err },
			"deleted":  func(id model.ID) error { return a.DeleteSegment(ctx, author, id) },
		}
		for round := range 24 {
			for name, put := range away {
				s := p.segment(fmt.Sprint(name, round), `{"attribute":"plan","op":"eq","value":"老用户"}`)
				plan := p.homeward([]model.ID{s, old, old}[round%3], []model.ID{old, s, old}[round%3], []model.ID{old, old, s}[round%3])
				v, err := c.Create(ctx, author, plan)
				if err != nil {
					t.Fatal(err)
				}
				var gone error
				var group sync.WaitGroup
				p.frozen = func() { group.Go(func() { gone = put(s) }) }
				_, err = c.Submit(ctx, author, v.Campaign, 1)
				group.Wait()
				p.frozen = nil
				submitted, refused := err == nil && errors.Is(gone, audience.ErrInUse), errors.Is(err, campaign.ErrPlan) && gone == nil
				if !submitted && !refused {
					t.Fatalf("%s, round %d: handed in: %v, put away: %v, want one of them refused", name, round, err, gone)
				}
			}
		}
	})
}
