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
		"别打扰我", "你能不能别再发广告了", "可以不要再发消息了吗", "别推销套餐了", "不要给我推广业务", "不想看你们推送的消息", "再发广告我就取关了，别发消息了", "你们的广告烦死了，取消推送", "怎么才能不收广告", "怎么关闭推送", "不要我的同意就发广告？给我停止推送", "請不要再推送廣告", "不要再骚扰我了！！", "别发了", "能不能别给我发优惠信息", "推送关掉", "退订活动消息", "不接收推送",
	} {
		if m := chat.Understand(s, chat.ChinaMobile); !m.Sure || !slices.Equal(m.Intents(), []chat.Intent{chat.OptOut}) {
			t.Errorf("%q is read as %v (sure: %t), want the end of offers", s, m.Intents(), m.Sure)
		}
	}
	for _, s := range []string{
		"不要取消推送", "别停止推送", "不想错过活动消息", "为什么不再推送了", "怎么没有推送", "恢复推送，之前取消了", "骚扰电话怎么屏蔽", "有什么推送", "广告",
		"特别想收到优惠信息", "有没有别的优惠信息", "打扰一下，我不想换套餐了怎么办", "不好意思打扰了，我想查话费", "广告说的套餐不用合约吗", "宣传的流量包不要钱吗", "不要钱的推广活动有吗",
		"我不想换了，广告里那个套餐还有吗", "取消订阅视频会员", "你们宣传的套餐取消了吗",
		"取消推送后还能收到缴费提醒吗", "关闭推送会影响查话费吗", "之前取消了推送，现在想要", "推送取消了吗", "你们是不是停止推送了", "推送关了以后能再开吗", "屏蔽广告有什么影响",
		"上次说了不要推送，现在又想收到了", "退订消息后悔了怎么办", "我是不是关闭了优惠通知", "停止推送以后还会有账单吗", "不接收推送会怎么样",
		"不想办你们推广的业务", "不要推广的那个套餐，要原来的", "取消广告上说的流量包", "不想参加你们宣传的活动", "推销员让我办的套餐想取消",
		"不要推送消息给我妈，给我发就行", "别把广告发给我女儿", "不要给我老婆发消息",
		"退订", "取消", "不要了", "别", "退订业务", "我昨天看到你们的广告说套餐很便宜，不过我现在不想换套餐，只想查一下这个月话费还有多少",
	} {
		if m := chat.Understand(s, chat.ChinaMobile); slices.Contains(m.Intents(), chat.OptOut) {
			t.Errorf("%q is read as the end of offers", s)
		}
	}
}

func TestWhoAsksOfWhatIsSentHearsHowItEndsAndBegins(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	for _, s := range []string{
		"取消推送后还能收到缴费提醒吗", "推送取消了吗", "之前取消了推送，现在想要", "恢复消息推送", "重新接收推送", "可以继续给我发优惠消息吗", "怎么没有推送", "为什么不再推送了", "推送设置",
	} {
		if got := k.says(t, s); !strings.Contains(got, "不想收就发送“停止推送”") || !strings.Contains(got, "想恢复，在小程序“我的”里打开“优惠与活动”") {
			t.Errorf("%q is answered\n%s", s, got)
		}
	}
	for _, s := range []string{"不要给我发短信了", "短信太多了", "屏蔽垃圾短信", "怎么退订短信", "别再发短信"} {
		if got := k.says(t, s); !strings.Contains(got, "要停短信就发送“人工”") {
			t.Errorf("%q is answered\n%s", s, got)
		}
	}
	if len(k.world.declined) > 0 {
		t.Errorf("%d noes are kept of who asked", len(k.world.declined))
	}
	for _, s := range []string{"我收到广告短信说送话费", "推送的流量包怎么领", "骚扰电话怎么没人管", "有什么推送", "不要给我发短信验证码", "取消短信包", "为什么不给我发短信", "不想查短信", "别给我妈发短信"} {
		if m := chat.Understand(s, chat.ChinaMobile); slices.Contains(m.Intents(), chat.Sendings) {
			t.Errorf("%q is read as a question of what is sent", s)
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
