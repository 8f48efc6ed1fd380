package chat_test

import (
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/chat"
)

func TestAMenuAnswerOfTheOperatorsLeavesTheQuestionBeforeIt(t *testing.T) {
	pool, w := dbtest.SQLite(t), newWorld(t)
	rules := newRules(t, pool)
	if _, err := rules.Add(t.Context(), 1, rule(chat.Exact, "springfestival", "春节活动开始啦，回复1参加"), "r1"); err != nil {
		t.Fatal(err)
	}
	k := newTalk(t, w, pool, dbtest.EmbeddedRedis(t), rules, plainOptions)
	for _, asked := range [][]line{
		{{"积分兑换", "1 "}, {"1", "确定吗"}},
		{{"解绑", "确定要解绑"}},
	} {
		k.plays(t, asked)
		in := k.inbound(model.InClick)
		in.EventKey = "springfestival"
		if got := k.gets(t, in).Text; !strings.Contains(got, "回复1参加") {
			t.Fatalf("the tap is answered %q, want the operator's words", got)
		}
		k.plays(t, []line{{"1", "没对上号"}})
	}
	if w.points.Available != 1200 || !w.member.Bound() {
		t.Errorf("%d points are left and bound = %v, want nothing changed", w.points.Available, w.member.Bound())
	}
}

func TestAnOpinionOfFewWordsIsKept(t *testing.T) {
	for _, says := range []string{"套餐太贵", "客服态度差", "流量不够用", "积分太少", "建议送话费", "投诉营业厅", "流量太贵了", "宽带太慢"} {
		k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
		k.plays(t, []line{{"意见反馈", "写在下一条消息里"}, {says, "已经记下"}})
	}
	for _, says := range []string{"查话费", "人工", "转人工", "菜单", "意见反馈", "投诉", "还剩多少流量", "积分兑换", "帮我查流量", "话费余额", "CXLL"} {
		k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
		k.plays(t, []line{{"意见反馈", "写在下一条消息里"}, {says, "!已经记下"}})
	}
}

func TestANumberThatIsWaitedForMayStandInASentence(t *testing.T) {
	const sent, bound = "短信已发到 139****5678", "绑定成功：139****5678"
	for _, tt := range []struct{ phone, code string }{
		{"我的手机号是13912345678", "我的验证码是123456"},
		{"好的，139 1234 5678，谢谢", "收到了，123456"},
		{"手机号：139-1234-5678", "【掌上营业厅】您的验证码是123456，5分钟内有效，请勿告诉他人。"},
		{"一三九一二三四五六七八", "一二三四五六。"},
		{"幺三九，幺二三四，五六七八", "验证码是 １２３４５６"},
	} {
		w := newWorld(t)
		w.member.Phone = model.Phone{}
		k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
		k.plays(t, []line{{"绑定", "发送您的11位手机号"}, {tt.phone, sent}, {tt.code, bound}})
	}
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{
		{"我的手机号是13912345678", "!短信已发到"}, {"我的验证码是123456", "!绑定成功"}, // nobody asked for either
		{"换绑", "直接发送新的11位手机号"}, {"查13912345678的话费", "保护隐私"}, {"我要充值", "充值"},
	})
}
