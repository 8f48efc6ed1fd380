package handler

import (
	"context"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/operator"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

type (
	// gameDesk is where operators watch games and turn the kill switch.
	gameDesk interface {
		All(ctx context.Context, cursor string, limit int) ([]redpacket.Game, string, error)
		Budget(ctx context.Context, id redpacket.GameID) (redpacket.Budget, error)
	}
	gameSwitch interface {
		Stop(ctx context.Context, by model.ID, id redpacket.GameID, why string) error
		Resume(ctx context.Context, by model.ID, id redpacket.GameID) error
	}
	// prizeDesk is where people decide about prizes that wait for them.
	prizeDesk interface {
		Waiting(ctx context.Context, state payout.State, cursor string, limit int) ([]payout.Payout, string, error)
		Payout(ctx context.Context, pot model.ID) (payout.Payout, error)
		Review(ctx context.Context, pot model.ID, d payout.Decision) error
	}
)

// OpsGame is the envelopes as operators see them.
type OpsGame struct {
	Desk   gameDesk
	Switch gameSwitch
	Prizes prizeDesk
}

// operations are the game's part of the operators' API.
func (h OpsGame) operations(api huma.API) {
	registerOps(api, opsOperation{method: "GET", path: "/games", id: "listGames", summary: "红包活动与预算，新的在前", right: operator.ReadCampaigns}, h.Games)
	registerOps(api, opsOperation{method: "POST", path: "/games/{id}/stop", id: "stopGame", summary: "紧急停止红包活动", right: operator.StopCampaigns, errors: []int{404, 409}}, h.Stop)
	registerOps(api, opsOperation{method: "POST", path: "/games/{id}/resume", id: "resumeGame", summary: "恢复红包活动", right: operator.RunCampaigns, errors: []int{404}}, h.Resume)
	registerOps(api, opsOperation{method: "GET", path: "/prizes", id: "listPrizes", summary: "待处理的奖品", right: operator.ReviewPrizes}, h.Waiting)
	registerOps(api, opsOperation{method: "POST", path: "/prizes/{id}/review", id: "reviewPrize", summary: "处理奖品", right: operator.ReviewPrizes, errors: []int{404}}, h.Review)
}

type opsGame struct {
	ID          redpacket.GameID `json:"id"`
	Name        string           `json:"name"`
	Title       string           `json:"title"`
	StartsAt    instant          `json:"startsAt" format:"date-time"`
	EndsAt      instant          `json:"endsAt" format:"date-time"`
	StoppedAt   instant          `json:"stoppedAt,omitempty" format:"date-time" doc:"已紧急停止的时间"`
	StoppedWhy  string           `json:"stoppedWhy,omitempty"`
	BudgetFen   model.Fen        `json:"budgetFen"`
	ReservedFen model.Fen        `json:"reservedFen" doc:"进行中的红包占用"`
	SpentFen    model.Fen        `json:"spentFen" doc:"已发出的奖品"`
	Rules       []string         `json:"rules"`
}

// Games lists every game with where its money is, the newest first.
func (h OpsGame) Games(ctx context.Context, in *Page) (*listAnswer[opsGame], error) {
	all, next, err := h.Desk.All(ctx, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	games := make([]opsGame, len(all))
	for i, g := range all {
		b, err := h.Desk.Budget(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		games[i] = opsGame{
			g.ID, g.Rules.Name, g.Rules.Title, when(g.Rules.StartsAt), when(g.Rules.EndsAt), when(g.StoppedAt), g.StoppedWhy,
			b.Amount, b.Reserved, b.Spent, g.Rules.Lines(),
		}
	}
	return &listAnswer[opsGame]{list[opsGame]{games, next}}, nil
}

type opsStopInput struct {
	Write
	ByID
	Body struct {
		Why string `json:"why" minLength:"1" maxLength:"200" doc:"原因"`
	}
}

// Stop is the kill switch.
func (h OpsGame) Stop(ctx context.Context, in *opsStopInput) (*empty, error) {
	return nil, h.Switch.Stop(ctx, operatorOf(ctx).ID, redpacket.GameID(in.id()), in.Body.Why)
}

type opsResumeInput struct {
	Write
	ByID
}

// Resume undoes it.
func (h OpsGame) Resume(ctx context.Context, in *opsResumeInput) (*empty, error) {
	return nil, h.Switch.Resume(ctx, operatorOf(ctx).ID, redpacket.GameID(in.id()))
}

type opsPrizesInput struct {
	Page
	State string `query:"state" enum:"held,failed,frozen,paying" default:"held"`
}

type opsPrize struct {
	PotID     model.ID       `json:"potId"`
	GameID    model.ID       `json:"gameId"`
	MemberID  model.MemberID `json:"memberId"`
	Kind      string         `json:"kind" enum:"phone_credit,data,points"`
	ValueFen  model.Fen      `json:"valueFen"`
	Quantity  int64          `json:"quantity" doc:"话费为分，流量为 MB，积分为个"`
	State     string         `json:"state" enum:"held,failed,frozen,paying"`
	Why       string         `json:"why" doc:"为什么等待处理"`
	CreatedAt instant        `json:"createdAt" format:"date-time"`
	UpdatedAt instant        `json:"updatedAt" format:"date-time"`
}

// Waiting lists the prizes of the operator's regions that wait for a person, with the
// reason of each.
func (h OpsGame) Waiting(ctx context.Context, in *opsPrizesInput) (*listAnswer[opsPrize], error) {
	page, next, err := h.Prizes.Waiting(ctx, payout.State(in.State), in.Cursor, in.Limit)
	if err == nil {
		page, err = visible(ctx, page, func(p payout.Payout) model.MemberID { return p.Member })
	}
	return listed(page, next, err, func(p payout.Payout) opsPrize {
		return opsPrize{p.Pot, p.Game, p.Member, string(p.Kind), p.Value, p.Quantity, string(p.State), p.Why, when(p.CreatedAt), when(p.UpdatedAt)}
	})
}

type opsReviewInput struct {
	Write
	ByID
	Body struct {
		Verdict string `json:"verdict" enum:"pay,give_up,was_paid,was_not" doc:"pay：发放；give_up：放弃，预算退回；was_paid、was_not：运营商核实的结果，was_not 须在提交满一天、且半小时内没有再提交时认定"`
		Why     string `json:"why" minLength:"1" maxLength:"80" doc:"理由"`
	}
}

// Review decides about one prize.
func (h OpsGame) Review(ctx context.Context, in *opsReviewInput) (*empty, error) {
	p, err := h.Prizes.Payout(ctx, in.id())
	if err == nil {
		err = near(ctx, p.Member)
	}
	if err != nil {
		return nil, err
	}
	return nil, h.Prizes.Review(ctx, in.id(), payout.Decision{
		Verdict: payout.Verdict(in.Body.Verdict), By: strconv.FormatInt(int64(operatorOf(ctx).ID), 10), Why: in.Body.Why,
	})
}
