package handler

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/operator"
	"kaimenhong/service/redpacket"
)

// gameDrafts is where operators plan games; another approves each.
type (
	gameDrafts interface {
		Drafts(ctx context.Context) ([]redpacket.Draft, error)
		Draft(ctx context.Context, id redpacket.GameID) (redpacket.Draft, error)
	}
	gameWriter interface {
		DraftGame(ctx context.Context, by model.ID, rules redpacket.Rules) (redpacket.Draft, error)
		EditDraft(ctx context.Context, by model.ID, id redpacket.GameID, revision int64, rules redpacket.Rules) (redpacket.Draft, error)
		DiscardDraft(ctx context.Context, by model.ID, id redpacket.GameID) error
	}
	gameApprover interface {
		ApproveDraft(ctx context.Context, by model.ID, id redpacket.GameID, revision int64) (redpacket.Game, error)
		Game(ctx context.Context, id redpacket.GameID) (redpacket.Game, error)
	}
)

// OpsDraft is the planning of games.
type OpsDraft struct {
	Drafts   gameDrafts
	Writer   gameWriter
	Approver gameApprover
}

// operations are those of drafts, and of a game's rules.
func (h OpsDraft) operations(api huma.API) {
	read, edit, review := operator.ReadCampaigns, operator.EditCampaigns, operator.ReviewCampaigns
	missing := []int{http.StatusNotFound}
	registerOps(api, opsOperation{method: "GET", path: "/games/{id}", id: "getGame", summary: "红包活动的完整规则", right: read, errors: missing}, h.Game)
	registerOps(api, opsOperation{method: "GET", path: "/game-drafts", id: "listGameDrafts", summary: "待批准的红包活动，先起草的在前", right: read}, h.List)
	registerOps(api, opsOperation{method: "POST", path: "/game-drafts", id: "draftGame", summary: "起草红包活动；违反分享规范的会说明是哪一条", right: edit, status: http.StatusCreated}, h.Create)
	registerOps(api, opsOperation{method: "GET", path: "/game-drafts/{id}", id: "getGameDraft", summary: "红包活动草稿", right: read, errors: missing}, h.Get)
	registerOps(api, opsOperation{method: "PUT", path: "/game-drafts/{id}", id: "editGameDraft", summary: "修改自己的草稿", right: edit, errors: missing}, h.Edit)
	registerOps(api, opsOperation{method: "DELETE", path: "/game-drafts/{id}", id: "discardGameDraft", summary: "放弃自己的草稿", right: edit, errors: missing}, h.Discard)
	registerOps(api, opsOperation{method: "POST", path: "/game-drafts/{id}/approve", id: "approveGame", summary: "批准别人起草的红包活动，预算从此生效", right: review, status: http.StatusOK, errors: missing}, h.Approve)
}

type gameAmount struct {
	TargetFen model.Fen `json:"targetFen" minimum:"1" doc:"红包金额（分）"`
	Weight    int       `json:"weight" minimum:"1" doc:"开启时被选中的权重"`
}

