package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
	"kaimenhong/service/member"
	"kaimenhong/service/payout"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
)

// moment is where a message leads and by which template it may go.
type moment struct {
	appID    string // of the mini-program
	page     string // of a pot
	template string // subscribe message: thing1 title, thing2 progress, thing3 hint
}

// moments tells owners and helpers of a pot what happens to it. The pot's end and its
// prize are promises of the outbox and are told at least once, and by the pusher at
// most once. The first help and the last one missing come from the help's answer and
// may be lost with the process: they cheer, they promise nothing.
type moments struct {
	engine  *redpacket.Engine
	payer   *payout.Payer
	push    *push.Pusher
	members *member.Members
	moment
	now   model.Clock
	log   *slog.Logger
	queue chan redpacket.PotID
	cards chan card
	thumb *thumb

	reminding reminding
}

// waitingMoments bounds the pots that wait to be told of, and the cards.
const waitingMoments = 1024

func newMoments(e *redpacket.Engine, p *payout.Payer, pusher *push.Pusher, m moment, now model.Clock, log *slog.Logger) *moments {
	return &moments{engine: e, payer: p, push: pusher, moment: m, now: now, log: log,
		queue: make(chan redpacket.PotID, waitingMoments), cards: make(chan card, waitingMoments),
	}
}

// Help is the engine's, and notes what cheers the owner.
func (m *moments) Help(ctx context.Context, in redpacket.HelpRequest) (redpacket.Help, error) {
	help, err := m.engine.Help(ctx, in)
	if err == nil && (help.K == 1 || help.K >= help.N-1) {
		m.news(help.Pot)
	}
	return help, err
}

// news notes a pot whose owner may be cheered.
func (m *moments) news(pot redpacket.PotID) {
	select {
	case m.queue <- pot:
	default:
	}
}

// momentLimit bounds the telling of one moment.
const momentLimit = 15 * time.Second

// Run tells what Help noted, until ctx ends.
func (m *moments) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case pot := <-m.queue:
			m.once(ctx, "moment not told", func(ctx context.Context) error { return m.cheer(ctx, pot) }, "pot", pot)
		case c := <-m.cards:
			m.once(ctx, "card not sent", func(ctx context.Context) error { return m.sendCard(ctx, c) }, "member", c.member)
		}
	}
}

// once does one of them within its time. What fails, a panic included, is logged and
// ends none of the others.
func (m *moments) once(ctx context.Context, failed string, do func(context.Context) error, about ...any) {
	within, cancel := context.WithTimeout(ctx, momentLimit)
	defer cancel()
	err := model.Guarded(func() error { return do(within) })
	var panicked *model.Panic
	if errors.As(err, &panicked) {
		m.log.ErrorContext(ctx, "panic", append(about, "stack", string(panicked.Stack))...)
	}
	if err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, failed, append(about, "error", err)...)
	}
}

// cheer tells the owner of the first help, or that one is missing, by what stands in
// SQL now.
func (m *moments) cheer(ctx context.Context, pot redpacket.PotID) error {
	v, err := m.engine.View(ctx, pot, redpacket.Visitor{})
	if err != nil || v.State != redpacket.Open {
		return err
	}
	if stopped, err := m.stopped(ctx, v.Game); err != nil || stopped {
		return err
	}
	left := v.Helps - v.Helped
	switch cheers(v.Helped, left) {
	case lastMissing:
		return m.say(ctx, lastMissing, v.Owner, v.Game, pot, func(prize string) (string, string, string) {
			return fmt.Sprintf("还差1位好友助力，%s就凑满了，%s截止。", prize, until(v.EndsAt)), "还差1位", "凑满即可领取奖品"
		}, v.Target)
	case firstHelp:
		return m.say(ctx, firstHelp, v.Owner, v.Game, pot, func(prize string) (string, string, string) {
			return fmt.Sprintf("第一位好友为您助力啦，还差%d位就凑满%s，%s截止。", left, prize, until(v.EndsAt)), fmt.Sprintf("已助力1位，还差%d位", left), "收到第一份心意"
		}, v.Target)
	}
	return nil
}

// The topics that cheer an owner.
const (
	firstHelp   = "redpacket.first_help"
	lastMissing = "redpacket.last_one_missing"
)

// cheers is the topic to tell an open pot's owner, "" for nothing.
func cheers(helped, left int) string {
	switch {
	case left == 1:
		return lastMissing
	case helped == 1 && left > 1: // one that is full is called filled a moment later
		return firstHelp
	}
	return ""
}

