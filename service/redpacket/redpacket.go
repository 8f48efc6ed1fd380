// Package redpacket is the game 众筹红包: a member opens a pot with a target, a
// number of helps and an end; friends help, each once; the last help fills it and
// its owner has won the target.
//
// SQL is the law, Redis the sequencer. Redis hands out slots and numbers of a
// day quickly; a help is answered only after its row is committed, and three
// unique keys decide what stands, so a Redis that lost, repeated or invented
// something costs time and breaks nothing.
//
// Invariants (Check looks for the violation of each):
//   - The shares of a pot are fixed before it is shared, are each at least 1 fen
//     and sum to the target; anyone can verify them afterwards (docs/proof.md).
//   - A helper helps a pot at most once, never his own, and at most as often a day
//     as the game says. Rows are only ever inserted.
//   - A pot is filled when all n slots hold helps, once, and wins one prize in the
//     same transaction. An ended one is closed by void rows in its free slots, so a
//     late help meets the primary key.
//   - reserved + spent ≤ amount in every slice of a budget, at every instant.
//   - The same request of the same member gets the same answer. A member who was two
//     has the limits of one (join.go).
//   - 已满, 已结束 and 今日次数已用完 are said only when SQL says so.
//
// Tables: redpacket_game, redpacket_slice, pot, pot_help, pot_release, redpacket_join.
// No other package touches them. Redis: redpacket:{pot}:slots, redpacket:{helper}:day:game:day; both can be
// lost at any instant.
package redpacket

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

// The faults of the game. A negative answer about a pot is true when it is given.
var (
	ErrUnknownGame   = fault.New(fault.NotFound, "redpacket.unknown_game", "没有找到这个活动")
	ErrUnknownPot    = fault.New(fault.NotFound, "redpacket.unknown_pot", "没有找到这个红包")
	ErrNotBegun      = fault.New(fault.Conflict, "redpacket.not_begun", "活动还没开始，请稍后再来")
	ErrGameEnded     = fault.New(fault.Conflict, "redpacket.game_ended", "活动已结束，感谢参与")
	ErrStopped       = fault.New(fault.Conflict, "redpacket.stopped", "活动已暂停，请留意官方通知")
	ErrStoppedBefore = fault.New(fault.Conflict, "redpacket.stopped_before", "这个活动已经停止")
	ErrEnded         = fault.New(fault.Conflict, "redpacket.ended", "这个红包已到截止时间，没能凑满")
	ErrFull          = fault.New(fault.Conflict, "redpacket.full", "这个红包已经凑满啦，谢谢你的心意")
	ErrOwnPot        = fault.New(fault.Conflict, "redpacket.own_pot", "不能给自己的红包助力，邀请好友来帮忙吧")
	ErrAlreadyHelped = fault.New(fault.Conflict, "redpacket.already_helped", "你已经为这个红包助力过了")
	ErrDayLimit      = fault.New(fault.Limited, "redpacket.day_limit", "今天的助力次数已用完，明天再来吧")
	ErrPotsLimit     = fault.New(fault.Limited, "redpacket.pots_limit", "你在本活动中可开的红包已用完")
	ErrBudget        = fault.New(fault.Conflict, "redpacket.budget", "本活动的红包已发完，感谢关注")
	ErrNotBound      = fault.New(fault.Forbidden, "redpacket.not_bound", "请先绑定手机号再参与")
	ErrNotFollower   = fault.New(fault.Forbidden, "redpacket.not_follower", "请先关注公众号再参与；已经关注的，到公众号里发一句话，再回来就好")
	ErrNotOnPlan     = fault.New(fault.Forbidden, "redpacket.not_on_plan", "你当前的套餐不在本活动范围内")
	ErrPlanUnknown   = fault.New(fault.Unavailable, "redpacket.plan_unknown", "暂时查不到你的套餐，请稍后再试")
	ErrNotNew        = fault.New(fault.Forbidden, "redpacket.not_new", "本活动仅限活动开始后新加入的用户参与")
	ErrTooFast       = fault.New(fault.Limited, "redpacket.too_fast", "操作太频繁，请稍后再试")
	ErrRequest       = fault.New(fault.Invalid, "redpacket.request", "请求编号不正确")
	ErrRequestReused = fault.New(fault.Conflict, "redpacket.request_reused", "这个请求编号已用于另一个活动")
	ErrBusy          = fault.New(fault.Unavailable, "redpacket.busy", "参与的人太多了，请稍后再试")
)

// GameID names a game: one campaign of crowdfunded envelopes.
type GameID model.ID

// MarshalText writes the id in decimal.
func (id GameID) MarshalText() ([]byte, error) { return model.ID(id).MarshalText() }

// UnmarshalText reads what MarshalText writes.
func (id *GameID) UnmarshalText(b []byte) error { return (*model.ID)(id).UnmarshalText(b) }

func (id GameID) String() string { return model.ID(id).String() }

// PotID names a pot: one envelope of one owner.
type PotID model.ID

// MarshalText writes the id in decimal.
func (id PotID) MarshalText() ([]byte, error) { return model.ID(id).MarshalText() }

// UnmarshalText reads what MarshalText writes.
func (id *PotID) UnmarshalText(b []byte) error { return (*model.ID)(id).UnmarshalText(b) }

func (id PotID) String() string { return model.ID(id).String() }

// Visitor is who wants something of the game. Plan is needed only where a game
// asks for one (Audience.Plans); Address and Device are what the speed limits count.
type Visitor struct {
	Member      model.Member
	Plan        string // the id of the main product
	PlanUnknown bool   // the carrier does not say, or was not asked
	Address     string
	Device      string
}