// gameRules are the rules as operators write them. Those about sharing can only be
// left as they are: anything else is refused, and the refusal names WeChat's rule.
type gameRules struct {
	Name            string       `json:"name" doc:"运营人员看到的名称"`
	Title           string       `json:"title" doc:"分享卡片的标题，须中性"`
	Text            string       `json:"text,omitempty" doc:"规则的补充说明"`
	Complaint       string       `json:"complaint" doc:"投诉入口"`
	StartsAt        model.Millis `json:"startsAt" format:"date-time"`
	EndsAt          model.Millis `json:"endsAt" format:"date-time"`
	Amounts         []gameAmount `json:"amounts" minItems:"1" doc:"一档或多档金额；开启时即确定并展示"`
	Helps           int          `json:"helps" doc:"凑满所需的助力人数"`
	Split           string       `json:"split" enum:"double_mean,equal" doc:"二倍均值或均分"`
	PotHours        int          `json:"potHours" doc:"每个红包的有效小时数"`
	PotsEach        int          `json:"potsEach" doc:"每人可开的个数"`
	HelpsPerDay     int          `json:"helpsPerDay" doc:"每人每天可助力的次数"`
	MayOpen         audience     `json:"mayOpen" doc:"谁可以开启"`
	MayHelp         audience     `json:"mayHelp" doc:"谁可以助力"`
	Prize           prizeRule    `json:"prize"`
	Unfilled        string       `json:"unfilled" enum:"nothing,collected" doc:"到时未凑满：不发放，或发放已凑的部分（须均分）"`
	BudgetFen       model.Fen    `json:"budgetFen" doc:"预算（分）：已开启的红包占用，凑满才花掉"`
	ReleaseFailed   bool         `json:"releaseFailed,omitempty" doc:"奖品无法发放时退回预算；否则由人处理"`
	Surface         string       `json:"surface,omitempty" enum:"mini_program,h5" default:"mini_program" doc:"玩法所在；分享规范只允许小程序"`
	AmountAtEnd     bool         `json:"amountAtEnd,omitempty" doc:"最后才开出金额；分享规范不允许"`
	ShareRewardFen  model.Fen    `json:"shareRewardFen,omitempty" doc:"分享奖励（分）；分享规范不允许"`
	InviteRewardFen model.Fen    `json:"inviteRewardFen,omitempty" doc:"邀请奖励（分）；分享规范不允许"`
}

func gameRulesOf(r redpacket.Rules) gameRules {
	amounts := make([]gameAmount, len(r.Amounts))
	for i, a := range r.Amounts {
		amounts[i] = gameAmount{a.Target, a.Weight}
	}
	return gameRules{
		Name: r.Name, Title: r.Title, Text: r.Text, Complaint: r.Complaint, StartsAt: r.StartsAt, EndsAt: r.EndsAt, Amounts: amounts,
		Helps: r.Helps, Split: string(r.Split), PotHours: r.PotHours, PotsEach: r.PotsEach, HelpsPerDay: r.HelpsPerDay,
		MayOpen: audienceOf(r.Open), MayHelp: audienceOf(r.Help), Prize: prizeRule{string(r.Prize.Kind), r.Prize.PerYuan}, Unfilled: string(r.Unfilled),
		BudgetFen: r.Budget, ReleaseFailed: r.ReleaseFailed, Surface: string(r.Surface), AmountAtEnd: r.AmountAtEnd,
		ShareRewardFen: r.ShareReward, InviteRewardFen: r.InviteReward,
	}
}

func (g gameRules) rules() redpacket.Rules {
	amounts := make([]redpacket.Amount, len(g.Amounts))
	for i, a := range g.Amounts {
		amounts[i] = redpacket.Amount{Target: a.TargetFen, Weight: a.Weight}
	}
	return redpacket.Rules{
		Name: g.Name, Title: g.Title, Text: g.Text, Complaint: g.Complaint, StartsAt: g.StartsAt, EndsAt: g.EndsAt, Amounts: amounts,
		Helps: g.Helps, Split: redpacket.Split(g.Split), PotHours: g.PotHours, PotsEach: g.PotsEach, HelpsPerDay: g.HelpsPerDay,
		Open: g.MayOpen.admitted(), Help: g.MayHelp.admitted(),
		Prize:    redpacket.PrizeRule{Kind: model.PrizeKind(g.Prize.Kind), PerYuan: g.Prize.PerYuan},
		Unfilled: redpacket.Unfilled(g.Unfilled), Budget: g.BudgetFen, ReleaseFailed: g.ReleaseFailed,
		Surface: redpacket.Surface(g.Surface), AmountAtEnd: g.AmountAtEnd, ShareReward: g.ShareRewardFen, InviteReward: g.InviteRewardFen,
	}
}

func (a audience) admitted() redpacket.Audience {
	return redpacket.Audience{Bound: a.Bound, Follower: a.Follower, Plans: a.Plans, New: a.New}
}

