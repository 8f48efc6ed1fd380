// Package operator knows the people who run the installation: their accounts and
// roles, their sessions, and the audit of what they did.
//
// Invariants:
//   - a password is kept as argon2id alone, a session's token as its SHA-256, a TOTP
//     secret sealed and bound to its account;
//   - an attempt to sign in is counted before it is compared, so a thousand at once
//     compare as many as one after another would;
//   - a TOTP code is good once;
//   - the audit is a chain: a row is authenticated, with the one before it, by a key
//     that the database does not have, in the transaction of what it tells.
//
// Tables: operator, operator_region, operator_reveal, operator_session,
// operator_knock, operator_audit, operator_audit_head.
package operator

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator/internal/db"
)

// The faults of this domain.
var (
	ErrUsername    = fault.New(fault.Invalid, "operator.username", "用户名由3到32位小写字母、数字、点、横线组成")
	ErrName        = fault.New(fault.Invalid, "operator.name", "请填写姓名，最多20个字，不能以=、+、-、@开头")
	ErrPassword    = fault.New(fault.Invalid, "operator.password", "密码需12到128个字符，且不能包含用户名")
	ErrRole        = fault.New(fault.Invalid, "operator.role", "请至少选择一个有效的角色")
	ErrRegion      = fault.New(fault.Invalid, "operator.region", "地区不正确：最多50个，不能重复，省份必填，名称前后不能有空格")
	ErrTrail       = fault.New(fault.Invalid, "operator.trail", "按对象和按人员只能选一种，开始日期不能晚于结束日期")
	ErrReason      = fault.New(fault.Invalid, "operator.reason", "请填写查看原因，4到100个字")
	ErrReveals     = fault.New(fault.Limited, "operator.reveals", "查看号码次数已达上限，请稍后再试")
	ErrLastAdmin   = fault.New(fault.Conflict, "operator.last_admin", "至少要保留一位可用的管理员")
	ErrOldPassword = fault.New(fault.Invalid, "operator.old_password", "旧密码不对")
	ErrTaken       = fault.New(fault.Conflict, "operator.taken", "这个用户名已被使用")
	ErrUnknown     = fault.New(fault.NotFound, "operator.unknown", "没有找到这个账号")
	ErrSignIn      = fault.New(fault.Unauthenticated, "operator.sign_in", "用户名、密码或动态码不对")
	ErrLocked      = fault.New(fault.Limited, "operator.locked", "登录失败次数过多，请稍后再试")
	ErrKnocks      = fault.New(fault.Limited, "operator.knocks", "这里的登录次数过多，请15分钟后再试")
	ErrSession     = fault.New(fault.Unauthenticated, "operator.session", "登录已失效，请重新登录")
	ErrTOTP        = fault.New(fault.Invalid, "operator.totp", "动态码不对，请核对手机时间后再试")
	ErrTOTPState   = fault.New(fault.Conflict, "operator.totp_state", "动态码已启用或尚未申请")
	ErrBusy        = fault.New(fault.Unavailable, "operator.busy", "系统繁忙，请稍后再试")
	ErrTampered    = fault.New(fault.Internal, "operator.audit_tampered", "审计记录校验不通过")
	ErrAudit       = fault.New(fault.Internal, "operator.audit", "审计记录写入失败")
)

// Role is what an operator may do.
type Role string

// The seven roles.
const (
	Admin    Role = "admin"    // 管理员
	Planner  Role = "planner"  // 活动策划
	Editor   Role = "editor"   // 内容编辑
	Reviewer Role = "reviewer" // 审核
	Support  Role = "support"  // 客服
	Analyst  Role = "analyst"  // 数据分析
	Auditor  Role = "auditor"  // 审计
)

// Roles are all of them with their Chinese names, in the order of a page.
var Roles = []struct {
	Role Role
	Name string
}{
	{Admin, "管理员"},
	{Planner, "活动策划"},
	{Editor, "内容编辑"},
	{Reviewer, "审核"},
	{Support, "客服"},
	{Analyst, "数据分析"},
	{Auditor, "审计"},
}

// Name is the role's Chinese name.
func (r Role) Name() string {
	for _, one := range Roles {
		if one.Role == r {
			return one.Name
		}
	}
	return string(r)
}

func known(role Role) bool {
	for _, r := range Roles {
		if r.Role == role {
			return true
		}
	}
	return false
}

