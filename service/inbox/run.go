package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// How often a message that another replica runs is looked at.
const (
	firstPoll = 10 * time.Millisecond
	lastPoll  = 200 * time.Millisecond
)

// grace is how long after its context the logic may still return before its
// goroutine is given up.
const grace = time.Second

// lead settles a message for all its tries in this process.
func (b *Inbox) lead(ctx context.Context, c *call) {
	defer b.leave(c)
	found, err := b.await(ctx, c)
	switch {
	case err != nil:
		b.metrics.messages.WithLabelValues("failed").Inc()
		c.tell(model.Content{}, err)
	case found.state == answered:
		b.metrics.messages.WithLabelValues("waited").Inc()
		c.tell(found.content, nil)
	default:
		c.mine.Store(true)
		b.metrics.messages.WithLabelValues("first").Inc()
		b.labour(ctx, c)
	}
}

// await returns as soon as the message is ours or answered.
func (b *Inbox) await(ctx context.Context, c *call) (standing, error) {
	seen := false // running elsewhere: if it is ours then, its process died
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		found, err := b.claim(ctx, c, seen)
		if err != nil || found.state != running {
			return found, err
		}
		seen = true
		if time.Until(c.end) < pause {
			return standing{}, ErrNotReady.With(fmt.Errorf("another replica still runs it"))
		}
		timer := time.NewTimer(pause)
		<-timer.C // at most lastPoll
	}
}

// labour runs the logic and sees to its answer, in time or late. While the logic
// runs it is watched from the instant at which there is something to do beside it,
// which most messages never reach.
func (b *Inbox) labour(ctx context.Context, c *call) {
	runCtx, cancel := context.WithTimeout(ctx, b.opts.RunLimit)
	defer cancel()
	in, run := c.in, c.run
	results, watched := make(chan result, 1), make(chan struct{})
	begin := time.Now()
	watch := time.AfterFunc(b.pause(c), func() {
		defer close(watched)
		b.watch(ctx, c, begin, results)
	})
	got := b.safely(runCtx, in, run)
	if watch.Stop() {
		b.finish(ctx, c, got)
		return
	}
	results <- got
	<-watched
}

// pause is how long a message that runs needs no look.
func (b *Inbox) pause(c *call) time.Duration {
	pause := b.opts.Lease / 3
	if !c.told {
		pause = min(pause, max(time.Until(c.end.Add(-b.opts.Margin)), time.Millisecond))
	}
	return pause
}

// watch renews the lease, answers success when the answer is late, and finishes what
// the logic comes to. A logic that ignores its deadline is given up: its tries are
// told, and the row, if there is one, is taken up when its lease ends.
func (b *Inbox) watch(ctx context.Context, c *call, begin time.Time, results <-chan result) {
	patience, giveUp := c.end.Add(-b.opts.Margin), begin.Add(b.opts.RunLimit+grace)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case got := <-results:
			b.finish(ctx, c, got)
			return
		case <-timer.C:
		}
		if !time.Now().Before(giveUp) {
			b.log.ErrorContext(ctx, "logic ignores its deadline", "kind", c.in.Kind)
			b.leave(c)
			return
		}
		if !c.told && !time.Now().Before(patience) {
			b.late(ctx, c)
		}
		if !c.owed {
			b.renew(ctx, c)
		}
		timer.Reset(min(b.pause(c), time.Until(giveUp)+time.Millisecond))
	}
}

// late answers success for now, once the answer is owed by a committed row.
func (b *Inbox) late(ctx context.Context, c *call) {
	ours, err := b.promise(ctx, c, model.Content{})
	if err != nil {
		b.log.ErrorContext(ctx, "late answer could not be promised", "error", err)
		c.tell(model.Content{}, ErrNotReady.With(err)) // the answer is kept for WeChat's next try
		return
	}
	b.metrics.messages.WithLabelValues("late").Inc()
	c.owed, c.ours = true, ours
	c.tell(model.Content{}, nil)
	b.keep(ctx, c, model.Content{})
}

