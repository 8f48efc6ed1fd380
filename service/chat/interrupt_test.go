package chat_test

import (
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
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
		{"换绑", "直接发送新的11位手机号"}, {"查13912345678的话费", "保护隐私"}, {"13912345678余额", "!短信已发到"}, {"我要充值", "充值"},
	})
}

func TestAllowancesOfLastMonthAreNotMissedInThisOne(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		when, err := time.ParseInLocation("2006-01-02 15:04:05", text, model.Shanghai)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	month := model.At(at("2026-12-01 00:00:00")) - 1
	for _, tt := range []struct {
		name, said, now string
		stale           bool
		allowances      []model.Allowance
		want, unwanted  string
	}{
		{"the carrier is down after midnight", "2026-11-30 23:00:00", "2026-12-01 00:30:00", true,
			[]model.Allowance{{Kind: model.Data, Name: "国内流量", Total: 30 << 30, Left: 12 << 30, ValidUntil: month}},
			"流量还剩 12GB（共 30GB），截至 11月30日 23:00。运营商系统暂时没有应答，稍后可以再查。\n这之后有的已经到期，新的余量要等运营商更新，请过几分钟再查。\n查流量", "没有可用"},
		{"remembered for some seconds over midnight", "2026-11-30 23:59:40", "2026-12-01 00:00:10", false,
			[]model.Allowance{{Kind: model.Data, Name: "国内流量", Total: 30 << 30, Left: 1 << 30, ValidUntil: month}},
			"截至 11月30日 23:59。\n这之后有的已经到期", "买"},
		{"another pack goes on", "2026-11-30 23:00:00", "2026-12-01 00:30:00", true,
			[]model.Allowance{{Kind: model.Data, Name: "国内流量", Total: 30 << 30, Left: 12 << 30, ValidUntil: month}, {Kind: model.Data, Name: "周包", Total: 5 << 30, Left: 2 << 30, ValidUntil: month + 4*24*3600_000}},
			"流量还剩 14GB（共 35GB），截至 11月30日 23:00", "共 5GB"},
		{"a pack ended within the month", "2026-11-17 20:00:00", "2026-11-17 20:30:00", true,
			[]model.Allowance{{Kind: model.Data, Name: "国内流量", Total: 30 << 30, Left: 12 << 30, ValidUntil: month}, {Kind: model.Data, Name: "时包", Total: 5 << 30, Left: 2 << 30, ValidUntil: model.At(at("2026-11-17 20:10:00"))}},
			"流量还剩 12GB（共 30GB），截至 20:00", "这之后"},
		{"what had ended when the carrier said it", "2026-12-01 00:30:00", "2026-12-01 00:30:05", false,
			[]model.Allowance{{Kind: model.Data, Name: "国内流量", Total: 30 << 30, Left: 12 << 30, ValidUntil: month}},
			"没有可用的流量和通话包", "这之后"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.now = at(tt.now)
			w.usage = model.Usage{AsOf: model.At(at(tt.said)), Stale: tt.stale, Allowances: tt.allowances}
			got := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions).says(t, "查流量")
			if !strings.Contains(got, tt.want) || strings.Contains(got, tt.unwanted) {
				t.Errorf("answer = %q, want %q and not %q", got, tt.want, tt.unwanted)
			}
		})
	}
}

func TestABillOfAnotherYearIsNotThisYears(t *testing.T) {
	w := newWorld(t)
	for _, month := range []string{"2025-12", "2025-03"} {
		w.bills.Bills = append(w.bills.Bills, model.Bill{Month: month, Total: 7700})
	}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{
		{"10月账单", "10月账单 128.50元"}, {"2026年10月账单", "10月账单 128.50元"},
		{"2025年10月账单", "没有查到2025年10月的账单"}, {"25年10月的账单", "没有查到2025年10月的账单"},
		{"二零二五年三月账单", "2025年3月账单 77元"}, {"2025年3月份账单", "2025年3月账单 77元"},
		{"去年12月账单", "2025年12月账单 77元"}, {"前年12月账单", "没有查到2024年12月的账单"}, {"大前年12月账单", "没有查到2023年12月的账单"},
		{"12月账单", "2025年12月账单 77元"}, {"今年12月账单", "没有查到12月的账单"},
	})
}

func TestAYesIsToTheNumberThatWasAskedAbout(t *testing.T) {
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{{"积分兑换", "1 "}, {"1", "给 138****1111，确定吗"}})
	w.member.Phone = phone(t, "13912345678") // bound on another device meanwhile
	k.plays(t, []line{{"是的", "给 139****5678，确定吗"}})
	if w.points.Available != 1200 {
		t.Errorf("%d points are left, want nothing redeemed for a number that nobody agreed to", w.points.Available)
	}
	k.plays(t, []line{{"是的", "正在为 139****5678 办理"}, {"解绑", "确定要解绑 139****5678 吗"}})
	w.member.Phone = phone(t, "13700001111")
	k.plays(t, []line{{"确认解绑", "确定要解绑 137****1111 吗"}})
	if !w.member.Bound() {
		t.Error("a number that nobody asked about is unbound")
	}
	k.plays(t, []line{{"确认解绑", "已经解绑"}})
	w.member.Phone = phone(t, "13700001111")
	k.plays(t, []line{{"积分兑换", "2 咖啡券"}, {"2", "确定吗"}})
	w.member.Phone = model.Phone{}
	k.plays(t, []line{{"是的", "先绑定手机号才能积分兑换"}})
	w.member.Phone = phone(t, "13700001111")
	k.plays(t, []line{{"积分兑换", "2 咖啡券"}})
	w.member.Phone = model.Phone{}
	k.plays(t, []line{{"2", "先绑定手机号才能积分兑换"}})
}

