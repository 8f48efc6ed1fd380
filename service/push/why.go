package push

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/push/internal/db"
)

// Told is a delivery with one sentence that says why it came or did not.
type Told struct {
	model.Delivery
	Campaign model.ID
	Sentence string
}

// maxTold bounds what is told of one member and campaign.
const maxTold = 200

// WhyNot tells of every push of a campaign to the member why it came or did not; none
// means that he was in none of its audiences. ids are his own and his former ones: what
// was sent stays with the id to which it was.
func (p *Planner) WhyNot(ctx context.Context, ids []model.MemberID, campaign model.ID) ([]Told, error) {
	rows, err := p.q.DeliveriesToIn(ctx, db.DeliveriesToInParams{Members: numbers(ids), CampaignID: int64(campaign), Limit: maxTold})
	if err != nil {
		return nil, fmt.Errorf("list a member's deliveries: %w", err)
	}
	return p.tell(ctx, rows)
}

// Pushes tells of the pushes to a member by his ids, newest first; cursor is "" or the
// one that came with the page before. Errors: page.ErrCursor.
func (p *Planner) Pushes(ctx context.Context, ids []model.MemberID, cursor string, limit int) (list []Told, next string, err error) {
	below, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := p.q.DeliveriesTo(ctx, db.DeliveriesToParams{Members: numbers(ids), Below: below, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list a member's deliveries: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.PushDelivery) string { return page.Cursor(r.ID) })
	list, err = p.tell(ctx, rows)
	return list, next, err
}

func (p *Planner) tell(ctx context.Context, rows []db.PushDelivery) ([]Told, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]int64, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.DispatchID)
	}
	found, err := p.q.DispatchesByID(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read dispatches: %w", err)
	}
	named, err := stepsIn(found)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	board := p.board.byID
	p.mu.Unlock()
	stands := make(map[int64]string, len(found))
	for _, row := range found {
		stands[row.ID] = waitsFor(row, board[model.ID(row.ID)])
	}
	out := make([]Told, len(rows))
	for i, r := range rows {
		d, state := named.delivery(r), stands[r.DispatchID]
		out[i] = Told{Delivery: d, Campaign: model.ID(r.CampaignID), Sentence: sentence(d, state, named[r.DispatchID], p.now())}
	}
	return out, nil
}

// canary is what who waits for a release waits for.
const canary = "canary"

// waitsFor says what those who wait for a dispatch wait for; empty: their turn.
func waitsFor(row db.PushDispatch, one posted) string {
	switch {
	case row.State == dropped:
		return dropped
	case one.campaign == paused || one.campaign == killed:
		return one.campaign
	case row.State == stopped:
		return stopped
	case !row.Released:
		return canary
	}
	return ""
}

// channels are their names for people.
var channels = map[model.Channel]string{
	model.CustomChannel: "客服消息", model.MiniChannel: "小程序订阅消息", model.OfficialChannel: "公众号订阅通知",
	model.TemplateChannel: "模板消息", model.MassChannel: "群发消息",
}

