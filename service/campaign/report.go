package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// ErrNoReport is the answer before a report was computed first.
var ErrNoReport = fault.New(fault.NotFound, "campaign.no_report", "报告尚未生成：活动开始后每小时更新一次")

// Conduct is what one person did within a report's days.
type Conduct struct {
	City    string // empty: not known
	Segment string // the stage of his life as a customer, in Chinese
	Played  int64  // pots that he opened
	Opened  int64  // friends who opened his cards and helped
	Took    int64  // times that he took the kit's offer in the mall and kept it, or 1 when he only bought it
	Bought  int64  // top-ups, packs and anything else
	Spent   model.Fen
	// FollowedAt is when he began to follow the official account within the days, not
	// following before; 0: he did not. LeftAt is when he ended it then; 0: not yet.
	FollowedAt model.Millis
	LeftAt     model.Millis
	// Brought are the friends who helped him and began to follow within the days, each
	// brought by one person alone.
	Brought []model.MemberID
}

// What the reports need from others.
type (
	// sendings are the recipients of a campaign, page by page in the order of the
	// deliveries' ids. Two ids of one person are the one that he has now.
	sendings interface {
		Deliveries(ctx context.Context, campaign, after model.ID, limit int) ([]model.Delivery, error)
	}
	// conduct tells what each of at most a thousand people did from the one day to the
	// other, both among them, also with the games and the offers of the kits.
	conduct interface {
		Conduct(ctx context.Context, kits []Kit, members []model.MemberID, from, to model.Day) ([]Conduct, error)
	}
	// kits tell which game and offer a kit has.
	kits interface {
		Kit(ctx context.Context, id model.ID) (Kit, error)
	}
	// spending tells what a game has cost in prizes.
	spending interface {
		Cost(ctx context.Context, game model.ID) (model.Fen, error)
	}
)

// ReportDeps are what the reports need from outside; all are required.
type ReportDeps struct {
	DB       *sql.DB
	IDs      *model.IDs
	Now      model.Clock
	Metrics  prometheus.Registerer
	Kits     kits
	Sendings sendings
	Conduct  conduct
	Spending spending
}

// ReportOptions have good defaults.
type ReportOptions struct {
	Page  int           // recipients of one transaction; default 1,000
	Lease time.Duration // how long a run that died is left alone; default 5 min
	// Reason says in words why a message was not sent; default: by its code.
	Reason func(code string) string
}

// Reports computes what campaigns earned, and keeps it, so that reading is cheap.
//
// Invariants:
//   - who was to get something and who was held out are compared as they were drawn,
//     reached or not: the uplift is of the campaign, not of those who could be reached;
//   - a run reads everything anew, so that running again changes nothing; two runs at
//     once do not mix, for each page is written under its run's lease;
//   - memory does not grow with the number of people.
//
// Tables: campaign_report, campaign_report_person, campaign_report_cut.
type Reports struct {
	ReportDeps
	opts ReportOptions
	q    *db.Queries
	took prometheus.Histogram
}

// NewReports makes the reports.
func NewReports(deps ReportDeps, opts ReportOptions) (*Reports, error) {
	opts.Page = min(cmp.Or(opts.Page, maxReportPage), maxReportPage)
	opts.Lease = cmp.Or(opts.Lease, 5*time.Minute)
	if opts.Reason == nil {
		opts.Reason = func(code string) string { return code }
	}
	r := &Reports{ReportDeps: deps, opts: opts, q: db.New(sqldb.Alone{DB: deps.DB}), took: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "campaign_report_seconds", Help: "How long computing one report took.", Buckets: prometheus.ExponentialBuckets(0.1, 4, 8),
	})}
	return r, deps.Metrics.Register(r.took)
}

// The bounds of a run.
const (
	maxReportPage = 1000
	maxPages      = 1_000_000
	maxDueReports = 1000
	maxSharing    = 5 // other campaigns that a report names
	// attribution is how long after its end a campaign's effect is still counted.
	attribution = 7
	// followUp is how long after its end a report still changes: new followers are asked
	// about for 30 days.
	followUp = (attribution + 31) * 24 * time.Hour
)

// errLost tells that another run has taken over.
var errLost = errors.New("another run of the report has taken over")

