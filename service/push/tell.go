package push

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// Notice is one message in every form that it can take; a form that is zero is not
// tried.
type Notice struct {
	Topic    string          // with Request: the message, for ever
	Request  model.RequestID // of whatever made it necessary
	Purpose  Purpose
	Custom   model.Content // by customer service
	Mini     model.Notice  // as a subscribe message
	Official model.Notice  // as a subscribe notice
	Template model.Notice  // as a template message; ignored for marketing
}

// State is what became of a message.
type State string

// The states; all but the first two are final.
const (
	Pending State = "pending" // not sent yet
	Sending State = "sending" // written before the call
	Sent    State = "sent"
	Refused State = "refused" // WeChat did not take it by any channel
	Skipped State = "skipped" // no right, no consent: why says so
	Unknown State = "unknown" // may have been sent; never sent again
)

// Outcome is what became of a message, and why.
type Outcome struct {
	State   State
	Channel Channel
	Why     string       // a fault's code
	Until   model.Millis // beside ErrQuiet: when it may be told again
}

// Why a message was skipped.
const (
	noConsent = "push.no_consent"
	noRight   = "push.no_entitlement"
	noMember  = "push.no_member"
)

// What a sender says, by its stable codes: whether the message may be out, and
// which right is gone.
var (
	errUnknownOutcome = fault.New(fault.Internal, "wechat.unknown_outcome", "发送结果未知")
	errWindowShut     = fault.New(fault.Conflict, "wechat.window_shut", "客服消息窗口已关闭")
	errWindowUsed     = fault.New(fault.Conflict, "wechat.window_used", "客服消息次数已用完")
	errNoConsent      = fault.New(fault.Conflict, "wechat.no_consent", "未授权该订阅消息")
)

// Tell sends the member one message by the first channel that he is entitled to:
// customer service, subscribe message, subscribe notice, template. A repeat of the
// topic and request gets the outcome that stands and sends nothing. With an error
// nothing is settled and the same message is told again: ErrQuiet, ErrLater, or
// what the stores said. ErrNotice is ours to mend.
func (p *Pusher) Tell(ctx context.Context, member model.MemberID, n Notice) (Outcome, error) {
	if !n.valid() {
		return Outcome{}, ErrNotice.With(fmt.Errorf("topic %q, request of %d bytes, purpose %q", n.Topic, len(n.Request), n.Purpose))
	}
	row, err := p.message(ctx, member, n)
	if err != nil {
		return Outcome{}, err
	}
	out, err := p.tell(ctx, member, row, n)
	if err == nil {
		p.outcomes.WithLabelValues(string(n.Purpose), string(out.Channel), string(out.State)).Inc()
	}
	return out, err
}

func (n Notice) valid() bool {
	return n.Topic != "" && len(n.Topic) <= maxTopic && n.Request.Valid() && (n.Purpose == Transactional || n.Purpose == Marketing)
}

// message finds the row of the message, or makes it.
func (p *Pusher) message(ctx context.Context, member model.MemberID, n Notice) (db.MessageRow, error) {
	key := db.MessageParams{MemberID: int64(member), Topic: n.Topic, RequestID: string(n.Request)}
	row, err := p.q.Message(ctx, key)
	if !errors.Is(err, sql.ErrNoRows) {
		return row, err
	}
	id := p.IDs.Next()
	err = p.q.AddMessage(ctx, db.AddMessageParams{
		ID: int64(id), MemberID: int64(member), Topic: n.Topic, RequestID: string(n.Request),
		Purpose: string(n.Purpose), CreatedAt: int64(model.At(p.Now())),
	})
	switch {
	case err == nil:
		return db.MessageRow{ID: int64(id), State: string(Pending)}, nil
	case sqldb.Duplicate(err):
		return p.q.Message(ctx, key)
	}
	return row, fmt.Errorf("note a message: %w", err)
}

