package chat

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"kaimenhong/model"
)

var monthWords = map[string]int{"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10, "十一": 11, "十二": 12}

// pastMonths are the months that are told by how long ago they are; this one is 0 ago.
var pastMonths = []struct {
	word []rune
	ago  int
}{{[]rune("上上个月"), 2}, {[]rune("上上月"), 2}, {[]rune("前个月"), 2}, {[]rune("上个月"), 1}, {[]rune("上月"), 1}, {[]rune("lastmonth"), 1},
	{[]rune("这个月"), 0}, {[]rune("本月"), 0}, {[]rune("当月"), 0}, {[]rune("这月"), 0}, {[]rune("thismonth"), 0}}

// namedMonth is a number that belongs to a 月, and the year that stands before it; 0 for
// none.
type namedMonth struct{ year, month int }

// monthsIn finds the months that are asked for, each once, as 2026-10: 上个月, 9月, 9、10月,
// 去年12月和今年1月, 2025年3月. One without a year is of the year that was named before it,
// and otherwise the latest that has begun; none when none is named.
func monthsIn(f folded, now time.Time) (months []string) {
	now = now.In(model.Shanghai)
	add := func(year, month int) {
		name := time.Date(year, time.Month(month), 1, 0, 0, 0, 0, model.Shanghai).Format("2006-01")
		if !slices.Contains(months, name) {
			months = append(months, name)
		}
	}
	var before namedMonth // the last of a year that was named
	from := 0             // what stands before is read
	for i := 0; i < len(f.runes); i++ {
		if ago, length := pastMonth(f.runes[i:]); length > 0 {
			add(now.Year(), int(now.Month())-ago)
			i += length - 1
			from = i + 1
			continue
		}
		if f.runes[i] != '月' {
			continue
		}
		for _, m := range monthsAt(f, from, i, now) {
			if m.year > 0 || before.year > 0 {
				before = m.after(before)
				m = before
			}
			if m.year == 0 {
				m.year = latestYear(m.month, now)
			}
			add(m.year, m.month)
		}
		from = i + 1
	}
	return months
}

// after is the month with its year, that of the one before it where none is named: 1月
// after 12月 is of the next.
func (m namedMonth) after(before namedMonth) namedMonth {
	if m.year == 0 {
		m.year = before.year
		if before.month-m.month > 6 {
			m.year++
		}
	}
	return m
}

// latestYear is that of the latest such month that has begun.
func latestYear(month int, now time.Time) int {
	if time.Month(month) > now.Month() {
		return now.Year() - 1
	}
	return now.Year()
}

// pastMonth reads 上个月 and the like at the beginning.
func pastMonth(runes []rune) (ago, length int) {
	for _, past := range pastMonths {
		if len(runes) >= len(past.word) && slices.Equal(runes[:len(past.word)], past.word) {
			return past.ago, len(past.word)
		}
	}
	return 0, 0
}

// monthsAt reads the numbers that belong to the 月 at end: the one before it, and those
// that are listed with that one: 9、10月, 八和九月, 8到10月.
func monthsAt(f folded, from, end int, now time.Time) (months []namedMonth) {
	for {
		number, length := monthNumber(f, from, end)
		longer := end-length > from && isDigit(f.runes[end-length-1])
		if number < 1 || number > 12 || longer && len(months) > 0 { // 2011.9月 names no November
			break
		}
		end -= length
		months = append([]namedMonth{{0, number}}, months...)
		if end == from || !f.parted[end] && !strings.ContainsRune("和跟与及到至", f.runes[end-1]) {
			break
		}
		if !f.parted[end] {
			end--
		}
	}
	if len(months) > 0 {
		months[0].year = yearIn(f.runes[from:end], now)
	}
	return months
}

// monthNumber reads the number that ends before end, and tells how many runes it has:
// …10, …十一. What is listed is apart: 1、2月 is no 12月.
func monthNumber(f folded, from, end int) (number, length int) {
	for take := min(2, end-from); take > 0; take-- {
		if take == 2 && (f.listed[end-1] || f.clause[end-1] != f.clause[end-2]) {
			continue
		}
		word := string(f.runes[end-take : end])
		if n, err := strconv.Atoi(word); err == nil {
			return n, take
		}
		if n := monthWords[word]; n > 0 {
			return n, take
		}
	}
	return 0, 0
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
