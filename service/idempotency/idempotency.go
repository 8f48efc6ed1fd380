// Package idempotency gives the repeat of a write the answer of the first try.
//
// Invariants:
//   - of tries of one request at once, on whatever replicas, one runs; the others are
//     told ErrRunning;
//   - the same request with another body is ErrReused, for as long as it is kept;
//   - a definite answer is kept for 7 days and given to every repeat; one that says
//     "later" (429, 5xx) is not kept, so that the repeat is tried anew;
//   - a request whose process died is run again once its lease has ended. So the work
//     itself carries the request's id and does not happen twice.
//
// Table: idempotency, answers sealed. No other package touches it. Redis keys: none.
package idempotency

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/idempotency/internal/db"
)

// The faults of this domain.
var (
	ErrKey     = fault.New(fault.Invalid, "request.key", "请求缺少有效的 Idempotency-Key（1到64个可见字符）")
	ErrReused  = fault.New(fault.Invalid, "request.reused", "该请求编号已用于另一个请求，请刷新后再试")
	ErrRunning = fault.New(fault.Conflict, "request.running", "上一次请求还在处理中，请稍候再试")
)

// Limits of what is kept.
const (
	keepFor   = 7 * 24 * time.Hour
	maxScope  = 128
	maxAnswer = 40_000 // bytes before they are sealed; TEXT holds 65,535
)

// Options have good defaults.
type Options struct {
	Limit time.Duration // of one run; default 15 s
	Slack time.Duration // how much longer the lease is than the run; default 5 s
}

// sealer keeps answers unreadable at rest, bound to their row.
type sealer interface {
	SealText(plain, context []byte) string
	OpenText(sealed string, context []byte) ([]byte, error)
	IndexText(value, domain string) string
}

// Keeper keeps the answers. It is safe for use by many goroutines.
type Keeper struct {
	db     *sql.DB
	q      *db.Queries
	sealer sealer
	now    model.Clock
	log    *slog.Logger
	opts   Options
	seen   *prometheus.CounterVec
}

// New returns a keeper.
func New(pool *sql.DB, seal sealer, now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) (*Keeper, error) {
	opts.Limit = cmp.Or(opts.Limit, 15*time.Second)
	opts.Slack = cmp.Or(opts.Slack, 5*time.Second)
	k := &Keeper{
		db: pool, q: db.New(sqldb.Alone{DB: pool}), sealer: seal, now: now, log: log, opts: opts,
		seen: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "idempotency_requests_total", Help: "Writes with an Idempotency-Key, by what became of them.",
		}, []string{"outcome"}),
	}
	if err := reg.Register(k.seen); err != nil {
		return nil, fmt.Errorf("register the metrics of idempotency: %w", err)
	}
	return k, nil
}

// Request is one try of a write.
type Request struct {
	Member model.MemberID // 0: nobody has signed in yet
	Route  string         // method and pattern: "POST /api/v1/redemptions"
	Key    model.RequestID
	Body   [sha256.Size]byte // of the path and the body
}

func (r Request) scope() string { return r.Member.String() + " " + r.Route }

// Answer is what a write was answered.
type Answer struct {
	Status int
	Body   []byte
}

// definite tells that the answer will be the same however often it is asked for.
func (a Answer) definite() bool { return a.Status < 500 && a.Status != 429 && a.Status > 0 }

// Do runs the request unless it was answered before; kept tells that the answer is
// that of an earlier try. run gets a context that ends with Options.Limit.
//
// Errors: ErrKey, ErrReused, ErrRunning, the store's; run itself answers by status.
func (k *Keeper) Do(ctx context.Context, r Request, run func(context.Context) Answer) (a Answer, kept bool, err error) {
	if !r.Key.Valid() || len(r.scope()) > maxScope {
		return a, false, ErrKey
	}
	token := rand.Text()
	a, kept, err = k.begin(ctx, r, token)
	if err != nil || kept {
		k.count(kept, err)
		return a, kept, err
	}
	limited, cancel := context.WithTimeout(ctx, k.opts.Limit)
	defer cancel()
	finished := false
	defer func() {
		if !finished { // a panic: the work may have happened, so the lease runs out by itself
			k.seen.WithLabelValues("panicked").Inc()
		}
	}()
	a = run(limited)
	finished = true
	k.finish(ctx, r, token, a)
	return a, false, nil
}

// Answered is the answer that the request got before, if it did.
//
// Errors: ErrKey, ErrReused, the store's.
func (k *Keeper) Answered(ctx context.Context, r Request) (Answer, bool, error) {
	if !r.Key.Valid() || len(r.scope()) > maxScope {
		return Answer{}, false, ErrKey
	}
	row, err := k.q.Seen(ctx, db.SeenParams{Scope: r.scope(), RequestID: string(r.Key)})
	if errors.Is(err, sql.ErrNoRows) {
		return Answer{}, false, nil
	}
	if err != nil {
		return Answer{}, false, fmt.Errorf("read request: %w", err)
	}
	if row.BodyHash != k.print(r) {
		return Answer{}, false, ErrReused
	}
	if row.Status == 0 {
		return Answer{}, false, nil
	}
	a, err := k.open(r, row)
	return a, err == nil, err
}

func (k *Keeper) count(kept bool, err error) {
	switch {
	case kept:
		k.seen.WithLabelValues("repeated").Inc()
	case errors.Is(err, ErrReused):
		k.seen.WithLabelValues("reused").Inc()
	case errors.Is(err, ErrRunning):
		k.seen.WithLabelValues("running").Inc()
	}
}