func until(at model.Millis) string { return at.Time().Format("1月2日15:04") }

// maxThanked is how many helpers are thanked with one promise.
const maxThanked = 50

// ended tells of a pot's end.
func (m *moments) ended(ctx context.Context, e redpacket.Ended) error {
	unbound, err := m.needsPhone(ctx, e)
	if err != nil {
		return err
	}
	switch {
	case e.State == redpacket.Filled:
		err := m.say(ctx, "redpacket.filled", e.Owner, e.Game, e.Pot, func(prize string) (string, string, string) {
			if unbound {
				return "红包凑满啦！" + prize + bindFirst, "已凑满", bindHint
			}
			return "红包凑满啦！" + prize + "正在发放，到账后告诉您。", "已凑满", "奖品正在发放"
		}, e.Won)
		return errors.Join(err, m.thank(ctx, thanks{e.Pot, e.Game, 0}))
	case e.Won > 0:
		return m.say(ctx, "redpacket.expired", e.Owner, e.Game, e.Pot, func(prize string) (string, string, string) {
			text, progress := fmt.Sprintf("红包到时间了，%d位好友助力，凑到的%s", e.Helps, prize), fmt.Sprintf("助力%d位，已截止", e.Helps)
			if unbound {
				return text + bindFirst, progress, bindHint
			}
			return text + "会发放给您。", progress, "凑到的部分会发放给您"
		}, e.Won)
	}
	return m.say(ctx, "redpacket.expired", e.Owner, e.Game, e.Pot, func(string) (string, string, string) {
		return fmt.Sprintf("红包到时间了，%d位好友助力，没能凑满，这次没有奖品。", e.Helps), fmt.Sprintf("助力%d位，已截止", e.Helps), "没能凑满，这次没有奖品"
	}, e.Target)
}

// What is said to a winner who has no number yet.
const (
	bindFirst = "绑定手机号后发放，发送“绑定”即可绑定。"
	bindHint  = "绑定手机号后发放"
)

// needsPhone tells that a prize waits until its winner binds a number, as all but points
// do.
func (m *moments) needsPhone(ctx context.Context, e redpacket.Ended) (bool, error) {
	g, err := m.engine.Game(ctx, e.Game)
	if err != nil || e.Won == 0 || g.Rules.Prize.Kind == model.PointsPrize {
		return false, err
	}
	owner, err := m.members.Get(ctx, e.Owner, model.OfficialAccount)
	if errors.Is(err, member.ErrUnknown) {
		return false, nil // he has closed his account: nobody is told
	}
	return err == nil && !owner.Bound(), err
}

// thanks are owed to the helpers of a full pot from the slot after the given.
type thanks struct {
	Pot   redpacket.PotID  `json:"pot"`
	Game  redpacket.GameID `json:"game"`
	After int              `json:"after"`
}

// thank tells helpers that the pot is full.
func (m *moments) thank(ctx context.Context, t thanks) error {
	helpers, err := m.engine.Helpers(ctx, t.Pot, t.After, maxThanked)
	if err != nil {
		return err
	}
	var failed []error
	for _, helper := range helpers {
		failed = append(failed, m.say(ctx, "redpacket.helped_filled", helper, t.Game, t.Pot, func(string) (string, string, string) {
			return "您助力的红包凑满了，谢谢您的心意！", "已凑满", "谢谢您的心意"
		}, 0))
	}
	return errors.Join(failed...)
}

// settled tells a winner what became of his prize.
func (m *moments) settled(ctx context.Context, e payout.Settled) error {
	prize, err := m.payer.Payout(ctx, e.Pot)
	if err != nil {
		return err
	}
	pot, game := redpacket.PotID(e.Pot), redpacket.GameID(e.Game)
	if e.State == payout.Paid {
		return m.say(ctx, "redpacket.paid", e.Member, game, pot, func(what string) (string, string, string) {
			return "红包奖品" + what + "已到账。", "奖品已到账", "感谢参与"
		}, prize.Value)
	}
	return m.say(ctx, "redpacket.not_paid", e.Member, game, pot, func(what string) (string, string, string) {
		return "很抱歉，红包奖品" + what + "没能发放成功，要人帮忙请回复“人工”。", "奖品未能发放", "可联系人工客服"
	}, prize.Value)
}