// tell goes on from where the message stands.
func (p *Pusher) tell(ctx context.Context, member model.MemberID, row db.MessageRow, n Notice) (Outcome, error) {
	now := model.At(p.Now())
	switch State(row.State) {
	case Pending:
	case Sending:
		if model.Millis(row.LeaseUntil) > now {
			return Outcome{}, ErrLater.With(ErrSending)
		}
		return p.settle(ctx, row.ID, Sending, Outcome{State: Unknown, Channel: Channel(row.Channel), Why: "push.died"})
	default:
		return Outcome{State: State(row.State), Channel: Channel(row.Channel), Why: row.Why}, nil
	}
	if n.Purpose == Marketing {
		if until, quiet := p.quiet(p.Now()); quiet {
			return Outcome{State: Pending, Until: until}, ErrQuiet
		}
		agrees, err := p.Consents.AgreesToMarketing(ctx, member)
		if err != nil {
			return Outcome{}, fmt.Errorf("ask for consent: %w", err)
		}
		if !agrees {
			return p.settle(ctx, row.ID, Pending, Outcome{State: Skipped, Why: noConsent})
		}
	}
	ways, err := p.ways(ctx, member, n)
	if err != nil {
		return Outcome{}, err
	}
	if ways == nil {
		return p.settle(ctx, row.ID, Pending, Outcome{State: Skipped, Why: noMember})
	}
	return p.try(ctx, row.ID, ways)
}

// quiet tells whether it is night, and until when.
func (p *Pusher) quiet(now time.Time) (model.Millis, bool) {
	return model.Night(now, model.Shanghai, p.opts.QuietFrom, p.opts.QuietUntil)
}

// try goes through the ways until one takes the message. Only a definite refusal
// leads on to the next.
func (p *Pusher) try(ctx context.Context, id int64, ways []way) (Outcome, error) {
	last := Outcome{State: Skipped, Why: noRight}
	for _, w := range ways {
		entitlement, ours, err := p.claim(ctx, id, w)
		if err != nil {
			return Outcome{}, err
		}
		if !ours {
			continue
		}
		sendErr := p.send(ctx, w)
		// What happened is written, also when the caller has gone.
		ctx := context.WithoutCancel(ctx)
		out := Outcome{State: Sent, Channel: w.channel}
		switch {
		case sendErr == nil:
			return p.settle(ctx, id, Sending, out)
		case !definite(sendErr):
			p.Log.WarnContext(ctx, "message may have been sent", "message", id, "channel", w.channel, "error", sendErr)
			out.State, out.Why = Unknown, errUnknownOutcome.Code
			return p.settle(ctx, id, Sending, out)
		}
		if err := p.undo(ctx, id, w, entitlement, sendErr); err != nil {
			return Outcome{}, err
		}
		if passing(sendErr) {
			return Outcome{State: Pending}, ErrLater.With(sendErr)
		}
		last = Outcome{State: Refused, Channel: w.channel, Why: fault.Of(sendErr).Code}
	}
	return p.settle(ctx, id, Pending, last)
}

// definite tells that WeChat did not send the message; what is no fault, or ends
// the context, leaves it open.
func definite(err error) bool {
	var known *fault.Error
	return errors.As(err, &known) && !errors.Is(err, errUnknownOutcome)
}

// passing tells that the same channel may take the message later.
func passing(err error) bool {
	switch fault.KindOf(err) {
	case fault.Internal, fault.Limited, fault.Unavailable:
		return true
	}
	return false
}

// settle writes an outcome; when somebody else was quicker, his stands and the
// caller tells again.
func (p *Pusher) settle(ctx context.Context, id int64, from State, out Outcome) (Outcome, error) {
	n, err := p.q.SettleMessage(ctx, db.SettleMessageParams{
		State: string(out.State), Why: out.Why, UpdatedAt: int64(model.At(p.Now())), ID: id, FromState: string(from),
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("write what became of a message: %w", err)
	}
	if n == 0 {
		return Outcome{}, ErrLater.With(errors.New("it was settled by somebody else"))
	}
	return out, nil
}
