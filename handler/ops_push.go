package handler

import (
	"context"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/operator"
	"kaimenhong/service/push"
)

// opsPushes are the operations of pushes; a campaign's progress is with the campaigns.
func (h Handlers) opsPushes(api huma.API) {
	registerOps(api, opsOperation{method: "GET", path: "/campaigns/{id}/why", id: "whyCampaign", summary: "某人为什么收到、或没有收到这个活动的消息", right: operator.ReadPushes, errors: []int{404}}, h.OpsPush.Why)
	registerOps(api, opsOperation{method: "GET", path: "/members/{id}/pushes", id: "listMemberPushes", summary: "会员收到或没有收到哪些推送，为什么", right: operator.ReadPushes, errors: []int{404}}, h.OpsPush.List)
	registerOps(api, opsOperation{method: "GET", path: "/push-limits", id: "getPushLimits", summary: "所有活动共用的发送限制：每人上限、免打扰时段、各渠道今天的配额", right: operator.ReadCampaigns}, h.OpsPush.Limits)
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
	Limiter limiter
}

// limiter tells what bounds all campaigns together.
type limiter interface {
	Limits(ctx context.Context) (push.Limits, error)
}

type opsChannelLimit struct {
	Channel   string `json:"channel" enum:"custom,mini_subscribe,official,template,mass" doc:"渠道"`
	Day       int64  `json:"day,omitempty" doc:"微信每天允许的条数（群发为次数），没有则不限"`
	Minute    int64  `json:"minute,omitempty" doc:"微信每分钟允许的条数，没有则不限"`
	Used      int64  `json:"usedToday" doc:"活动今天已用"`
	Left      *int64 `json:"leftForMarketing,omitempty" doc:"今天还可用于营销；不限的渠道没有"`
	Reserve   int64  `json:"reserve,omitempty" doc:"每天为服务通知预留，营销不能用"`
	Learned   int64  `json:"slowedToMinute,omitempty" doc:"微信嫌快，今天已降到每分钟这么多条"`
	Exhausted bool   `json:"exhausted" doc:"微信已提示今天的配额用完，明天恢复"`
}

type opsPushLimits struct {
	CapDay     int               `json:"capDay" doc:"每人每天最多收到几条营销消息，所有活动合计；0 为只看各活动自己的上限"`
	CapWeek    int               `json:"capWeek" doc:"每人每七天最多几条，所有活动合计；0 为只看各活动自己的上限"`
	QuietFrom  string            `json:"quietFrom" doc:"免打扰开始，如 21:00；营销消息等到结束后再发"`
	QuietUntil string            `json:"quietUntil" doc:"免打扰结束，如 08:00"`
	Channels   []opsChannelLimit `json:"channels" doc:"各渠道的配额，由所有活动和副本共用"`
}

// Limits tells what bounds all campaigns together, and what of it is left today.
func (h OpsPush) Limits(ctx context.Context, _ *struct{}) (*oneAnswer[opsPushLimits], error) {
	l, err := h.Limiter.Limits(ctx)
	return answered(newOpsPushLimits(l), err)
}

func newOpsPushLimits(l push.Limits) opsPushLimits {
	out := opsPushLimits{l.Caps.Day, l.Caps.Week, clockTime(l.QuietFrom), clockTime(l.QuietUntil), []opsChannelLimit{}}
	for _, c := range l.Channels {
		one := opsChannelLimit{string(c.Channel), c.Quota.Day, c.Quota.Minute, c.Used, nil, c.Reserve, c.Learned, c.Shut}
		if c.Quota.Day > 0 {
			one.Left = &c.Left
		}
		out.Channels = append(out.Channels, one)
	}
	return out
}

// clockTime writes a time since midnight.
func clockTime(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", d/time.Hour, d%time.Hour/time.Minute)
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
