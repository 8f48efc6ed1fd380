package chat

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kaimenhong/model"
)

// bill answers with the month that was named, or with the newest bill.
func (c *Chat) bill(ctx context.Context, t *turn) (string, error) {
	bills, err := c.Bills.Bills(ctx, t.member.Phone)
	if err != nil {
		return "", err
	}
	after := c.asOf(bills.AsOf, bills.Stale)
	if len(bills.Bills) == 0 {
		return "还没有已经出账的账单" + after + "。" + c.next(Balance, "查话费"), nil
	}
	at := 0
	if month := monthIn(t.said.runes, c.Now()); month != "" {
		at = slices.IndexFunc(bills.Bills, func(b model.Bill) bool { return b.Month == month })
		if at < 0 {
			return "没有查到" + c.monthName(month) + "的账单" + after + "，能查到的有：" + c.otherBills(bills.Bills, -1) + "\n要查更早的，请找" + c.human() + "。", nil
		}
	}
	b := bills.Bills[at]
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
	if len(bills.Bills) > 1 {
		text += "\n其他月份：" + c.otherBills(bills.Bills, at)
	}
	if b.Due > 0 {
		return text + c.next(TopUp, "去缴费"), nil
	}
	return text + c.next(Balance, "查话费"), nil
}

// otherBills lists months with their totals, without the one at skip.
func (c *Chat) otherBills(bills []model.Bill, skip int) string {
	var list []string
	for i, b := range bills {
		if i != skip && len(list) < maxListed {
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

var monthWords = map[string]int{"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10, "十一": 11, "十二": 12}

// monthIn finds the month that is asked for, as 2026-10: 上个月, 9月, 去年12月, 2025年3月.
// A month without a year is the latest that has begun; "" when none is named.
func monthIn(runes []rune, now time.Time) string {
	now = now.In(model.Shanghai)
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, model.Shanghai)
	said := string(runes)
	for _, past := range []struct {
		word string
		ago  int
	}{{"上上个月", 2}, {"上上月", 2}, {"前个月", 2}, {"上个月", 1}, {"上月", 1}, {"lastmonth", 1}} {
		if strings.Contains(said, past.word) {
			return first.AddDate(0, -past.ago, 0).Format("2006-01")
		}
	}
	end := strings.Index(said, "月")
	if end < 0 {
		return ""
	}
	m := monthNumber([]rune(said[:end]))
	if m < 1 || m > 12 {
		return ""
	}
	year := yearIn([]rune(said[:end]), now)
	if year == 0 {
		year = now.Year()
		if time.Month(m) > now.Month() {
			year--
		}
	}
	return time.Date(year, time.Month(m), 1, 0, 0, 0, 0, model.Shanghai).Format("2006-01")
}

// yearIn finds the year that is named before a month: 去年, 2025年, 25年; 0 for none.
func yearIn(before []rune, now time.Time) int {
	said := string(before)
	for _, named := range []struct {
		word string // the first that is found, for 大前年 holds 前年
		ago  int
	}{{"今年", 0}, {"去年", 1}, {"大前年", 3}, {"前年", 2}} {
		if strings.Contains(said, named.word) {
			return now.Year() - named.ago
		}
	}
	end := slices.Index(before, '年')
	for _, digits := range []int{4, 2} {
		if end < digits {
			continue
		}
		n, err := strconv.Atoi(arabic(before[end-digits : end]))
		switch {
		case err == nil && digits == 2:
			return 2000 + n
		case err == nil && n >= 2000 && n < 2100:
			return n
		}
	}
	return 0
}

// monthNumber reads the number at the end: …10, …十一.
func monthNumber(before []rune) int {
	for take := min(2, len(before)); take > 0; take-- {
		word := string(before[len(before)-take:])
		if n, err := strconv.Atoi(word); err == nil {
			return n
		}
		if n := monthWords[word]; n > 0 {
			return n
		}
	}
	return 0
}
