package app

import (
	"context"
	"errors"
	"slices"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/account"
	"kaimenhong/service/audience"
	"kaimenhong/service/home"
	"kaimenhong/service/payout"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
)

// sections are what the domains keep of a member, for his export.
func (d *domains) sections() []home.Section {
	return []home.Section{
		{Name: "member", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.members.Export(ctx, id) }},
		{Name: "sessions", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.session.Export(ctx, id) }},
		{Name: "notices", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.notice.Export(ctx, id) }},
		{Name: "points", Read: func(ctx context.Context, id model.MemberID) (any, error) {
			e, err := d.points.Export(ctx, id)
			return handler.ExportPoints(e), err
		}},
		{Name: "redemptions", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.mall.Export(ctx, id) }},
		{Name: "feedback", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.notes.Export(ctx, id) }},
		{Name: "portrait", Read: func(ctx context.Context, id model.MemberID) (any, error) {
			p, err := d.audience.Portrait(ctx, id)
			if errors.Is(err, audience.ErrUnknown) {
				return nil, nil // nothing is known of him yet
			}
			return p, err
		}},
		{Name: "products", Read: func(ctx context.Context, id model.MemberID) (any, error) {
			return d.audience.Products(ctx, id, maxExported)
		}},
		{Name: "pushes", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.exportPushes(ctx, id) }},
		{Name: "game", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.exportGame(ctx, id) }},
		{Name: "usage", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.exportUsage(ctx, id) }},
		{Name: "messageRights", Read: func(ctx context.Context, id model.MemberID) (any, error) { return d.push.Rights(ctx, id) }},
	}
}

// maxExported bounds each list below, the newest first.
const maxExported = 1000

// pushed is a message to a member, or one that did not come, in his export.
type pushed struct {
	ID       model.ID      `json:"id"`
	Campaign model.ID      `json:"campaign"`
	Channel  model.Channel `json:"channel"`
	State    string        `json:"state"`
	Why      string        `json:"why"` // in words
	At       model.Millis  `json:"at"`
}

// exportPushes lists what was sent to the member.
func (d *domains) exportPushes(ctx context.Context, member model.MemberID) ([]pushed, error) {
	told, _, err := page.All(maxExported, func(cursor string, limit int) ([]push.Told, string, error) {
		return whys{d}.Pushes(ctx, member, cursor, limit)
	})
	out := make([]pushed, len(told))
	for i, t := range told {
		out[i] = pushed{t.ID, t.Campaign, t.Channel, string(t.State), t.Sentence, t.At}
	}
	return out, err
}

// played is the game in a member's export: his envelopes with what they won, and his
// helps. Whose envelopes he helped is theirs to tell.
type played struct {
	Pots  []playedPot  `json:"pots"`
	Helps []playedHelp `json:"helps"`
}

type playedPot struct {
	ID        redpacket.PotID  `json:"id"`
	Campaign  redpacket.GameID `json:"campaign"`
	State     redpacket.State  `json:"state"`
	Helps     int              `json:"helps"`
	Helped    int              `json:"helped"`
	TargetFen model.Fen        `json:"targetFen"`
	CreatedAt model.Millis     `json:"createdAt"`
	DoneAt    model.Millis     `json:"doneAt,omitempty"`
	Prize     *playedPrize     `json:"prize,omitempty"`
}

type playedPrize struct {
	Kind     model.PrizeKind `json:"kind"`
	Quantity int64           `json:"quantity"` // fen, megabytes or points, by kind
	State    payout.State    `json:"state"`
	At       model.Millis    `json:"at"`
}

type playedHelp struct {
	Pot      redpacket.PotID  `json:"pot"`
	Campaign redpacket.GameID `json:"campaign"`
	K        int              `json:"k"`
	ShareFen model.Fen        `json:"shareFen"`
	At       model.Millis     `json:"at"`
}

// exportGame lists what the member played.
func (d *domains) exportGame(ctx context.Context, member model.MemberID) (played, error) {
	out := played{[]playedPot{}, []playedHelp{}}
	pots, _, err := page.All(maxExported, func(cursor string, limit int) ([]redpacket.PotLine, string, error) {
		return d.redpacket.MyPots(ctx, member, cursor, limit)
	})
	if err != nil {
		return out, err
	}
	for some := range slices.Chunk(pots, page.Max) {
		ids := make([]model.ID, len(some))
		for i, p := range some {
			ids[i] = model.ID(p.Pot)
		}
		won, err := d.payer.OfPots(ctx, ids)
		if err != nil {
			return out, err
		}
		for _, p := range some {
			pot := playedPot{p.Pot, p.Game, p.State, p.Helps, p.Helped, p.Target, p.CreatedAt, p.DoneAt, nil}
			if w, ok := won[model.ID(p.Pot)]; ok {
				pot.Prize = &playedPrize{w.Kind, w.Quantity, w.State, w.CreatedAt}
			}
			out.Pots = append(out.Pots, pot)
		}
	}
	helps, _, err := page.All(maxExported, func(cursor string, limit int) ([]redpacket.HelpLine, string, error) {
		return d.redpacket.MyHelps(ctx, member, cursor, limit)
	})
	for _, h := range helps {
		out.Helps = append(out.Helps, playedHelp{h.Pot, h.Game, h.K, h.Share, h.At})
	}
	return out, err
}

// used is what the member used on one day, as far as the carrier said.
type used struct {
	Day   string `json:"day"`
	Data  int64  `json:"dataBytes"`
	Voice int64  `json:"voiceSeconds"`
	SMS   int64  `json:"sms"`
}

// exportUsage lists the days that are kept; none without a number.
func (d *domains) exportUsage(ctx context.Context, member model.MemberID) ([]used, error) {
	out := []used{}
	days, err := d.home.UsageDays(ctx, member, account.MaxDays)
	if errors.Is(err, home.ErrNotBound) {
		return out, nil
	}
	for _, u := range days {
		if u.Known {
			out = append(out, used{u.Day.String(), u.Data, u.Voice, u.SMS})
		}
	}
	return out, err
}
