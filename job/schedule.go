package job

import (
	"context"
	"time"
)

// Work is what the jobs do, by domain.
type Work struct {
	Outbox    outboxWork
	Inbox     inboxWork
	Members   memberWork
	Followers followerWork
	Points    pointsWork
	Account   accountWork
	Mall      mallWork
	Push      pushWork
	Redpacket redpacketWork
	Payout    payoutWork
	Moments   momentWork
	Session   purger
	Request   purger
	Notice    purger
	Operators purger
	Campaign  campaignWork
	Audience  audienceWork
	Report    reportWork
}

type purger interface {
	Purge(ctx context.Context, limit int) (int, error)
}

type audienceWork interface {
	Prune(ctx context.Context) (int64, error)
	Restage(ctx context.Context) (int, error)
}

type outboxWork interface {
	Deliver(ctx context.Context) (int, error)
	Forget(ctx context.Context) (int, error)
}

type inboxWork interface {
	Refresh(ctx context.Context) error
	DeliverDue(ctx context.Context) error
	Forget(ctx context.Context) error
}

type memberWork interface {
	CheckHolders(ctx context.Context, unchecked time.Duration, limit int) (checked, unbound int, err error)
	Reseal(ctx context.Context, limit int) (int, error)
	Purge(ctx context.Context, limit int) (int64, error)
}

type followerWork interface {
	Recall(ctx context.Context) (int, error)
}

type pointsWork interface {
	SettleDue(ctx context.Context) (int, error)
	RemindDue(ctx context.Context) (int, error)
	VoidOverdue(ctx context.Context) (int, error)
}

type accountWork interface {
	Prune(ctx context.Context, limit int) (int, error)
}

type mallWork interface {
	FulfilDue(ctx context.Context) (int, error)
	Watch(ctx context.Context) (int, error)
}

type pushWork interface {
	Lose(ctx context.Context) (int, error)
	Forget(ctx context.Context) (int, error)
}

type redpacketWork interface {
	CloseDue(ctx context.Context, limit int) (int, error)
	FillDue(ctx context.Context) (int, error)
	Sweep(ctx context.Context) (int, error)
}

type payoutWork interface {
	Due(ctx context.Context) (int, error)
}

// momentWork is what games and prizes have together: telling people, and comparing
// the books.
type momentWork interface {
	Remind(ctx context.Context) (int, error)
	Reconcile(ctx context.Context) error
}

type reportWork interface {
	ComputeDue(ctx context.Context) (int, error)
	Forget(ctx context.Context) (int, error)
}

type campaignWork interface {
	Advance(ctx context.Context) (int, error)
	Stage(ctx context.Context) (int, error)
	Watch(ctx context.Context) (int, error)
}

// maxClosed is how many ended pots one run closes.
const maxClosed = 200_000

// slice is how many rows one step of a nightly job takes at a time.
const slice = 500

// holderAge is how old the carrier's word on who holds a number may become: a
// number rests for three months before it is given to somebody else.
const holderAge = 7 * 24 * time.Hour