// sealer encrypts seeds at rest; context binds a ciphertext to its pot.
type sealer interface {
	Seal(plain, context []byte) []byte
	Open(sealed, context []byte) ([]byte, error)
}

// payouts books the prizes that pots have won, within the transaction that says
// so. A pot that has a prize already is an error.
type payouts interface {
	CreateTx(ctx context.Context, tx *sql.Tx, prizes []model.Prize) error
}

// pace limits how fast one member, address or device may act. It returns false
// when this is too fast; an error lets the action pass, for the limits of the game
// itself are kept in SQL.
type pace interface {
	Allow(ctx context.Context, action string, who Visitor) (bool, error)
}

// auditor keeps what operators did, within the transaction that does it.
type auditor interface {
	RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
}

// Options bound the engine; zero values take the defaults.
type Options struct {
	Timeout      time.Duration // of one help or opening; default 2.5 s
	RedisTimeout time.Duration // of one batch of scripts; default 500 ms
	RedisPause   time.Duration // how long SQL decides alone after Redis failed; default 1 s
	Queue        int           // helps, and openings, that may wait; default 8,192
	Committers   int           // group commits at once; default 1, 2 at most
	Pots         int           // pots whose facts are kept in memory; default 100,000
	GameFresh    time.Duration // how old a game's kill switch, and who became one, may be; default 1 s
	Pace         pace          // speed limits; none when nil
	Moments      moments       // is told of ended pots; nobody when nil
	Audit        auditor       // keeps who turned the kill switch; nobody when nil
	// News is told, while Redis is away, of a pot that may hold its first help now, or all
	// but one: its slots are not taken in order then. It must not block; nobody when nil.
	News func(pot PotID)
	// Sold tells whether data can be ordered in a size, in megabytes; any when nil.
	Sold func(megabytes int64) bool
}

// Stores are what the engine stands on.
type Stores struct {
	SQL     *sql.DB
	Proofs  *sql.DB // SQL for statements that take minutes, as Check's; nil: SQL
	Redis   redis.UniversalClient
	Sealer  sealer
	Payouts payouts
}

// Engine runs every game. It is safe for concurrent use; replicas share nothing
// but the stores.
type Engine struct {
	db      *sql.DB
	proofs  *sql.DB
	q       *db.Queries
	sealer  sealer
	payouts payouts
	ids     *model.IDs
	now     model.Clock
	log     *slog.Logger
	met     *metrics
	opts    Options

	redis  sequencer
	losses atomic.Int64 // how often Redis lost its memory, from 1 on
	rows   *committer
	loads  loads
	opener *opener
	due    *dueList
	games  *otter.Cache[GameID, Game]
	pots   *otter.Cache[PotID, *facts]
	merges flights
	sweeps flights
	boards *otter.Cache[boardKey, Board]

	stop    chan struct{}
	running sync.WaitGroup
	once    sync.Once
}

// maxGames bounds the games that are kept in memory at once.
const maxGames = 1000

// New starts an engine; Close ends it.
func New(stores Stores, ids *model.IDs, now model.Clock, log *slog.Logger, reg prometheus.Registerer, opts Options) *Engine {
	opts.Timeout = cmp.Or(opts.Timeout, 2500*time.Millisecond)
	opts.RedisTimeout = cmp.Or(opts.RedisTimeout, 500*time.Millisecond)
	opts.RedisPause = cmp.Or(opts.RedisPause, time.Second)
	opts.Queue = cmp.Or(opts.Queue, 8192)
	opts.Committers = min(cmp.Or(opts.Committers, 1), 2)
	opts.Pots = cmp.Or(opts.Pots, 100_000)
	opts.GameFresh = cmp.Or(opts.GameFresh, time.Second)
	e := &Engine{
		db: stores.SQL, proofs: cmp.Or(stores.Proofs, stores.SQL), q: db.New(sqldb.Alone{DB: stores.SQL}), sealer: stores.Sealer, payouts: stores.Payouts,
		ids: ids, now: now, log: log, met: newMetrics(reg), opts: opts, stop: make(chan struct{}),
		due: newDueList(),
		games: otter.Must(&otter.Options[GameID, Game]{
			MaximumSize: maxGames, ExpiryCalculator: otter.ExpiryWriting[GameID, Game](opts.GameFresh),
		}),
		pots: otter.Must(&otter.Options[PotID, *facts]{MaximumSize: opts.Pots}),
		boards: otter.Must(&otter.Options[boardKey, Board]{
			MaximumSize: maxGames, ExpiryCalculator: otter.ExpiryWriting[boardKey, Board](boardFresh),
		}),
	}
	scripts := newScripts(stores.Redis, opts, e.met)
	e.redis = scripts
	e.losses.Store(1)
	e.rows = newCommitter(stores.SQL, opts.Queue, e.met, e.landed)
	e.loads = newLoads(e.q, opts)
	e.opener = newOpener(e, opts.Queue)
	for range scriptLoops {
		e.run(func() { scripts.loop(e.stop) })
	}
	for range opts.Committers {
		e.run(func() { e.rows.loop(e.stop) })
	}
	e.run(func() { e.opener.loop(e.stop) })
	e.run(e.fillLoop)
	return e
}

func (e *Engine) run(f func()) { e.running.Go(f) }

// Close finishes what has been taken up and ends the engine. Calls that come
// later fail with ErrBusy or their deadline.
func (e *Engine) Close() {
	e.once.Do(func() { close(e.stop) })
	e.running.Wait()
}

// orUnavailable makes a store's failure one that the caller may retry; faults and
// the caller's own cancellation stay what they are.
func orUnavailable(err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return ErrBusy.With(err)
}
