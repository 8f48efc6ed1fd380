// Package inbox runs the logic of each inbound message once and gives every try of
// it the same answer.
//
// WeChat sends a message up to three times, five seconds apart or all at once, to
// whichever replica; it wants an answer within five seconds.
//
// These always hold:
//   - One process at a time runs the logic of a message, under a lease. A try that
//     comes meanwhile waits for that answer; when the process dies, the next try
//     takes the lease over.
//   - The answer is kept for Options.Keep and given to every later try.
//   - What is not ready in time is answered NoContent ("success"), but only after
//     the row that owes the answer is committed. The answer then follows by
//     customer-service message: at most once, and exactly once unless WeChat
//     refuses it or its outcome is unknown. A process that dies leaves the row to
//     DeliverDue. Content that has no passive form goes the same way at once.
//   - Whatever is sent is marked sending, and that committed, before the call; a
//     row found sending after its lease is unknown and never sent again.
//
// The logic must do what it does under Inbound.Key, at most once: a lease can only
// make a second run rare. It happens when a process outlives its lease, and in what
// memory.go leaves of the cases in which Redis loses its memory between two tries
// that meet different replicas; then the same key makes the second run change nothing.
//
// Table: inbox_reply. Redis keys: inbox:{message key}, inbox:memory; all of Redis may
// be lost.
package inbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// Errors of Do. In both cases nothing was acknowledged: the caller lets WeChat try
// again.
var (
	// ErrFull says that Options.MaxRunning messages are being worked on.
	ErrFull = fault.New(fault.Unavailable, "inbox.full", "系统繁忙，请稍后再试")
	// ErrNotReady says that neither an answer nor a record that owes it could be
	// made in time.
	ErrNotReady = fault.New(fault.Unavailable, "inbox.not_ready", "系统繁忙，请稍后再试")
)

// Logic answers a message. What it changes it changes under in.Key, so that a
// repeat changes nothing.
type Logic func(ctx context.Context, in model.Inbound) (model.Content, error)

// sender delivers late answers. All errors but those of kind Internal mean that the
// user did not get the message.
type sender interface {
	SendCustom(ctx context.Context, to model.OpenID, content model.Content) error
}

// sealer keeps messages from being read in the database; model/seal has it.
type sealer interface {
	SealText(plain, context []byte) string
	OpenText(sealed string, context []byte) ([]byte, error)
}

// Options have good defaults for every zero.
type Options struct {
	Deadline   time.Duration // from Do to its answer when ctx has no deadline; 4.5 s
	Margin     time.Duration // before the deadline, to write the row that owes the answer; 500 ms
	RunLimit   time.Duration // of the logic; 30 s
	Lease      time.Duration // of a running message, renewed by a third; 3 s
	Keep       time.Duration // of an answer, for later tries; 90 s
	MaxRunning int           // messages at a time in this process; 1,024
	Redis      time.Duration // how long Redis may take before SQL is asked; 300 ms
	Settle     time.Duration // how long a repeat waits for other replicas after Redis lost its memory; 2.5 s
}

// Inbox is safe for concurrent use.
type Inbox struct {
	db      *sql.DB
	redis   redis.UniversalClient
	send    sender
	seal    sealer
	logic   Logic
	now     model.Clock
	log     *slog.Logger
	opts    Options
	metrics metrics

	mu      sync.Mutex
	running map[model.RequestID]*call
	recent  recent
	work    sync.WaitGroup
	workers workers
	memory  memory

	// awayAt is when Redis last failed, in milliseconds.
	awayAt atomic.Int64
}

// New makes an inbox. logic is what DeliverDue runs for messages whose process
// died; it does the same as what Do is given.
func New(db *sql.DB, client redis.UniversalClient, send sender, seal sealer, logic Logic, now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) *Inbox {
	opts.Deadline = cmp.Or(opts.Deadline, 4500*time.Millisecond)
	opts.Margin = cmp.Or(opts.Margin, 500*time.Millisecond)
	opts.RunLimit = cmp.Or(opts.RunLimit, 30*time.Second)
	opts.Lease = cmp.Or(opts.Lease, 3*time.Second)
	opts.Keep = cmp.Or(opts.Keep, 90*time.Second)
	opts.MaxRunning = cmp.Or(opts.MaxRunning, 1024)
	opts.Redis = cmp.Or(opts.Redis, 300*time.Millisecond)
	opts.Settle = cmp.Or(opts.Settle, 2500*time.Millisecond)
	b := &Inbox{
		db: db, redis: client, send: send, seal: seal, logic: logic, now: now, log: log, opts: opts,
		running: map[model.RequestID]*call{}, workers: newWorkers(),
	}
	b.metrics = newMetrics(reg, func() float64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return float64(len(b.running))
	})
	return b
}

