// Package member knows who a person is: one member for the official account and
// the mini-program, the phone number bound to him, what he agreed to.
//
// Invariants:
//   - an openid belongs to one member, a unionid to at most one;
//   - a number is bound to at most one member, a member to at most one number, and
//     member_binding tells every binding and unbinding with its reason;
//   - a code is compared at most 5 times, and a try is counted before it is compared;
//   - a merged or closed member keeps its row: an old id leads to the survivor, a
//     closed one nowhere;
//   - numbers are stored sealed and bound to their row, and found by a keyed index;
//   - once a change was answered, no replica shows what was before (see cache.go).
//
// Tables: member, member_identity, member_union, member_phone, member_binding,
// member_code, member_code_quota, member_follow, member_consent,
// member_consent_change. Redis: member:{HASH}:epoch, seconds long, holding nothing
// that was promised.
package member

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member/internal/db"
)

// The faults of this domain.
var (
	ErrOpenID      = fault.New(fault.Invalid, "member.openid", "微信用户标识不正确")
	ErrRequest     = fault.New(fault.Invalid, "member.request", "请求编号不正确")
	ErrUnknown     = fault.New(fault.NotFound, "member.unknown", "没有找到这个用户")
	ErrPhone       = fault.New(fault.Invalid, "member.phone", "请输入11位手机号码")
	ErrAlready     = fault.New(fault.Conflict, "member.already_bound", "这个号码已经绑定在您的微信上了")
	ErrNotBound    = fault.New(fault.Conflict, "member.not_bound", "您还没有绑定手机号码")
	ErrNotCustomer = fault.New(fault.Conflict, "member.not_customer", "没有查到这个号码，请确认是本网号码")
	ErrTooSoon     = fault.New(fault.Limited, "member.code_too_soon", "验证码一分钟只能发一次，请稍等")
	ErrTooMany     = fault.New(fault.Limited, "member.code_too_many", "今天发送验证码的次数已用完，请明天再试")
	ErrSMS         = fault.New(fault.Unavailable, "member.sms", "短信没有发出去，请一分钟后再试")
	ErrNoCode      = fault.New(fault.Conflict, "member.no_code", "请先发送“绑定+手机号码”获取验证码")
	ErrCodeExpired = fault.New(fault.Conflict, "member.code_expired", "验证码已过期，请重新获取")
	ErrCodeWrong   = fault.New(fault.Invalid, "member.code_wrong", "验证码不对")
	ErrCodeSpent   = fault.New(fault.Limited, "member.code_spent", "验证码错误次数过多，请重新获取")
	ErrBusy        = fault.New(fault.Unavailable, "member.busy", "系统繁忙，请稍后再试")
)

// Topics of the outbox rows that this domain writes; their payloads are Met, Event
// and Merge.
const (
	TopicMet     = "member.met"
	TopicBound   = "member.bound"
	TopicUnbound = "member.unbound"
	TopicMerged  = "member.merged"
	TopicClosed  = "member.closed"
)

// Met is the payload of TopicMet: a stranger came by the official account, whose
// callbacks do not tell the unionid. Whoever can find it out calls Join.
type Met struct {
	Member model.MemberID `json:"member"`
}

// Event is the payload of TopicBound, TopicUnbound and TopicClosed.
type Event struct {
	Member model.MemberID `json:"member"`
	Reason Reason         `json:"reason"`
	Phone  string         `json:"phone"` // masked
	At     model.Millis   `json:"at"`
	// First tells that neither this member nor this number was ever bound before.
	First bool `json:"first,omitempty"`
}

// Merge is the payload of TopicMerged.
type Merge struct {
	From model.MemberID `json:"from"`
	Into model.MemberID `json:"into"`
	At   model.Millis   `json:"at"`
}

type (
	// outbox keeps the promise to tell others.
	outbox interface {
		AddTx(ctx context.Context, tx *sql.Tx, topic string, request model.RequestID, payload any) error
	}
	// gateway sends one SMS. It may use the request to send it once.
	gateway interface {
		SendSMS(ctx context.Context, to model.Phone, text string, request model.RequestID) error
	}
	// carrier tells who holds a number now, not from a cache. A fault of kind
	// NotFound says that the number is not the carrier's.
	carrier interface {
		Customer(ctx context.Context, phone model.Phone) (model.Customer, error)
	}
	// joiner moves what another domain keeps of one member to another, within the
	// transaction that makes them one.
	joiner interface {
		JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error
	}
	// closer ends what a joiner keeps of a member, within the transaction that closes
	// his account. Not every joiner has something to end.
	closer interface {
		CloseTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error
	}
)

