// Package campaign plans campaigns and lets them run: who is to get what, when, why
// and for how much money; who wrote the plan and who checked it; and each push at
// its time.
//
// A campaign has versions of its plan. A version goes draft → review → approved →
// live; review freezes the audience, and a person who neither wrote nor submitted
// the plan confirms the count. The campaign itself goes draft → scheduled → canary →
// running → finished, or paused and stopped. A live one is changed by another
// version alone.
//
// Invariants:
//   - a push of a step at one time is one row (step, time, part): no second one on
//     any number of replicas, whatever the clocks do;
//   - the next time of a step is computed from the last one that was recorded, never
//     from the clock alone;
//   - whoever approves has neither written nor submitted the plan: the UPDATE itself
//     says so;
//   - what happened to a member counts once for a step (step, member, ref).
//
// Tables: campaign, campaign_version, campaign_occurrence, campaign_signal,
// campaign_watch, campaign_rehearsal. Redis keys: none.
package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// The faults of this domain.
var (
	ErrUnknown = fault.New(fault.NotFound, "campaign.unknown", "没有这个活动")
	ErrVersion = fault.New(fault.NotFound, "campaign.no_version", "没有这个版本")
	ErrPlan    = fault.New(fault.Invalid, "campaign.plan", "活动方案不完整")
	ErrOld     = fault.New(fault.Conflict, "campaign.old", "方案已被他人修改，请刷新后再改")
	ErrState   = fault.New(fault.Conflict, "campaign.state", "活动现在的状态不能这样操作")
	ErrChecker = fault.New(fault.Forbidden, "campaign.checker", "方案的编写人和提交人不能审批自己的方案，请换一位同事")
	ErrCount   = fault.New(fault.Conflict, "campaign.count", "确认的人数与冻结的人数不一致，请核对后重新确认")
	ErrWhy     = fault.New(fault.Invalid, "campaign.why", "请写明原因，最多60个字")
	ErrCron    = fault.New(fault.Invalid, "campaign.cron", "定时表达式不正确")
)

// auditor keeps the line of what an operator did, in the transaction of the change.
type auditor interface {
	RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
}

// Deps are what the domain needs from outside; all are required.
type Deps struct {
	DB      *sql.DB
	IDs     *model.IDs
	Now     model.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Audit   auditor

	Segments segments // who is in a segment
	Holds    holder   // of segments that a plan begins to name
	Frozen   freezer  // audiences that do not change any more
	People   persons  // who somebody of them is now
	Library  library  // kits and materials
	Kits     kitUse
	Games    games
	Pushes   pusher
	Counts   counter
	Brakes   brakes
	Keeps    keeper
	Happened happened // what events wait for

	// Cron reads a cron expression of five fields in China's time: it answers the
	// instant after another, the zero time when there is none.
	Cron func(spec string) (next func(time.Time) time.Time, err error)
}

// Options have good defaults.
type Options struct {
	Batch  int           // campaigns looked at by one Advance; default 500
	Lease  time.Duration // how long one try to stage is left alone; default 5 min
	Late   time.Duration // until then an occurrence is on time; default 10 min
	Canary time.Duration // how long a canary is watched at least; default 10 min
	Page   int           // members of one step of a watch; default 2,000
	Beat   time.Duration // how often a running rehearsal says how far it is; default 5 s
	Caps   model.Caps    // of one member over all campaigns, which a plan is told with; 0 is no bound
}

// Campaigns is the one owner of the tables above. It is safe for concurrent use.
type Campaigns struct {
	Deps
	opts Options
	q    *db.Queries

	occurrences, moved *prometheus.CounterVec

	mu     sync.Mutex
	looked map[int64]time.Time // when the deliveries of a campaign were counted last
	turns  map[model.ID]int64  // which turn of a watch was the last of a step
	last   int64               // turn
}

