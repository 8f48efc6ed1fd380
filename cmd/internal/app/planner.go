package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kaimenhong/config"
	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/service/audience"
	"kaimenhong/service/campaign"
	"kaimenhong/service/member"
	"kaimenhong/service/push"
)

// sending builds what sends campaigns, on every replica, after the audience and the
// library that it reads.
func (d *domains) sending(g ground) error {
	key, err := tapKey(g.cfg.Security.SessionKey.Reveal())
	if err != nil {
		return err
	}
	opts, err := planning(g.cfg.Push)
	if err != nil {
		return err
	}
	d.planner = push.NewPlanner(push.PlannerNeeds{
		SQL: g.stores.db, Redis: g.stores.redis, Audience: d.audience, Material: d.material, People: d.members, Sender: d.wechat,
		Broadcaster: d.wechat, TapKey: key, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg,
	}, opts)
	d.background = append(d.background, d.planner.Run)
	return nil
}

// planning are the planner's options: bounds that no plan can loosen.
func planning(cfg config.Push) (push.PlannerOptions, error) {
	opts := push.PlannerOptions{Caps: capsOf(cfg), Quotas: map[model.Channel]push.Quota{}}
	for _, line := range cfg.Quotas {
		name, limits, _ := strings.Cut(line, "=")
		day, minute, both := strings.Cut(limits, "/")
		quota := opts.Quota(model.Channel(name))
		known := quota != push.Quota{}
		var err, errMinute error
		quota.Day, err = strconv.ParseInt(day, 10, 64)
		if both {
			quota.Minute, errMinute = strconv.ParseInt(minute, 10, 64)
		}
		if !known || err != nil || errMinute != nil || quota.Day <= 0 || quota.Minute < 0 {
			return opts, fmt.Errorf("push.quotas (%s): write CHANNEL=DAY or CHANNEL=DAY/MINUTE with custom, mini_subscribe, official, template or mass, as official=500000", config.EnvironName("push.quotas"))
		}
		opts.Quotas[model.Channel(name)] = quota
	}
	return opts, nil
}

// capsOf are those of one member over all campaigns.
func capsOf(cfg config.Push) model.Caps { return model.Caps{Day: cfg.DayCap, Week: cfg.WeekCap} }

// tapKey is the key of taps, made of the sessions' so that nobody has to keep another;
// neither tells anything of the other.
func tapKey(session string) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(session)
	if err != nil {
		return nil, fmt.Errorf("security.session_key: %w", err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("push taps"))
	return mac.Sum(nil), nil
}

// pushes is the planner behind HTTP.
func (d *domains) pushes(h *handler.Handlers) {
	h.OpsPush = handler.OpsPush{Told: whys{d}, Limiter: d.planner, Reasons: campaign.Reasons{Campaigns: d.campaign, People: d.audience, Who: whys{d}}}
	h.Tap = handler.Tap{Taps: tapped{d}}
}

// whys tell of pushes to somebody by all the ids that he ever had.
type whys struct{ d *domains }

// AllIDs are those that a person ever had, as a member and as a customer before.
func (w whys) AllIDs(ctx context.Context, id model.MemberID) ([]model.MemberID, error) {
	people, err := w.d.audience.Persons(ctx, nil, []model.MemberID{id})
	if err != nil {
		return nil, err
	}
	ids, err := w.d.members.AllIDs(ctx, people[0].Now)
	if errors.Is(err, member.ErrUnknown) {
		ids, err = []model.MemberID{people[0].Now}, nil
	}
	ids = append(append(ids, id), people[0].Former...)
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// WhyNot tells of the pushes of one campaign.
func (w whys) WhyNot(ctx context.Context, id model.MemberID, campaign model.ID) ([]push.Told, error) {
	ids, err := w.AllIDs(ctx, id)
	if err != nil {
		return nil, err
	}
	return w.d.planner.WhyNot(ctx, ids, campaign)
}

// Pushes tells of all of them, in pages.
func (w whys) Pushes(ctx context.Context, id model.MemberID, cursor string, limit int) ([]push.Told, string, error) {
	ids, err := w.AllIDs(ctx, id)
	if err != nil {
		return nil, "", err
	}
	return w.d.planner.Pushes(ctx, ids, cursor, limit)
}

// tapped is the planner, after which the audience learns who came by a message.
type tapped struct{ d *domains }

// Tapped notes a tap; the deed counts once for each message.
func (t tapped) Tapped(ctx context.Context, member model.MemberID, token string) error {
	delivery, own, err := t.d.planner.Tapped(ctx, member, token)
	if err == nil && own {
		t.d.deeds.did(delivery.Member, audience.Tap, tapRef(delivery))
	}
	return err
}

// tapRef names the tap on a message.
func tapRef(d model.Delivery) string { return "tap:" + d.ID.String() }

// joined lets the taps count that were made before it was known whose they are, and
// prizes go whose winner has the other's number now.
func (d *domains) joined(ctx context.Context, e member.Merge) error {
	if err := d.hasten(ctx, e.Into); err != nil {
		return err
	}
	taps, err := d.planner.Joined(ctx, e.From, e.Into)
	if err != nil {
		return err
	}
	acts := make([]audience.Act, len(taps))
	for i, t := range taps {
		acts[i] = audience.Act{Member: t.Member, Kind: audience.Tap, At: t.TappedAt, Ref: tapRef(t)}
	}
	return d.audience.Did(ctx, acts)
}

// noted is the chat, after which the pusher learns what came in (by then the member
// exists) and the planner what WeChat reports of messages.
type noted struct{ d *domains }

// Handle answers a message or an event.
func (n noted) Handle(ctx context.Context, in model.Inbound) (model.Content, error) {
	content, err := n.d.chat.Handle(ctx, in)
	n.d.push.Note(in)
	n.d.deeds.Note(in)
	if err == nil {
		err = n.d.planner.Report(ctx, in)
	}
	return content, err
}
