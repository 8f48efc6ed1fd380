package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

type shownHelper struct {
	Name     string    `json:"name" doc:"同意展示的称呼"`
	K        int       `json:"k"`
	ShareFen model.Fen `json:"shareFen"`
	At       instant   `json:"at" format:"date-time"`
}

type prize struct {
	PotID    model.ID `json:"potId"`
	Kind     string   `json:"kind" enum:"phone_credit,data,points"`
	ValueFen int64    `json:"valueFen" doc:"价值（分）"`
	Quantity int64    `json:"quantity" doc:"话费为分，流量为 MB，积分为个"`
	Status   string   `json:"status" enum:"created,reviewing,paying,paid,failed,released" doc:"created：待发放；reviewing：审核中；paying：发放中；paid：已到账；failed：发放失败，人工处理中；released：未能发放"`
	NeedBind bool     `json:"needBind" doc:"绑定手机号后发放"`
	At       instant  `json:"at" format:"date-time"`
}

// prizeStatuses are what a member is told of a payout's state.
var prizeStatuses = map[payout.State]string{
	payout.Created: "created", payout.Approved: "created", payout.Held: "reviewing", payout.Paying: "paying", payout.Paid: "paid",
	payout.Failed: "failed", payout.Frozen: "failed", payout.Released: "released",
}

func prizeOf(p payout.Payout) prize {
	return prize{p.Pot, string(p.Kind), int64(p.Value), p.Quantity, prizeStatuses[p.State], p.NeedsPhone(), when(p.UpdatedAt)}
}

type pot struct {
	ID           redpacket.PotID  `json:"id"`
	CampaignID   redpacket.GameID `json:"campaignId"`
	Title        string           `json:"title"`
	Status       string           `json:"status" enum:"open,filled,closed"`
	IsOwner      bool             `json:"isOwner"`
	Helps        int              `json:"helps" doc:"凑满所需的助力人数"`
	Helped       int              `json:"helped" doc:"已有的助力"`
	TargetFen    model.Fen        `json:"targetFen" doc:"红包金额（分）"`
	CollectedFen model.Fen        `json:"collectedFen" doc:"已凑的金额（分）"`
	AmountsFen   []model.Fen      `json:"amountsFen" doc:"每一份的金额，从小到大；顺序在结束后公布"`
	Commitment   string           `json:"commitment" doc:"金额划分的承诺值（SHA-256）"`
	EndsAt       instant          `json:"endsAt" format:"date-time"`
	SecondsLeft  int64            `json:"secondsLeft"`
	DoneAt       instant          `json:"doneAt,omitempty" format:"date-time"`
	Helpers      []shownHelper    `json:"helpers" doc:"同意展示的好友，最多 50 位"`
	Mine         *help            `json:"mine,omitempty" doc:"我的助力"`
	Stopped      bool             `json:"stopped" doc:"活动已暂停：现在不能助力，不要引导转发"`
	CanHelp      bool             `json:"canHelp"`
	WhyNot       *whyNot          `json:"whyNot,omitempty" doc:"现在不能助力的原因"`
	PrizeText    string           `json:"prizeText" doc:"凑满后的奖品"`
	Prize        *prize           `json:"prize,omitempty" doc:"奖品发放进度，只有开启者可见"`
	Rules        []string         `json:"rules" doc:"完整规则，须在首屏展示"`
	Complaint    string           `json:"complaint" doc:"投诉入口"`
	Share        share            `json:"share" doc:"转发给好友的小程序卡片"`
}

type share struct {
	Title string `json:"title"`
	Path  string `json:"path"`
}

type potAnswer struct{ Body pot }

// shown is the pot as a visitor sees it.
func (h Redpacket) shown(ctx context.Context, id redpacket.PotID, who redpacket.Visitor) (*potAnswer, error) {
	v, err := h.Pots.View(ctx, id, who)
	if err != nil {
		return nil, err
	}
	g, err := h.Games.Game(ctx, v.Game)
	if err != nil {
		return nil, err
	}
	out := &potAnswer{pot{
		ID: v.Pot, CampaignID: v.Game, Title: g.Rules.Title, Status: string(v.State), IsOwner: v.IsOwner, Helps: v.Helps, Helped: v.Helped,
		TargetFen: v.Target, CollectedFen: v.Collected, AmountsFen: orEmpty(v.Amounts), Commitment: v.Commitment, EndsAt: when(v.EndsAt),
		SecondsLeft: seconds(v.Left), DoneAt: when(v.DoneAt), Stopped: g.StoppedAt != 0, CanHelp: v.WhyNot == nil, WhyNot: whyNotOf(v.WhyNot),
		PrizeText: g.Rules.Prize.Say(v.Target), Rules: g.Rules.Lines(), Complaint: g.Rules.Complaint,
		Share: share{g.Rules.Title, "pages/redpacket/index?pot=" + v.Pot.String()},
	}}
	if v.Mine != nil {
		out.Body.Mine = &help{v.Mine.Pot, v.Mine.K, v.Mine.N, v.Mine.Share}
	}
	if out.Body.Helpers, err = h.helpers(ctx, v.Shown); err != nil {
		return nil, err
	}
	if v.IsOwner && v.State != redpacket.Open {
		won, err := h.Prizes.OfPots(ctx, []model.ID{model.ID(v.Pot)})
		if err != nil {
			return nil, err
		}
		if p, ok := won[model.ID(v.Pot)]; ok {
			mine := prizeOf(p)
			out.Body.Prize = &mine
		}
	}
	return out, nil
}