// New makes the domain.
func New(deps Deps, opts Options) (*Campaigns, error) {
	opts.Batch = cmp.Or(opts.Batch, 500)
	opts.Lease = cmp.Or(opts.Lease, 5*time.Minute)
	opts.Late = cmp.Or(opts.Late, 10*time.Minute)
	opts.Canary = cmp.Or(opts.Canary, 10*time.Minute)
	opts.Page = cmp.Or(opts.Page, 2000)
	opts.Beat = cmp.Or(opts.Beat, 5*time.Second)
	c := &Campaigns{
		Deps: deps, opts: opts, q: db.New(sqldb.Alone{DB: deps.DB}), looked: map[int64]time.Time{}, turns: map[model.ID]int64{},
		occurrences: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "campaign_occurrences_total", Help: "Pushes of steps, by what became of them.",
		}, []string{"outcome"}),
		moved: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "campaign_moves_total", Help: "Changes of a campaign's state, by the state it came into.",
		}, []string{"state"}),
	}
	for _, m := range []prometheus.Collector{c.occurrences, c.moved} {
		if err := deps.Metrics.Register(m); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Campaigns) millis() int64 { return int64(model.At(c.Now())) }

// State is where a campaign, or a version of its plan, stands.
type State string

// The states of a campaign. Before its first version is live it is in the state of
// that version: draft, review or approved.
const (
	Draft     State = "draft"
	Review    State = "review"
	Approved  State = "approved"
	Scheduled State = "scheduled"
	Canary    State = "canary" // one in a hundred gets it first
	Running   State = "running"
	Paused    State = "paused"
	Stopped   State = "stopped" // for ever
	Finished  State = "finished"
)

// The states of a version beside Draft, Review and Approved.
const (
	Live State = "live"
	Old  State = "old" // another one is live
)

// States are all states of a campaign, in the order of a page.
var States = []State{Draft, Review, Approved, Scheduled, Canary, Running, Paused, Stopped, Finished}

// Campaign is one campaign.
type Campaign struct {
	ID          model.ID
	Name        string
	Goal        Goal
	State       State
	Why         string // it is paused or stopped
	LiveVersion int    // 0: none yet
	LastVersion int
	Origin      model.ID // the campaign that it was copied from
	CanaryAt    model.Millis
	ReleasedAt  model.Millis
	EndsAt      model.Millis
	CreatedBy   model.ID
	CreatedAt   model.Millis
	UpdatedAt   model.Millis
}

// Version is one version of a campaign's plan.
type Version struct {
	Campaign    model.ID
	Version     int
	State       State
	Edits       int64 // an edit names the one that it is of
	Plan        Plan
	Author      model.ID // who wrote it last
	EditedAt    model.Millis
	SubmittedBy model.ID
	SubmittedAt model.Millis
	Frozen      model.ID // the frozen audience; 0: none yet
	FrozenSize  int64
	DecidedBy   model.ID
	DecidedAt   model.Millis
	Why         string // it was sent back
	LiveAt      model.Millis
}

func campaignOf(r db.Campaign) Campaign {
	return Campaign{
		ID: model.ID(r.ID), Name: r.Name, Goal: Goal(r.Goal), State: State(r.State), Why: r.Why,
		LiveVersion: int(r.LiveVersion), LastVersion: int(r.LastVersion), Origin: model.ID(r.OriginID), CanaryAt: model.Millis(r.CanaryAt),
		ReleasedAt: model.Millis(r.ReleasedAt), EndsAt: model.Millis(r.EndsAt), CreatedBy: model.ID(r.CreatedBy),
		CreatedAt: model.Millis(r.CreatedAt), UpdatedAt: model.Millis(r.UpdatedAt),
	}
}