// Deps are what Members needs from outside; all are required.
type Deps struct {
	DB      *sql.DB
	Redis   redis.UniversalClient
	Sealer  *seal.Sealer
	Outbox  outbox
	SMS     gateway
	Carrier carrier
	IDs     *model.IDs
	Now     model.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Options have good defaults.
type Options struct {
	CacheSize     int           // members kept in the process; default 50,000, about 25 MB
	CacheLifetime time.Duration // of one of them; default 2 s, see cache.go
	CodeLifetime  time.Duration // default 5 min
	CodePause     time.Duration // between two codes to a number or a member; default 1 min
	PhonePerDay   int           // codes to one number; default 10
	MemberPerDay  int           // codes for one member; default 10
	OutsideWait   time.Duration // for the SMS gateway and for the carrier, each; default 3 s
	CodeText      string        // with one %s for the code and one %d for its minutes
	// RecycledPercent is how many of a slice of numbers may have changed hands before
	// CheckHolders takes the carrier's word for a mistake; default 10.
	RecycledPercent int
	// ConsentVersions are the current versions of the texts; a purpose that is not
	// named has version 1.
	ConsentVersions map[Purpose]int
	// Released is called after a number was found to have changed hands, so that what
	// is kept of it elsewhere is deleted. Default: nothing.
	Released func(ctx context.Context, phone model.Phone)
}

// maxTries is how often one code is compared.
const maxTries = 5

// Members is the one owner of the tables above. It is safe for concurrent use.
type Members struct {
	Deps
	opts    Options
	q       *db.Queries
	joiners []joiner
	cache   *otter.Cache[cacheKey, cached]
	// redisAwayUntil is when Redis is asked again after it failed, in Unix ms.
	redisAwayUntil atomic.Int64
	// compared is called once for each comparison of a code.
	compared func()

	touches, bindings, codes, guesses *prometheus.CounterVec
	epochFailures                     prometheus.Counter
}

// New makes the domain. joiners are asked, in this order, to move what they keep
// when two members become one, and those that are closers to end it when a member
// closes his account.
func New(deps Deps, opts Options, joiners ...joiner) (*Members, error) {
	opts.CacheSize = cmp.Or(opts.CacheSize, 50_000)
	opts.CacheLifetime = cmp.Or(opts.CacheLifetime, 2*time.Second)
	opts.CodeLifetime = cmp.Or(opts.CodeLifetime, 5*time.Minute)
	opts.CodePause = cmp.Or(opts.CodePause, time.Minute)
	opts.PhonePerDay = cmp.Or(opts.PhonePerDay, 10)
	opts.MemberPerDay = cmp.Or(opts.MemberPerDay, 10)
	opts.OutsideWait = cmp.Or(opts.OutsideWait, 3*time.Second)
	opts.RecycledPercent = cmp.Or(opts.RecycledPercent, 10)
	opts.CodeText = cmp.Or(opts.CodeText, "您的验证码是%s，%d分钟内有效。请勿告诉他人，工作人员不会向您索要。")
	cache, err := otter.New(&otter.Options[cacheKey, cached]{MaximumSize: opts.CacheSize})
	if err != nil {
		return nil, err
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Members{
		Deps: deps, opts: opts, q: db.New(sqldb.Alone{DB: deps.DB}), joiners: joiners, cache: cache, compared: func() {},
		touches:  counter("member_touches_total", "Members looked up, by where they were found.", "found"),
		bindings: counter("member_bindings_total", "Numbers bound and unbound, by reason.", "action", "reason"),
		codes:    counter("member_codes_total", "Verification codes asked for, by outcome.", "outcome"),
		guesses:  counter("member_code_guesses_total", "Codes entered, by outcome.", "outcome"),
		epochFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "member_epoch_failures_total", Help: "Calls of Redis for an epoch that failed; SQL answered instead.",
		}),
	}
	for _, c := range []prometheus.Collector{m.touches, m.bindings, m.codes, m.guesses, m.epochFailures} {
		if err := deps.Metrics.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// nowMillis is the instant that this change happens at.
func (m *Members) nowMillis() model.Millis { return model.At(m.Now()) }

// queries runs within the transaction.
func (m *Members) queries(tx *sql.Tx) *db.Queries { return m.q.WithTx(tx) }