// beginTries bounds how often a row that came and went is looked at again.
const beginTries = 3

// begin leases the request to this try, or returns what an earlier one was answered.
func (k *Keeper) begin(ctx context.Context, r Request, token string) (Answer, bool, error) {
	for range beginTries {
		now := k.now()
		until := int64(model.At(now.Add(k.opts.Limit + k.opts.Slack)))
		err := k.q.Begin(ctx, db.BeginParams{
			Scope: r.scope(), RequestID: string(r.Key), MemberID: int64(r.Member), BodyHash: k.print(r), Token: token,
			LeasedUntil: until, CreatedAt: int64(model.At(now)),
		})
		if err == nil {
			return Answer{}, false, nil
		}
		if !sqldb.Duplicate(err) {
			return Answer{}, false, fmt.Errorf("begin request: %w", err)
		}
		row, err := k.q.Seen(ctx, db.SeenParams{Scope: r.scope(), RequestID: string(r.Key)})
		switch {
		case errors.Is(err, sql.ErrNoRows):
			continue // released a moment ago
		case err != nil:
			return Answer{}, false, fmt.Errorf("read request: %w", err)
		case model.Millis(row.CreatedAt) < model.At(now.Add(-keepFor)):
			if err := k.drop(ctx, r.scope(), string(r.Key)); err != nil {
				return Answer{}, false, err
			}
			continue
		case row.BodyHash != k.print(r):
			return Answer{}, false, ErrReused
		case row.Status != 0:
			a, err := k.open(r, row)
			return a, err == nil, err
		}
		n, err := k.q.TakeOver(ctx, db.TakeOverParams{
			Token: token, LeasedUntil: until, Scope: r.scope(), RequestID: string(r.Key), NowAt: int64(model.At(now)),
		})
		if err != nil {
			return Answer{}, false, fmt.Errorf("take over request: %w", err)
		}
		if n == 0 {
			return Answer{}, false, ErrRunning
		}
		k.seen.WithLabelValues("taken_over").Inc()
		return Answer{}, false, nil
	}
	return Answer{}, false, ErrRunning
}

// finishTimeout bounds keeping an answer, which goes on when the client is gone.
const finishTimeout = 3 * time.Second

// finish keeps the answer, or lets the request be tried anew. When it cannot, the
// lease ends by itself and the repeat runs again.
func (k *Keeper) finish(ctx context.Context, r Request, token string, a Answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	outcome, err := "run", error(nil)
	switch {
	case !a.definite() || len(a.Body) > maxAnswer:
		outcome = "released"
		err = k.q.Release(ctx, db.ReleaseParams{Scope: r.scope(), RequestID: string(r.Key), Token: token})
	default:
		sealed := ""
		if len(a.Body) > 0 {
			sealed = k.sealer.SealText(a.Body, place(r))
		}
		_, err = k.q.Answer(ctx, db.AnswerParams{Status: int32(a.Status), Answer: sealed, Scope: r.scope(), RequestID: string(r.Key), Token: token})
	}
	if err != nil {
		outcome = "lost"
		k.log.WarnContext(ctx, "answer of a request not kept", "route", r.Route, "error", err)
	}
	k.seen.WithLabelValues(outcome).Inc()
}

// place binds a sealed answer to its row.
func place(r Request) []byte { return placed(r.scope(), string(r.Key)) }

// placed binds an answer to its row.
func placed(scope, request string) []byte {
	return []byte("idempotency.answer " + scope + " " + request)
}

func (k *Keeper) open(r Request, row db.SeenRow) (Answer, error) {
	a := Answer{Status: int(row.Status)}
	if row.Answer == "" {
		return a, nil
	}
	body, err := k.sealer.OpenText(row.Answer, place(r))
	if err != nil {
		return Answer{}, fmt.Errorf("open the answer of a request: %w", err)
	}
	a.Body = body
	return a, nil
}

// print tells bodies apart. It is keyed, for a body may be short or a password, and
// whoever reads the table would find it by trying.
func (k *Keeper) print(r Request) string {
	return k.sealer.IndexText(string(r.Body[:]), "idempotency.body")
}

func (k *Keeper) drop(ctx context.Context, scope, key string) error {
	err := k.q.Drop(ctx, db.DropParams{Scope: scope, RequestID: key, Before: int64(model.At(k.now().Add(-keepFor)))})
	if err != nil {
		return fmt.Errorf("drop an old request: %w", err)
	}
	return nil
}

// maxPurge bounds what one call of Purge takes on.
const maxPurge = 1000

// Purge deletes some limit (≤ 1,000) requests that are older than 7 days, those of the
// last one's millisecond too.
func (k *Keeper) Purge(ctx context.Context, limit int) (int, error) {
	before := int64(model.At(k.now().Add(-keepFor)))
	edge, err := k.q.Edge(ctx, db.EdgeParams{Before: before, Offset: int32(min(max(limit, 1), maxPurge) - 1)})
	if errors.Is(err, sql.ErrNoRows) { // fewer are left
		edge, err = before-1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find old requests: %w", err)
	}
	n, err := k.q.DropOld(ctx, edge)
	if err != nil {
		return 0, fmt.Errorf("drop old requests: %w", err)
	}
	return int(n), nil
}

// Forget deletes what a member was answered, when he closes his account.
func (k *Keeper) Forget(ctx context.Context, member model.MemberID) error {
	if _, err := k.q.Forget(ctx, int64(member)); err != nil {
		return fmt.Errorf("forget the answers of member %s: %w", member, err)
	}
	return nil
}
