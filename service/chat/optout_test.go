package chat_test

import (
	"slices"
	"strings"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/service/chat"
)

func TestWhoHasEnoughOfOffersIsUnderstood(t *testing.T) {
	for _, s := range []string{
		"停止推送", "TD", "t", "别再给我发广告了", "不要再给我推送了", "取消推送", "怎么取消推送啊", "我不想收到你们的营销消息", "屏蔽广告短信", "取消订阅",
		"别打扰我", "請不要再推送廣告", "不要再骚扰我了！！", "别发了", "能不能别给我发优惠信息", "推送关掉", "退订活动消息", "不接收推送",
	} {
		if m := chat.Understand(s, chat.ChinaMobile); !m.Sure || !slices.Equal(m.Intents(), []chat.Intent{chat.OptOut}) {
			t.Errorf("%q is read as %v (sure: %t), want the end of offers", s, m.Intents(), m.Sure)
		}
	}
	for _, s := range []string{
		"不要取消推送", "别停止推送", "不想错过活动消息", "为什么不再推送了", "怎么没有推送", "恢复推送，之前取消了", "骚扰电话怎么屏蔽", "有什么推送", "广告",
		"特别想收到优惠信息", "有没有别的优惠信息", "打扰一下，我不想换套餐了怎么办", "不好意思打扰了，我想查话费", "广告说的套餐不用合约吗", "宣传的流量包不要钱吗", "不要钱的推广活动有吗",
		"我不想换了，广告里那个套餐还有吗", "取消订阅视频会员", "你们宣传的套餐取消了吗",
		"退订", "取消", "不要了", "别", "退订业务", "我昨天看到你们的广告说套餐很便宜，不过我现在不想换套餐，只想查一下这个月话费还有多少",
	} {
		if m := chat.Understand(s, chat.ChinaMobile); slices.Contains(m.Intents(), chat.OptOut) {
			t.Errorf("%q is read as the end of offers", s)
		}
	}
}

func TestWhoHasEnoughOfOffersGetsNoMore(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{{"别再给我发广告短信了", "以后不再给您发优惠和活动的消息"}, {"不要再推送", "!短信"}, {"屏蔽营销短信", "要停短信就发送“人工”"}})
	if len(k.world.declined) != 3 {
		t.Errorf("%d noes are kept, want each", len(k.world.declined))
	}
	if got := k.says(t, "查话费"); !strings.Contains(got, "45.30") {
		t.Errorf("what he asks himself is answered %q", got)
	}
}
