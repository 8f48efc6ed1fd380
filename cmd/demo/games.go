package main

import (
	"time"

	"kaimenhong/model"
	"kaimenhong/service/redpacket"
)

// season is how long the demo's games last.
const season = 90 * 24 * time.Hour

// complaints is what the games' rules say about where to complain.
const complaints = "红包页底部“投诉”，或在公众号回复“人工”"

// games are the demo's envelopes: data, phone credit and points. A few helps fill
// each, so that a visitor who plays all friends himself gets there.
func games(now time.Time) []redpacket.Rules {
	from := now.Truncate(24 * time.Hour)
	sound := redpacket.Rules{
		Complaint: complaints, StartsAt: model.At(from), EndsAt: model.At(from.Add(season)), PotHours: 24, PotsEach: 5, HelpsPerDay: 5,
		Open: redpacket.Audience{Bound: true}, Help: redpacket.Audience{Bound: true}, Surface: redpacket.MiniProgram,
		Split: redpacket.DoubleMean, Unfilled: redpacket.Nothing,
	}
	data, credit, points := sound, sound, sound

	data.Name, data.Title = "《回家》流量红包", "《回家》红包：陪家人凑一份流量"
	data.Text = "流量为国内通用，到账后 7 天内有效，充到开启人绑定的手机号。"
	data.Amounts, data.Helps, data.Budget = []redpacket.Amount{{Target: 1000, Weight: 1}}, 3, 2_000_000
	data.Prize = redpacket.PrizeRule{Kind: model.DataPrize, PerYuan: 512}

	credit.Name, credit.Title = "开门红话费红包", "开门红话费红包"
	credit.Text = "话费充到开启人绑定的手机号，当月可用。"
	credit.Amounts, credit.Helps, credit.Budget = []redpacket.Amount{{Target: 600, Weight: 1}}, 2, 1_000_000
	credit.Prize = redpacket.PrizeRule{Kind: model.PhoneCreditPrize}
	credit.Split, credit.Unfilled = redpacket.Equal, redpacket.Collected

	points.Name, points.Title = "福气积分红包", "福气积分红包"
	points.Amounts, points.Helps, points.Budget = []redpacket.Amount{{Target: 66, Weight: 6}, {Target: 88, Weight: 3}, {Target: 188, Weight: 1}}, 4, 500_000
	points.Prize = redpacket.PrizeRule{Kind: model.PointsPrize, PerYuan: 100}
	return []redpacket.Rules{points, credit, data}
}
