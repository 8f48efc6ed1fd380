package handler

import (
	"context"
	"errors"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

type (
	// games are the campaigns of envelopes.
	games interface {
		Running(ctx context.Context) ([]redpacket.Game, error)
		Game(ctx context.Context, id redpacket.GameID) (redpacket.Game, error)
		MayOpen(ctx context.Context, id redpacket.GameID, who redpacket.Visitor) (refusal, err error)
	}
	// pots are the envelopes.
	pots interface {
		Open(ctx context.Context, in redpacket.OpenRequest) (redpacket.Opened, error)
		View(ctx context.Context, id redpacket.PotID, who redpacket.Visitor) (redpacket.PotView, error)
		Proof(ctx context.Context, id redpacket.PotID) (redpacket.Proof, error)
	}
	// helper takes a friend's help.
	helper interface {
		Help(ctx context.Context, in redpacket.HelpRequest) (redpacket.Help, error)
	}
	// potLists are a member's pots and helps, and the leaderboard.
	potLists interface {
		MyPots(ctx context.Context, owner model.MemberID, cursor string, limit int) ([]redpacket.PotLine, string, error)
		MyHelps(ctx context.Context, helper model.MemberID, cursor string, limit int) ([]redpacket.HelpLine, string, error)
		Leaderboard(ctx context.Context, game redpacket.GameID, by redpacket.Ranking) (redpacket.Board, error)
	}
	// prizes are on their way.
	prizes interface {
		OfPots(ctx context.Context, pots []model.ID) (map[model.ID]payout.Payout, error)
		Claim(ctx context.Context, member model.MemberID, pot model.ID) (payout.Payout, error)
	}
	// guests knows who asks, and what members agreed to be called.
	guests interface {
		Visitor(ctx context.Context, member model.MemberID, address, device string) (redpacket.Visitor, error)
		Shown(ctx context.Context, helpers []redpacket.Helper) (map[model.MemberID]string, error)
		Agreed(ctx context.Context, owners []model.MemberID) (map[model.MemberID]string, error)
	}
)

// Redpacket is the crowdfunded envelopes of the mini-program.
type Redpacket struct {
	Games  games
	Pots   pots
	Helper helper
	Lists  potLists
	Prizes prizes
	Guests guests
}

// visitor is who asks: the member who he is now, also while his token still names one
// that became part of him a moment ago.
func (h Redpacket) visitor(ctx context.Context) (redpacket.Visitor, error) {
	c := callOf(ctx)
	return h.Guests.Visitor(ctx, c.who.Member, c.address, c.device)
}

// whyNot is a refusal that would be met now.
type whyNot struct {
	Code   string `json:"code" doc:"原因编号"`
	Detail string `json:"detail" doc:"可展示的说明"`
}

func whyNotOf(refusal error) *whyNot {
	if refusal == nil {
		return nil
	}
	f := fault.Of(refusal)
	return &whyNot{f.Code, f.Text}
}

type prizeRule struct {
	Kind    string `json:"kind" enum:"phone_credit,data,points"`
	PerYuan int64  `json:"perYuan" doc:"每元对应的 MB 或积分，话费为 0"`
}

type audience struct {
	Bound    bool     `json:"bound" doc:"须绑定手机号"`
	Follower bool     `json:"follower" doc:"须关注公众号"`
	Plans    []string `json:"plans" doc:"须在用的套餐，空为不限"`
	New      bool     `json:"new" doc:"须为活动开始后的新用户"`
}

func audienceOf(a redpacket.Audience) audience {
	return audience{a.Bound, a.Follower, orEmpty(a.Plans), a.New}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type campaign struct {
	ID          redpacket.GameID `json:"id"`
	Title       string           `json:"title"`
	StartsAt    instant          `json:"startsAt" format:"date-time"`
	EndsAt      instant          `json:"endsAt" format:"date-time"`
	TargetsFen  []model.Fen      `json:"targetsFen" doc:"可能的红包金额（分），开启时确定并展示"`
	Helps       int              `json:"helps" doc:"凑满所需的助力人数"`
	Split       string           `json:"split" enum:"double_mean,equal" doc:"金额划分：二倍均值或均分"`
	PotHours    int              `json:"potHours" doc:"每个红包的时长"`
	PotsEach    int              `json:"potsEach" doc:"每人可开的个数"`
	HelpsPerDay int              `json:"helpsPerDay" doc:"每人每天可助力的次数"`
	MayOpen     audience         `json:"mayOpen" doc:"谁可以开启"`
	MayHelp     audience         `json:"mayHelp" doc:"谁可以助力"`
	Prize       prizeRule        `json:"prize"`
	Unfilled    string           `json:"unfilled" enum:"nothing,collected" doc:"到时未凑满：没有奖品，或发放已凑的部分"`
	Rules       []string         `json:"rules" doc:"完整规则，须在首屏展示"`
	Complaint   string           `json:"complaint" doc:"投诉入口"`
	CanOpen     bool             `json:"canOpen"`
	WhyNot      *whyNot          `json:"whyNot,omitempty" doc:"现在不能开启的原因"`
}

func campaignOf(g redpacket.Game, refusal error) campaign {
	r := g.Rules
	targets := make([]model.Fen, len(r.Amounts))
	for i, a := range r.Amounts {
		targets[i] = a.Target
	}
	return campaign{
		ID: g.ID, Title: r.Title, StartsAt: when(r.StartsAt), EndsAt: when(r.EndsAt), TargetsFen: targets, Helps: r.Helps, Split: string(r.Split),
		PotHours: r.PotHours, PotsEach: r.PotsEach, HelpsPerDay: r.HelpsPerDay, MayOpen: audienceOf(r.Open), MayHelp: audienceOf(r.Help),
		Prize: prizeRule{string(r.Prize.Kind), r.Prize.PerYuan}, Unfilled: string(r.Unfilled), Rules: r.Lines(), Complaint: r.Complaint,
		CanOpen: refusal == nil, WhyNot: whyNotOf(refusal),
	}
}

type campaignsAnswer struct {
	Body struct {
		Items []campaign `json:"items"`
	}
}

// Campaigns lists the games that run now.
func (h Redpacket) Campaigns(ctx context.Context, _ *none) (*campaignsAnswer, error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	running, err := h.Games.Running(ctx)
	if err != nil {
		return nil, err
	}
	out := &campaignsAnswer{}
	out.Body.Items = []campaign{}
	for _, g := range running {
		refusal, err := h.Games.MayOpen(ctx, g.ID, who)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, campaignOf(g, refusal))
	}
	return out, nil
}

type gameInput struct {
	ByID
}

type campaignAnswer struct{ Body campaign }

// Campaign is one game with its full rules, also one that is over.
func (h Redpacket) Campaign(ctx context.Context, in *gameInput) (*campaignAnswer, error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	g, err := h.Games.Game(ctx, redpacket.GameID(in.id()))
	if err != nil {
		return nil, err
	}
	refusal, err := h.Games.MayOpen(ctx, g.ID, who)
	return &campaignAnswer{campaignOf(g, refusal)}, err
}

type openInput struct {
	Write
	ByID
}

// Open opens a pot and shows it.
func (h Redpacket) Open(ctx context.Context, in *openInput) (*potAnswer, error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := h.Pots.Open(ctx, redpacket.OpenRequest{Game: redpacket.GameID(in.id()), Who: who, Request: in.request()})
	if err != nil {
		return nil, err
	}
	return h.shown(ctx, opened.Pot, who)
}

type potInput struct {
	ByID
}

// Pot shows a pot as the member sees it.
func (h Redpacket) Pot(ctx context.Context, in *potInput) (*potAnswer, error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	return h.shown(ctx, redpacket.PotID(in.id()), who)
}

type helpInput struct {
	Write
	ByID
	Body struct {
		Shown bool `json:"shown" doc:"同意出现在助力名单中"`
	}
}

type help struct {
	PotID    redpacket.PotID `json:"potId"`
	K        int             `json:"k" doc:"第几份"`
	Helps    int             `json:"helps" doc:"共几份"`
	ShareFen model.Fen       `json:"shareFen" doc:"这一份的金额（分）"`
}

type helpAnswer struct{ Body help }

// Help is the friend's deliberate tap.
func (h Redpacket) Help(ctx context.Context, in *helpInput) (*helpAnswer, error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	got, err := h.Helper.Help(ctx, redpacket.HelpRequest{Pot: redpacket.PotID(in.id()), Who: who, Request: in.request(), Shown: in.Body.Shown})
	if err != nil {
		return nil, err
	}
	return &helpAnswer{help{got.Pot, got.K, got.N, got.Share}}, nil
}

type claimInput struct {
	Write
	ByID
}

type prizeAnswer struct{ Body prize }

// Claim is the owner's wish for his prize: what waited for his number goes on now.
// Somebody else's pot is not there.
func (h Redpacket) Claim(ctx context.Context, in *claimInput) (*prizeAnswer, error) {
	who, err := h.visitor(ctx)
	if err != nil {
		return nil, err
	}
	p, err := h.Prizes.Claim(ctx, who.Member.ID, in.id())
	if errors.Is(err, payout.ErrNotWon) {
		err = h.unwon(ctx, in.id(), who, err)
	}
	if err != nil {
		return nil, err
	}
	return &prizeAnswer{prizeOf(p)}, nil
}

// unwon says why there is no prize: the pot is not filled, has ended so, or is not the
// member's.
func (h Redpacket) unwon(ctx context.Context, id model.ID, who redpacket.Visitor, unfilled error) error {
	view, err := h.Pots.View(ctx, redpacket.PotID(id), who)
	switch {
	case err != nil:
		return err
	case !view.IsOwner:
		return redpacket.ErrUnknownPot
	case view.State == redpacket.Closed, view.Left == 0 && view.Helped < view.Helps:
		return redpacket.ErrEnded
	}
	return unfilled
}

type proofAnswer struct{ Body redpacket.Proof }

// Proof is what anybody needs to check the split.
func (h Redpacket) Proof(ctx context.Context, in *potInput) (*proofAnswer, error) {
	p, err := h.Pots.Proof(ctx, redpacket.PotID(in.id()))
	if err != nil {
		return nil, err
	}
	return &proofAnswer{p}, nil
}

// seconds until, rounded up so that 0 means over.
func seconds(left time.Duration) int64 { return int64((left + time.Second - 1) / time.Second) }