// finish sees to the answer of the logic.
//
// A passive answer is told before it is kept: the write is no part of what the user
// waits for. It is lost only if this process dies within that moment and WeChat
// did not get the answer either; then the logic runs again, under the same key, and
// changes nothing twice.
func (b *Inbox) finish(ctx context.Context, c *call, got result) {
	content := got.content
	if got.again {
		b.runLater(ctx, c)
		return
	}
	if c.owed {
		if c.ours {
			b.deliver(ctx, c.in.Key, c.in.OpenID, c.token, 0, content)
		}
		return
	}
	if content.Passive(c.in.App) {
		if !c.told {
			c.tell(content, nil)
			b.keep(ctx, c, content)
		} else if c.err != nil {
			b.keep(ctx, c, content) // too late for this try, in time for the next one
		}
		return
	}
	ours, err := b.promise(ctx, c, content)
	if err != nil {
		b.log.ErrorContext(ctx, "late answer could not be promised", "error", err)
		c.tell(model.Content{}, ErrNotReady.With(err))
		return
	}
	c.owed, c.ours = true, ours
	c.tell(model.Content{}, nil)
	b.keep(ctx, c, model.Content{})
	if ours {
		b.deliver(ctx, c.in.Key, c.in.OpenID, c.token, 0, content)
	}
}

// runLater has the logic run again by whoever takes the row up. Where no row can be
// written it is WeChat that tries again.
func (b *Inbox) runLater(ctx context.Context, c *call) {
	if !c.owed {
		ours, err := b.promise(ctx, c, model.Content{})
		if err != nil {
			b.log.ErrorContext(ctx, "event could not be kept for later", "kind", c.in.Kind, "error", err)
			c.tell(model.Content{}, ErrNotReady.With(err))
			return
		}
		c.owed, c.ours = true, ours
		c.tell(model.Content{}, nil)
		b.keep(ctx, c, model.Content{})
	}
	if c.ours {
		b.postpone(ctx, c.in.Key, c.token, 0)
	}
}

// result is what the logic came to.
type result struct {
	content model.Content
	again   bool // it failed, and is to run again: content is nothing to say
}

// anew tells that the logic is to run again after its error: whoever writes reads the
// sentence and writes again, but who follows or leaves does so once, and what was to be
// noted of it would be lost.
func anew(in model.Inbound, f *fault.Error) bool {
	if in.Kind != model.InSubscribe && in.Kind != model.InUnsubscribe {
		return false
	}
	return f.Kind == fault.Internal || f.Kind == fault.Limited || f.Kind == fault.Unavailable
}

// safely runs the logic; its error becomes the sentence that the user reads, its
// panic nothing.
func (b *Inbox) safely(ctx context.Context, in model.Inbound, run func(context.Context) (model.Content, error)) (got result) {
	defer func() {
		if p := recover(); p != nil {
			got = result{content: b.panicked(ctx, in, p, debug.Stack())}
		}
	}()
	content, err := run(ctx)
	var p *model.Panic
	if errors.As(err, &p) {
		return result{content: b.panicked(ctx, in, p.Value, p.Stack)}
	}
	if err != nil {
		f := fault.Of(err)
		b.log.WarnContext(ctx, "message failed", "kind", in.Kind, "openid", in.OpenID, "code", f.Code, "error", err)
		if anew(in, f) {
			return result{again: true}
		}
		content = model.Text(f.Text)
	}
	return result{content: sendable(content)}
}

func (b *Inbox) panicked(ctx context.Context, in model.Inbound, p any, stack []byte) model.Content {
	b.metrics.panics.Inc()
	b.log.ErrorContext(ctx, "panic", "kind", in.Kind, "openid", in.OpenID, "panic", fmt.Sprint(p), "stack", string(stack))
	return model.Content{}
}

// sendable is the content as WeChat takes it: no empty text, none that is too long.
func sendable(content model.Content) model.Content {
	if content.Kind != model.TextContent {
		return content
	}
	if strings.TrimSpace(content.Text) == "" {
		return model.Content{}
	}
	content.Text = model.CutText(content.Text)
	return content
}

// encode and decode are how the stores keep content and messages.
func encode(v any) ([]byte, error) { return json.Marshal(v) }

func decode(raw []byte, v any) error { return json.Unmarshal(raw, v) }
