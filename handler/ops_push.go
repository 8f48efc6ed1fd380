package handler

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/operator"
	"kaimenhong/service/push"
)

// opsPushes are the operations of pushes; a campaign's progress is with the campaigns.
func (h Handlers) opsPushes(api huma.API) {
	registerOps(api, opsOperation{method: "GET", path: "/campaigns/{id}/why", id: "whyCampaign", summary: "某人为什么收到、或没有收到这个活动的消息", right: operator.ReadPushes, errors: []int{404}}, h.OpsPush.Why)
	registerOps(api, opsOperation{method: "GET", path: "/members/{id}/pushes", id: "listMemberPushes", summary: "会员收到或没有收到哪些推送，为什么", right: operator.ReadPushes, errors: []int{404}}, h.OpsPush.List)
}

// told says why pushes came or did not.
type told interface {
	WhyNot(ctx context.Context, member model.MemberID, campaign model.ID) ([]push.Told, error)
	Pushes(ctx context.Context, member model.MemberID, cursor string, limit int) ([]push.Told, string, error)
}

// OpsPush tells operators of pushes.
type OpsPush struct {
	Told    told
	Reasons reasons
}

type opsPushItem struct {
	ID          model.ID `json:"id"`
	Campaign    model.ID `json:"campaign" doc:"活动编号"`
	Step        model.ID `json:"step" doc:"步骤编号"`
	Variant     string   `json:"variant,omitempty" doc:"版本；对照组没有"`
	Channel     string   `json:"channel,omitempty" enum:"custom,mini_subscribe,official,template,mass" doc:"渠道"`
	State       string   `json:"state" enum:"pending,sending,sent,refused,skipped,unknown,held_out" doc:"状态"`
	Why         string   `json:"why,omitempty" doc:"原因代码"`
	Sentence    string   `json:"sentence" doc:"一句话说明"`
	At          instant  `json:"at" format:"date-time" doc:"进入这个状态的时间"`
	DeliveredAt instant  `json:"deliveredAt,omitempty" format:"date-time" doc:"微信确认送达的时间"`
	TappedAt    instant  `json:"tappedAt,omitempty" format:"date-time" doc:"点开的时间"`
}

type opsPushInput struct {
	ByID
	Page
	Campaign string `query:"campaign" pattern:"^[1-9][0-9]{0,18}$" doc:"只看这个活动，一次全部返回；一条也没有时，原因见 /campaigns/{id}/why"`
}

// List tells of the latest pushes to a member, or of all those of one campaign.
func (h OpsPush) List(ctx context.Context, in *opsPushInput) (*listAnswer[opsPushItem], error) {
	member := model.MemberID(in.id())
	if err := near(ctx, member); err != nil {
		return nil, err
	}
	if in.Campaign != "" {
		campaign := ByID{in.Campaign}.id()
		all, err := h.Told.WhyNot(ctx, member, campaign)
		return listed(all, "", err, newOpsPush)
	}
	page, next, err := h.Told.Pushes(ctx, member, in.Cursor, in.Limit)
	return listed(page, next, err, newOpsPush)
}

func newOpsPush(t push.Told) opsPushItem {
	return opsPushItem{
		ID: t.ID, Campaign: t.Campaign, Step: t.Step, Variant: t.Variant, Channel: string(t.Channel), State: string(t.State), Why: t.Why,
		Sentence: t.Sentence, At: when(t.At), DeliveredAt: when(t.DeliveredAt), TappedAt: when(t.TappedAt),
	}
}