// ComputeDue computes the reports of all campaigns whose numbers may still change, and
// answers how many. One that fails does not keep the others from theirs, nor does one that
// takes all the time: the next call begins with those that this one did not come to.
func (r *Reports) ComputeDue(ctx context.Context) (int, error) {
	ids, err := r.q.Reportable(ctx, db.ReportableParams{EndedAfter: int64(model.At(r.Now().Add(-followUp))), Limit: maxDueReports})
	if err != nil {
		return 0, fmt.Errorf("find the reports that are due: %w", err)
	}
	done := 0
	var failed error
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		if err := r.Compute(ctx, model.ID(id)); errors.Is(err, ErrNoReport) {
			continue // it has not begun
		} else if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		done++
	}
	return done, errors.Join(failed, ctx.Err())
}

// Compute computes one report anew. When another run is under way it does nothing.
//
// Errors: ErrUnknown, ErrNoReport for a campaign that was never live or has not begun.
func (r *Reports) Compute(ctx context.Context, campaign model.ID) error {
	began := time.Now()
	run, err := r.begin(ctx, campaign)
	if err != nil || run.id == 0 {
		return err
	}
	defer func() { r.took.Observe(time.Since(began).Seconds()) }()
	err = r.gather(ctx, run)
	if err == nil {
		err = r.weigh(ctx, run)
	}
	if err == nil {
		err = r.keep(ctx, run)
	}
	if errors.Is(err, errLost) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("compute the report of campaign %s: %w", campaign, err)
	}
	return nil
}

// run is one computation under way.
type run struct {
	id       model.ID
	campaign model.ID
	plan     Plan  // the live one
	kits     []Kit // of all plans that were ever live, the live one's first, each game once
	from, to model.Day
	out      *Report
	cuts     map[cutKey]*Line
	variants []string          // the names of their lines, by the numbers that people's rows have
	titles   map[string]string // of steps, by their ids; one that was left out since as it was called last
	known    map[model.ID]bool // kits
}

func (r *Reports) begin(ctx context.Context, campaign model.ID) (*run, error) {
	row, err := r.q.Campaign(ctx, int64(campaign))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("read campaign %s: %w", campaign, err)
	}
	if row.LiveVersion == 0 {
		return nil, ErrNoReport
	}
	out := &run{campaign: campaign, cuts: map[cutKey]*Line{}, titles: map[string]string{}, known: map[model.ID]bool{}, out: &Report{Campaign: campaign}}
	if err := r.plans(ctx, out); err != nil {
		return nil, err
	}
	if model.At(r.Now()) < model.At(out.from.Start()) {
		return nil, ErrNoReport
	}
	out.to = min(model.DayOf(r.Now()), model.DayOf(out.plan.EndsAt.Time())+attribution)
	if err := r.q.InsertReport(ctx, int64(campaign)); err != nil && !sqldb.Duplicate(err) {
		return nil, fmt.Errorf("begin a report: %w", err)
	}
	now, id := r.Now(), r.IDs.Next()
	n, err := r.q.BeginReport(ctx, db.BeginReportParams{
		Run: int64(id), LeaseUntil: int64(model.At(now.Add(r.opts.Lease))), CampaignID: int64(campaign), Now: int64(model.At(now)),
	})
	if err != nil {
		return nil, fmt.Errorf("begin a report: %w", err)
	}
	if n > 0 {
		out.id = id
	}
	return out, nil
}

// plans reads what a run wants to know of the plans that were ever live, the last first:
// a campaign that was changed has begun with its first, and paid for the games of all.
func (r *Reports) plans(ctx context.Context, run *run) error {
	rows, err := r.q.Versions(ctx, db.VersionsParams{CampaignID: int64(run.campaign), Limit: maxVersions})
	if err != nil {
		return fmt.Errorf("read the plans of campaign %s: %w", run.campaign, err)
	}
	first := true
	for _, row := range rows {
		v, err := versionOf(row)
		if err != nil {
			return err
		}
		if v.State != Live && v.State != Old {
			continue
		}
		if first {
			run.plan, first = v.Plan, false
			run.from = model.DayOf(v.Plan.StartsAt.Time())
		}
		run.from = min(run.from, model.DayOf(v.Plan.StartsAt.Time()))
		for i, s := range v.Plan.Steps {
			if id := s.ID.String(); run.titles[id] == "" {
				run.titles[id] = s.title(i)
			}
		}
		if err := r.kit(ctx, run, v.Plan.Kit); err != nil {
			return err
		}
	}
	return nil
}

