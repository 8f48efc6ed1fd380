package push

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// Touch is an action of a member that opens a window of the customer service.
type Touch string

// The actions.
const (
	Messaged Touch = "message"
	Clicked  Touch = "click"
	Followed Touch = "follow"
	Scanned  Touch = "scan"
	Paid     Touch = "pay"
)

// window is what an action allows: so many messages for so long.
//
// developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
type window struct {
	source string // actions with the same window share a row
	lasts  time.Duration
	count  int32
}

// unlimited is more than anybody sends within 48 hours.
const unlimited = 1_000_000

var windows = map[Touch]window{
	Messaged: {"message", 48 * time.Hour, 5},
	Clicked:  {"event", time.Minute, 3},
	Followed: {"event", time.Minute, 3},
	Scanned:  {"event", time.Minute, 3},
	Paid:     {"pay", 48 * time.Hour, unlimited},
}

// sources are the windows' rows.
var sources = []string{"message", "event", "pay"}

func windowKey(member model.MemberID, source string) string {
	return fmt.Sprintf("push:{%d}:window:%s", member, source)
}

// Touched notes an action: its window starts anew with its full count. Nothing is
// written while Redis says that the row stands and nothing was taken from it.
func (p *Pusher) Touched(ctx context.Context, member model.MemberID, kind Touch, at model.Millis) error {
	return p.touched(ctx, []action{{member, kind, at}})
}

// action is what a member did.
type action struct {
	member model.MemberID
	kind   Touch
	at     model.Millis
}

// touched is Touched for several actions, of which Redis is asked at once.
func (p *Pusher) touched(ctx context.Context, actions []action) error {
	pipe := p.Redis.Pipeline()
	firsts := make([]*redis.BoolCmd, len(actions))
	for i, a := range actions {
		w, ok := windows[a.kind]
		if !ok || a.member <= 0 {
			return ErrGrant
		}
		step := p.opts.StepMessage
		if w.lasts <= time.Minute {
			step = p.opts.StepEvent
		}
		firsts[i] = pipe.SetNX(ctx, windowKey(a.member, w.source), int64(a.at), step)
	}
	_, _ = pipe.Exec(ctx) // each command holds its own error
	var errs error
	for i, a := range actions {
		errs = errors.Join(errs, p.open(ctx, a, firsts[i]))
	}
	return errs
}

// open writes the window of an action unless it stands already.
func (p *Pusher) open(ctx context.Context, a action, first *redis.BoolCmd) error {
	switch {
	case first.Err() != nil: // without Redis every action is written
		p.touches.WithLabelValues("redis_away").Inc()
	case !first.Val():
		p.touches.WithLabelValues("standing").Inc()
		return nil
	}
	if err := p.reset(ctx, a.member, windows[a.kind], a.at); err != nil {
		p.touches.WithLabelValues("failed").Inc()
		p.forgetWindows(ctx, a.member)
		return err
	}
	p.touches.WithLabelValues("written").Inc()
	return nil
}

// reset writes the window.
func (p *Pusher) reset(ctx context.Context, member model.MemberID, w window, at model.Millis) error {
	for range 2 { // the second time the row is there
		n, err := p.q.ResetWindow(ctx, db.ResetWindowParams{
			GrantedAt: int64(at), ExpiresAt: int64(at.Add(w.lasts)), Remaining: w.count,
			MemberID: int64(member), Source: w.source, NewerThan: int64(at),
		})
		if err != nil {
			return fmt.Errorf("reset a window: %w", err)
		}
		if n > 0 {
			return nil
		}
		err = p.q.AddEntitlement(ctx, db.AddEntitlementParams{
			ID: int64(p.IDs.Next()), MemberID: int64(member), Channel: string(Custom), Template: "", Source: w.source,
			GrantedAt: int64(at), ExpiresAt: int64(at.Add(w.lasts)), Remaining: w.count,
		})
		if err == nil || !sqldb.Duplicate(err) {
			return err
		}
	}
	return nil // a later action stands
}

// forgetWindows lets the next action be written. When Redis is away the step ends
// by itself.
func (p *Pusher) forgetWindows(ctx context.Context, member model.MemberID) {
	keys := make([]string, len(sources))
	for i, source := range sources {
		keys[i] = windowKey(member, source)
	}
	if err := p.Redis.Del(ctx, keys...).Err(); err != nil {
		p.Log.WarnContext(ctx, "window not forgotten", "member", member, "error", err)
	}
}

// touch waits to be written.
type touch struct {
	openID model.OpenID
	kind   Touch
	at     model.Millis
}

// kinds are the messages and events that open a window.
var kinds = map[model.InboundKind]Touch{
	model.InText: Messaged, model.InImage: Messaged, model.InVoice: Messaged, model.InVideo: Messaged,
	model.InShortVideo: Messaged, model.InLocation: Messaged, model.InLink: Messaged,
	model.InClick: Clicked, model.InSubscribe: Followed, model.InScan: Scanned,
}

// Note takes what came in from a subscriber, after it was answered, and returns at
// once. When the queue is full the action is forgotten, which costs a right that we
// could have used, never one that we do not have.
func (p *Pusher) Note(in model.Inbound) {
	kind, ok := kinds[in.Kind]
	if !ok || in.App != model.OfficialAccount {
		return
	}
	p.waiting.Add(1)
	select {
	case p.queue <- touch{in.OpenID, kind, in.CreatedAt}:
	default:
		p.waiting.Add(-1)
		p.touches.WithLabelValues("dropped").Inc()
	}
}

// Run writes what Note took, until ctx ends.
func (p *Pusher) Run(ctx context.Context) {
	var writers sync.WaitGroup
	for range p.opts.Writers {
		writers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case t := <-p.queue:
					p.write(ctx, p.batch(ctx, t))
				}
			}
		})
	}
	writers.Wait()
}

const (
	// writeLimit bounds the writing of a batch.
	writeLimit = 5 * time.Second
	// maxBatch bounds a batch.
	maxBatch = 64
	// companyWait is how long the first of a batch waits for others: nobody waits for it.
	companyWait = 20 * time.Millisecond
)

// batch is the first touch and those that come soon after it.
func (p *Pusher) batch(ctx context.Context, first touch) []touch {
	timer := time.NewTimer(companyWait)
	defer timer.Stop()
	all := []touch{first}
	for len(all) < maxBatch {
		select {
		case t := <-p.queue:
			all = append(all, t)
		case <-timer.C:
			return all
		case <-ctx.Done():
			return all
		}
	}
	return all
}

// write finds out whose the touches are and writes their windows.
func (p *Pusher) write(ctx context.Context, all []touch) {
	defer p.waiting.Add(-int64(len(all)))
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	actions := make([]action, 0, len(all))
	var errs error
	for _, t := range all {
		m, err := p.People.Recent(ctx, model.OfficialAccount, t.openID)
		if err != nil {
			p.touches.WithLabelValues("failed").Inc()
			errs = errors.Join(errs, err)
			continue
		}
		actions = append(actions, action{m.ID, t.kind, t.at})
	}
	errs = errors.Join(errs, p.touched(ctx, actions))
	if errs != nil && !errors.Is(ctx.Err(), context.Canceled) { // Run ends
		p.Log.WarnContext(ctx, "windows not noted", "error", errs)
	}
}
