// Package points keeps members' loyalty points: a double-entry ledger.
//
// Every change is a posting whose entries sum to zero. A member has three
// accounts (member: may be spent; pending: earned, not yet active; and one for
// each hold); the house has issued, redeemed, expired and adjusted. Points come
// in lots with an expiry and are spent soonest-expiring first; every entry on a
// member's side names its lot, so that any answer can be explained and any
// spending can be taken back into the lots that it came from.
//
// Invariants, each proved in SQL by Check:
//   - the entries of a posting sum to zero, and are never changed or deleted;
//   - balance, pending and held of an account equal the sums of its entries and
//     are never negative; balance equals what is left in the member's open lots;
//   - what is left in a lot equals the sum of its entries;
//   - a request id moves value at most once and always gets its first answer; the
//     same id with another body is refused;
//   - the version of an account grows with every change of its lots or sign-ins;
//   - a reference is spent once, earned once, reversed once.
//
// Order of every transaction: request → account → lots. An UPDATE of the account
// row is the lock on all that is the member's. No statement reads the history:
// what a spending costs does not grow with the entries or lots behind a member.
//
// House accounts are not rows but sums of entries, for a row that every spending
// changes would make all of them wait for each other.
//
// A method with the suffix Tx joins the caller's transaction. When it refuses
// (too few points, a cap reached), the refusal is stored in that transaction: a
// caller who commits all the same gives the repeat the same answer, one who rolls
// back lets the repeat be decided anew. Methods without the suffix commit it.
//
// Tables: points_account, points_request, points_posting, points_entry,
// points_lot, points_hold, points_cap, points_sign_in, points_first_bind,
// points_adjustment, points_import, points_import_error, points_accrual,
// points_reminder. No other package touches them. Redis keys: none.
package points

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/points/internal/db"
)

// The faults of the ledger.
var (
	ErrAmount        = fault.New(fault.Invalid, "points.amount", "积分数量不正确")
	ErrRequest       = fault.New(fault.Invalid, "points.request", "请求编号不正确")
	ErrRequestReused = fault.New(fault.Invalid, "points.request_reused", "该请求编号已用于另一笔操作")
	ErrRef           = fault.New(fault.Invalid, "points.ref", "业务单号不正确")
	ErrRefUsed       = fault.New(fault.Conflict, "points.ref_used", "该业务单号已记过账")
	ErrSource        = fault.New(fault.Invalid, "points.source", "没有这个积分来源")
	ErrSourceEnded   = fault.New(fault.Conflict, "points.source_ended", "该活动积分的有效期已过")
	ErrInsufficient  = fault.New(fault.Conflict, "points.insufficient", "积分不足")
	ErrCapped        = fault.New(fault.Limited, "points.capped", "该来源的积分已达上限，请以后再来")
	ErrClosed        = fault.New(fault.Conflict, "points.closed", "积分账户已注销")
	ErrMerged        = fault.New(fault.Conflict, "points.merged", "积分账户已合并到另一会员")
	ErrHeld          = fault.New(fault.Conflict, "points.held", "还有冻结中的积分，请待处理完成后再试")
	ErrNoHold        = fault.New(fault.NotFound, "points.no_hold", "没有这笔冻结积分")
	ErrHoldClosed    = fault.New(fault.Conflict, "points.hold_closed", "这笔冻结积分已处理完毕")
	ErrHoldOpen      = fault.New(fault.Conflict, "points.hold_open", "这笔积分仍在冻结中，请先解冻")
	ErrHoldAmount    = fault.New(fault.Conflict, "points.hold_amount", "超出冻结的积分数量")
	ErrNoSpend       = fault.New(fault.NotFound, "points.no_spend", "没有可退回的积分支出")
	ErrReversed      = fault.New(fault.Conflict, "points.reversed", "这笔积分已经退回")
	ErrTooManyLots   = fault.New(fault.Conflict, "points.too_many_lots", "这笔积分过于零散，请分次操作")
)

// refusals are the faults that are stored as the answer to a request.
var refusals = map[string]*fault.Error{
	ErrInsufficient.Code: ErrInsufficient,
	ErrCapped.Code:       ErrCapped,
}

// MaxAmount is the most that one posting may move.
const MaxAmount model.Points = 1_000_000_000

// The sources that the ledger itself earns under; Options.Rules may hold others.
const (
	SourceCarrier    = "carrier"
	SourceSignIn     = "sign_in"
	SourceFirstBind  = "first_bind"
	SourceAdjustment = "adjustment"
)

// Rule says how the points of one source behave.
type Rule struct {
	Title    string // what the member reads: 签到奖励
	Expiry   Expiry
	DayCap   model.Points // 0: none. Beyond a cap only what is left is granted
	MonthCap model.Points
	Delay    Delay // until the points may be spent
}

