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
