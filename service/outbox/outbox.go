// Package outbox keeps promises to the outside: a row written in the transaction
// that makes the promise, delivered afterwards at least once.
//
// Invariant: a promise stands exactly when its transaction does; a topic and
// request id make one promise; one deliverer at a time holds it. A handler sees
// the same request id on every attempt and uses it to act once. A topic is a lane:
// its promises wait for each other, the oldest first, and for those of no other topic.
//
// Table: outbox.
package outbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/outbox/internal/db"
)

// Bounds of what a row holds, as the table has them.
const (
	maxTopic   = 64
	maxPayload = 60_000 // bytes; a TEXT column has 65,535
	maxError   = 200
)

// ErrPromise is returned for a promise that the table cannot hold.
var ErrPromise = fault.New(fault.Internal, "outbox.promise", "系统开小差了，请稍后再试")

// Handler keeps one promise. An error of kind Internal, Limited or Unavailable is
// tried again; any other is final and recorded.
type Handler func(ctx context.Context, request model.RequestID, payload []byte) error

// Options bound the delivery.
type Options struct {
	Batch    int           // rows of a topic that are read at a time; default 100
	AtOnce   int           // of a topic attempted at the same time, so that a slow one holds up few; default 4
	Turn     time.Duration // how long a lane begins attempts; default 1 s
	Lease    time.Duration // how long one attempt may take; default 30 s
	Attempts int           // before a promise is given up; default 20, about a day
	MaxWait  time.Duration // between two attempts; default 2 h
	Keep     time.Duration // of kept promises; default 7 days, as long as a request id lives
}

// Outbox holds the promises of every domain. Handlers are registered before the
// first Deliver.
type Outbox struct {
	db       *sql.DB
	ids      *model.IDs
	now      model.Clock
	log      *slog.Logger
	handlers map[string]Handler
	opts     Options
	outcomes *prometheus.CounterVec
}

// New returns an outbox without handlers.
func New(pool *sql.DB, ids *model.IDs, now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) *Outbox {
	opts.Batch = cmp.Or(opts.Batch, 100)
	opts.AtOnce = cmp.Or(opts.AtOnce, 4)
	opts.Turn = cmp.Or(opts.Turn, time.Second)
	opts.Lease = cmp.Or(opts.Lease, 30*time.Second)
	opts.Attempts = cmp.Or(opts.Attempts, 20)
	opts.MaxWait = cmp.Or(opts.MaxWait, 2*time.Hour)
	opts.Keep = cmp.Or(opts.Keep, 7*24*time.Hour)
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "outbox_attempts_total", Help: "Attempts to keep a promise, by topic and outcome.",
	}, []string{"topic", "outcome"})
	reg.MustRegister(outcomes)
	o := &Outbox{db: pool, ids: ids, now: now, log: log, handlers: map[string]Handler{}, opts: opts, outcomes: outcomes}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "outbox_waiting", Help: "Promises that are not kept yet, of all replicas; NaN while the database does not say.",
	}, o.waiting))
	return o
}

// Handle registers who keeps the promises of a topic.
func (o *Outbox) Handle(topic string, h Handler) { o.handlers[topic] = h }

// AddTx makes a promise within tx. The payload is stored as JSON, at most 60,000
// bytes, and holds no phone number or openid in the clear. The same topic and
// request again is the same promise and no error.
func (o *Outbox) AddTx(ctx context.Context, tx *sql.Tx, topic string, request model.RequestID, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return ErrPromise.With(err)
	}
	if topic == "" || len(topic) > maxTopic || !request.Valid() || len(body) > maxPayload {
		return ErrPromise.With(fmt.Errorf("topic %q with a request id of %d and a payload of %d bytes", topic, len(request), len(body)))
	}
	now := int64(model.At(o.now()))
	err = db.New(tx).Insert(ctx, db.InsertParams{
		ID: int64(o.ids.Next()), Topic: topic, RequestID: string(request), Payload: string(body), NextAt: now, CreatedAt: now,
	})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("promise %s: %w", topic, err)
	}
	return nil
}