// kit adds the kit of a plan, without its game when another has it too.
func (r *Reports) kit(ctx context.Context, run *run, id model.ID) error {
	if id == 0 || run.known[id] {
		return nil
	}
	kit, err := r.Kits.Kit(ctx, id)
	if err != nil {
		return fmt.Errorf("read kit %s of campaign %s: %w", id, run.campaign, err)
	}
	if slices.ContainsFunc(run.kits, func(other Kit) bool { return other.Game == kit.Game }) {
		kit.Game = 0
	}
	run.known[id], run.kits = true, append(run.kits, kit)
	return nil
}

// hold makes the run's lease longer, or finds that it is lost.
func (r *Reports) hold(ctx context.Context, q *db.Queries, run *run) error {
	n, err := q.HoldReport(ctx, db.HoldReportParams{
		LeaseUntil: int64(model.At(r.Now().Add(r.opts.Lease))), CampaignID: int64(run.campaign), Run: int64(run.id),
	})
	if err == nil && n == 0 {
		err = errLost
	}
	return err
}

// keep writes what was computed, all at once.
func (r *Reports) keep(ctx context.Context, run *run) error {
	if err := r.cost(ctx, run); err != nil {
		return err
	}
	run.out.From, run.out.To, run.out.Goal, run.out.Name = model.At(run.from.Start()), model.At((run.to + 1).Start()), run.plan.Goal, run.plan.Name
	run.out.Holdout = run.plan.Holdout
	if len(run.kits) > 0 && run.plan.Kit != 0 {
		run.out.Offer = run.kits[0].Offer.Name
	}
	body, err := json.Marshal(run.out)
	if err != nil {
		return err
	}
	return sqldb.InTx(ctx, r.DB, func(tx *sql.Tx) error {
		q := r.q.WithTx(tx)
		if err := q.DropReportCuts(ctx, int64(run.campaign)); err != nil {
			return err
		}
		for key, line := range run.cuts {
			line.Title = run.title(key)
			text, err := json.Marshal(line)
			if err != nil {
				return err
			}
			err = q.InsertReportCut(ctx, db.InsertReportCutParams{CampaignID: int64(run.campaign), Cut: string(key.cut), Name: key.name, Body: string(text)})
			if err != nil {
				return err
			}
		}
		n, err := q.FinishReport(ctx, db.FinishReportParams{ComputedAt: int64(model.At(r.Now())), Body: string(body), CampaignID: int64(run.campaign), Run: int64(run.id)})
		if err == nil && n == 0 {
			err = errLost
		}
		return err
	})
}

// cost adds up what the prizes of the games cost, and says which other campaigns count
// those of a game, too.
func (r *Reports) cost(ctx context.Context, run *run) error {
	var others []string
	for _, kit := range run.kits {
		if kit.Game == 0 {
			continue
		}
		cost, err := r.Spending.Cost(ctx, kit.Game)
		if err != nil {
			return fmt.Errorf("read what the prizes cost: %w", err)
		}
		run.out.Cost, run.out.Games = run.out.Cost+cost, append(run.out.Games, kit.Game)
		names, err := r.q.ReportsWith(ctx, db.ReportsWithParams{CampaignID: int64(run.campaign), Game: strconv.Quote(kit.Game.String()), Limit: maxSharing})
		if err != nil {
			return fmt.Errorf("look for who shares a game: %w", err)
		}
		for _, name := range names {
			if name = "“" + name + "”"; !slices.Contains(others, name) {
				others = append(others, name)
			}
		}
	}
	if len(others) > 0 {
		run.out.CostNote = fmt.Sprintf("同一个游戏也用于活动%s，成本是整个游戏的奖品金额，没有按活动拆分，各活动的成本不要相加。", strings.Join(others, "、"))
	}
	return nil
}

// title says the line of a variant as the plan has it: 第2步“除夕”版本A. Empty: of other
// lines.
func (run *run) title(key cutKey) string {
	step, variant, _ := strings.Cut(key.name, "/")
	if key.cut != ByVariant || run.titles[step] == "" {
		return ""
	}
	return run.titles[step] + "版本" + variant
}