// helpers names those who agreed to be shown and did not take it back.
func (h Redpacket) helpers(ctx context.Context, shown []redpacket.Helper) ([]shownHelper, error) {
	names, err := h.Guests.Shown(ctx, shown)
	if err != nil {
		return nil, err
	}
	out := make([]shownHelper, 0, len(shown))
	for _, s := range shown {
		if name, agreed := names[s.Member]; agreed {
			out = append(out, shownHelper{name, s.K, s.Share, when(s.At)})
		}
	}
	return out, nil
}

type potLine struct {
	ID         redpacket.PotID  `json:"id"`
	CampaignID redpacket.GameID `json:"campaignId"`
	Title      string           `json:"title"`
	Status     string           `json:"status" enum:"open,filled,closed"`
	Helps      int              `json:"helps"`
	Helped     int              `json:"helped"`
	TargetFen  model.Fen        `json:"targetFen"`
	EndsAt     instant          `json:"endsAt" format:"date-time"`
	CreatedAt  instant          `json:"createdAt" format:"date-time"`
	DoneAt     instant          `json:"doneAt,omitempty" format:"date-time"`
	Prize      *prize           `json:"prize,omitempty"`
}

// MyPots lists the member's pots, newest first, with their prizes.
func (h Redpacket) MyPots(ctx context.Context, in *Page) (*listAnswer[potLine], error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	lines, next, err := h.Lists.MyPots(ctx, who.Member.ID, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	ids := make([]model.ID, len(lines))
	for i, l := range lines {
		ids[i] = model.ID(l.Pot)
	}
	won, err := h.Prizes.OfPots(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := &listAnswer[potLine]{list[potLine]{Items: []potLine{}, Next: next}}
	for _, l := range lines {
		g, err := h.Games.Game(ctx, l.Game)
		if err != nil {
			return nil, err
		}
		line := potLine{
			ID: l.Pot, CampaignID: l.Game, Title: g.Rules.Title, Status: string(l.State), Helps: l.Helps, Helped: l.Helped,
			TargetFen: l.Target, EndsAt: when(l.EndsAt), CreatedAt: when(l.CreatedAt), DoneAt: when(l.DoneAt),
		}
		if p, ok := won[model.ID(l.Pot)]; ok {
			mine := prizeOf(p)
			line.Prize = &mine
		}
		out.Body.Items = append(out.Body.Items, line)
	}
	return out, nil
}

type helpLine struct {
	PotID      redpacket.PotID  `json:"potId"`
	K          int              `json:"k" doc:"第几份"`
	Helps      int              `json:"helps" doc:"共几份"`
	ShareFen   model.Fen        `json:"shareFen" doc:"这一份的金额（分）"`
	CampaignID redpacket.GameID `json:"campaignId"`
	Title      string           `json:"title"`
	Status     string           `json:"status" enum:"open,filled,closed"`
	TargetFen  model.Fen        `json:"targetFen"`
	EndsAt     instant          `json:"endsAt" format:"date-time"`
	At         instant          `json:"at" format:"date-time"`
}

// MyHelps lists the pots that the member helped, newest first.
func (h Redpacket) MyHelps(ctx context.Context, in *Page) (*listAnswer[helpLine], error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	lines, next, err := h.Lists.MyHelps(ctx, who.Member.ID, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listAnswer[helpLine]{list[helpLine]{Items: []helpLine{}, Next: next}}
	for _, l := range lines {
		g, err := h.Games.Game(ctx, l.Game)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, helpLine{
			l.Pot, l.K, l.N, l.Share, l.Game, g.Rules.Title, string(l.State), l.Target, when(l.EndsAt), when(l.At),
		})
	}
	return out, nil
}

type boardInput struct {
	ByID
	By string `query:"by" enum:"most_helped,fastest" default:"most_helped" doc:"most_helped：助力最多；fastest：凑满最快"`
}

type rank struct {
	Rank    int    `json:"rank"`
	Name    string `json:"name" doc:"同意展示的称呼，否则为“热心用户”"`
	IsMe    bool   `json:"isMe"`
	Helps   int    `json:"helps"`
	Seconds int64  `json:"seconds,omitempty" doc:"从开启到凑满的秒数"`
}

type boardAnswer struct {
	Body struct {
		Items []rank  `json:"items"`
		AsOf  instant `json:"asOf" format:"date-time"`
	}
}

// Leaderboard ranks the owners of filled pots.
func (h Redpacket) Leaderboard(ctx context.Context, in *boardInput) (*boardAnswer, error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	board, err := h.Lists.Leaderboard(ctx, redpacket.GameID(in.id()), redpacket.Ranking(in.By))
	if err != nil {
		return nil, err
	}
	owners := make([]model.MemberID, len(board.Ranks))
	for i, r := range board.Ranks {
		owners[i] = r.Owner
	}
	names, err := h.Guests.Agreed(ctx, owners)
	if err != nil {
		return nil, err
	}
	out := &boardAnswer{}
	out.Body.AsOf, out.Body.Items = when(board.AsOf), []rank{}
	for i, r := range board.Ranks {
		out.Body.Items = append(out.Body.Items, rank{i + 1, names[r.Owner], r.Owner == who.Member.ID, r.Helps, seconds(r.Took)})
	}
	return out, nil
}
