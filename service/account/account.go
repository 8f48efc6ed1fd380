// Package account answers what the carrier knows of a number: balance, usage, plan,
// bills and who holds it, fast and honestly dated.
//
// Invariants: AsOf is always the instant at which the carrier said so; nothing is
// taken from memory later than a minute after it was fetched unless it is marked
// Stale. A thousand askers of one number make one call to the carrier. When the
// carrier is down the last that it said is answered with Stale set, up to a stated
// age; who holds a number is never answered from an old record. After Forget no
// asker of this process gets what was fetched before it; other replicas follow as
// soon as Redis tells them, and within Options.Fresh when it does not. After Erase
// nothing of the number is left in SQL or in this process.
//
// Tables: account_snapshot, account_usage_day, sealed. Keys: none is stored; the channel
// account:forget carries blind indexes of numbers. No number is a key anywhere.
package account

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/account/internal/db"
)

// The faults of this domain. What the carrier itself says of a number (that it
// knows none such) passes through as it is.
var (
	// ErrUnavailable: the carrier is down and nothing is known of the number.
	ErrUnavailable = fault.New(fault.Unavailable, "account.unavailable", "运营商系统暂时没有回应，请稍后再试")
	// ErrNoPhone: no number was given.
	ErrNoPhone = fault.New(fault.Invalid, "account.no_phone", "请先绑定手机号码")
)

// reader is what the carrier is asked often.
type reader interface {
	Balance(ctx context.Context, phone model.Phone) (model.Balance, error)
	Usage(ctx context.Context, phone model.Phone) (model.Usage, error)
	Plan(ctx context.Context, phone model.Phone) (model.Plan, error)
}

// recorder is what the carrier is asked now and then.
type recorder interface {
	Bills(ctx context.Context, phone model.Phone) (model.Bills, error)
	Customer(ctx context.Context, phone model.Phone) (model.Customer, error)
}

// sealer keeps a person's data unreadable at rest, bound to its row by context.
type sealer interface {
	Seal(plain, context []byte) []byte
	Open(sealed, context []byte) ([]byte, error)
}

// Options bound what is remembered.
type Options struct {
	Fresh    time.Duration // a fetched value is answered from memory so long; default 45 s, at most 60 s
	Retry    time.Duration // after a failure the carrier is left alone so long for that number; default 5 s
	Load     time.Duration // one fetch takes at most so long, all retries included; default 3.5 s
	MaxStale time.Duration // the oldest value that is shown while the carrier is down; default 7 days
	Entries  int           // of each kind in memory; default 50,000
	Queue    int           // snapshots that wait to be written; default 1,024
}

// MaxFresh is the longest that a number may be shown without saying its time.
const MaxFresh = time.Minute

// maxKey is the length that the table leaves for a blind index.
const maxKey = 64

// Service answers for every number. It may be used by many at once. Make one with
// New, and keep Run running.
type Service struct {
	opts    Options
	now     model.Clock
	log     *slog.Logger
	db      *sql.DB
	queries *db.Queries
	redis   redis.UniversalClient
	sealer  sealer
	index   func(model.Phone) string

	reads *prometheus.CounterVec
	saves *prometheus.CounterVec

	epochs   *epochs
	writer   *writer
	balance  *shelf[model.Balance]
	usage    *shelf[model.Usage]
	plan     *shelf[model.Plan]
	bills    *shelf[model.Bills]
	customer *shelf[model.Customer]
}

// Stores are where the service keeps what it keeps.
type Stores struct {
	DB     *sql.DB
	Redis  redis.UniversalClient // of pub/sub only
	Sealer sealer
	Index  func(model.Phone) string // the number's blind index, keyed; at most 64 bytes
}

