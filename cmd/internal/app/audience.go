package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/service/audience"
	"kaimenhong/service/mall"
	"kaimenhong/service/member"
	"kaimenhong/service/operator"
	"kaimenhong/service/points"
	"kaimenhong/service/redpacket"
)

// crowd builds who operators are, and who people are to a campaign, before the members,
// who tell it of what changes.
func (d *domains) crowd(g ground) (err error) {
	d.operators, err = operator.New(g.stores.db, g.sealer, g.ids, g.now, g.log, g.reg, operator.Options{PasswordAlone: g.cfg.Security.PasswordAlone})
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	d.audience, err = audience.New(audience.Deps{
		DB: g.stores.db, Sealer: g.sealer, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg, Audit: d.operators, Plans: naming{d},
	}, audience.Options{})
	if err != nil {
		return fmt.Errorf("audience: %w", err)
	}
	d.deeds = &deeds{audience: d.audience, members: d.book, now: g.now, log: g.log, queue: make(chan deed, waitingDeeds), dropped: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "audience_deeds_dropped_total", Help: "Deeds of members that are not added up, for too many waited.",
	})}
	g.reg.MustRegister(d.deeds.dropped)
	g.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "audience_deeds_waiting", Help: "Deeds of members that are not yet added up.",
	}, func() float64 { return float64(d.deeds.waiting.Load()) }))
	d.background = append(d.background, d.deeds.Run)
	return nil
}

// naming asks the campaigns, which are built after the audience.
type naming struct{ *domains }

// NamingTx names the plans that use a segment.
func (n naming) NamingTx(ctx context.Context, tx *sql.Tx, segment model.ID, limit int) ([]string, error) {
	return n.campaign.NamingTx(ctx, tx, segment, limit)
}

// UsingTx names those of them whose campaign is not over.
func (n naming) UsingTx(ctx context.Context, tx *sql.Tx, segment model.ID, limit int) ([]string, error) {
	return n.campaign.UsingTx(ctx, tx, segment, limit)
}

// deed is one thing that somebody did, who is known by his id or by what he sent.
type deed struct {
	act     audience.Act
	inbound model.Inbound // when act has no member yet
}

// waitingDeeds bounds the deeds that wait to be written; deedsEvery is how long they
// wait for company.
const (
	waitingDeeds = 8192
	deedsEvery   = 500 * time.Millisecond
	deedsLimit   = 10 * time.Second
)

// deeds tells the audience what members do, after they were answered and many at once.
// It is knowledge for campaigns and no promise: what waits is lost with the process,
// and what has no room is left out.
type deeds struct {
	audience *audience.Audience
	members  *memberBook
	now      model.Clock
	log      *slog.Logger
	queue    chan deed
	waiting  atomic.Int64 // queued or being written
	dropped  prometheus.Counter
}

// did notes that a member did something, once for a ref.
func (d *deeds) did(who model.MemberID, kind audience.Kind, ref string) {
	d.note(deed{act: audience.Act{Member: who, Kind: kind, At: model.At(d.now()), Ref: ref}})
}

func (d *deeds) note(one deed) {
	d.waiting.Add(1)
	select {
	case d.queue <- one:
	default:
		d.waiting.Add(-1)
		d.dropped.Inc()
	}
}

// inboundDeeds are what messages and events tell.
var inboundDeeds = map[model.InboundKind]audience.Kind{
	model.InText: audience.Ask, model.InVoice: audience.Ask, model.InImage: audience.Ask, model.InClick: audience.Tap, model.InView: audience.Tap,
	model.InScan: audience.Tap, model.InSubscribe: audience.Follow, model.InUnsubscribe: "",
}

// Note takes what came in from a subscriber; the inbox runs each message once.
func (d *deeds) Note(in model.Inbound) {
	if kind, ok := inboundDeeds[in.Kind]; ok {
		in.Raw, in.Fields = nil, nil // it waits for a moment
		d.note(deed{audience.Act{Kind: kind, At: model.At(d.now())}, in})
	}
}

// Run writes what was noted, until ctx ends; then what still waits.
func (d *deeds) Run(ctx context.Context) {
	tick := time.NewTicker(deedsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), deedsLimit)
			defer cancel()
			d.flush(last)
			return
		}
	}
}

// flush writes what waits now, in batches.
func (d *deeds) flush(ctx context.Context) {
	for left := len(d.queue); left > 0; left -= audience.MaxActs {
		d.flushBatch(ctx, min(left, audience.MaxActs))
	}
}

// flushBatch writes count deeds, which wait.
func (d *deeds) flushBatch(ctx context.Context, count int) {
	defer d.waiting.Add(-int64(count))
	ctx, cancel := context.WithTimeout(ctx, deedsLimit)
	defer cancel()
	acts := make([]audience.Act, 0, count)
	for range count {
		one := <-d.queue // Run is the only one who takes
		act, err := d.known(ctx, one)
		if err != nil {
			d.log.WarnContext(ctx, "deed not understood", "kind", one.act.Kind, "error", err)
			continue
		}
		if act.Kind != "" {
			acts = append(acts, act)
		}
	}
	if err := d.audience.Did(ctx, acts); err != nil {
		d.log.WarnContext(ctx, "deeds not written", "count", len(acts), "error", err)
	}
}