// attempt claims one promise and tries to keep it.
func (o *Outbox) attempt(ctx context.Context, id int64) (bool, error) {
	queries, now, token := db.New(sqldb.Alone{DB: o.db}), o.now(), rand.Text()
	won, err := queries.Lease(ctx, db.LeaseParams{
		Token: token, LeaseEnd: int64(model.At(now.Add(o.opts.Lease))), ID: id, Due: int64(model.At(now)), Now: int64(model.At(now)),
	})
	if err != nil || won == 0 {
		return false, err
	}
	row, err := queries.Held(ctx, db.HeldParams{ID: id, LeaseToken: token})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil // the lease ran out before it was used
	}
	if err != nil {
		return false, fmt.Errorf("read a promise: %w", err)
	}
	ctx = model.WithRequest(ctx, model.RequestID(fmt.Sprintf("promise-%d", id))) // its request id may hold an openid
	handleErr := o.run(ctx, row)
	return handleErr == nil, o.record(ctx, id, token, row, handleErr)
}

func (o *Outbox) run(ctx context.Context, row db.HeldRow) error {
	handle, ok := o.handlers[row.Topic]
	if !ok {
		return ErrPromise.With(fmt.Errorf("nobody handles topic %s", row.Topic))
	}
	// The attempt ends before its lease does, so that no two run at once.
	ctx, cancel := context.WithTimeout(ctx, o.opts.Lease*9/10)
	defer cancel()
	err := model.Guarded(func() error { return handle(ctx, model.RequestID(row.RequestID), []byte(row.Payload)) })
	var panicked *model.Panic
	if errors.As(err, &panicked) {
		o.log.ErrorContext(ctx, "panic", "topic", row.Topic, "stack", string(panicked.Stack))
	}
	return err
}

// record writes what became of an attempt. A lost lease changes nothing: whoever
// has it now records his own.
func (o *Outbox) record(ctx context.Context, id int64, token string, row db.HeldRow, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	now, text := o.now(), ""
	outcome, final := "kept", true
	if cause != nil {
		text = model.CutBytes(cause.Error(), maxError)
		outcome, final = "given_up", !again(cause) || int(row.Attempts) >= o.opts.Attempts
		level := slog.LevelError
		if !final {
			outcome, level = "later", slog.LevelWarn
		}
		o.log.Log(ctx, level, "promise not kept", "topic", row.Topic, "promise", id, "attempts", row.Attempts, "outcome", outcome, "error", cause)
	}
	o.outcomes.WithLabelValues(row.Topic, outcome).Inc()
	var err error
	if final {
		_, err = db.New(sqldb.Alone{DB: o.db}).Done(ctx, db.DoneParams{Now: int64(model.At(now)), Error: text, ID: id, Token: token})
	} else {
		wait := min(time.Second<<min(row.Attempts, 20), o.opts.MaxWait)
		_, err = db.New(sqldb.Alone{DB: o.db}).Again(ctx, db.AgainParams{NextAt: int64(model.At(now.Add(wait))), Error: text, ID: id, Token: token})
	}
	if err != nil {
		return fmt.Errorf("record a promise's attempt: %w", err)
	}
	return nil
}

func again(err error) bool {
	switch fault.KindOf(err) {
	case fault.Internal, fault.Limited, fault.Unavailable:
		return true
	default:
		return false
	}
}

// Waiting counts the promises that are not kept yet.
func (o *Outbox) Waiting(ctx context.Context) (int64, error) { return db.New(o.db).Waiting(ctx) }

// scrapeLimit bounds the count for one look at the metrics.
const scrapeLimit = time.Second

func (o *Outbox) waiting() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	n, err := o.Waiting(ctx)
	if err != nil {
		return math.NaN()
	}
	return float64(n)
}

// maxForget bounds what one call of Forget deletes, so that it locks little.
const maxForget = 1000

// Forget deletes kept promises that are older than Options.Keep, at most 1,000,
// and returns how many it deleted.
func (o *Outbox) Forget(ctx context.Context) (int, error) {
	before := int64(model.At(o.now().Add(-o.opts.Keep)))
	ids, err := db.New(o.db).Old(ctx, db.OldParams{DoneBefore: before, Limit: maxForget})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if err := db.New(sqldb.Alone{DB: o.db}).Forget(ctx, ids); err != nil {
		return 0, fmt.Errorf("forget kept promises: %w", err)
	}
	return len(ids), nil
}
