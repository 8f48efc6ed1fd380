package push

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// What the planner says when it cannot do what is asked.
var (
	ErrDispatch = fault.New(fault.Invalid, "push.dispatch", "推送设置不正确")
	// ErrMarketingTemplate: WeChat allows template messages for service notices alone.
	ErrMarketingTemplate = fault.New(fault.Invalid, "push.marketing_template", "模板消息只能用于服务通知，营销内容请改用客服消息、订阅消息或群发")
	ErrDispatchChanged   = fault.New(fault.Conflict, "push.dispatch_changed", "这次推送已按另一套设置生成，请用新的推送")
	ErrKilled            = fault.New(fault.Conflict, "push.killed", "活动推送已终止，不能再继续")
	ErrTap               = fault.New(fault.Invalid, "push.tap", "链接不正确")
)

// What the planner needs of other domains.
type (
	// freezer answers one Person for each id, in their order.
	freezer interface {
		FrozenMembers(ctx context.Context, frozen model.ID, after model.MemberID, limit int) ([]model.MemberID, error)
		Persons(ctx context.Context, audiences []model.ID, ids []model.MemberID) ([]model.Person, error)
	}
	renderer interface {
		Render(ctx context.Context, material model.ID, members []model.MemberID) ([]model.Message, []error)
	}
	// reacher answers one Reach for each member, in their order. Current finds who a former
	// id is at this moment.
	reacher interface {
		Reach(ctx context.Context, members []model.MemberID) ([]model.Reach, error)
		Current(ctx context.Context, id model.MemberID, app model.App) (model.Member, error)
		Unfollow(ctx context.Context, openID model.OpenID, at model.Millis) error
	}
	broadcaster interface {
		SendTemplate(ctx context.Context, to model.OpenID, n model.Notice, request model.RequestID) (string, error)
		SendMass(ctx context.Context, to []model.OpenID, content model.Content, request model.RequestID) (string, error)
	}
)

// PlannerNeeds are what the planner stands on; all are required.
type PlannerNeeds struct {
	SQL         *sql.DB
	Audience    freezer
	Material    renderer
	People      reacher
	Sender      sender
	Broadcaster broadcaster
	TapKey      []byte // signs the tokens of taps; 32 bytes
	Redis       redis.UniversalClient
	IDs         *model.IDs
	Now         model.Clock
	Log         *slog.Logger
	Metrics     prometheus.Registerer
}

// PlannerOptions bound the planner; zero values take the defaults.
type PlannerOptions struct {
	Timeout    time.Duration  // of one call of WeChat; default 6 s
	Lease      time.Duration  // of a shard; default 60 s
	Workers    int            // shards at a time; default 4
	Calls      int            // calls at a time, over all workers; default 64
	Shard      int            // recipients of one; default 1,000
	Chunk      int            // recipients that are written at a time at most; default 500
	Pages      int            // of 10,000 people that one StageSome stages; default 20
	Counted    int            // recipients that one statement of a tally counts; default 20,000
	Look       time.Duration  // how often it is looked what a person said; default 1 s
	MaxBad     int            // bad templates or data in a row that stop a dispatch; default 10
	Zone       *time.Location // of the members; default China's
	QuietFrom  time.Duration  // since midnight; default 21 h
	QuietUntil time.Duration  // default 8 h
	// Caps bound the marketing that one member gets of all campaigns by day and week,
	// whatever their plans say; 0 is no bound.
	Caps model.Caps
	// Quotas are WeChat's limits for the account; a channel that is not named has
	// its default.
	Quotas map[model.Channel]Quota
	// Reserve is how many of a hundred of a day's quota are kept from marketing;
	// default 10.
	Reserve int
	// Ticks is the time of leases and minutes; default the database's.
	Ticks func(context.Context) (model.Millis, error)
}

// Quota is what WeChat allows by one channel, over all replicas; 0 is no limit.
type Quota struct {
	Day    int64 // messages, for mass: calls
	Minute int64
}

// quotas are those of a certified account to begin with.
//
// developers.weixin.qq.com/doc/offiaccount/Message_Management/API_Call_Limits.html
var quotas = map[model.Channel]Quota{
	model.CustomChannel:   {Day: 500_000},
	model.MiniChannel:     {Day: 1_000_000},
	model.OfficialChannel: {Day: 100_000},
	model.TemplateChannel: {Day: 100_000},
	model.MassChannel:     {Day: 100, Minute: 60},
}