// Operator is one account.
type Operator struct {
	ID       model.ID
	Username string
	Name     string
	Roles    []Role
	TOTP     bool // a second factor is active
	Regions  model.Regions
	Renew    bool // somebody else knows the password

	DisabledAt model.Millis // 0: works
	CreatedAt  model.Millis

	// Of an operator at work, as Find answers him:
	Rights      []Right
	SessionEnds model.Millis
}

// Has tells whether the operator has the role.
func (o Operator) Has(role Role) bool { return slices.Contains(o.Roles, role) }

// May tells whether an operator at work has the right.
func (o Operator) May(right Right) bool { return slices.Contains(o.Rights, right) }

// System is the actor of what no person did: the command line, a job.
const System model.ID = 0

// Options have good defaults.
type Options struct {
	Hashers  int64         // argon2id computations at once, 19 MiB each; default 2
	HashWait time.Duration // for one's turn; default 5 s
	Lifetime time.Duration // of a session; default 12 h
	Idle     time.Duration // a session unused for so long ends; default 30 min
	Issuer   string        // of TOTP codes, as the phone's app shows it; default 开门红
	// PasswordAlone lets accounts work that have no second factor: for a demonstration.
	PasswordAlone bool
}

// Operators is the one owner of the tables above. It is safe for concurrent use.
type Operators struct {
	db      *sql.DB
	q       *db.Queries
	sealer  *seal.Sealer
	ids     *model.IDs
	now     model.Clock
	log     *slog.Logger
	opts    Options
	hashing *semaphore.Weighted
	decoy   string // a hash to compare with when there is no account
	signIns *prometheus.CounterVec
}

// New makes the domain.
func New(pool *sql.DB, sealer *seal.Sealer, ids *model.IDs, now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) (*Operators, error) {
	opts.Hashers = cmp.Or(opts.Hashers, 2)
	opts.HashWait = cmp.Or(opts.HashWait, 5*time.Second)
	opts.Lifetime = cmp.Or(opts.Lifetime, 12*time.Hour)
	opts.Idle = cmp.Or(opts.Idle, 30*time.Minute)
	opts.Issuer = cmp.Or(opts.Issuer, "开门红")
	o := &Operators{
		db: pool, q: db.New(sqldb.Alone{DB: pool}), sealer: sealer, ids: ids, now: now, log: log, opts: opts,
		hashing: semaphore.NewWeighted(opts.Hashers), decoy: decoyHash(),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "operator_sign_ins_total", Help: "Attempts to sign in, by outcome.",
		}, []string{"outcome"}),
	}
	return o, reg.Register(o.signIns)
}

// Account is what Add needs.
type Account struct {
	Username string // lower case
	Name     string
	Password string
	Roles    []Role
	Regions  model.Regions
}

// Add makes an account. by is who does it: System on the command line.
// The password of one that another made is to be changed first.
// Errors: ErrUsername, ErrName, ErrPassword, ErrRole, ErrRegion, ErrTaken, ErrBusy.
func (o *Operators) Add(ctx context.Context, a Account, by model.ID) (model.ID, error) {
	if err := check(a); err != nil {
		return 0, err
	}
	hash, err := o.hash(ctx, a.Password)
	if err != nil {
		return 0, err
	}
	id := o.ids.Next()
	err = sqldb.InTx(ctx, o.db, func(tx *sql.Tx) error {
		err := o.q.WithTx(tx).AddOperator(ctx, db.AddOperatorParams{
			ID: int64(id), Username: a.Username, Name: a.Name, Roles: joinRoles(a.Roles),
			PasswordHash: hash, CreatedAt: int64(model.At(o.now())),
			Renew: sql.NullBool{Bool: by != System, Valid: true},
		})
		if sqldb.Duplicate(err) {
			return ErrTaken
		}
		if err != nil {
			return err
		}
		if err := addRegions(ctx, o.q.WithTx(tx), id, a.Regions); err != nil {
			return err
		}
		return o.RecordTx(ctx, tx, model.AuditEntry{
			Operator: by, Action: "operator.add", Target: target(id), Detail: accountDetail{Username: a.Username, Name: a.Name, Roles: a.Roles, Regions: named(a.Regions)},
		})
	})
	if err != nil {
		return 0, fmt.Errorf("add operator: %w", err)
	}
	return id, nil
}

func joinRoles(roles []Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, ",")
}

func splitRoles(s string) []Role {
	var roles []Role
	for word := range strings.SplitSeq(s, ",") {
		roles = append(roles, Role(word))
	}
	return roles
}