type gameDraft struct {
	ID        redpacket.GameID `json:"id" doc:"批准后即为活动编号"`
	Revision  int64            `json:"revision" doc:"修改、批准时带上，防止批准没看过的内容"`
	MadeBy    model.ID         `json:"madeBy"`
	CreatedAt instant          `json:"createdAt" format:"date-time"`
	UpdatedAt instant          `json:"updatedAt" format:"date-time"`
	Rules     gameRules        `json:"rules"`
	Lines     []string         `json:"lines" doc:"用户首屏看到的规则"`
}

func gameDraftOf(d redpacket.Draft) gameDraft {
	return gameDraft{d.ID, d.Revision, d.MadeBy, when(d.CreatedAt), when(d.UpdatedAt), gameRulesOf(d.Rules), d.Rules.Lines()}
}

// List lists what waits for approval.
func (h OpsDraft) List(ctx context.Context, _ *none) (*listAnswer[gameDraft], error) {
	waiting, err := h.Drafts.Drafts(ctx)
	return listed(waiting, "", err, gameDraftOf)
}

// Get is one draft.
func (h OpsDraft) Get(ctx context.Context, in *ByID) (*oneAnswer[gameDraft], error) {
	d, err := h.Drafts.Draft(ctx, redpacket.GameID(in.id()))
	return worded(d, err, gameDraftOf)
}

type draftGameInput struct {
	Write
	Body gameRules
}

// Create drafts a game.
func (h OpsDraft) Create(ctx context.Context, in *draftGameInput) (*oneAnswer[gameDraft], error) {
	d, err := h.Writer.DraftGame(ctx, operatorOf(ctx).ID, in.Body.rules())
	return worded(d, err, gameDraftOf)
}

type editGameInput struct {
	Write
	ByID
	Body struct {
		Revision int64     `json:"revision" minimum:"1"`
		Rules    gameRules `json:"rules"`
	}
}

// Edit replaces a draft's rules.
func (h OpsDraft) Edit(ctx context.Context, in *editGameInput) (*oneAnswer[gameDraft], error) {
	d, err := h.Writer.EditDraft(ctx, operatorOf(ctx).ID, redpacket.GameID(in.id()), in.Body.Revision, in.Body.Rules.rules())
	return worded(d, err, gameDraftOf)
}

type discardGameInput struct {
	Write
	ByID
}

// Discard gives a draft up.
func (h OpsDraft) Discard(ctx context.Context, in *discardGameInput) (*empty, error) {
	return nil, h.Writer.DiscardDraft(ctx, operatorOf(ctx).ID, redpacket.GameID(in.id()))
}

type approveGameInput struct {
	Write
	ByID
	Body struct {
		Revision int64 `json:"revision" minimum:"1" doc:"所看到的版本"`
	}
}

type fullGame struct {
	ID         redpacket.GameID `json:"id"`
	Rules      gameRules        `json:"rules"`
	Lines      []string         `json:"lines" doc:"用户首屏看到的规则"`
	StoppedAt  instant          `json:"stoppedAt,omitempty" format:"date-time"`
	StoppedWhy string           `json:"stoppedWhy,omitempty"`
	CreatedAt  instant          `json:"createdAt" format:"date-time"`
}

func fullGameOf(g redpacket.Game) fullGame {
	return fullGame{g.ID, gameRulesOf(g.Rules), g.Rules.Lines(), when(g.StoppedAt), g.StoppedWhy, when(g.CreatedAt)}
}

// Approve makes a draft a game.
func (h OpsDraft) Approve(ctx context.Context, in *approveGameInput) (*oneAnswer[fullGame], error) {
	g, err := h.Approver.ApproveDraft(ctx, operatorOf(ctx).ID, redpacket.GameID(in.id()), in.Body.Revision)
	return worded(g, err, fullGameOf)
}

// Game is one game with its rules.
func (h OpsDraft) Game(ctx context.Context, in *ByID) (*oneAnswer[fullGame], error) {
	g, err := h.Approver.Game(ctx, redpacket.GameID(in.id()))
	return worded(g, err, fullGameOf)
}