// Planner sends dispatches: one message at most to each recipient of a frozen
// audience. Stage makes the rows, Run sends them on every replica.
//
// Invariants: a recipient has one row of a dispatch for ever (unique key); a message
// is called only while its row says "sending", which was committed before together
// with the right, the load and the quota that it takes; a row that was called and
// whose answer is not known is called again only where WeChat itself leaves out the
// second one. What a person said of the campaign is obeyed within two looks.
//
// Tables: push_campaign, push_dispatch, push_shard, push_delivery, push_load,
// push_quota, push_receipt, push_report; push_entitlement and push_tap with the Pusher.
type Planner struct {
	PlannerNeeds
	opts   PlannerOptions
	q      *db.Queries
	calls  chan struct{} // one token for each call under way
	crew   crew
	wakeup chan struct{}
	pace   pace // of the last chunk

	mu        sync.Mutex
	board     board
	bad       map[model.ID]int    // in a row, by dispatch
	templates map[model.ID]string // by material, whose versions never change
	counts    counts
}

// counts are the metrics.
type counts struct {
	deliveries *prometheus.CounterVec
	stopped    prometheus.Counter
	lost       prometheus.Counter
	staged     prometheus.Counter
}

// NewPlanner returns a planner.
func NewPlanner(needs PlannerNeeds, opts PlannerOptions) *Planner {
	opts.Timeout = cmp.Or(opts.Timeout, 6*time.Second)
	opts.Lease = cmp.Or(opts.Lease, time.Minute)
	opts.Workers = cmp.Or(opts.Workers, 4)
	opts.Calls = cmp.Or(opts.Calls, 64)
	opts.Shard = cmp.Or(opts.Shard, 1000)
	opts.Chunk = cmp.Or(opts.Chunk, 500)
	opts.Pages = cmp.Or(opts.Pages, 20)
	opts.Counted = cmp.Or(opts.Counted, 20_000)
	opts.Look = cmp.Or(opts.Look, time.Second)
	opts.MaxBad = cmp.Or(opts.MaxBad, 10)
	opts.Zone = cmp.Or(opts.Zone, model.Shanghai)
	opts.QuietFrom = cmp.Or(opts.QuietFrom, model.NightFrom)
	opts.QuietUntil = cmp.Or(opts.QuietUntil, model.NightUntil)
	opts.Reserve = cmp.Or(opts.Reserve, 10)
	p := &Planner{
		PlannerNeeds: needs, opts: opts, q: db.New(sqldb.Alone{DB: needs.SQL}), calls: make(chan struct{}, opts.Calls), crew: make(crew),
		wakeup: make(chan struct{}, 1), bad: map[model.ID]int{}, templates: map[model.ID]string{},
		counts: counts{
			deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "push_deliveries_total", Help: "Recipients of dispatches, by purpose, channel and what became of them.",
			}, []string{"purpose", "channel", "state"}),
			stopped: prometheus.NewCounter(prometheus.CounterOpts{
				Name: "push_dispatches_stopped_total", Help: "Dispatches that stopped by themselves, for WeChat refused their template or data.",
			}),
			lost: prometheus.NewCounter(prometheus.CounterOpts{
				Name: "push_shards_lost_total", Help: "Shards whose worker died or was too slow.",
			}),
			staged: prometheus.NewCounter(prometheus.CounterOpts{Name: "push_staged_total", Help: "Recipients that were staged."}),
		},
	}
	if p.opts.Ticks == nil {
		p.opts.Ticks = p.databaseTime
	}
	needs.Metrics.MustRegister(p.counts.deliveries, p.counts.stopped, p.counts.lost, p.counts.staged)
	return p
}

// Quota is what a channel has.
func (o PlannerOptions) Quota(c model.Channel) Quota {
	if q, ok := o.Quotas[c]; ok {
		return q
	}
	return quotas[c]
}

func (p *Planner) now() model.Millis { return model.At(p.Now()) }

// wake lets a worker look at once.
func (p *Planner) wake() {
	select {
	case p.wakeup <- struct{}{}:
	default:
	}
}
