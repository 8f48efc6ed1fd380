package payout

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/payout/internal/db"
)

// Answer is what a courier's answer means for an attempt. Only what is certain is
// an end.
type Answer uint8

// The answers. The zero answer is the careful one.
const (
	Unclear      Answer = iota // nobody knows: ask before anything
	Delivered                  // the carrier says: completed
	Working                    // the carrier has it
	Rejected                   // the carrier says: this bill failed, for good
	Refused                    // this call was refused and changed nothing
	Unsent                     // this call changed nothing: later
	Halted                     // our account is in trouble: nothing goes, for anybody
	Contradicted               // this bill number stands for something else
	Missing                    // asked: the carrier knows no such bill, now
)

// Goods are what a bill asks for: credit, or an offering of the catalogue.
type Goods struct {
	Phone    model.Phone
	Credit   model.Fen
	Offering string
}

// Outcome is a courier's answer.
type Outcome struct {
	Answer  Answer
	Receipt string // the carrier's number of the bill
	Why     string // a fault's code
}

// What payouts need of other domains.
type (
	// courier hands goods over under a bill number that names them for ever. With
	// again set it asks about the number first and sends only when there is none.
	courier interface {
		Deliver(ctx context.Context, goods Goods, bill model.RequestID, again bool) Outcome
		Ask(ctx context.Context, goods Goods, bill model.RequestID) Outcome
	}
	ledger interface {
		EarnTx(ctx context.Context, tx *sql.Tx, member model.MemberID, source string, amount model.Points, ref model.Ref, request model.RequestID) (model.Points, error)
	}
	people interface {
		Current(ctx context.Context, id model.MemberID, app model.App) (model.Member, error)
	}
	// holders ask the carrier whether a number was given to somebody else since it was
	// bound; one that was is unbound. An error says that nobody knows now, ErrDenied that
	// the carrier refuses our account.
	holders interface {
		GivenAway(ctx context.Context, phone model.Phone) (bool, error)
	}
	// judge tells whether a pot looks so suspicious that its payout waits.
	judge interface {
		Hold(ctx context.Context, pot model.ID) (hold bool, why string, err error)
	}
	// budget has what was not handed over back.
	budget interface {
		ReleaseTx(ctx context.Context, tx *sql.Tx, prize model.Prize) error
		ReleasesFailed(ctx context.Context, game model.ID) (bool, error)
	}
	// wins is who says what was won, and what of it came back to the budget; of that
	// only pot and value are said.
	wins interface {
		Prizes(ctx context.Context, after model.ID, limit int) ([]model.Prize, error)
		Returned(ctx context.Context, after model.ID, limit int) ([]model.Prize, error)
	}
	// auditor keeps what operators did, within the transaction that does it.
	auditor interface {
		RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
	}
	outbox interface {
		AddTx(ctx context.Context, tx *sql.Tx, topic string, request model.RequestID, payload any) error
	}
	sealer interface {
		SealText(plain, context []byte) string
		OpenText(sealed string, context []byte) ([]byte, error)
	}
)

// Needs are what the payer stands on; all but Audit are required.
type Needs struct {
	SQL     *sql.DB
	Proofs  *sql.DB // SQL for statements that take minutes, as Check's; nil: SQL
	Courier courier
	Ledger  ledger
	People  people
	Holders holders
	Judge   judge
	Budget  budget
	Wins    wins
	Outbox  outbox
	Audit   auditor // nil: the reviews are the only record
	Sealer  sealer
	IDs     *model.IDs
	Now     model.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// SourcePoints is the ledger's source under which points are won.
const SourcePoints = "redpacket"

// Options bound the payer; zero values take the defaults.
type Options struct {
	Packs    map[int64]string // megabytes of a data prize → offering of the catalogue
	Workers  int              // calls at once; default 8
	Batch    int              // read at a time; default 200
	Timeout  time.Duration    // of one call; default 15 s
	Pause    time.Duration    // of the queue after trouble with our account; default 5 min
	FirstGap time.Duration    // between two tries, doubled each time; default 2 s
	LongGap  time.Duration    // at most; default 1 h
	NoPhone  time.Duration    // how long a winner has to bind a number; default 30 days
	Overdue  time.Duration    // after which somebody is told; default 24 h
}

// Payer delivers payouts. Any number of replicas may run.
type Payer struct {
	Needs
	opts Options
	q    *db.Queries
	// pausedUntil is when the queue goes on after trouble with our account, in
	// Unix ms. Each replica finds out by itself.
	pausedUntil atomic.Int64

	untold atomic.Int64 // prizes of this round whose number nobody knows the holder of

	outcomes *prometheus.CounterVec
	waiting  *prometheus.GaugeVec
	overdue  prometheus.Gauge
	paused   prometheus.Gauge
}

// New returns a payer.
func New(needs Needs, opts Options) *Payer {
	opts.Workers = cmp.Or(opts.Workers, 8)
	opts.Batch = cmp.Or(opts.Batch, 200)
	opts.Timeout = cmp.Or(opts.Timeout, 15*time.Second)
	opts.Pause = cmp.Or(opts.Pause, 5*time.Minute)
	opts.FirstGap = cmp.Or(opts.FirstGap, 2*time.Second)
	opts.LongGap = cmp.Or(opts.LongGap, time.Hour)
	opts.NoPhone = cmp.Or(opts.NoPhone, 30*24*time.Hour)
	opts.Overdue = cmp.Or(opts.Overdue, 24*time.Hour)
	p := &Payer{
		Needs: needs, opts: opts, q: db.New(sqldb.Alone{DB: needs.SQL}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payout_tries_total", Help: "Tries to hand a prize over, by kind and what became of them.",
		}, []string{"kind", "outcome"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "payout_waiting", Help: "Payouts without an end, by state, at the last look.",
		}, []string{"state"}),
		overdue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payout_overdue", Help: "Payouts without an end that are older than a day. Alert above 0.",
		}),
		paused: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payout_paused", Help: "1 while the queue stands still because the carrier refuses our account. Alert at 1.",
		}),
	}
	needs.Metrics.MustRegister(p.outcomes, p.waiting, p.overdue, p.paused)
	return p
}

// gap is how long to wait after so many tries.
func (p *Payer) gap(tries int32) time.Duration {
	return min(p.opts.FirstGap<<min(max(tries-1, 0), 16), p.opts.LongGap)
}

// never is a next_at that does not come: a person or nobody goes on.
const never = 1 << 62

func (p *Payer) millis() int64 { return int64(model.At(p.Now())) }
