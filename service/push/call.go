package push

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// outcome is what a call said of a recipient.
type outcome int

const (
	uncalled outcome = iota // nothing was sent, for reasons that are not his
	wasSent
	wasUnknown // may have been sent
	wasRefused // by this way
)

// What a sender says, by its stable codes, beside those of Tell.
var (
	errDayQuota     = fault.New(fault.Limited, "wechat.day_quota", "今日微信接口调用次数已用完")
	errMinuteQuota  = fault.New(fault.Limited, "wechat.minute_quota", "微信接口调用过于频繁，请稍后再试")
	errNotFollowing = fault.New(fault.Conflict, "wechat.not_following", "用户未关注公众号或已拒收消息")
	errNoOpenID     = fault.New(fault.NotFound, "wechat.openid", "该用户的 openid 无效")
)

// halts is what keeps the rest of a chunk from being called.
type halts struct {
	mu     sync.Mutex
	day    map[model.Channel]bool
	minute map[model.Channel]bool
	busy   int
	stop   string // why the dispatch stops by itself
}

// maxBusy is how many busy answers end a chunk's calls.
const maxBusy = 3

func (h *halts) halted(c model.Channel) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.day[c] || h.minute[c] || h.busy >= maxBusy || h.stop != ""
}

// callAll calls for everybody who is "sending", at most Options.Calls at a time over
// all workers. No call begins later than a third of the lease after the commit, when
// the dispatch may not go on, at night, or when the channel said no more.
func (p *Planner) callAll(ctx context.Context, d model.Dispatch, list []*recipient, began time.Time) *halts {
	h := &halts{day: map[model.Channel]bool{}, minute: map[model.Channel]bool{}}
	jobs := jobsOf(list)
	var next atomic.Int64
	var callers sync.WaitGroup
	callers.Add(min(len(jobs), p.opts.Calls))
	for range min(len(jobs), p.opts.Calls) {
		p.crew.run(func() {
			defer callers.Done()
			for p.turn(ctx) {
				over := p.calling(ctx, d, jobs, &next, h, began)
				<-p.calls
				if over {
					return
				}
			}
		})
	}
	callers.Wait()
	return h
}

// inTurn is how many calls one after the other a caller makes before he lets others
// have his turn.
const inTurn = 8

// calling makes the next calls, and tells whether there are no more.
func (p *Planner) calling(ctx context.Context, d model.Dispatch, jobs [][]*recipient, next *atomic.Int64, h *halts, began time.Time) (over bool) {
	for range inTurn {
		n := int(next.Add(1)) - 1
		if n >= len(jobs) || ctx.Err() != nil {
			return true
		}
		if p.may(d) && time.Since(began) < p.opts.Lease/3 && !h.halted(jobs[n][0].channel) {
			p.call(ctx, d, jobs[n], h, began)
		}
	}
	return false
}

