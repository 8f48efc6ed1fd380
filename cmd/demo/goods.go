package main

import (
	"crypto/rand"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/model"
	"kaimenhong/service/mall"
)

// goods are the demo's mall: one or two gifts of each kind. The carrier's are in
// the sandbox's catalogue; the codes open nothing.
func goods(now time.Time) []app.Good {
	list := []app.Good{
		{Gift: mall.Gift{
			Category: "流量", Kind: mall.Carrier, Title: "1GB 流量日包", Description: "国内通用流量，充到绑定的手机号，当天有效。",
			Points: 5, Each: 5, Total: 5000, Spec: mall.Spec{Offering: "OF-DATA-1G-1D"},
		}},
		{Gift: mall.Gift{
			Category: "流量", Kind: mall.Carrier, Title: "5GB 流量周包", Description: "国内通用流量，7 天有效，周末出游正好。",
			Points: 60, Each: 2, Total: 800, Spec: mall.Spec{Offering: "OF-DATA-5G-7D"},
		}},
		{Gift: mall.Gift{
			Category: "流量", Kind: mall.Carrier, Title: "10GB 流量月包", Description: "国内通用流量，30 天有效；另付的 9.9 元计入话费账单。",
			Points: 50, Fen: 990, Each: 1, Total: 500, Spec: mall.Spec{Offering: "OF-DATA-10G-30D", Bill: true},
		}},
		{Gift: mall.Gift{
			Category: "流量", Kind: mall.Carrier, Title: "金卡专享 500MB 月包", Description: "国内通用流量，30 天有效；金卡和白金卡用户可兑。",
			Points: 5, Each: 1, Total: 500, Tier: 2, Spec: mall.Spec{Offering: "OF-DATA-500M-30D"},
		}},
		{Gift: mall.Gift{
			Category: "话费", Kind: mall.Carrier, Title: "1 元话费", Description: "直接充到绑定的手机号，当月可用。",
			Points: 30, Each: 3, Total: 2000, Spec: mall.Spec{Credit: 100},
		}},
		{Gift: mall.Gift{
			Category: "生活", Kind: mall.Coupon, Title: "咖啡中杯券", Description: "凭券码到合作门店兑换一杯中杯咖啡，30 天内有效。",
			Points: 20, Each: 1,
		}, Codes: codes(50)},
		{Gift: mall.Gift{
			Category: "生活", Kind: mall.Physical, Title: "新春福字礼盒", Description: "手写福字与窗花各一套，下单后 3 天内寄出。",
			Points: 40, Each: 1, Total: 66, Cancellable: true,
		}},
	}
	for i := range list {
		list[i].Gift.Position = i
		list[i].Gift.StartsAt, list[i].Gift.EndsAt = model.At(now), model.At(now.AddDate(0, 6, 0))
	}
	return list
}

// codes makes n codes of a coupon.
func codes(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "KMH-" + rand.Text()[:10]
	}
	return out
}