// Each run of Remind looks back half an hour, so that a run that was missed, or that was
// too short for all envelopes of a game that ends, is made good; the pusher tells once.
// Several owners are told at a time, for a call to WeChat takes a while.
const (
	remindBack   = 30 * time.Minute
	remindPage   = 500
	remindAtOnce = 16
)

// Remind tells the owners whose pots end soon, and returns how many pots it looked at.
func (m *moments) Remind(ctx context.Context) (int, error) {
	return m.reminding.run(ctx, func(after redpacket.PotLine) ([]redpacket.PotLine, error) {
		return m.engine.EndingSoon(ctx, remindBack, after, remindPage)
	}, func(p redpacket.PotLine) error { return m.remind(ctx, p) })
}

// beside does something with each of a list, so many at a time.
func beside[T any](all []T, atOnce int, do func(T)) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, one := range all {
		group.Go(func() error {
			do(one)
			return nil
		})
	}
	_ = group.Wait() // nothing fails
}

// remind tells one owner, unless nobody can help any more: the pot is full, or the game
// is stopped. Where it goes on within remindBack he is told then.
func (m *moments) remind(ctx context.Context, p redpacket.PotLine) error {
	left := p.Helps - p.Helped
	if stopped, err := m.stopped(ctx, p.Game); err != nil || stopped || left <= 0 {
		return err
	}
	return m.say(ctx, "redpacket.ending_soon", p.Owner, p.Game, p.Pot, func(prize string) (string, string, string) {
		return fmt.Sprintf("您的红包%s截止，还差%d位好友助力就凑满%s。", until(p.EndsAt), left, prize), fmt.Sprintf("还差%d位", left), lasts(p.EndsAt.Time().Sub(m.now()))
	}, p.Target)
}

// lasts says how long a pot is still open: two hours, though the reminder may come a few
// minutes late, or the minutes of one that lives briefly.
func lasts(left time.Duration) string {
	if left > 110*time.Minute {
		return "还有2小时截止"
	}
	return fmt.Sprintf("还有%d分钟截止", int64((left+time.Minute-1)/time.Minute))
}

// stopped tells that the kill switch of a game is on: nobody is asked to find friends.
func (m *moments) stopped(ctx context.Context, game redpacket.GameID) (bool, error) {
	g, err := m.engine.Game(ctx, game)
	return g.StoppedAt != 0, err
}

// say sends one message about a pot, with a way to it in the mini-program: never a
// link to a web page.
func (m *moments) say(ctx context.Context, topic string, to model.MemberID, game redpacket.GameID, pot redpacket.PotID, word func(prize string) (text, progress, hint string), worth model.Fen) error {
	g, err := m.engine.Game(ctx, game)
	if err != nil {
		return err
	}
	text, progress, hint := word(g.Rules.Prize.Say(worth))
	page := m.page + "?pot=" + pot.String()
	n := push.Notice{
		Topic: topic, Request: model.RequestID("pot-" + pot.String()), Purpose: push.Transactional,
		Custom: model.Text("【" + g.Rules.Title + "】" + text),
	}
	if m.appID != "" {
		n.Custom.Text += fmt.Sprintf("\n<a data-miniprogram-appid=%q data-miniprogram-path=%q>看看红包</a>", m.appID, page)
	}
	if m.template != "" {
		n.Mini = model.Notice{
			Template: m.template, Page: page,
			Fields: map[string]string{"thing1": clip(g.Rules.Title), "thing2": clip(progress), "thing3": clip(hint)},
		}
	}
	_, err = m.push.Tell(ctx, to, n)
	return err
}

// maxThing is how many characters a thing field takes.
const maxThing = 20

func clip(s string) string {
	if runes := []rune(s); len(runes) > maxThing {
		return string(runes[:maxThing-1]) + "…"
	}
	return s
}

// Reconcile compares SQL, Redis, the payouts and the carrier. Each discrepancy is
// logged, and any at all is an error; nil means that all is well.
func (m *moments) Reconcile(ctx context.Context) error {
	violations, err := m.engine.Reconcile(ctx)
	for _, v := range violations {
		m.log.ErrorContext(ctx, "redpacket rule broken", "rule", v.Rule, "subject", v.Subject, "detail", v.Detail)
	}
	found, paid := m.payer.Reconcile(ctx)
	if n := len(violations) + len(found); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d discrepancies between games, prizes and the carrier", n))
	}
	return errors.Join(err, paid)
}