func versionOf(r db.CampaignVersion) (Version, error) {
	v := Version{
		Campaign: model.ID(r.CampaignID), Version: int(r.Version), State: State(r.State), Edits: r.Edits,
		Author: model.ID(r.AuthorID), EditedAt: model.Millis(r.EditedAt), SubmittedBy: model.ID(r.SubmittedBy),
		SubmittedAt: model.Millis(r.SubmittedAt), Frozen: model.ID(r.FrozenID), FrozenSize: r.FrozenSize,
		DecidedBy: model.ID(r.DecidedBy), DecidedAt: model.Millis(r.DecidedAt), Why: r.Why, LiveAt: model.Millis(r.LiveAt),
	}
	if err := json.Unmarshal([]byte(r.Plan), &v.Plan); err != nil {
		return v, fmt.Errorf("read the plan of campaign %d version %d: %w", r.CampaignID, r.Version, err)
	}
	return v, nil
}

// Get reads a campaign. Errors: ErrUnknown.
func (c *Campaigns) Get(ctx context.Context, id model.ID) (Campaign, error) {
	r, err := c.q.Campaign(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Campaign{}, ErrUnknown
	}
	if err != nil {
		return Campaign{}, fmt.Errorf("read a campaign: %w", err)
	}
	return c.mirrored(ctx, r)
}

// mirrored gives a campaign that was never live the state of its version.
func (c *Campaigns) mirrored(ctx context.Context, r db.Campaign) (Campaign, error) {
	found := campaignOf(r)
	if found.LiveVersion != 0 || found.State != Draft {
		return found, nil
	}
	v, err := c.q.Version(ctx, db.VersionParams{CampaignID: r.ID, Version: r.LastVersion})
	if err != nil {
		return found, fmt.Errorf("read a version: %w", err)
	}
	found.State = State(v.State)
	return found, nil
}

// List is a page of the campaigns, newest first; cursor is "" or the one that came with
// the page before. in is "" for all, or a state; under Review are those that wait for a
// second person, a change of a running one as well. words are in the name, "" in every one.
// Errors: page.ErrCursor.
func (c *Campaigns) List(ctx context.Context, in State, words, cursor string, limit int) (list []Campaign, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	var rows []db.Campaign
	if in == "" {
		rows, err = c.q.CampaignsBefore(ctx, db.CampaignsBeforeParams{Before: before, Words: words, Limit: size + 1})
	} else {
		rows, err = c.q.CampaignsIn(ctx, db.CampaignsInParams{Before: before, Words: words, Own: string(in), OfVersion: string(in), Limit: size + 1})
	}
	if err != nil {
		return nil, "", fmt.Errorf("list campaigns: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.Campaign) string { return page.Cursor(r.ID) })
	list = make([]Campaign, len(rows))
	for i, r := range rows {
		if list[i], err = c.mirrored(ctx, r); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}

// Version reads one version of a campaign's plan; 0 is the last. Errors: ErrUnknown,
// ErrVersion.
func (c *Campaigns) Version(ctx context.Context, id model.ID, version int) (Version, error) {
	if version == 0 {
		found, err := c.q.Campaign(ctx, int64(id))
		if errors.Is(err, sql.ErrNoRows) {
			return Version{}, ErrUnknown
		}
		if err != nil {
			return Version{}, fmt.Errorf("read a campaign: %w", err)
		}
		version = int(found.LastVersion)
	}
	r, err := c.q.Version(ctx, db.VersionParams{CampaignID: int64(id), Version: int32(version)})
	if errors.Is(err, sql.ErrNoRows) {
		return Version{}, ErrVersion
	}
	if err != nil {
		return Version{}, fmt.Errorf("read a version: %w", err)
	}
	return versionOf(r)
}

// maxVersions bounds the versions of one campaign.
const maxVersions = 100

// Versions are the versions of a campaign, the last first.
func (c *Campaigns) Versions(ctx context.Context, id model.ID) ([]Version, error) {
	rows, err := c.q.Versions(ctx, db.VersionsParams{CampaignID: int64(id), Limit: maxVersions})
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	if len(rows) == 0 {
		return nil, ErrUnknown
	}
	list := make([]Version, len(rows))
	for i, r := range rows {
		if list[i], err = versionOf(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}
