package chat

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
)

// maxMonths is how many bills one answer holds.
const maxMonths = 2

// namesMonth tells that a message is a month and nothing else: 那9月呢, 上上个月的.
func namesMonth(f folded, now time.Time) bool {
	if len(f.runes) > shortMessage || len(monthsIn(f, now)) == 0 {
		return false
	}
	at := 0
	for _, t := range append(spoken.tokens(f, nil), token{start: len(f.runes)}) {
		if t.means&^(1<<aPast|1<<aThisMonth|1<<anAsk|1<<aTurn|1<<anAnd|1<<aLeft|1<<aNumber) != 0 || !among(f.runes[at:t.start], fillers+"年月份看到至") {
			return false
		}
		at = t.end
	}
	return true
}

// bill answers with the months that were named, or with the newest bill.
func (c *Chat) bill(ctx context.Context, t *turn) (string, error) {
	bills, err := c.Bills.Bills(ctx, t.member.Phone)
	if err != nil {
		return "", err
	}
	after := c.asOf(bills.AsOf, bills.Stale)
	if len(bills.Bills) == 0 {
		return "还没有已经出账的账单" + after + "。" + c.next(Balance, "查话费"), nil
	}
	t.after.Billed = true
	shown, missing, unborn := []int{0}, []string(nil), []string(nil)
	if months := monthsIn(t.said, c.Now()); len(months) > 0 {
		shown, missing, unborn = c.billsOf(bills.Bills, months)
	}
	var parts []string
	none := "没有查到" + strings.Join(missing, "、") + "的账单"
	yet := strings.Join(unborn, "、") + "的账单还没有出"
	switch {
	case len(shown) > 0:
	case len(missing) == 0:
		parts, shown, unborn = []string{yet + "，最近一期："}, []int{0}, nil
	case len(unborn) > 0:
		return yet + "。\n" + none + after + "，能查到的有：" + c.otherBills(bills.Bills, nil) + "\n要查更早的，请找" + c.human() + "。", nil
	default:
		return none + after + "，能查到的有：" + c.otherBills(bills.Bills, nil) + "\n要查更早的，请找" + c.human() + "。", nil
	}
	due := false
	for _, at := range shown[:min(maxMonths, len(shown))] {
		parts = append(parts, c.oneBill(bills.Bills[at], after))
		due, after = due || bills.Bills[at].Due > 0, ""
	}
	if len(missing) > 0 {
		parts = append(parts, none+"。")
	}
	if len(unborn) > 0 {
		parts = append(parts, yet+"。")
	}
	text := strings.Join(parts, "\n\n")
	if len(shown) > maxMonths {
		text += "\n\n一次最多看两个月，要看别的就说是哪个月。"
		shown = shown[:maxMonths]
	}
	if len(bills.Bills) > len(shown) {
		text += "\n其他月份：" + c.otherBills(bills.Bills, shown)
	}
	if due {
		return text + c.next(TopUp, "看怎么缴费"), nil
	}
	return text + c.next(Balance, "查话费"), nil
}

// billsOf are where the months stand among the bills, in the order they were named, and
// the names of those that do not: unborn are this month and the last one, while no newer
// bill is there.
func (c *Chat) billsOf(bills []model.Bill, months []string) (at []int, missing, unborn []string) {
	now := c.Now().In(model.Shanghai)
	last := time.Date(now.Year(), now.Month()-1, 1, 0, 0, 0, 0, model.Shanghai).Format("2006-01")
	newest := slices.MaxFunc(bills, func(a, b model.Bill) int { return cmp.Compare(a.Month, b.Month) }).Month
	for _, month := range months {
		switch i := slices.IndexFunc(bills, func(b model.Bill) bool { return b.Month == month }); {
		case i >= 0:
			at = append(at, i)
		case month > newest && month >= last && month <= now.Format("2006-01"):
			unborn = append(unborn, c.monthName(month))
		default:
			missing = append(missing, c.monthName(month))
		}
	}
	return at, missing, unborn
}

// oneBill is the sum of a month, what is to be paid, and the items.
func (c *Chat) oneBill(b model.Bill, after string) string {
	text := fmt.Sprintf("%s账单 %s，", c.monthName(b.Month), b.Total.Yuan())
	if b.Due > 0 {
		text += "还要缴 " + b.Due.Yuan()
		if b.DueAt > 0 {
			text += "，请在" + c.day(b.DueAt) + "前缴"
		}
	} else {
		text += "已经结清"
	}
	text += after + "。"
	for i, item := range b.Items {
		if i == maxListed {
			text += fmt.Sprintf("\n　等 %d项", len(b.Items))
			break
		}
		text += "\n　" + plain(item.Name) + " " + item.Amount.Yuan()
	}
	return text
}

// otherBills lists months with their totals, without those at skip.
func (c *Chat) otherBills(bills []model.Bill, skip []int) string {
	var list []string
	for i, b := range bills {
		if !slices.Contains(skip, i) && len(list) < maxListed {
			list = append(list, c.monthName(b.Month)+" "+b.Total.Yuan())
		}
	}
	return "\n　" + strings.Join(list, "\n　")
}

// monthName writes 2026-10 as 10月, with the year when it is another one.
func (c *Chat) monthName(month string) string {
	year, m, _ := strings.Cut(month, "-")
	m = plain(strings.TrimPrefix(m, "0")) + "月"
	if year != c.Now().In(model.Shanghai).Format("2006") {
		return plain(year) + "年" + m
	}
	return m
}
