package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/config"
	"kaimenhong/handler"
	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/model/seal"
	"kaimenhong/service/account"
	"kaimenhong/service/audience"
	"kaimenhong/service/campaign"
	"kaimenhong/service/carrier"
	"kaimenhong/service/chat"
	"kaimenhong/service/home"
	"kaimenhong/service/idempotency"
	"kaimenhong/service/inbox"
	"kaimenhong/service/mall"
	"kaimenhong/service/material"
	"kaimenhong/service/member"
	"kaimenhong/service/notice"
	"kaimenhong/service/operator"
	"kaimenhong/service/outbox"
	"kaimenhong/service/payout"
	"kaimenhong/service/points"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
	"kaimenhong/service/session"
	"kaimenhong/service/sms"
	"kaimenhong/service/wechat"
)

// ground is what every domain stands on.
type ground struct {
	cfg    config.Config
	stores *stores
	ids    *model.IDs
	now    model.Clock
	log    *slog.Logger
	reg    *prometheus.Registry
	sealer *seal.Sealer
	traces tracing
}

// domains are the built domains.
type domains struct {
	wechat    *wechat.Client
	carrier   *carrier.Client
	outbox    *outbox.Outbox
	account   *account.Service
	held      *heldBook
	book      *memberBook
	members   *member.Members
	points    *points.Ledger
	mall      *mall.Mall
	push      *push.Pusher
	planner   *push.Planner
	redpacket *redpacket.Engine
	payer     *payout.Payer
	moments   *moments
	rules     *chat.Rules
	notes     *chat.Notes
	chat      *chat.Chat
	inbox     *inbox.Inbox
	session   *session.Sessions
	request   *idempotency.Keeper
	home      *home.Home
	notice    *notice.Notices
	operators *operator.Operators
	audience  *audience.Audience
	campaign  *campaign.Campaigns
	report    *campaign.Reports
	material  *material.Materials
	deeds     *deeds
	// background runs until the application closes; each returns when ctx ends.
	background []func(ctx context.Context)
	// drain waits for what was begun.
	drain []func(ctx context.Context) error
}

