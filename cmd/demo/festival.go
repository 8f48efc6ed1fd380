package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/model"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/wechat"
	"kaimenhong/service/campaign"
	"kaimenhong/service/operator"
	"kaimenhong/service/redpacket"
)

// demoPassword opens the demo's three accounts and nothing else.
const demoPassword = "open-the-red-door"

// members of the demo's festival; everybody else of its audience is no member yet.
const festivalMembers = 60

// festival makes three operators, customers, a segment, materials, a kit and the draft of
// the campaign 回家, unless there is a campaign already.
func festival(ctx context.Context, a *app.App, world *sandbox.Sandbox, game redpacket.Game) error {
	there, _, err := a.Campaigns().List(ctx, "", 1)
	if err != nil || len(there) > 0 {
		return err
	}
	var by [3]model.ID
	for i, account := range []operator.Account{
		{Username: "planner", Name: "林策", Password: demoPassword, Roles: []operator.Role{operator.Planner, operator.Editor}},
		{Username: "reviewer", Name: "沈核", Password: demoPassword, Roles: []operator.Role{operator.Reviewer}},
		{Username: "admin", Name: "管理员", Password: demoPassword, Roles: []operator.Role{operator.Admin}},
	} {
		if by[i], err = a.AddOperator(ctx, account); err != nil {
			return fmt.Errorf("add %s: %w", account.Username, err)
		}
	}
	t := noticeTemplate()
	if err := crowd(ctx, a, world, by[0], t.ID); err != nil {
		return err
	}
	parts, err := a.Festival(ctx, by[0], by[1], model.ID(game.ID), t)
	if err != nil {
		return err
	}
	_, err = a.Campaigns().Create(ctx, by[0], homePlan(time.Now(), parts, game))
	return err
}

// noticeTemplate is the account's subscribe notice for campaigns.
func noticeTemplate() app.Subscribed {
	for _, t := range wechat.DefaultTemplates() {
		if t.Kind == wechat.NoticeTemplate && t.Title == "活动开始提醒" {
			return app.Subscribed{ID: t.ID, Title: t.Title, Content: "活动名称:{{thing1.DATA}}\n开始时间:{{time2.DATA}}\n活动说明:{{thing3.DATA}}"}
		}
	}
	return app.Subscribed{}
}

// crowd imports the carrier's customers; some of them follow, have bound their number
// and allowed a notice.
func crowd(ctx context.Context, a *app.App, world *sandbox.Sandbox, by model.ID, template string) error {
	var file strings.Builder
	file.WriteString("手机号,上月ARPU,上上月ARPU,三个月前ARPU,上月流量使用率\n")
	var list []app.Newcomer
	for i, phone := range world.Carrier.Phones() {
		arpu, data := 30+i%100, 40+i%70
		fmt.Fprintf(&file, "%s,%d.00,%d.00,%d.00,%d%%\n", phone, arpu, arpu, arpu, data)
		who, err := world.WeChat.Persona("c" + phone)
		if err != nil || arpu < 50 || data < 90 || len(list) == festivalMembers {
			continue // a persona of the phone page, or nobody of the segment
		}
		number, err := model.ParsePhone(phone)
		if err != nil {
			return err
		}
		list = append(list, app.Newcomer{OpenID: model.OpenID(who.OpenID), Phone: number, Agrees: true, Template: template})
		world.WeChat.Allow("c"+phone, template)
	}
	if _, err := a.Import(ctx, by, "演示客户.csv", strings.NewReader(file.String())); err != nil {
		return fmt.Errorf("import the customers: %w", err)
	}
	_, err := a.Welcome(ctx, list)
	return err
}

// homePlan is the draft, from tomorrow on for as long as the game runs.
func homePlan(now time.Time, parts app.Festival, game redpacket.Game) campaign.Plan {
	tomorrow := model.DayOf(now) + 1
	ends := min(model.At((tomorrow + 7).Start()), game.Rules.EndsAt)
	return campaign.Plan{
		Name: "回家", Goal: campaign.Revenue, Segment: parts.Segment, Holdout: 10, Budget: game.Rules.Budget, Kit: parts.Kit,
		StartsAt: model.At(tomorrow.Start()), EndsAt: ends,
		Steps: []campaign.Step{{
			Name: "回家图文", Purpose: model.Marketing, Hours: 72,
			When: campaign.When{Kind: campaign.AtInstant, At: model.At(tomorrow.Start().Add(10 * time.Hour))},
			Variants: []campaign.Variant{{Name: "A", Share: 10_000, Ways: []campaign.Way{
				{Channel: model.CustomChannel, Material: parts.Words}, {Channel: model.OfficialChannel, Material: parts.Notice},
			}}},
		}},
	}
}