func TestANoToAQuestionOfLongAgoIsUnderstood(t *testing.T) {
	client := dbtest.EmbeddedRedis(t)
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), client, nil, plainOptions)
	for _, asked := range [][]line{{{"积分兑换", "1 "}, {"1", "确定吗"}}, {{"解绑", "确定要解绑"}}, {{"换绑", "不换就回复“取消”"}}} {
		k.plays(t, asked)
		if err := client.FlushAll(t.Context()).Err(); err != nil { // the session's time is over
			t.Fatal(err)
		}
		k.plays(t, []line{{"取消", "没有正在等您确认的事"}, {"查话费", "45.30"}})
	}
	if w.points.Available != 1200 || !w.member.Bound() {
		t.Errorf("%d points are left and bound = %v, want nothing changed", w.points.Available, w.member.Bound())
	}
}

func TestACodeIsStillWaitedForAfterASecondOneWasRefused(t *testing.T) {
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{{"换绑", "直接发送新的11位手机号"}, {"13912345678", "短信已发到"}})
	w.unsent = fault.New(fault.Limited, "test.too_soon", "验证码一分钟只能发一次，请40秒后再试")
	k.plays(t, []line{{"13912345678", "请40秒后再试"}, {"123456", "绑定成功：139****5678"}})
	// Nor does asking how to bind make it void.
	w.unsent = nil
	k.plays(t, []line{{"换绑", "直接发送新的11位手机号"}, {"13700002222", "短信已发到"}, {"换绑", "直接发送新的11位手机号"}, {"123456", "绑定成功"}})
	w.unsent = fault.New(fault.Limited, "test.too_soon", "验证码一分钟只能发一次，请40秒后再试")
	// Where none was sent, a number is waited for.
	k.plays(t, []line{{"换绑", "直接发送新的11位手机号"}, {"13700001111", "请40秒后再试"}})
	w.unsent = nil
	k.plays(t, []line{{"13700001111", "短信已发到"}})
}

func TestANoInOnesOwnWordsIsANo(t *testing.T) {
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	for _, no := range []string{"算了不要了", "算了吧", "那算了", "还是算了", "我再想想", "不确定", "不换了", "不是", "我不要了", "还是不要了吧", "算了，谢谢"} {
		k.plays(t, []line{{"积分兑换", "1 "}, {"1", "确定吗"}, {no, "已经取消"}, {"是的", "没有正在等您确认的事"}})
	}
	for _, no := range []string{"算了不解绑了", "我再想想", "不是", "还是不解绑了"} {
		k.plays(t, []line{{"解绑", "确定要解绑"}, {no, "已经取消"}, {"确定", "没有正在等您确认的事"}})
	}
	for _, no := range []string{"算了，不绑了", "不绑了", "那不换了"} {
		k.plays(t, []line{{"绑定13912345678", "短信已发到"}, {no, "已经取消"}, {"是的", "没有正在等您确认的事"}})
	}
	k.plays(t, []line{{"我不解绑啊", "!确定要解绑"}, {"解绑", "确定要解绑"}, {"我没说要，不解绑啊", "没有解绑"}, {"确定", "没有正在等您确认的事"}})
	k.plays(t, []line{{"不绑了", "确定要解绑"}, {"不绑了", "确定要解绑"}}) // to nothing that is bound just now, and to no question of a binding
	if w.points.Available != 1200 || !w.member.Bound() {
		t.Errorf("%d points are left and bound = %v, want nothing changed", w.points.Available, w.member.Bound())
	}
}

func TestWhoAnswersSomethingElseIsToldThatNothingWasDone(t *testing.T) {
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{
		{"积分兑换", "1 "}, {"1", "确定吗"}, {"换成第二个", "刚才的兑换没有办，积分没有动"}, {"是", "没有正在等您确认的事"},
		{"解绑", "确定要解绑"}, {"你说呢", "没有解绑"}, {"好的", "没有正在等您确认的事"},
		{"你好", "掌上营业厅为您服务"}, {"2", "流量还剩"}, {"谢谢", "不客气"}, {"换绑", "138****1111"}, {"好的", "发送您的11位手机号"}, {"13912345678", "短信已发到"}, {"好", "6位数字"}, {"123456", "绑定成功"},
	})
}

func TestBothOfTwoWishesAreAnswered(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	for _, says := range []string{"余额多少 顺便看下积分", "余额还剩多少，再帮我查积分", "余额多少，顺便查下流量和"} {
		k.plays(t, []line{{says, "话费余额 45.30元"}})
	}
	k.plays(t, []line{{"余额多少 顺便看下积分", "可用积分"}, {"积分余额多少 顺便看下流量", "!45.30"}})
}
