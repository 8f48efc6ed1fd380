// Package chat answers what people write to the official account: it reads the
// sentence, remembers for ten minutes what was being talked about, asks the other
// domains and says the answer as a good shop assistant would.
//
// Invariants: a question about money is answered with the number that was asked
// for or with a choice, never with another number. Whatever an answer changes
// carries the message's key as its request id, so a repeat changes nothing and
// says the same. Operators' keyword rules come before the built-in answers; what
// the conversation is waiting for (a code, a confirmation, feedback) comes before
// both. A text is at most model.MaxText bytes.
//
// Tables: chat_rule, chat_rule_version, chat_feedback, chat_feedback_done. No other
// package touches them.
//
// Keys: chat:{openid}:session HASH, gone after Options.SessionTTL. It holds only
// the thread of the conversation: without it people say a sentence again, and
// nothing is lost.
package chat

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

// memberBook knows who writes.
type memberBook interface {
	// Touch finds the member of an openid, or creates a stranger.
	Touch(ctx context.Context, app model.App, openID model.OpenID) (model.Member, error)
	// Follow notes that the official account is followed, and through what.
	Follow(ctx context.Context, openID model.OpenID, source string, at model.Millis) (model.Member, error)
	// Unfollow notes that it is not any more.
	Unfollow(ctx context.Context, openID model.OpenID, at model.Millis) error
}

// binder ties a phone number to a member. What it refuses, it says in its faults.
type binder interface {
	SendCode(ctx context.Context, member model.MemberID, phone model.Phone, request model.RequestID) error
	Confirm(ctx context.Context, member model.MemberID, code string, request model.RequestID) (model.Phone, error)
	Unbind(ctx context.Context, member model.MemberID, request model.RequestID) error
}

// accountReader says what the carrier knows. It answers Stale numbers when the
// carrier is down, and a fault of kind Unavailable when nothing is known.
type accountReader interface {
	Balance(ctx context.Context, phone model.Phone) (model.Balance, error)
	Usage(ctx context.Context, phone model.Phone) (model.Usage, error)
	Plan(ctx context.Context, phone model.Phone) (model.Plan, error)
}

// billReader says what was billed.
type billReader interface {
	Bills(ctx context.Context, phone model.Phone) (model.Bills, error)
}

// pointsReader says how many points a member has.
type pointsReader interface {
	PointsBalance(ctx context.Context, member model.MemberID) (model.PointsBalance, error)
}

// giftShop says what points buy, and sells it. What it refuses, it says in its faults.
type giftShop interface {
	// Affordable are gifts that the member can have now for so many points, at most
	// limit.
	Affordable(ctx context.Context, member model.Member, points model.Points, limit int) ([]model.Offer, error)
	// Redeem takes the points of the offer, or those that the gift costs by now are
	// refused; a repeat of the request gets the first answer.
	Redeem(ctx context.Context, member model.Member, offer model.Offer, request model.RequestID) (model.Redeemed, error)
}

// sealer keeps what people tell us from being read in the database; model/seal has
// it.
type sealer interface {
	SealText(plain, context []byte) string
	OpenText(sealed string, context []byte) ([]byte, error)
}

// auditor keeps what operators did, within the transaction that does it.
type auditor interface {
	RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
}

// Link is where an answer leads on to. With AppID it opens a page of the
// mini-program, and URL is for clients that cannot; without, it is a web page.
type Link struct {
	AppID string
	Page  string
	URL   string
}

// Hours are when people answer.
type Hours struct {
	Days  []time.Weekday // none: every day
	Open  time.Duration  // since midnight in China; default 08:00
	Close time.Duration  // default 22:00
}

// Options have good defaults.
type Options struct {
	Name       string            // what the account calls itself; default 掌上营业厅
	Carrier    Carrier           // whose short codes are meant; default ChinaMobile
	Links      map[Intent]Link   // where answers lead on to; none: words only
	Welcome    map[string]string // by source: how a follower is greeted; "" for any other
	Hours      Hours             // of people
	Hotline    string            // to call when they are not there; "": none
	Fresh      time.Duration     // older numbers say 截至; default 60 s
	SessionTTL time.Duration     // default 10 min
	Timeout    time.Duration     // of all reads for one answer; default 15 s
	PlainText  bool              // choices without taps

	SessionWait time.Duration // for the session's store, each time; default 500 ms
}

func (o Options) withDefaults() Options {
	o.Name = cmp.Or(o.Name, "掌上营业厅")
	o.Carrier = cmp.Or(o.Carrier, ChinaMobile)
	o.Hours.Open = cmp.Or(o.Hours.Open, 8*time.Hour)
	o.Hours.Close = cmp.Or(o.Hours.Close, 22*time.Hour)
	o.Fresh = cmp.Or(o.Fresh, time.Minute)
	o.SessionTTL = cmp.Or(o.SessionTTL, 10*time.Minute)
	o.SessionWait = cmp.Or(o.SessionWait, 500*time.Millisecond)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Second)
	return o
}

// Needs are the domains and stores that a chat works with.
type Needs struct {
	Members  memberBook
	Binding  binder
	Account  accountReader
	Bills    billReader
	Points   pointsReader // nil: points are shown in the mini-program only
	Visits   visitBook    // nil: one signs in for points in the mini-program only
	Gifts    giftShop     // nil: gifts are redeemed in the mini-program only
	Pots     potBook      // nil: there is no game
	Rules    *Rules       // nil: no keyword rules
	Notes    *Notes
	Declines decliner // nil: a person takes a no to offers
	Redis    redis.UniversalClient
	Now      model.Clock
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Chat answers messages. It may be used by many at once.
type Chat struct {
	Needs
	opts     Options
	sessions sessions
	intents  *prometheus.CounterVec
}

// New makes a chat.
func New(needs Needs, opts Options) *Chat {
	opts = opts.withDefaults()
	intents := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_intents_total",
		Help: "Messages by the intent that was read and by outcome: understood, choice, rule, unknown.",
	}, []string{"intent", "outcome"})
	needs.Metrics.MustRegister(intents)
	return &Chat{
		Needs: needs, opts: opts, intents: intents,
		sessions: sessions{client: needs.Redis, ttl: opts.SessionTTL, wait: opts.SessionWait},
	}
}

// The outcomes of reading a message.
const (
	understood = "understood"
	offered    = "choice"
	byRule     = "rule"
	unknown    = "unknown"
)

func (c *Chat) count(i Intent, outcome string) {
	c.intents.WithLabelValues(cmp.Or(string(i), "none"), outcome).Inc()
}
