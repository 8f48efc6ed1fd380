// Package audience knows who people are to a campaign: portraits from the
// carrier's files and from what members do, tags, uploaded lists, and segments,
// the rules that select among them.
//
// A person is a row of audience_portrait. A member's row has his MemberID; a
// customer of the carrier who is not a member yet has an id of the same maker,
// and becomes the member's when he binds the number (Observe).
//
// Invariants:
//   - a number belongs to one row at most, is stored sealed and found by a keyed
//     index; a name is stored masked;
//   - what is not known has a value of its own (0, -1, ""), never NULL, so that a
//     condition is true or false and "not" means the opposite;
//   - a line of a file is saved with the checkpoint that counts it: a file that is
//     imported again, or goes on after a kill, changes nothing twice;
//   - every value of a segment reaches the database as a bound parameter;
//   - a member's bucket depends on his id alone, for ever (Bucket);
//   - a frozen audience never changes once it is done;
//   - no segment that is not archived names one that is.
//
// Tables: audience_portrait, audience_customer, audience_origin, audience_deed, audience_once,
// audience_bought, audience_gone, audience_tag, audience_member_tag, audience_list,
// audience_list_member, audience_segment, audience_frozen, audience_frozen_member,
// audience_import, audience_import_error. Redis keys: none.
package audience

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// The faults of this domain.
var (
	ErrUnknown       = fault.New(fault.NotFound, "audience.unknown", "没有这个会员的画像")
	ErrAct           = fault.New(fault.Invalid, "audience.act", "行为记录不正确")
	ErrTag           = fault.New(fault.Invalid, "audience.tag", "标签名应为1到20个字，且不能以=、+、-、@开头")
	ErrTooMany       = fault.New(fault.Invalid, "audience.too_many", "一次处理的会员过多，请分批操作")
	ErrSegment       = fault.New(fault.Invalid, "audience.segment", "人群条件不正确")
	ErrSegmentName   = fault.New(fault.Invalid, "audience.segment_name", "人群名称应为1到20个字，且不能以=、+、-、@开头")
	ErrSegmentTaken  = fault.New(fault.Conflict, "audience.segment_taken", "已有同名的人群，请换一个名称")
	ErrSegmentOld    = fault.New(fault.Conflict, "audience.segment_old", "人群已被他人修改，请刷新后再改")
	ErrNoSegment     = fault.New(fault.NotFound, "audience.no_segment", "没有这个人群")
	ErrNoTag         = fault.New(fault.NotFound, "audience.no_tag", "没有这个标签")
	ErrNoList        = fault.New(fault.NotFound, "audience.no_list", "没有这个名单")
	ErrInUse         = fault.New(fault.Conflict, "audience.in_use", "正被使用，不能删除或归档")
	ErrArchived      = fault.New(fault.Conflict, "audience.archived", "人群已归档，请先恢复它再使用")
	ErrNoFrozen      = fault.New(fault.NotFound, "audience.no_frozen", "没有这个冻结人群")
	ErrRequest       = fault.New(fault.Invalid, "audience.request", "请求编号不正确")
	ErrRequestReused = fault.New(fault.Invalid, "audience.request_reused", "该请求编号已用于另一个人群")
	ErrBusy          = fault.New(fault.Unavailable, "audience.busy", "系统繁忙，请稍后再试")
)

// Deps are what the domain needs from outside; all are required.
type Deps struct {
	DB      *sql.DB
	Sealer  *seal.Sealer
	IDs     *model.IDs
	Now     model.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Audit takes a line for what operators change; nil, for what no operator calls,
	// takes none.
	Audit recorder
	// Plans tells which plans name a segment; nil, for what no operator calls, knows of
	// none.
	Plans plans
}

