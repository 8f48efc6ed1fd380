package inbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/inbox/internal/db"
)

// The states of a row of inbox_reply.
const (
	stateRunning  = "running"  // its logic runs; used while Redis is away
	stateAnswered = "answered" // passively; used while Redis is away
	statePending  = "pending"  // success was said, the answer is owed
	stateSending  = "sending"  // committed before the call
	stateSent     = "sent"
	stateRefused  = "refused" // WeChat did not take it and will not
	stateUnknown  = "unknown" // whether the user got it is not known; never sent again
	stateEmpty    = "empty"   // the logic had nothing to say
)

// Bounds of the delivery.
const (
	sendLimit   = 10 * time.Second // of one call to WeChat
	sendLease   = time.Minute      // of the state sending; longer than sendLimit by far
	maxAttempts = 6                // to take a row up or to send it
	firstPause  = 5 * time.Second  // before it is tried again; doubled each time
	dueBatch    = 20
	dueAtOnce   = 4
	forgetBatch = 500
	forgetAfter = 7 * 24 * time.Hour
)

// deliver sends an owed answer, once. The row must be pending under the token. What is
// begun is seen to its end: ctx has no end of its own, each step has.
func (b *Inbox) deliver(ctx context.Context, key model.RequestID, to model.OpenID, token string, attempts int, content model.Content) {
	state, err := b.tryDeliver(ctx, key, to, token, attempts, content)
	if err != nil {
		b.log.ErrorContext(ctx, "late answer not recorded", "openid", to, "state", state, "error", err)
	}
	b.metrics.deliveries.WithLabelValues(state).Inc()
}

func (b *Inbox) tryDeliver(ctx context.Context, key model.RequestID, to model.OpenID, token string, attempts int, content model.Content) (string, error) {
	now := model.At(b.now())
	if content.Kind == model.NoContent {
		_, err := b.giveUp(ctx, key, token, stateEmpty, "")
		return stateEmpty, err
	}
	raw, err := encode(content)
	if err != nil {
		return statePending, err
	}
	sealed := b.seal.SealText(raw, bound("content", key))
	begun, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.BeginSend(ctx, db.BeginSendParams{Content: sealed, LeasedUntil: int64(now.Add(sendLease)), Now: int64(now), MessageKey: string(key), Token: token})
	})
	if err != nil || begun == 0 {
		return statePending, err // another has it, or it is taken up later
	}
	sendCtx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	sendErr := model.Guarded(func() error { return b.send.SendCustom(sendCtx, to, content) })
	state, cause, until := b.outcome(sendErr, attempts)
	if sendErr != nil {
		b.log.WarnContext(ctx, "late answer not sent", "openid", to, "state", state, "code", cause, "error", sendErr)
	}
	_, err = b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.EndSend(ctx, db.EndSendParams{State: state, LeasedUntil: int64(until), Cause: cause, Now: int64(model.At(b.now())), MessageKey: string(key), Token: token})
	})
	return state, err
}

// unsent is the one fault of ours that WeChat tells before it takes a message: the
// AppSecret or the whitelist of addresses, which a person may have mended by the next try.
const unsent = "wechat.credentials"

// outcome says what a send came to: definite refusals that may pass are tried
// again later, unclassified ones may have reached the user.
func (b *Inbox) outcome(err error, attempts int) (state, cause string, until model.Millis) {
	if err == nil {
		return stateSent, "", 0
	}
	f := fault.Of(err)
	cause = f.Code[:min(len(f.Code), 64)]
	switch {
	case f.Kind == fault.Internal && f.Code != unsent:
		return stateUnknown, cause, 0
	case f.Code == unsent, f.Kind == fault.Unavailable, f.Kind == fault.Limited:
		if attempts < maxAttempts {
			return statePending, cause, model.At(b.now()).Add(firstPause << attempts)
		}
	}
	return stateRefused, cause, 0
}

func (b *Inbox) giveUp(ctx context.Context, key model.RequestID, token, state, cause string) (int64, error) {
	return b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.GiveUp(ctx, db.GiveUpParams{State: state, Cause: cause, Now: int64(model.At(b.now())), MessageKey: string(key), Token: token})
	})
}

// DeliverDue takes up the answers that are owed and that nobody is at work on:
// their process died, or WeChat did not take them for now. It returns when none is
// left, or with ctx. Run it every few seconds on every replica.
func (b *Inbox) DeliverDue(ctx context.Context) error {
	lost, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.Lose(ctx, db.LoseParams{Now: int64(model.At(b.now()))})
	})
	if err != nil {
		return err
	}
	b.metrics.deliveries.WithLabelValues(stateUnknown).Add(float64(lost))
	for {
		keys, err := db.New(b.db).Due(ctx, db.DueParams{LeasedUntil: int64(model.At(b.now())), Limit: dueBatch})
		if err != nil {
			return fmt.Errorf("read the owed answers: %w", err)
		}
		if err := b.takeUpAll(ctx, keys); err != nil {
			return err
		}
		if len(keys) < dueBatch {
			return ctx.Err()
		}
	}
}

