package chat_test

import (
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestEveryMonthThatIsNamedIsAnswered(t *testing.T) {
	w := newWorld(t)
	for _, month := range []string{"2026-08", "2026-03", "2026-02", "2026-01", "2025-12", "2025-11"} {
		w.bills.Bills = append(w.bills.Bills, model.Bill{Month: month, Total: 7700})
	}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	const september, october = "9月账单 110元，还要缴 5元", "10月账单 128.50元，已经结清"
	for _, tt := range []struct {
		says string
		want []string
		not  string
	}{
		{"九月和十月的账单", []string{september, october, "\n看怎么缴费"}, "8月账单"},
		{"9月、10月账单", []string{september, october}, ""},
		{"9、10月账单", []string{september, october}, ""},
		{"9和10月账单", []string{september, october}, ""},
		{"8到10月账单", []string{"8月账单 77元", october, "9月 110元"}, "2月账单"},
		{"1、2月的账单", []string{"1月账单 77元", "2月账单 77元"}, "12月账单"},
		{"上个月和上上个月的账单", []string{october, september}, ""},
		{"2025年11月和12月的账单", []string{"2025年11月账单 77元", "2025年12月账单 77元"}, ""},
		{"去年12月和今年1月的账单", []string{"2025年12月账单 77元", "\n\n1月账单 77元"}, ""},
		{"9月和7月账单", []string{september, "没有查到7月的账单"}, ""},
		{"8月9月10月账单", []string{"8月账单 77元", september, "一次最多看两个月", "10月 128.50元"}, "10月账单"},
		{"10月账单", []string{october, "\n其他月份："}, "9月账单"},
		{"12月账单", []string{"2025年12月账单 77元"}, "2月账单 77元\n\n"},
		{"十二月账单", []string{"2025年12月账单 77元"}, "\n\n"},
		{"2011.9月账单", []string{september}, "没有查到"},
		{"三个月的账单", []string{october}, "3月账单"},
	} {
		got := k.says(t, tt.says)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q is answered\n%s\nwant %q in it", tt.says, got, want)
			}
		}
		if tt.not != "" && strings.Contains(got, tt.not) {
			t.Errorf("%q is answered\n%s\nwant no %q", tt.says, got, tt.not)
		}
	}
}

// TestAnotherMonthIsNamedAfterABill keeps what the bill's own text says: 要看别的就说是哪个月.
func TestAnotherMonthIsNamedAfterABill(t *testing.T) {
	w := newWorld(t)
	w.bills.Bills = append(w.bills.Bills, model.Bill{Month: "2026-08", Total: 7700})
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	const september, october = "9月账单 110元", "10月账单 128.50元"
	k.plays(t, []line{
		{"8月9月10月账单", "要看别的就说是哪个月"}, {"10月", october}, {"那8月呢", "8月账单 77元"}, {"九月份的呢", september}, {"上上个月", september}, {"那上个月呢", october}, {"8月和9月", september}, {"再看看八月的", "8月账单 77元"},
		{"7月", "没有查到7月的账单"}, {"8月", "8月账单 77元"},
		{"8月的快递", "!账单 77"}, {"9月", "没看明白"}, // who talks of something else is not waited for
		{"10月账单", october}, {"流量呢", "流量还剩"}, {"9月", "没看明白"},
		{"10月账单", october}, {"谢谢", "不客气"}, {"9月", "没看明白"},
		{"10月账单", october}, {"不想看9月", "!账单 110"},
		{"10月账单", october}, {"帮我妈看看9月", "!账单 110"},
		{"10月账单", october}, {"9月流量", "!账单 110"},
	})
}

func TestAMonthWithoutItsBillYetIsToldSo(t *testing.T) {
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{
		{"这个月账单", "11月的账单还没有出，最近一期：\n\n10月账单 128.50元"}, {"11月账单", "11月的账单还没有出，最近一期：\n\n10月账单"}, {"本月账单出来了吗", "11月的账单还没有出"},
		{"这个月和上个月的账单", "10月账单 128.50元，已经结清。\n　套餐月费 129元\n　优惠 -0.50元\n\n11月的账单还没有出。"}, {"11月账单", "!更早"},
		{"这个月和3月的账单", "没有查到3月的账单"}, {"这个月和3月的账单", "11月的账单还没有出。"},
	})
	w.now = w.now.AddDate(0, 0, 14) // the first of December
	k.plays(t, []line{
		{"上个月账单", "11月的账单还没有出，最近一期：\n\n10月账单"}, {"12月账单", "12月的账单还没有出"}, {"9月账单", "9月账单 110元"},
	})
	w.now = w.now.AddDate(0, 2, 0) // nobody knows why there is none
	k.plays(t, []line{{"12月账单", "没有查到2026年12月的账单"}})
}