// reasons say why nothing came.
var reasons = map[string]string{
	noMember:                "还没有关注公众号，也没有用过小程序，没有可以送达的渠道",
	whyMerged:               "他的两个账号已合并为一个，同一条消息只发一次",
	noConsent:               "没有同意接收营销消息",
	whyCapDay:               "当天收到的营销消息已达上限",
	whyCapWeek:              "到当天为止七天内收到的营销消息已达上限",
	whyCapCampaign:          "这个活动给他的消息已达上限",
	noRight:                 "没有可用的发送资格：近期没有互动，也没有可用的订阅授权；群发则是没有关注公众号，或本月的四条已发完",
	whyQuota:                "微信的发送配额在活动结束前不会恢复",
	whyAlone:                "群发内容相同的只有他一人，微信要求至少两人",
	whyEnded:                "活动结束前没有等到可以发送的时间",
	whyKilled:               "活动推送被终止",
	whyDropped:              "新版方案去掉了这个步骤",
	whyBlocked:              "他拒收了公众号的消息",
	whyFailed:               "微信报告送达失败",
	whyDied:                 "发送途中程序中断，可能已送达，为避免重复不再发送",
	errUnknownOutcome.Code:  "微信没有给出明确结果，可能已送达，为避免重复不再发送",
	errWindowShut.Code:      "超过48小时没有互动，客服消息窗口已关闭",
	errWindowUsed.Code:      "本次互动可发的客服消息已用完",
	errNoConsent.Code:       "订阅授权已用完或已被拒绝",
	errNotFollowing.Code:    "没有关注公众号",
	errNoOpenID.Code:        "微信账号标识已失效",
	"wechat.bad_data":       "消息内容或模板不符合微信要求",
	"wechat.permission":     "账号没有这个接口的权限",
	"wechat.not_configured": "没有配置对应的公众号或小程序",
	"wechat.not_found":      "微信侧没有找到对应的数据",
	"wechat.credentials":    "公众号或小程序的密钥或IP白名单设置有误",
	"wechat.errcode":        "微信返回了未知的错误码",
	"material.no_version":   "素材版本不存在",
	"material.no_template":  "素材使用的模板不存在",
	"material.state":        "素材版本还没有发布",
	ErrNotice.Code:          "消息内容无法生成",
}

// sentence says it in one Chinese sentence.
func sentence(d model.Delivery, waits string, of model.Dispatch, now model.Millis) string {
	at, by := moment(d.At, now), channels[d.Channel]
	why := reasons[d.Why]
	if why == "" && d.Why != "" {
		why = "原因代码" + d.Why
	}
	switch d.State {
	case model.DeliverySent:
		return sent(d, at, by, why, now)
	case model.DeliveryHeldOut:
		return "属于对照组，用来衡量活动效果，不发送任何消息。"
	case model.DeliverySkipped:
		return "没有发送：" + why + "。"
	case model.DeliveryRefused:
		return "微信没有接受：" + why + "。"
	case model.DeliveryUnknown:
		if d.TappedAt != 0 {
			return fmt.Sprintf("%s用%s发送，微信没有给出明确结果，但%s点开，已经送达。", at, by, moment(d.TappedAt, now))
		}
		return fmt.Sprintf("%s用%s发送，结果未知：%s。", at, by, why)
	case model.DeliverySending:
		return "正在用" + by + "发送。"
	}
	switch {
	case waits == paused:
		return "等待发送：活动推送已暂停。"
	case waits == dropped:
		return "不会发送：" + reasons[whyDropped] + "。"
	case waits == killed:
		return "不会发送：活动推送被终止。"
	case waits == stopped:
		return "等待发送：微信不接受这次推送的内容，已自动停止；先暂停活动再继续，就会重新尝试。"
	case of.StartsAt > now:
		return "等待发送：" + moment(of.StartsAt, now) + "开始。"
	}
	queued := "等待发送：排队中"
	if waits == canary {
		queued = "等待发送：活动正在试发，先发给少数人，没有问题再发给其余的人"
	}
	if of.Purpose == Marketing {
		queued += "，营销消息只在8点到21点之间发送"
	}
	return queued + "。"
}

func sent(d model.Delivery, at, by, why string, now model.Millis) string {
	text := fmt.Sprintf("%s已用%s发送", at, by)
	switch {
	case d.TappedAt != 0:
		return text + "，" + moment(d.TappedAt, now) + "点开。"
	case d.DeliveredAt != 0:
		return text + "，微信已确认送达。"
	case why != "":
		return text + "，但没有送达：" + why + "。"
	}
	return text + "。"
}

// moment writes 2月17日10:00, with its year when that is not the one of now: somebody may
// ask in January.
func moment(m, now model.Millis) string {
	if m.Time().Year() == now.Time().Year() {
		return m.Time().Format("1月2日15:04")
	}
	return m.Time().Format("2006年1月2日15:04")
}

// Reason is the words for a delivery's Why; the code itself when there are none.
func Reason(code string) string {
	if words := reasons[code]; words != "" {
		return words
	}
	return code
}
