// Package push sends members what we begin ourselves: notices now, campaigns on
// top of it.
//
// It keeps what WeChat lets us send as lots: a one-time consent is a lot of one, an
// open window of the customer service a lot that every action of the member makes
// whole again. One message takes one right by the first channel that the member is
// entitled to.
//
// Invariants: a member gets at most one message for a topic and request; what may
// have been sent is never sent again; no marketing without consent or in the quiet
// hours; nothing is sent without a right that was taken, in the transaction that
// says "sending", before the call.
//
// What holds of the rights: they are our estimate and WeChat is the law. A consent
// is never counted above what was granted. A window may be counted shorter and
// smaller than it is, for an action within an open window that nothing was sent in
// is not written again (Options.Step…), and one that found the queue full is
// forgotten; whatever another domain sends by customer service is not counted at
// all. When WeChat refuses, the lot goes to zero and the next channel is taken.
//
// Tables: push_entitlement, push_message; those of dispatches are the Planner's.
// Redis: push:{MEMBER}:window:SOURCE says that the window is written and whole. It
// only saves writes; without it every action is written.
package push

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// Channel is a way to a member.
type Channel = model.Channel

// The channels, in the order in which Tell tries them.
const (
	Custom   = model.CustomChannel   // customer-service message, in an open window
	Mini     = model.MiniChannel     // subscribe message of the mini-program
	Official = model.OfficialChannel // subscribe notice of the official account
	Template = model.TemplateChannel // template message: service notices alone
)

// Purpose says what a message is for.
type Purpose = model.Purpose

// The purposes. Marketing needs consent and keeps the quiet hours.
const (
	Transactional = model.Transactional
	Marketing     = model.Marketing
)

// What push says when it cannot do what is asked.
var (
	ErrGrant  = fault.New(fault.Invalid, "push.grant", "订阅信息不正确，请重试")
	ErrNotice = fault.New(fault.Internal, "push.notice", "系统开小差了，请稍后再试")
	// ErrQuiet: it is night; the same message is told again when Outcome.Until has come.
	ErrQuiet = fault.New(fault.Limited, "push.quiet_hours", "夜间不发送营销消息")
	// ErrLater: nothing was sent; the same message is told again later.
	ErrLater = fault.New(fault.Unavailable, "push.later", "消息暂时无法发送，请稍后再试")
	// ErrSending comes with ErrLater while somebody else is sending the message.
	ErrSending = errors.New("it is being sent")
)

// What push needs of other domains.
type (
	people interface {
		Get(ctx context.Context, id model.MemberID, app model.App) (model.Member, error)
		// Recent may be some seconds old.
		Recent(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error)
	}
	consents interface {
		AgreesToMarketing(ctx context.Context, id model.MemberID) (bool, error)
	}
	sender interface {
		SendCustom(ctx context.Context, to model.OpenID, c model.Content) error
		SendSubscribe(ctx context.Context, to model.OpenID, n model.Notice) (string, error)
		SendNotice(ctx context.Context, to model.OpenID, n model.Notice) (string, error)
	}
	templates interface {
		SendTemplate(ctx context.Context, to model.OpenID, n model.Notice, request model.RequestID) (string, error)
	}
)

// Needs are what the pusher stands on; all are required.
type Needs struct {
	SQL       *sql.DB
	Redis     redis.UniversalClient
	People    people
	Consents  consents
	Sender    sender
	Templates templates
	IDs       *model.IDs
	Now       model.Clock
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Options bound the pusher; zero values take the defaults.
type Options struct {
	Timeout     time.Duration // of one call of WeChat; default 10 s
	Queue       int           // actions that wait to be written; default 4,096
	Writers     int           // of actions; default 2
	StepMessage time.Duration // for how long a message window is not written again; default 1 h
	StepEvent   time.Duration // and a click's; default 10 s
	QuietFrom   time.Duration // since midnight; default 21 h
	QuietUntil  time.Duration // default 8 h
}

// Pusher sends. Make one with New; Run writes what Note took.
type Pusher struct {
	Needs
	opts     Options
	q        *db.Queries
	queue    chan touch
	waiting  atomic.Int64 // touches queued or being written
	rights   sweep[db.EntitlementsAfterRow]
	receipts sweep[db.PushReceipt]
	outcomes *prometheus.CounterVec
	touches  *prometheus.CounterVec
}

// New returns a pusher.
func New(needs Needs, opts Options) *Pusher {
	opts.Timeout = cmp.Or(opts.Timeout, 10*time.Second)
	opts.Queue = cmp.Or(opts.Queue, 4096)
	opts.Writers = cmp.Or(opts.Writers, 2)
	opts.StepMessage = cmp.Or(opts.StepMessage, time.Hour)
	opts.StepEvent = cmp.Or(opts.StepEvent, 10*time.Second)
	opts.QuietFrom = cmp.Or(opts.QuietFrom, model.NightFrom)
	opts.QuietUntil = cmp.Or(opts.QuietUntil, model.NightUntil)
	p := &Pusher{
		Needs: needs, opts: opts, q: db.New(sqldb.Alone{DB: needs.SQL}), queue: make(chan touch, opts.Queue),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "push_messages_total", Help: "Messages to members, by purpose, channel and outcome.",
		}, []string{"purpose", "channel", "outcome"}),
		touches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "push_touches_total", Help: "Actions of members that open a window, by what became of them.",
		}, []string{"outcome"}),
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "push_touches_waiting", Help: "Actions that open a window and are not yet written.",
	}, func() float64 { return float64(p.waiting.Load()) })
	needs.Metrics.MustRegister(p.outcomes, p.touches, waiting)
	return p
}

// The lengths, in bytes, that the tables leave.
const (
	maxTemplate = 64
	maxTopic    = 64
)

// Grant notes that a member allowed one message of a template, as the mini-program
// learns from its subscribe dialogue. The same request counts once; consents add up
// and do not expire. Errors: ErrGrant.
func (p *Pusher) Grant(ctx context.Context, member model.MemberID, channel, template string, request model.RequestID) error {
	if c := Channel(channel); c != Mini && c != Official || template == "" || len(template) > maxTemplate || !request.Valid() || member <= 0 {
		return ErrGrant
	}
	err := p.q.AddEntitlement(ctx, db.AddEntitlementParams{
		ID: int64(p.IDs.Next()), MemberID: int64(member), Channel: channel, Template: template, Source: string(request),
		GrantedAt: int64(model.At(p.Now())), ExpiresAt: 0, Remaining: 1,
	})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("note a consent: %w", err)
	}
	return nil
}

// Right is what a member may be sent now by one channel.
type Right struct {
	Channel  Channel `json:"channel"`
	Template string  `json:"template"`
	Left     int     `json:"left"`
}

// Rights lists what the member may be sent now, as far as we know.
func (p *Pusher) Rights(ctx context.Context, member model.MemberID) ([]Right, error) {
	rows, err := p.q.Left(ctx, db.LeftParams{MemberID: int64(member), Now: int64(model.At(p.Now()))})
	if err != nil {
		return nil, fmt.Errorf("read entitlements: %w", err)
	}
	rights := make([]Right, len(rows))
	for i, row := range rows {
		rights[i] = Right{Channel(row.Channel), row.Template, int(row.Total)}
	}
	return rights, nil
}