// turn waits for one of the calls that may be under way.
func (p *Planner) turn(ctx context.Context) bool {
	select {
	case p.calls <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// crew keeps goroutines for the next chunk for a while: a call needs a deep stack, and
// growing it anew in each chunk costs as much as the rest of our part in a call.
type crew chan func()

// spare is how long a goroutine without work waits for some.
const spare = time.Second

// run runs f on a goroutine that has nothing to do, or on a new one.
func (c crew) run(f func()) {
	select {
	case c <- f:
	default:
		go c.work(f)
	}
}

func (c crew) work(f func()) {
	for {
		f()
		wait := time.NewTimer(spare)
		select {
		case f = <-c:
			wait.Stop()
		case <-wait.C:
			return
		}
	}
}

// jobsOf are the calls: one for each recipient, one for each mass message.
func jobsOf(list []*recipient) [][]*recipient {
	var jobs [][]*recipient
	batches := map[model.ID]int{}
	for _, r := range list {
		n, there := batches[r.batch]
		switch {
		case r.channel == "":
		case r.batch != 0 && there:
			jobs[n] = append(jobs[n], r)
		default:
			batches[r.batch] = len(jobs)
			jobs = append(jobs, []*recipient{r})
		}
	}
	return jobs
}

// repeats is how often a call is made anew whose outcome is unknown, where WeChat
// leaves out the second message.
const repeats = 2

func repeatable(c model.Channel) bool {
	return c == model.TemplateChannel || c == model.MassChannel
}

// call makes one call and notes what it said.
func (p *Planner) call(ctx context.Context, d model.Dispatch, job []*recipient, h *halts, began time.Time) {
	ctx = context.WithoutCancel(ctx) // what was begun is seen to its end
	id, err := p.deliver(ctx, job)
	maybe := job[0].maybe
	for range repeats {
		if err == nil || definite(err) || !repeatable(job[0].channel) || time.Since(began) >= p.opts.Lease/3 {
			break
		}
		maybe = true
		id, err = p.deliver(ctx, job)
	}
	out, why := p.judge(d, job[0].channel, err, h)
	if maybe && out != wasSent { // a refusal of the repeat says nothing of the first call
		out, why = wasUnknown, errUnknownOutcome.Code
	}
	for _, r := range job {
		r.out, r.msgID, r.asked = out, id, true
		if out != wasSent {
			r.why = why
		}
	}
	if errors.Is(err, errNotFollowing) && len(job) == 1 {
		if err := p.People.Unfollow(ctx, job[0].reach.Official, p.now()); err != nil {
			p.Log.WarnContext(ctx, "unfollower not noted", "openid", job[0].reach.Official, "error", err)
		}
	}
}

// deliver makes one call within its time.
func (p *Planner) deliver(ctx context.Context, job []*recipient) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	r := job[0]
	switch r.channel {
	case model.CustomChannel:
		return "", p.Sender.SendCustom(ctx, r.reach.Official, r.msg.Content)
	case model.MiniChannel:
		return p.Sender.SendSubscribe(ctx, r.reach.Mini, noticeOf(r.msg))
	case model.OfficialChannel:
		return p.Sender.SendNotice(ctx, r.reach.Official, noticeOf(r.msg))
	case model.TemplateChannel:
		return p.Broadcaster.SendTemplate(ctx, r.reach.Official, noticeOf(r.msg), templateRequest(r.row.ID))
	}
	to := make([]model.OpenID, len(job))
	for i, r := range job {
		to[i] = r.reach.Official
	}
	return p.Broadcaster.SendMass(ctx, to, r.msg.Content, massRequest(r.batch))
}

// templateRequest and massRequest name a message for ever, so that WeChat sends it
// once (client_msg_id, clientmsgid).
func templateRequest(row int64) model.RequestID {
	return model.RequestID("p" + strconv.FormatInt(row, 36))
}

func massRequest(batch model.ID) model.RequestID {
	return model.RequestID("b" + strconv.FormatInt(int64(batch), 36))
}

func noticeOf(m *model.Message) model.Notice {
	return model.Notice{Template: m.Template, Fields: m.Data, URL: m.URL, AppID: m.AppID, Page: m.Page}
}

// judge says what an answer means for the recipient, the channel and the dispatch.
func (p *Planner) judge(d model.Dispatch, c model.Channel, err error, h *halts) (outcome, string) {
	if err == nil {
		p.good(d.ID)
		return wasSent, ""
	}
	code := fault.Of(err).Code
	if !definite(err) {
		return wasUnknown, errUnknownOutcome.Code
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(err, errDayQuota):
		h.day[c] = true
		return uncalled, code
	case errors.Is(err, errMinuteQuota):
		h.minute[c] = true
		return uncalled, code
	case fault.KindOf(err) == fault.Unavailable:
		h.busy++
		return uncalled, code
	case ofRecipient(err):
		p.good(d.ID)
		return wasRefused, code
	}
	// What WeChat does not take from anybody: data, template, right, unknown code.
	if p.isBad(d.ID) {
		h.stop = code
	}
	return wasRefused, code
}

// ofRecipient tells that the refusal is about the recipient alone.
func ofRecipient(err error) bool {
	for _, one := range []error{errNoConsent, errWindowShut, errWindowUsed, errNotFollowing, errNoOpenID} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// good and isBad count the refusals of the message itself, in a row.
func (p *Planner) good(d model.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.bad, d)
}

func (p *Planner) isBad(d model.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad[d]++
	if p.bad[d] >= p.opts.MaxBad {
		delete(p.bad, d)
		return true
	}
	return false
}