// Schedule is every job, its time (seconds first, China's time zone), its limit, and until
// when it is made up for. What tidies up is not: the next night takes it all. Who is
// reminded of his points is not in the night. The runner has a job of its own beside
// them, which forgets what ran (forget.go).
func Schedule(w Work) []Job {
	return []Job{
		{Name: "outbox-deliver", Spec: "* * * * * *", Limit: time.Minute, Everywhere: true, Run: counted(w.Outbox.Deliver)},
		{Name: "outbox-forget", Spec: "0 20 4 * * *", Limit: 10 * time.Minute, Run: untilNone(w.Outbox.Forget)},
		{Name: "inbox-refresh", Spec: "* * * * * *", Limit: 5 * time.Second, Everywhere: true, Run: w.Inbox.Refresh},
		{Name: "inbox-deliver", Spec: "* * * * * *", Limit: time.Minute, Everywhere: true, Run: w.Inbox.DeliverDue},
		{Name: "inbox-forget", Spec: "0 10 4 * * *", Limit: 10 * time.Minute, Run: w.Inbox.Forget},
		{Name: "mall-fulfil", Spec: "*/2 * * * * *", Limit: 5 * time.Minute, Everywhere: true, Run: counted(w.Mall.FulfilDue)},
		{Name: "mall-watch", Spec: "40 */10 * * * *", Limit: time.Minute, Everywhere: true, Run: counted(w.Mall.Watch)},
		{Name: "points-settle", Spec: "0 5 0 * * *", Limit: 2 * time.Hour, Late: 20 * time.Hour, Run: counted(w.Points.SettleDue)},
		{Name: "points-remind", Spec: "0 0 10 * * *", Limit: time.Hour, Late: 10 * time.Hour, Run: counted(w.Points.RemindDue)},
		{Name: "points-void-overdue", Spec: "30 */5 * * * *", Limit: 4 * time.Minute, Run: counted(w.Points.VoidOverdue)},
		{Name: "member-check-holders", Spec: "0 0 3 * * *", Limit: time.Hour, Late: 20 * time.Hour, Run: func(ctx context.Context) error {
			_, _, err := w.Members.CheckHolders(ctx, holderAge, slice)
			return err
		}},
		{Name: "member-recall", Spec: "0 20 2 * * *", Limit: 2 * time.Hour, Late: 20 * time.Hour, Run: counted(w.Followers.Recall)},
		{Name: "member-reseal", Spec: "0 30 2 * * *", Limit: time.Hour, Run: untilNone(sliced(w.Members.Reseal))},
		{Name: "member-purge", Spec: "0 45 4 * * *", Limit: 10 * time.Minute, Run: untilNone(func(ctx context.Context) (int, error) {
			n, err := w.Members.Purge(ctx, slice)
			return int(n), err
		})},
		{Name: "redpacket-close", Spec: "*/5 * * * * *", Limit: 2 * time.Minute, Run: func(ctx context.Context) error {
			_, err := w.Redpacket.CloseDue(ctx, maxClosed)
			return err
		}},
		{Name: "redpacket-fill", Spec: "*/10 * * * * *", Limit: time.Minute, Run: counted(w.Redpacket.FillDue)},
		{Name: "redpacket-sweep", Spec: "15 */5 * * * *", Limit: 4 * time.Minute, Everywhere: true, Run: counted(w.Redpacket.Sweep)},
		{Name: "redpacket-remind", Spec: "20 * * * * *", Limit: 50 * time.Second, Run: counted(w.Moments.Remind)},
		{Name: "redpacket-reconcile", Spec: "0 30 3 * * *", Limit: 2 * time.Hour, Late: 20 * time.Hour, Run: w.Moments.Reconcile},
		{Name: "payout-due", Spec: "*/2 * * * * *", Limit: time.Minute, Everywhere: true, Run: counted(w.Payout.Due)},
		{Name: "campaign-advance", Spec: "* * * * * *", Limit: time.Minute, Everywhere: true, Run: counted(w.Campaign.Advance)},
		{Name: "campaign-stage", Spec: "* * * * * *", Limit: 30 * time.Minute, Everywhere: true, Run: counted(w.Campaign.Stage)},
		{Name: "campaign-watch", Spec: "30 * * * * *", Limit: 10 * time.Minute, Everywhere: true, Run: counted(w.Campaign.Watch)},
		{Name: "campaign-report", Spec: "0 7 * * * *", Limit: 50 * time.Minute, Late: 45 * time.Minute, Run: counted(w.Report.ComputeDue)},
		{Name: "campaign-report-forget", Spec: "0 5 5 * * *", Limit: 10 * time.Minute, Run: untilNone(w.Report.Forget)},
		{Name: "push-lose", Spec: "45 * * * * *", Limit: 30 * time.Second, Run: counted(w.Push.Lose)},
		{Name: "push-forget", Spec: "0 55 4 * * *", Limit: 10 * time.Minute, Run: untilNone(w.Push.Forget)},
		{Name: "session-purge", Spec: "0 35 4 * * *", Limit: 10 * time.Minute, Run: untilNone(sliced(w.Session.Purge))},
		{Name: "idempotency-purge", Spec: "0 25 4 * * *", Limit: 10 * time.Minute, Run: untilNone(sliced(w.Request.Purge))},
		{Name: "notice-purge", Spec: "0 40 4 * * *", Limit: 10 * time.Minute, Run: untilNone(sliced(w.Notice.Purge))},
		{Name: "operator-purge", Spec: "0 38 4 * * *", Limit: 10 * time.Minute, Run: untilNone(sliced(w.Operators.Purge))},
		{Name: "audience-prune", Spec: "0 15 5 * * *", Limit: time.Hour, Run: func(ctx context.Context) error {
			_, err := w.Audience.Prune(ctx)
			return err
		}},
		{Name: "audience-restage", Spec: "0 30 1 * * *", Limit: 3 * time.Hour, Late: 20 * time.Hour, Run: counted(w.Audience.Restage)},
		{Name: "account-prune", Spec: "0 50 4 * * *", Limit: 10 * time.Minute, Run: untilNone(sliced(w.Account.Prune))},
	}
}

// counted drops the count, which the domain's own metrics tell.
func counted(run func(context.Context) (int, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := run(ctx)
		return err
	}
}

// sliced takes one slice at a time.
func sliced(run func(context.Context, int) (int, error)) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) { return run(ctx, slice) }
}

// maxRounds bounds how many slices one run works through.
const maxRounds = 10_000

// untilNone repeats a slice until one finds nothing to do. What fails in a slice that did
// something keeps none of those after it.
func untilNone(run func(context.Context) (int, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		var failed error
		for range maxRounds {
			n, err := run(ctx)
			if err != nil {
				failed = err
			}
			if n == 0 {
				break
			}
		}
		return failed
	}
}