// takeUpAll takes rows up, dueAtOnce at a time.
func (b *Inbox) takeUpAll(ctx context.Context, keys []string) error {
	var group sync.WaitGroup
	slots := make(chan struct{}, dueAtOnce)
	errs := make([]error, len(keys))
	for i, key := range keys {
		slots <- struct{}{}
		group.Go(func() {
			errs[i] = b.takeUp(ctx, model.RequestID(key))
			<-slots
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// takeUp leases one owed answer, runs its logic if there is no answer yet, and
// delivers it.
func (b *Inbox) takeUp(ctx context.Context, key model.RequestID) error {
	token, now := rand.Text(), model.At(b.now())
	ctx = model.WithRequest(ctx, model.RequestID("late-"+token)) // the key holds an openid
	taken, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.Claim(ctx, db.ClaimParams{Token: token, LeasedUntil: int64(now.Add(b.opts.RunLimit + 2*grace)), Now: int64(now), MessageKey: string(key)})
	})
	if err != nil || taken == 0 {
		return err
	}
	row, err := db.New(b.db).Load(ctx, db.LoadParams{MessageKey: string(key), LeaseToken: token})
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read an owed answer: %w", err)
	}
	if row.Attempts > maxAttempts {
		b.log.ErrorContext(ctx, "late answer given up", "openid", model.OpenID(row.Openid), "attempts", row.Attempts)
		b.metrics.deliveries.WithLabelValues(stateRefused).Inc()
		_, err := b.giveUp(ctx, key, token, stateRefused, "inbox.attempts")
		return err
	}
	got, err := b.owed(ctx, key, row)
	if err != nil {
		// A key that is gone, or a broken row: no later try can read it either.
		b.log.ErrorContext(ctx, "late answer cannot be read", "openid", model.OpenID(row.Openid), "error", err)
		b.metrics.deliveries.WithLabelValues(stateRefused).Inc()
		_, err := b.giveUp(ctx, key, token, stateRefused, "inbox.unreadable")
		return err
	}
	if err := ctx.Err(); err != nil { // what the logic came to may be the end of this process; another takes it up
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if got.again {
		b.postpone(ctx, key, token, int(row.Attempts))
		return nil
	}
	b.deliver(ctx, key, model.OpenID(row.Openid), token, int(row.Attempts), got.content)
	return nil
}

// postpone lets a row be taken up anew after a while. When that cannot be written it is
// taken up when its lease ends.
func (b *Inbox) postpone(ctx context.Context, key model.RequestID, token string, attempts int) {
	now := model.At(b.now())
	_, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.Postpone(ctx, db.PostponeParams{LeasedUntil: int64(now.Add(firstPause << attempts)), Now: int64(now), MessageKey: string(key), Token: token})
	})
	if err != nil {
		b.log.WarnContext(ctx, "event not postponed", "error", err)
	}
}

// owed is the answer that a row holds, or that its logic gives now.
func (b *Inbox) owed(ctx context.Context, key model.RequestID, row db.LoadRow) (got result, err error) {
	if row.Content != "" {
		raw, err := b.seal.OpenText(row.Content, bound("content", key))
		if err == nil {
			err = decode(raw, &got.content)
		}
		return got, err
	}
	var in model.Inbound
	raw, err := b.seal.OpenText(row.Inbound, bound("inbound", key))
	if err == nil {
		err = decode(raw, &in)
	}
	if err != nil {
		return got, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.opts.RunLimit)
	defer cancel()
	return b.safely(ctx, in, func(ctx context.Context) (model.Content, error) { return b.logic(ctx, in) }), nil
}

// Forget deletes rows that nobody needs any more: a week after their end.
func (b *Inbox) Forget(ctx context.Context) error {
	for {
		before := model.At(b.now().Add(-forgetAfter))
		keys, err := db.New(b.db).Old(ctx, db.OldParams{UpdatedAt: int64(before), Limit: forgetBatch})
		if err != nil {
			return fmt.Errorf("read old inbox records: %w", err)
		}
		if len(keys) == 0 {
			return nil
		}
		if _, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) { return q.Delete(ctx, keys) }); err != nil {
			return err
		}
	}
}

// metrics of the inbox; every label has a closed set of values.
type metrics struct {
	messages      *prometheus.CounterVec
	deliveries    *prometheus.CounterVec
	redisFailures prometheus.Counter
	panics        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, running func() float64) metrics {
	m := metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "inbox_messages_total", Help: "Tries of messages: first, repeat, waited, late, failed, full.",
		}, []string{"outcome"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "inbox_deliveries_total", Help: "Late answers by what became of them.",
		}, []string{"state"}),
		redisFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "inbox_redis_failures_total", Help: "Calls that Redis did not answer; SQL decided instead.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "inbox_panics_total", Help: "Panics of the logic, answered success.",
		}),
	}
	reg.MustRegister(m.messages, m.deliveries, m.redisFailures, m.panics,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inbox_running", Help: "Messages being worked on."}, running))
	return m
}