// plans are what uses segments outside this domain.
type plans interface {
	// NamingTx names at most limit plans that use the segment and are no drafts.
	NamingTx(ctx context.Context, tx *sql.Tx, segment model.ID, limit int) ([]string, error)
	// UsingTx names those of them alone whose campaign is not over.
	UsingTx(ctx context.Context, tx *sql.Tx, segment model.ID, limit int) ([]string, error)
}

// recorder adds a line to the audit within the transaction of what it tells.
type recorder interface {
	RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
}

// recordTx adds a line to the audit.
func (a *Audience) recordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error {
	if a.Audit == nil {
		return nil
	}
	return a.Audit.RecordTx(ctx, tx, e)
}

// record adds one in a transaction of its own, before a file is saved in many.
func (a *Audience) record(ctx context.Context, e model.AuditEntry) error {
	return sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error { return a.recordTx(ctx, tx, e) })
}

// Options have good defaults.
type Options struct {
	ImportBatch int           // lines of a file saved in one transaction; default 4,000
	ImportLease time.Duration // how long an import that died is held; default 1 min
	ImportRows  int           // lines of a file at most; default 1,000,000
	FreezeRange int           // rows looked at in one transaction of Freeze; default 10,000
	SampleRows  int           // rows that an estimate looks at; default 10,000
	CountRange  int           // people that one statement of Count looks at, about; default 50,000
}

// Audience is the one owner of the tables above. It is safe for concurrent use.
type Audience struct {
	Deps
	opts Options
	q    *db.Queries

	originsMu sync.Mutex
	origins   map[int64]origin // of audience_origin, which never changes

	acts, imported, segments *prometheus.CounterVec
}

// New makes the domain.
func New(deps Deps, opts Options) (*Audience, error) {
	opts.ImportBatch = cmp.Or(opts.ImportBatch, 4000)
	opts.ImportLease = cmp.Or(opts.ImportLease, time.Minute)
	opts.ImportRows = cmp.Or(opts.ImportRows, 1_000_000)
	opts.FreezeRange = cmp.Or(opts.FreezeRange, 10_000)
	opts.SampleRows = cmp.Or(opts.SampleRows, 10_000)
	opts.CountRange = cmp.Or(opts.CountRange, 50_000)
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	a := &Audience{
		Deps: deps, opts: opts, q: db.New(sqldb.Alone{DB: deps.DB}), origins: map[int64]origin{},
		acts:     counter("audience_acts_total", "What members did, by kind.", "kind"),
		imported: counter("audience_import_lines_total", "Lines of carrier files, by result.", "result"),
		segments: counter("audience_segment_questions_total", "Questions asked of segments, by question.", "question"),
	}
	for _, c := range []prometheus.Collector{a.acts, a.imported, a.segments} {
		if err := deps.Metrics.Register(c); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *Audience) nowMillis() model.Millis { return model.At(a.Now()) }

// buckets is how many random buckets (model.BucketOf) there are; samples is how fine the sample is.
const (
	buckets = 100
	samples = 1000
)

// sampleOf decides which part of the estimates a member is in. It is drawn apart
// from the bucket: an estimate over a segment of buckets would be wrong otherwise.
func sampleOf(member model.MemberID) int { return int(model.Mix64(^uint64(member)) % samples) }

// phoneDomain separates this index of numbers from that of the members.
const phoneDomain = "audience.phone"

func (a *Audience) phoneIndex(phone model.Phone) string {
	return a.Sealer.IndexText(phone.Digits(), phoneDomain)
}

func (a *Audience) sealPhone(phone model.Phone, id int64) string {
	return a.Sealer.SealText([]byte(phone.Digits()), seal.Bind(phoneColumn, id))
}

// openPhone opens what sealPhone made for the same row.
func (a *Audience) openPhone(sealed string, id int64) (model.Phone, error) {
	plain, err := a.Sealer.OpenText(sealed, seal.Bind(phoneColumn, id))
	if err != nil {
		return model.Phone{}, err
	}
	return model.ParsePhone(string(plain))
}
