package handler

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	campaigns "kaimenhong/service/campaign"
	"kaimenhong/service/operator"
)

type (
	rehearsals interface {
		StartRehearsal(ctx context.Context, by, id model.ID, version int, b campaigns.Behaviour) (campaigns.Rehearsal, error)
		Rehearsal(ctx context.Context, id model.ID) (campaigns.Rehearsal, error)
		Rehearsals(ctx context.Context, id model.ID, cursor string, limit int) ([]campaigns.Rehearsal, string, error)
	}
	rehearsalStop interface {
		CancelRehearsal(ctx context.Context, by, id model.ID) (campaigns.Rehearsal, error)
	}
)

// OpsRehearsal runs plans in a scratch copy and tells what would happen.
type OpsRehearsal struct {
	Stage rehearsals
	Stop  rehearsalStop
}

func (h OpsRehearsal) operations(api huma.API) {
	missing := []int{http.StatusNotFound}
	registerOps(api, opsOperation{method: "POST", path: "/campaigns/{id}/versions/{version}/rehearsals", id: "startRehearsal", summary: "开始预演：在副本中以虚拟时钟运行，不发送、不改动", right: operator.EditCampaigns, status: http.StatusAccepted, errors: missing}, h.Start)
	registerOps(api, opsOperation{method: "GET", path: "/campaigns/{id}/rehearsals", id: "listRehearsals", summary: "活动的预演，新的在前", right: operator.ReadCampaigns, errors: missing}, h.List)
	registerOps(api, opsOperation{method: "GET", path: "/rehearsals/{id}", id: "getRehearsal", summary: "预演的进度和结果", right: operator.ReadCampaigns, errors: missing}, h.Get)
	registerOps(api, opsOperation{method: "POST", path: "/rehearsals/{id}/cancel", id: "cancelRehearsal", summary: "取消等待中或进行中的预演，几秒内停止", right: operator.EditCampaigns, errors: missing}, h.Cancel)
}

type opsRehearsal struct {
	ID         model.ID                 `json:"id"`
	CampaignID model.ID                 `json:"campaignId"`
	Version    int                      `json:"version"`
	State      campaigns.RehearsalState `json:"state" enum:"waiting,running,done,failed,cut,cancelled" doc:"waiting 等待，running 进行中，done 完成，failed 方案无法这样运行，cut 被中断，cancelled 被取消"`
	Why        string                   `json:"why,omitempty" doc:"失败或中断的原因"`
	Behaviour  opsBehaviour             `json:"behaviour"`
	StartedBy  model.ID                 `json:"startedBy"`
	CreatedAt  instant                  `json:"createdAt" format:"date-time"`
	BeganAt    instant                  `json:"beganAt,omitempty" format:"date-time"`
	EndedAt    instant                  `json:"endedAt,omitempty" format:"date-time"`
	ReachedAt  instant                  `json:"reachedAt,omitempty" format:"date-time" doc:"预演进行到的（虚拟）时间"`
	Messages   int64                    `json:"messages" doc:"到那时发出的消息数"`
	Result     *campaigns.Rehearsed     `json:"result,omitempty" doc:"完成后，只在查看单次预演时有"`
}

type opsBehaviour struct {
	Tap  int `json:"tap" minimum:"0" maximum:"100" default:"12" doc:"触达者中点开的百分比（假设，不是预测）"`
	Open int `json:"open" minimum:"0" maximum:"100" default:"30" doc:"点开者中发起红包的百分比"`
	Help int `json:"help" minimum:"0" maximum:"100" default:"85" doc:"每位好友助力的百分比"`
}

func newOpsRehearsal(r campaigns.Rehearsal) opsRehearsal {
	return opsRehearsal{
		r.ID, r.Campaign, r.Version, r.State, r.Why, opsBehaviour(r.Behaviour), r.StartedBy, when(r.CreatedAt), when(r.BeganAt), when(r.EndedAt),
		when(r.ReachedAt), r.Messages, r.Result,
	}
}

type rehearsalInput struct {
	VersionWrite
	Body struct {
		Behaviour *opsBehaviour `json:"behaviour,omitempty" doc:"缺省为谨慎的假设"`
	}
}

// Start asks for a rehearsal, which a replica runs soon.
func (h OpsRehearsal) Start(ctx context.Context, in *rehearsalInput) (*oneAnswer[opsRehearsal], error) {
	b := campaigns.DefaultBehaviour
	if in.Body.Behaviour != nil {
		b = campaigns.Behaviour(*in.Body.Behaviour)
	}
	r, err := h.Stage.StartRehearsal(ctx, operatorOf(ctx).ID, in.id(), in.Version, b)
	return worded(r, err, newOpsRehearsal)
}

// List lists the rehearsals of a campaign.
func (h OpsRehearsal) List(ctx context.Context, in *pageByID) (*listAnswer[opsRehearsal], error) {
	page, next, err := h.Stage.Rehearsals(ctx, in.id(), in.Cursor, in.Limit)
	return listed(page, next, err, newOpsRehearsal)
}

// Get is one rehearsal with its result.
func (h OpsRehearsal) Get(ctx context.Context, in *ByID) (*oneAnswer[opsRehearsal], error) {
	r, err := h.Stage.Rehearsal(ctx, in.id())
	return worded(r, err, newOpsRehearsal)
}

// Cancel ends one that waits or runs.
func (h OpsRehearsal) Cancel(ctx context.Context, in *CampaignWrite) (*oneAnswer[opsRehearsal], error) {
	r, err := h.Stop.CancelRehearsal(ctx, operatorOf(ctx).ID, in.id())
	return worded(r, err, newOpsRehearsal)
}
