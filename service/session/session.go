// Package session knows who is signed in to the mini-program.
//
// A sign-in turns the code of wx.login into a session: a short signed access token
// that carries who he is, and a refresh token that is good once.
//
// Invariants:
//   - a login code opens one session;
//   - an access token is signed with HS256 by a key of ours, whatever its header says,
//     and lives 15 minutes; it is checked without a store;
//   - a refresh token is good once: a second use, other than the repeat of the same
//     request, ends the session and with it every token of its family;
//   - once a session has ended no token of it is taken: at once by the process in
//     which he signed out, within Options.Poll by the others (see ended.go);
//   - tokens are kept as hashes, codes too.
//
// Tables: session, session_refresh. No other package touches them. Redis keys: none.
package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/session/internal/db"
)

// The faults of this domain.
var (
	ErrMissing   = fault.New(fault.Unauthenticated, "session.missing", "请先登录")
	ErrToken     = fault.New(fault.Unauthenticated, "session.token", "登录信息无效，请重新登录")
	ErrExpired   = fault.New(fault.Unauthenticated, "session.expired", "登录已过期，请刷新后再试")
	ErrEnded     = fault.New(fault.Unauthenticated, "session.ended", "登录已退出，请重新登录")
	ErrCode      = fault.New(fault.Unauthenticated, "session.code", "登录凭证无效或已过期，请重新进入小程序")
	ErrCodeUsed  = fault.New(fault.Unauthenticated, "session.code_used", "登录凭证已使用过，请重新进入小程序")
	ErrPhoneCode = fault.New(fault.Invalid, "session.phone_code", "手机号授权无效或已过期，请重新点击授权")
	ErrRefresh   = fault.New(fault.Unauthenticated, "session.refresh", "登录已过期，请重新登录")
	ErrReused    = fault.New(fault.Unauthenticated, "session.refresh_reused", "登录凭证被重复使用，为保护您的账号已退出登录，请重新登录")
	ErrRequest   = fault.New(fault.Invalid, "session.request", "请求编号不正确")
)

type (
	// platform is WeChat. A code that is bad, old or used is a fault of kind
	// Unauthenticated.
	platform interface {
		Code2Session(ctx context.Context, code string) (model.OpenID, model.UnionID, error)
		PhoneNumber(ctx context.Context, code string) (model.Phone, error)
	}
	// people finds or makes the member behind an openid; Join also makes one member
	// of the two that share a unionid. Resolve tells who an id is now; a fault of kind
	// NotFound says that he has closed his account.
	people interface {
		Touch(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error)
		Join(ctx context.Context, app model.App, openID model.OpenID, unionID model.UnionID) (model.Member, error)
		Resolve(ctx context.Context, id model.MemberID) (model.MemberID, error)
	}
	// living reads a member within a transaction, until whose end he becomes nobody else
	// and does not leave: whom an id has become, if it did.
	living interface {
		CurrentTx(ctx context.Context, tx *sql.Tx, id model.MemberID, app model.App) (model.Member, error)
	}
	// binder binds a number that WeChat verified. BoundBy tells whether the request
	// did so before.
	binder interface {
		BindVerified(ctx context.Context, member model.MemberID, phone model.Phone, request model.RequestID) error
		BoundBy(ctx context.Context, member model.MemberID, request model.RequestID) (bool, error)
	}
)

// Options have good defaults.
type Options struct {
	AccessLife  time.Duration // default 15 min
	RefreshLife time.Duration // default 30 days, from the last refresh on
	Poll        time.Duration // how soon other processes know that a session ended; default 1 s
}

// Deps are what Sessions needs from outside; all are required.
type Deps struct {
	DB       *sql.DB
	IDs      *model.IDs
	Now      model.Clock
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Keys     []Key // the first signs
	Platform platform
	People   people
	Living   living
	Binder   binder
}

// Sessions is the domain. It is safe for use by many goroutines.
type Sessions struct {
	Deps
	opts  Options
	q     *db.Queries
	keys  map[string][]byte
	ended ended
	// verified are good tokens by their hash.
	verified *otter.Cache[[sha256.Size]byte, verified]
	opened   *prometheus.CounterVec
	refused  *prometheus.CounterVec
}

// New returns the domain. Run keeps it told of what other processes end.
func New(deps Deps, opts Options) (*Sessions, error) {
	opts.AccessLife = cmp.Or(opts.AccessLife, 15*time.Minute)
	opts.RefreshLife = cmp.Or(opts.RefreshLife, 30*24*time.Hour)
	opts.Poll = cmp.Or(opts.Poll, time.Second)
	s := &Sessions{
		Deps: deps, opts: opts, q: db.New(sqldb.Alone{DB: deps.DB}), keys: map[string][]byte{}, ended: ended{at: map[int64]int64{}},
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_opened_total", Help: "Sessions opened, refreshed and ended, by what was done.",
		}, []string{"action"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_refused_total", Help: "Codes and tokens refused, by reason.",
		}, []string{"reason"}),
	}
	var err error
	if s.verified, err = otter.New(&otter.Options[[sha256.Size]byte, verified]{MaximumSize: maxVerified}); err != nil {
		return nil, fmt.Errorf("make the cache of tokens: %w", err)
	}
	for _, k := range deps.Keys {
		if len(k.Secret) < minKey || k.ID == "" || s.keys[k.ID] != nil {
			return nil, fmt.Errorf("session: a key has an id of its own and %d bytes or more", minKey)
		}
		s.keys[k.ID] = k.Secret
	}
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("session: a key is needed")
	}
	for _, c := range []prometheus.Collector{s.opened, s.refused} {
		if err := deps.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of sessions: %w", err)
		}
	}
	return s, nil
}

// refuse counts a refusal.
func (s *Sessions) refuse(reason string, err error) error {
	s.refused.WithLabelValues(reason).Inc()
	return err
}

func (s *Sessions) millis() model.Millis { return model.At(s.Now()) }