// Options have what a carrier decides; zero fields get the defaults.
type Options struct {
	// Rules by source. Defaults: the four sources above, 12 rolling months.
	Rules map[string]Rule
	// SignIn are the points of the first, second, … day in a row; after the last
	// the row begins again. A missed day begins it again too. Default 1…7.
	SignIn []model.Points
	// FirstBind is earned once by a number and once by a member. Default 100.
	FirstBind model.Points
	// AdjustLimit is what an operator may adjust without a second person, at once
	// and in a day. Defaults 1,000 and 5,000.
	AdjustLimit    model.Points
	AdjustDayLimit model.Points
	// RemindDays is how long before an expiry a reminder is promised. Default 7.
	RemindDays int
	// Audit takes a line for what operators do; nil takes none.
	Audit recorder
}

func (o Options) filled() Options {
	rules := map[string]Rule{
		SourceCarrier:    {Title: "消费积分", Expiry: Expiry{Months: 12}},
		SourceSignIn:     {Title: "签到奖励", Expiry: Expiry{Months: 12}},
		SourceFirstBind:  {Title: "首次绑定奖励", Expiry: Expiry{Months: 12}},
		SourceAdjustment: {Title: "人工调整", Expiry: Expiry{Months: 12}},
	}
	for source, rule := range o.Rules {
		rules[source] = rule
	}
	o.Rules = rules
	if len(o.SignIn) == 0 {
		o.SignIn = []model.Points{1, 2, 3, 4, 5, 6, 7}
	}
	o.FirstBind = cmp.Or(o.FirstBind, 100)
	o.AdjustLimit = cmp.Or(o.AdjustLimit, 1000)
	o.AdjustDayLimit = cmp.Or(o.AdjustDayLimit, 5000)
	o.RemindDays = cmp.Or(o.RemindDays, 7)
	return o
}

// outbox promises something to the outside within the transaction.
type outbox interface {
	AddTx(ctx context.Context, tx *sql.Tx, topic string, request model.RequestID, payload any) error
}

// recorder adds a line to the operators' audit within the transaction of what it tells.
type recorder interface {
	RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
}

// phoneBook finds who bound a number, and the living member behind an id. It answers a
// fault of kind NotFound when there is nobody.
type phoneBook interface {
	ByPhone(ctx context.Context, phone model.Phone) (model.Member, error)
	Resolve(ctx context.Context, id model.MemberID) (model.MemberID, error)
}

// Ledger is the ledger. It is safe for use by many goroutines.
type Ledger struct {
	db     *sql.DB
	ids    *model.IDs
	now    model.Clock
	log    *slog.Logger
	outbox outbox
	phones phoneBook
	opts   Options
	ops    *prometheus.CounterVec
	moved  *prometheus.CounterVec
	reads  reads
}

// New returns a ledger on the database. It fails when a rule cannot be: see
// Expiry.
func New(pool *sql.DB, ids *model.IDs, now model.Clock, log *slog.Logger, reg prometheus.Registerer, out outbox, phones phoneBook, opts Options) (*Ledger, error) {
	opts = opts.filled()
	for source, rule := range opts.Rules {
		if err := rule.valid(source); err != nil {
			return nil, err
		}
	}
	l := &Ledger{
		db: pool, ids: ids, now: now, log: log, outbox: out, phones: phones, opts: opts,
		ops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "points_operations_total", Help: "Operations on the ledger, by operation and result.",
		}, []string{"operation", "result"}),
		moved: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "points_jobs_rows_total", Help: "Rows that the ledger's jobs worked off, by job.",
		}, []string{"job"}),
	}
	var err error
	if l.reads, err = l.newReads(); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{l.ops, l.moved} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of points: %w", err)
		}
	}
	return l, nil
}

func (r Rule) valid(source string) error {
	if source == "" || len(source) > 32 {
		return fmt.Errorf("points: a source has 1 to 32 bytes: %q", source)
	}
	if r.DayCap < 0 || r.MonthCap < 0 || r.Delay < 0 {
		return fmt.Errorf("points: source %s: a cap or delay is negative", source)
	}
	if err := r.Expiry.valid(); err != nil {
		return fmt.Errorf("points: source %s: %w", source, err)
	}
	return nil
}

// title is what a member reads of a source, also of one that is no longer there.
func (l *Ledger) title(source string) string {
	return cmp.Or(l.opts.Rules[source].Title, source)
}

func (l *Ledger) count(operation string, err error) {
	result := "ok"
	if err != nil {
		result = fault.KindOf(err).String()
	}
	l.ops.WithLabelValues(operation, result).Inc()
}

// recordTx adds a line to the audit as the last step of what an operator does.
func (l *Ledger) recordTx(ctx context.Context, tx *sql.Tx, by model.ID, action string, target model.Ref, detail map[string]any) error {
	if l.opts.Audit == nil {
		return nil
	}
	return l.opts.Audit.RecordTx(ctx, tx, model.AuditEntry{Operator: by, Action: action, Target: target, Detail: detail})
}

func queries(tx *sql.Tx) *db.Queries { return db.New(tx) }
