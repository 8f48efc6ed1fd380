package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"kaimenhong/model"
	"kaimenhong/service/audience"
	"kaimenhong/service/campaign"
	"kaimenhong/service/material"
	"kaimenhong/service/operator"
)

// Festival is what the campaign 回家 of the demo and of stories is made of.
type Festival struct {
	Segment model.ID
	Words   model.ID // the version of the text
	Notice  model.ID // the version of the subscribe notice
	Other   model.ID // another wording of it, which leads to OtherPage
	Later   model.ID // a reminder, which leads to LaterPage
	Kit     model.ID // its version
}

// Where the notices of the festival lead.
const (
	NoticePage = "https://mp.weixin.qq.com"
	OtherPage  = NoticePage + "/together"
	LaterPage  = NoticePage + "/today"
)

// Subscribed is a template of the official account's subscribe notices.
type Subscribed struct{ ID, Title, Content string }

// homeSegment is "ARPU ≥ 50, 上月流量 ≥ 90 %, 近 30 天未办流量包".
const homeSegment = `{"and":[{"attribute":"arpu","op":"gte","value":5000},{"attribute":"data1","op":"gte","value":9000},{"didNot":"pack","days":30}]}`

// Festival makes them: writer writes, checker publishes, the game may be 0, the offer is
// the first data pack of the mall, if there is one. The notice has the fields thing1, time2
// and thing3.
func (a *App) Festival(ctx context.Context, writer, checker, game model.ID, t Subscribed) (f Festival, err error) {
	d := a.domains
	var tree audience.Node
	if err := json.Unmarshal([]byte(homeSegment), &tree); err != nil {
		return f, err
	}
	s, err := d.audience.CreateSegment(ctx, writer, "高流量未办包", tree)
	if err != nil {
		return f, fmt.Errorf("make the segment: %w", err)
	}
	f.Segment = s.ID
	template, err := d.material.AddTemplate(ctx, writer, model.OfficialChannel, t.ID, t.Title, t.Content)
	if err != nil {
		return f, fmt.Errorf("register the template: %w", err)
	}
	if f.Words, err = a.publish(ctx, writer, checker, material.Text, "回家·客服消息", material.Body{
		Text: "{{称呼|您}}好，春节回家路上，流量我们包了。回复“兑换”领取春节流量包，邀请家人一起拆红包。",
	}); err != nil {
		return f, err
	}
	for _, n := range []struct {
		into              *model.ID
		name, words, page string
	}{
		{&f.Notice, "回家·订阅通知", "邀请家人助力，流量回家路上用", NoticePage},
		{&f.Other, "回家·订阅通知·团圆版", "和家人一起拆红包，流量带回家", OtherPage},
		{&f.Later, "回家·当天提醒", "春节流量红包今天还可以领", LaterPage},
	} {
		if *n.into, err = a.publish(ctx, writer, checker, material.Notice, n.name, material.Body{
			Template: template.ID, Fields: map[string]string{"thing1": "回家·春节流量红包", "time2": "2026-02-16 08:00", "thing3": n.words}, URL: n.page,
		}); err != nil {
			return f, err
		}
	}
	offer, err := a.firstPack(ctx)
	if err != nil {
		return f, err
	}
	kit, err := d.material.AddKit(ctx, writer, material.Plan{
		Name: "回家", Game: game, Offer: offer, Parts: []material.Part{{Role: "客服消息", Version: f.Words}, {Role: "订阅通知", Version: f.Notice}},
	})
	if err != nil {
		return f, fmt.Errorf("make the kit: %w", err)
	}
	f.Kit = kit.ID
	return f, nil
}

// firstPack is the first data pack that everybody may have.
func (a *App) firstPack(ctx context.Context) (material.Offer, error) {
	gifts, _, err := a.domains.mall.Gifts(ctx, "", 20)
	if err != nil {
		return material.Offer{}, fmt.Errorf("look for a data pack: %w", err)
	}
	for _, g := range gifts {
		if g.Spec.Offering != "" && g.Tier == 0 {
			return material.Offer{Kind: material.GiftOffer, ID: g.ID.String()}, nil
		}
	}
	return material.Offer{}, nil
}

func (a *App) publish(ctx context.Context, writer, checker model.ID, kind material.Kind, name string, body material.Body) (model.ID, error) {
	materials := a.domains.material
	made, err := materials.Create(ctx, writer, material.Fresh{Kind: kind, Name: name, Body: body})
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", name, err)
	}
	v, err := materials.Version(ctx, made.Open)
	if err != nil {
		return 0, err
	}
	if v, err = materials.Submit(ctx, writer, v.ID, v.Revision); err != nil {
		return 0, fmt.Errorf("hand in %s: %w", name, err)
	}
	if v, err = materials.Publish(ctx, checker, v.ID, v.Revision); err != nil {
		return 0, fmt.Errorf("publish %s: %w", name, err)
	}
	return v.ID, nil
}

// AddOperator makes an account for somebody who works with the operators' API.
func (a *App) AddOperator(ctx context.Context, account operator.Account) (model.ID, error) {
	return a.domains.operators.Add(ctx, account, operator.System)
}

// Import reads a file of the carrier's customers.
func (a *App) Import(ctx context.Context, by model.ID, name string, file io.Reader) (audience.Import, error) {
	return a.domains.audience.Import(ctx, audience.Upload{Name: name, Operator: by, File: file})
}

// Customer is by which id the audience knows a number.
func (a *App) Customer(ctx context.Context, number model.Phone) (model.MemberID, error) {
	return a.domains.audience.FindPhone(ctx, number)
}

// Reports are what campaigns earned, for stories that do not wait for the hour.
func (a *App) Reports() *campaign.Reports { return a.domains.report }

// Campaigns are the plans, for the demo and for rehearsals.
func (a *App) Campaigns() *campaign.Campaigns { return a.domains.campaign }

// Deliveries is a page of what became of a campaign's recipients.
func (a *App) Deliveries(ctx context.Context, id, after model.ID, limit int) ([]model.Delivery, error) {
	return a.domains.planner.Deliveries(ctx, id, after, limit)
}