// known finds out whose the deed is. Who follows, or no longer does, is observed.
func (d *deeds) known(ctx context.Context, one deed) (audience.Act, error) {
	if one.act.Member != 0 {
		return one.act, nil
	}
	find := d.members.Recent
	if one.inbound.Kind == model.InUnsubscribe {
		find = d.members.Known // nobody becomes a member by leaving
	}
	m, err := find(ctx, one.inbound.App, one.inbound.OpenID)
	if errors.Is(err, member.ErrUnknown) {
		return audience.Act{}, nil
	}
	if err != nil {
		return one.act, err
	}
	if one.inbound.Kind == model.InSubscribe || one.inbound.Kind == model.InUnsubscribe {
		m, err = d.audience.Observe(ctx, asIs(d.members.Members, m.ID))
	}
	if errors.Is(err, member.ErrUnknown) {
		return audience.Act{}, nil // closed a moment ago
	}
	if err != nil {
		return one.act, err
	}
	one.act.Member = m.ID
	return one.act, nil
}

// observed keeps a promise about a member, and then lets the audience look at him; did
// is what he did by it, "" for nothing.
func (d *domains) observed(keep func(context.Context, model.RequestID, []byte) error, did audience.Kind) func(context.Context, model.RequestID, []byte) error {
	return func(ctx context.Context, request model.RequestID, raw []byte) error {
		if err := keep(ctx, request, raw); err != nil {
			return err
		}
		var e struct {
			Member model.MemberID `json:"member"`
			Into   model.MemberID `json:"into"`
			At     model.Millis   `json:"at"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return errPayload.With(err)
		}
		m, err := d.audience.Observe(ctx, asIs(d.members, max(e.Member, e.Into)))
		if errors.Is(err, member.ErrUnknown) {
			return nil // closed again, and forgotten
		}
		if err != nil || did == "" {
			return err
		}
		return d.audience.Did(ctx, []audience.Act{{Member: m.ID, Kind: did, At: e.At, Ref: "promise:" + string(request)}})
	}
}

// asIs reads a member for the audience. Promises about one member are kept beside each
// other, and beside his own messages: each reads him as he is when it writes.
func asIs(members *member.Members, id model.MemberID) audience.Reading {
	return func(ctx context.Context, tx *sql.Tx) (model.Member, error) {
		return members.CurrentTx(ctx, tx, id, model.OfficialAccount)
	}
}

// players open and help pots, and the audience learns of it.
type players struct {
	*redpacket.Engine
	*deeds
}

// Open opens a pot.
func (p players) Open(ctx context.Context, in redpacket.OpenRequest) (redpacket.Opened, error) {
	opened, err := p.Engine.Open(ctx, in)
	if err == nil {
		p.did(in.Who.Member.ID, audience.Play, "pot:"+model.ID(opened.Pot).String())
	}
	return opened, err
}

// View shows a pot. Who looks at another's pot came by its card: that it was shared is
// known by this alone, for WeChat tells nobody that a card was sent.
func (p players) View(ctx context.Context, id redpacket.PotID, who redpacket.Visitor) (redpacket.PotView, error) {
	v, err := p.Engine.View(ctx, id, who)
	if err == nil && !v.IsOwner && v.Mine == nil && who.Member.ID != 0 {
		p.did(v.Owner, audience.Share, fmt.Sprintf("share:%d:%d", id, who.Member.ID))
	}
	return v, err
}

// helpers help by way of the moments.
type helpers struct {
	*moments
	*deeds
}

// Help helps a pot.
func (h helpers) Help(ctx context.Context, in redpacket.HelpRequest) (redpacket.Help, error) {
	help, err := h.moments.Help(ctx, in)
	if err == nil {
		h.did(in.Who.Member.ID, audience.Help, fmt.Sprintf("help:%d:%d", in.Pot, help.K))
	}
	return help, err
}

// visitors sign in to the points.
type visitors struct {
	*points.Ledger
	*deeds
}

// SignIn is the day's visit.
func (v visitors) SignIn(ctx context.Context, who model.MemberID) (points.SignedIn, error) {
	s, err := v.Ledger.SignIn(ctx, who)
	if err == nil && !s.Again {
		v.did(who, audience.SignIn, fmt.Sprintf("sign_in:%d:%d", who, model.DayOf(v.now())))
	}
	return s, err
}

// shoppers redeem at the mall, in the chat and in the mini-program.
type shoppers struct {
	*mall.Mall
	*deeds
}

// Redeem trades points for a gift.
func (s shoppers) Redeem(ctx context.Context, o mall.Order) (mall.Redemption, error) {
	r, err := s.Mall.Redeem(ctx, o)
	if err == nil {
		s.did(o.Member, audience.Redeem, "redemption:"+r.ID.String())
	}
	return r, err
}