// newDomains builds every domain, each after those it calls.
func newDomains(g ground) (*domains, error) {
	d := &domains{}
	for _, build := range []func(ground) error{d.outside, d.value, d.crowd, d.people, d.game, d.conversation, d.pages, d.materials, d.sending, d.campaigns, d.rehearsals, d.reports, d.promises} {
		if err := build(g); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// outside builds the clients of WeChat and the carrier and what remembers them.
func (d *domains) outside(g ground) (err error) {
	if d.wechat, err = newWeChat(g.cfg, g.stores, g.now, g.log, g.reg, g.traces.outgoing("wechat", true)); err != nil {
		return err
	}
	if d.carrier, err = newCarrier(g.cfg, g.now, g.log, g.reg, g.traces.outgoing("carrier", false)); err != nil {
		return err
	}
	d.account, err = account.New(d.carrier, d.carrier, account.Stores{
		DB: g.stores.db, Redis: g.stores.redis, Sealer: g.sealer,
		Index: func(p model.Phone) string { return g.sealer.IndexText(p.Digits(), "account") },
	}, g.now, g.log, g.reg, account.Options{Load: accountLoad})
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	d.background = append(d.background, d.account.Run)
	d.outbox = outbox.New(g.stores.db, g.ids, g.now, g.log, g.reg, outbox.Options{})
	return nil
}

// accountLoad bounds what the carrier is asked for one answer, which is two calls for
// a number that was not seen for a minute. It ends before the chat stops waiting.
const accountLoad = 14 * time.Second

func newWeChat(cfg config.Config, s *stores, now model.Clock, log *slog.Logger, reg prometheus.Registerer, wrap func(http.RoundTripper) http.RoundTripper) (*wechat.Client, error) {
	official := wechat.Account{AppID: cfg.WeChat.AppID, Secret: cfg.WeChat.AppSecret.Reveal()}
	mini := wechat.Account{AppID: cfg.WeChat.MiniAppID, Secret: cfg.WeChat.MiniAppSecret.Reveal()}
	client, err := wechat.NewClient(official, mini, s.redis, now, log, reg, wechat.Options{BaseURL: cfg.WeChat.BaseURL, Wrap: wrap})
	if err != nil {
		return nil, fmt.Errorf("wechat: %w", err)
	}
	return client, nil
}

func newCarrier(cfg config.Config, now model.Clock, log *slog.Logger, reg prometheus.Registerer, wrap func(http.RoundTripper) http.RoundTripper) (*carrier.Client, error) {
	client, err := carrier.New(now, log, reg, carrier.Options{
		BaseURL: cfg.Carrier.BaseURL, Token: cfg.Carrier.Token.Reveal(), Deadline: cfg.Carrier.Timeout,
		// A read that is slow is not begun anew: the second one would be as slow.
		Attempt: cfg.Carrier.Timeout, Wrap: wrap,
	})
	if err != nil {
		return nil, fmt.Errorf("carrier: %w", err)
	}
	return client, nil
}

// value builds the points and what they are spent on, before the members: both move
// when two members become one, and a carrier's file names members by number.
func (d *domains) value(g ground) (err error) {
	d.book = &memberBook{}
	d.points, err = points.New(g.stores.db, g.ids, g.now, g.log, g.reg, d.outbox, d.book, points.Options{Rules: wonPoints, Audit: audit{d}})
	if err != nil {
		return fmt.Errorf("points: %w", err)
	}
	d.mall, err = mall.New(mall.Deps{
		DB: g.stores.db, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg, Sealer: g.sealer,
		Spender: d.points, Holder: d.points, Outbox: d.outbox, Carrier: delivery{d.carrier, d.account},
		Holders: holders{d}, Tiers: tiers{d.account, g.cfg.Carrier.Levels}, Levels: g.cfg.Carrier.Levels, Audit: audit{d},
	})
	if err != nil {
		return fmt.Errorf("mall: %w", err)
	}
	return nil
}

// people builds what may be sent to members, their sessions and the members. When two
// become one the ledger goes before the mall, for its lock on the accounts is what
// redemptions wait for; when one leaves, after it, for the mall gives points back.
func (d *domains) people(g ground) (err error) {
	gateway, err := sms.New(g.cfg.SMS.BaseURL, g.cfg.SMS.Token.Reveal(), g.now, g.reg, sms.Options{Wrap: g.traces.outgoing("sms", false)})
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	if d.session, err = newSessions(g, d.wechat, d.book); err != nil {
		return err
	}
	d.background = append(d.background, d.session.Run)
	if d.notice, err = notice.New(g.stores.db, g.ids, g.now, notice.Options{}); err != nil {
		return fmt.Errorf("notice: %w", err)
	}
	d.push = push.New(push.Needs{
		SQL: g.stores.db, Redis: g.stores.redis, People: d.book, Consents: d.book, Sender: d.wechat, Templates: d.wechat,
		IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg,
	}, push.Options{})
	d.background = append(d.background, d.push.Run)
	d.notes = chat.NewNotes(g.stores.db, g.sealer, g.ids, g.now, d.operators)
	d.members, err = member.New(member.Deps{
		DB: g.stores.db, Redis: g.stores.shared, Sealer: g.sealer, Outbox: d.outbox, SMS: gateway, Carrier: d.account,
		IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg,
	}, member.Options{Released: d.released(g)}, leaving{d.mall}, d.points, d.mall, d.push, d.session, d.notice, d.audience, d.notes, playing{d})
	if err != nil {
		return fmt.Errorf("member: %w", err)
	}
	d.book.Members = d.members
	return nil
}

// memberBook is the members for the ledger, the pusher and the sessions, which are
// built before them.
type memberBook struct{ *member.Members }

// AgreesToMarketing tells whether offers and campaigns may be sent to the member.
func (b *memberBook) AgreesToMarketing(ctx context.Context, id model.MemberID) (bool, error) {
	return b.Agrees(ctx, id, member.Marketing)
}

// DeclineMarketing notes that he wants none any more.
func (b *memberBook) DeclineMarketing(ctx context.Context, id model.MemberID, request model.RequestID) error {
	return b.Decline(ctx, id, member.Marketing, request)
}

// conversation builds the chat and the inbox in front of it.
func (d *domains) conversation(g ground) error {
	d.rules = chat.NewRules(g.stores.db, g.ids, g.now, g.log, chat.RulesOptions{Audit: d.operators})
	opts, err := chatOptions(g.cfg)
	if err != nil {
		return err
	}
	if d.held, err = newHeldBook(d.account, d.members); err != nil {
		return err
	}
	d.chat = chat.New(chat.Needs{
		Members: d.members, Binding: d.members, Account: d.held, Bills: d.held, Points: d.points, Visits: chatVisits{visitors{d.points, d.deeds}}, Gifts: chatCounter{d.mall, d.deeds}, Pots: potBook{d.moments}, Rules: d.rules,
		Notes: d.notes, Declines: d.book, Redis: g.stores.shared, Now: g.now, Log: g.log, Metrics: g.reg,
	}, opts)
	d.inbox = inbox.New(g.stores.db, g.stores.shared, d.wechat, g.sealer, noted{d}.Handle, g.now, g.log, g.reg, inbox.Options{})
	d.background = append(d.background, d.rules.Run)
	d.drain = append(d.drain, d.inbox.Drain)
	return nil
}

// handlers are the domains behind HTTP.
func (d *domains) handlers(g ground) (handler.Handlers, error) {
	h := handler.Handlers{TrustedProxies: g.cfg.HTTP.TrustedProxies, Log: g.log, Registry: g.reg, Tracer: g.traces.tracer}
	codec, err := wechat.NewCodec(g.now, wechat.CodecOptions{
		App: model.OfficialAccount, AppID: g.cfg.WeChat.AppID, Token: g.cfg.WeChat.Token.Reveal(), Mode: wechat.Mode(g.cfg.WeChat.Mode),
		AESKey: g.cfg.WeChat.EncodingAESKey.Reveal(), PreviousAESKey: g.cfg.WeChat.PreviousAESKey.Reveal(), Window: g.cfg.WeChat.Freshness,
	})
	if err != nil {
		return h, fmt.Errorf("wechat: %w", err)
	}
	if h.WeChat, err = handler.NewWeChat(codec, d.inbox, noted{d}, g.log, g.reg, handler.WeChatOptions{}); err != nil {
		return h, err
	}
	h.Mini, err = d.miniCallback(g)
	d.api(g, &h)
	d.pushes(&h)
	d.ops(g, &h)
	h.Redpacket, h.Complaint = d.redpackets(g), handler.Complaint{Notes: d.notes}
	h.OpsDraft = handler.OpsDraft{Drafts: d.redpacket, Writer: d.redpacket, Approver: d.redpacket}
	h.OpsGame = handler.OpsGame{Desk: d.redpacket, Switch: d.redpacket, Prizes: d.payer}
	return h, err
}

// work is the domains behind the schedule.
func (d *domains) work(log *slog.Logger) job.Work {
	return job.Work{Outbox: d.outbox, Inbox: d.inbox, Points: d.points, Members: d.members, Followers: d.followers(log), Account: d.account, Mall: d.mall, Push: d.push, Session: d.session, Request: d.request, Notice: d.notice,
		Redpacket: d.redpacket, Payout: d.payer, Moments: d.moments, Operators: d.operators, Campaign: d.campaign, Report: d.report, Audience: d.audience,
	}
}

// chatOptions words the settings for the chat.
func chatOptions(cfg config.Config) (chat.Options, error) {
	hours, err := agentHours(cfg.Chat.AgentDays, cfg.Chat.AgentHours)
	if err != nil {
		return chat.Options{}, err
	}
	// WeChat wants an address for clients that are too old for mini-programs.
	page := func(path string) chat.Link {
		return chat.Link{AppID: cfg.WeChat.MiniAppID, Page: path, URL: "https://mp.weixin.qq.com"}
	}
	opts := chat.Options{Name: cfg.Chat.Name, Carrier: chat.Carrier("china_" + cfg.Carrier.Brand), Hours: hours, Hotline: cfg.Chat.Hotline, Welcome: map[string]string{}}
	for _, w := range cfg.Chat.Welcomes {
		source, text, _ := strings.Cut(w, "=")
		opts.Welcome[source] = text
	}
	if cfg.WeChat.MiniAppID != "" {
		opts.Links = map[chat.Intent]chat.Link{
			chat.TopUp: page(cfg.Chat.TopUpPage), chat.Redeem: page(cfg.Chat.MallPage), chat.Points: page(cfg.Chat.AccountPage),
			chat.Deals: page(cfg.Chat.DealsPage), chat.News: page(cfg.Chat.NewsPage), chat.Services: page(cfg.Chat.ServicesPage),
			chat.Redpacket: {AppID: cfg.WeChat.MiniAppID, Page: cfg.Chat.RedpacketPage}, // no web page: WeChat allows the game in the mini-program alone
		}
		maps.DeleteFunc(opts.Links, func(_ chat.Intent, l chat.Link) bool { return l.Page == "" })
	}
	return opts, nil
}

// agentHours reads 1-7 and 08:00-22:00.
func agentHours(days, hours string) (chat.Hours, error) {
	var from, to, openHour, openMinute, closeHour, closeMinute int
	if _, err := fmt.Sscanf(days, "%d-%d", &from, &to); err != nil || from < 1 || to > 7 || from > to {
		return chat.Hours{}, fmt.Errorf("chat.agent_days (%s): write 1-7, Monday is 1", config.EnvironName("chat.agent_days"))
	}
	if _, err := fmt.Sscanf(hours, "%d:%d-%d:%d", &openHour, &openMinute, &closeHour, &closeMinute); err != nil {
		return chat.Hours{}, fmt.Errorf("chat.agent_hours (%s): write 08:00-22:00", config.EnvironName("chat.agent_hours"))
	}
	h := chat.Hours{
		Open:  time.Duration(openHour)*time.Hour + time.Duration(openMinute)*time.Minute,
		Close: time.Duration(closeHour)*time.Hour + time.Duration(closeMinute)*time.Minute,
	}
	if h.Open < 0 || h.Open >= h.Close || h.Close > 24*time.Hour {
		return chat.Hours{}, fmt.Errorf("chat.agent_hours (%s): the end comes after the beginning", config.EnvironName("chat.agent_hours"))
	}
	for day := from; day <= to; day++ {
		h.Days = append(h.Days, time.Weekday(day%7))
	}
	return h, nil
}