// call is the work on one message in this process.
type call struct {
	in    model.Inbound
	token string
	run   func(context.Context) (model.Content, error)
	end   time.Time // when the try that began it wants its answer

	mine   atomic.Bool // claimed
	leased time.Time   // until when nobody else can have claimed it, if it was claimed as new
	sql    bool        // a row of ours, state running, stands in SQL
	owed   bool        // a committed row owes the answer
	ours   bool        // and it is this call that delivers it

	done    chan struct{} // closed when content or err is what every try is told
	told    bool
	content model.Content
	err     error
}

// Do answers a message: it runs the logic for the first try and waits for it, or
// for whoever runs it, until shortly before ctx's deadline (begin of the request +
// 4.5 s). NoContent is answered with success.
//
// An error of the logic becomes its fault's text, which is kept like any answer, but who
// follows or leaves is noted later, with NoContent for now; a panic becomes NoContent. Errors of Do itself: ErrFull, ErrNotReady, or what the
// stores said; they are Unavailable or unclassified.
func (b *Inbox) Do(ctx context.Context, in model.Inbound, run func(context.Context) (model.Content, error)) (model.Content, error) {
	end, ok := ctx.Deadline()
	if !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.opts.Deadline)
		defer cancel()
		end, _ = ctx.Deadline()
	}
	c, first := b.join(in, run, end)
	if c == nil {
		b.metrics.messages.WithLabelValues("full").Inc()
		return model.Content{}, ErrFull
	}
	if first {
		// The work outlives the request: its answer is owed even if WeChat hangs up.
		b.work.Add(1) // until leave
		background := context.WithoutCancel(ctx)
		b.workers.run(func() { b.lead(background, c) })
	} else {
		b.metrics.messages.WithLabelValues("repeat").Inc()
	}
	select {
	case <-c.done:
		return c.content, c.err
	case <-ctx.Done():
	}
	return model.Content{}, ErrNotReady.With(context.Cause(ctx))
}

// join returns the work on a message, and whether the caller has to begin it; nil
// when there is too much already.
func (b *Inbox) join(in model.Inbound, run func(context.Context) (model.Content, error), end time.Time) (c *call, first bool) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.running[in.Key]; c != nil {
		return c, false
	}
	if c := b.recent.find(in.Key, now); c != nil {
		return c, false
	}
	if len(b.running) >= b.opts.MaxRunning {
		return nil, false
	}
	c = &call{in: in, token: rand.Text(), run: run, end: end, done: make(chan struct{})}
	b.running[in.Key] = c
	return c, true
}

// leave ends the work; an answer is remembered for tries that come to this process. A
// logic that ignores its deadline leaves again when it ends.
func (b *Inbox) leave(c *call) {
	c.tell(model.Content{}, ErrNotReady)
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running[c.in.Key] != c {
		return
	}
	defer b.work.Done()
	delete(b.running, c.in.Key)
	if c.err == nil {
		b.recent.add(c, now, b.opts.Keep)
	}
}

// tell gives every try its answer, the first time it is called.
func (c *call) tell(content model.Content, err error) {
	if c.told {
		return
	}
	c.told, c.content, c.err = true, content, err
	c.in.Raw, c.in.Fields, c.run = nil, nil, nil // not kept with the answer
	close(c.done)
}

// Drain waits until all work has ended, or ctx has. What is cut off then is taken
// up by DeliverDue or by WeChat's next try.
func (b *Inbox) Drain(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		b.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recent remembers answers for a while, in two halves of which the older is
// dropped as a whole: no timer, no list.
type recent struct {
	young, old map[model.RequestID]*call
	since      time.Time
}

// maxRecent is how many answers a half holds.
const maxRecent = 2048

func (r *recent) find(key model.RequestID, now time.Time) *call {
	if c := r.young[key]; c != nil {
		return c
	}
	return r.old[key]
}

func (r *recent) add(c *call, now time.Time, keep time.Duration) {
	if r.young == nil || len(r.young) >= maxRecent || now.Sub(r.since) >= keep {
		r.young, r.old, r.since = make(map[model.RequestID]*call, 64), r.young, now
	}
	r.young[c.in.Key] = c
}
