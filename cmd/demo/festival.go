package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/model"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/carrier"
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
	there, _, err := a.Campaigns().List(ctx, "", "", "", 1)
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
	file.WriteString(customerColumns)
	var list []app.Newcomer
	for i, phone := range world.Carrier.Phones() {
		known, err := world.Carrier.Look(phone)
		if err != nil {
			return err
		}
		arpu, data := 30+i%100, 40+i%70
		file.WriteString(customer(i, known, arpu, data))
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

const customerColumns = "手机号,姓名,性别,出生日期,入网日期,付费方式,套餐,省份,城市,终端,价值等级,上月ARPU,上上月ARPU,三个月前ARPU,上月流量使用率,上上月流量使用率,三个月前流量使用率,兴趣\n"

// customer is the line of one whom the carrier knows, with an ARPU in yuan and last month's
// share of his data; what the carrier does not tell is made up, the same at each start.
func customer(i int, known carrier.Persona, arpu, data int) string {
	paid := "后付费"
	if known.Prepaid {
		paid = "预付费"
	}
	pick := func(words ...string) string { return words[i%len(words)] }
	return fmt.Sprintf("%s,%s,%s,%d-%02d-%02d,%d-%02d-01,%s,%s,%s,%s,%s,%s,%d.00,%d.00,%d.00,%d%%,%d%%,%d%%,%s\n",
		known.Phone, known.Name, pick("男", "女"), 1955+i%50, i%12+1, i%28+1, 2008+i%17, i%12+1, paid, known.Plan, known.Province, known.City,
		pick("华为 Mate 60", "小米 14", "iPhone 15", "OPPO Reno 11", "vivo X100", "荣耀 100", "老人机"), tierOf(arpu),
		arpu+i%5, arpu, arpu-i%5, data, max(0, data-i%15), max(0, data-i%25), pick("视频", "游戏、视频", "音乐", "阅读", "购物"))
}

func tierOf(arpu int) string {
	switch {
	case arpu < 50:
		return "低价值"
	case arpu < 80:
		return "中价值"
	case arpu < 110:
		return "高价值"
	}
	return "尊享"
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
