package chat_test

import (
	"strings"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/service/chat"
)

func TestWhatTheChatCannotDoIsToldWithTheWayToIt(t *testing.T) {
	opts := plainOptions
	opts.Hotline = "10086"
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, opts)
	const people = "请找人工，或拨打 10086、到营业厅办理。"
	k.plays(t, []line{
		{"手机丢了怎么挂失", "在聊天里办不了。\n" + people}, {"PUK码", people}, {"怎么开发票", people}, {"补卡", people},
		{"出国怎么上网", people}, {"注销手机号", people}, {"套餐怎么取消", people}, {"取消自动续费", people}, {"停机保号", people},
		{"营业厅在哪", "我这里查不到。\n请找人工，或拨打 10086 问问。"}, {"營業廳幾點開門", "我这里查不到"},
		{"注销账户", "请在小程序“我的”→“注销账户”里办"}, {"我要注销", "要注销手机号码（销户），请找人工"},
		{"怎么取关", "选“不再关注”"}, {"取消关注", "绑定的号码和积分都会留着"}, {"取消关注", "就发送“停止推送”，查询和办理照常"}, {"停止推送", "以后不再给您发优惠和活动的消息"},
		{"小程序在哪", "现在没有小程序，要办什么直接告诉我就行，或者回复数字：\n1 查话费"},
		{"我兑换的快递到哪了", "兑换的进度请找人工查。"}, {"红包怎么还没到账", "1 红包"},
		{"最新业务", "请找人工介绍"}, {"3月账单", "要查更早的，请找人工"},
		{"查套餐", "看看更合适的套餐"}, {"查话费", "45.30"},
	})
}

func TestTheMiniProgramIsOneTapAwayWhereThereIsOne(t *testing.T) {
	home := chat.Link{AppID: "wx1", Page: "pages/home", URL: "https://example.com"}
	opts := chat.Options{Links: map[chat.Intent]chat.Link{chat.Points: home, chat.Services: home, chat.Redeem: home}}
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, opts)
	k.plays(t, []line{
		{"怎么打开小程序", `data-miniprogram-path="pages/home" href="https://example.com">打开小程序</a>`},
		{"注销账号", `data-miniprogram-path="pages/home" href="https://example.com">打开小程序</a>`},
		{"挂失", `data-miniprogram-path="pages/home" href="https://example.com">看看小程序里能办哪些</a>`},
		{"营业厅在哪", "!小程序"},
		{"兑换的流量没收到", "在小程序“我的”→“兑换记录”里看"}, {"兑换的流量没收到", "打开小程序</a>"}, {"积分兑换", "现在就能换"},
	})
	if got := k.says(t, "小程序打不开"); strings.Contains(got, "打开小程序") {
		t.Errorf("a mini-program that does not open is answered %q, want who helps", got)
	}
}