// New makes the service. reads and records are the carrier's client.
func New(reads reader, records recorder, stores Stores, now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) (*Service, error) {
	opts.Fresh = cmp.Or(opts.Fresh, 45*time.Second)
	opts.Retry = cmp.Or(opts.Retry, 5*time.Second)
	opts.Load = cmp.Or(opts.Load, 3500*time.Millisecond)
	opts.MaxStale = cmp.Or(opts.MaxStale, 7*24*time.Hour)
	opts.Entries = cmp.Or(opts.Entries, 50_000)
	opts.Queue = cmp.Or(opts.Queue, 1024)
	if opts.Fresh < 0 || opts.Fresh > MaxFresh {
		return nil, fmt.Errorf("account: a value is fresh for at most %s, not %s", MaxFresh, opts.Fresh)
	}
	index, err := remembered(stores.Index, opts.Entries)
	if err != nil {
		return nil, fmt.Errorf("make the account service: %w", err)
	}
	s := &Service{
		opts: opts, now: now, log: log, db: stores.DB, queries: db.New(sqldb.Alone{DB: stores.DB}), redis: stores.Redis, sealer: stores.Sealer, index: index,
		epochs: &epochs{},
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "account_reads_total", Help: "Answers about a number by kind and by where they came from.",
		}, []string{"kind", "outcome"}),
		saves: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "account_snapshots_total", Help: "Last known values on their way to SQL by outcome.",
		}, []string{"outcome"}),
	}
	for _, m := range []prometheus.Collector{s.reads, s.saves} {
		if err := reg.Register(m); err != nil {
			return nil, fmt.Errorf("make the account service: %w", err)
		}
	}
	if s.writer, err = newWriter(s); err != nil {
		return nil, fmt.Errorf("make the account service: %w", err)
	}
	return s, s.shelve(reads, records)
}

// remembered is index with the answers of late: a keyed hash takes as long as reading a
// whole account from memory, and every answer asks for it more than once.
func remembered(index func(model.Phone) string, entries int) (func(model.Phone) string, error) {
	known, err := otter.New(&otter.Options[model.Phone, string]{MaximumSize: entries})
	if err != nil {
		return nil, err
	}
	return func(p model.Phone) string {
		hash, ok := known.GetIfPresent(p)
		if !ok {
			hash = index(p)
			known.Set(p, hash)
		}
		return hash
	}, nil
}

// shelve makes one cache a kind.
func (s *Service) shelve(reads reader, records recorder) error {
	var errs [5]error
	s.balance, errs[0] = newShelf(s, kindBalance, reads.Balance, func(v *model.Balance) (*model.Millis, *bool) { return &v.AsOf, &v.Stale })
	s.usage, errs[1] = newShelf(s, kindUsage, reads.Usage, func(v *model.Usage) (*model.Millis, *bool) { return &v.AsOf, &v.Stale })
	s.plan, errs[2] = newShelf(s, kindPlan, reads.Plan, func(v *model.Plan) (*model.Millis, *bool) { return &v.AsOf, &v.Stale })
	s.bills, errs[3] = newShelf(s, kindBills, records.Bills, func(v *model.Bills) (*model.Millis, *bool) { return &v.AsOf, &v.Stale })
	s.customer, errs[4] = newShelf(s, kindCustomer, records.Customer, nil)
	return errors.Join(errs[:]...)
}

// Balance returns the money of a number. Errors of all reads: ErrNoPhone,
// ErrUnavailable, and what the carrier says of the number.
func (s *Service) Balance(ctx context.Context, phone model.Phone) (model.Balance, error) {
	return s.balance.get(ctx, phone)
}

// Usage returns the allowances of a number. The caller must not change the slice.
func (s *Service) Usage(ctx context.Context, phone model.Phone) (model.Usage, error) {
	return s.usage.get(ctx, phone)
}

// Plan returns the plan and packs of a number. The caller must not change the slice.
func (s *Service) Plan(ctx context.Context, phone model.Phone) (model.Plan, error) {
	return s.plan.get(ctx, phone)
}

// Bills returns the latest bills of a number, newest first. The caller must not
// change the slice.
func (s *Service) Bills(ctx context.Context, phone model.Phone) (model.Bills, error) {
	return s.bills.get(ctx, phone)
}

// Customer returns who holds a number: never from before Options.Fresh, for an old
// record could hide that the number has changed hands. While the carrier is down
// it is ErrUnavailable. Whoever keeps the HolderID and sees another one calls
// Erase.
func (s *Service) Customer(ctx context.Context, phone model.Phone) (model.Customer, error) {
	return s.customer.get(ctx, phone)
}
