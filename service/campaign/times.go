package campaign

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kaimenhong/model"
)

// The bounds of cron expressions.
const (
	maxSpec  = 100       // bytes
	shortest = time.Hour // between two times of one step
	shown    = 5         // next times
)

// Times is a cron expression in words with its next times.
type Times struct {
	Words string
	Next  []model.Millis
}

// NextTimes explains a cron expression and says its next five times. Errors: ErrCron,
// in words that say what to do.
func (c *Campaigns) NextTimes(_ context.Context, spec string) (Times, error) {
	return c.nextTimes(spec, model.At(c.Now()))
}

func (c *Campaigns) nextTimes(spec string, after model.Millis) (Times, error) {
	next, err := c.cron(spec)
	if err != nil {
		return Times{}, err
	}
	t := Times{Words: cronWords(spec)}
	at := after.Time()
	for range shown {
		if at = next(at); at.IsZero() {
			break
		}
		t.Next = append(t.Next, model.At(at))
	}
	return t, nil
}

// cron reads an expression and refuses one that never fires or fires too often.
func (c *Campaigns) cron(spec string) (func(time.Time) time.Time, error) {
	if len(spec) > maxSpec || len(strings.Fields(spec)) != 5 || strings.ContainsAny(spec, "=@") {
		return nil, ErrCron.Saying("定时表达式应为5段：分 时 日 月 周，例如“0 10 * * *”表示每天10:00")
	}
	next, err := c.Cron(spec)
	if err != nil {
		return nil, ErrCron.Saying("定时表达式“%s”无法识别，应为5段：分 时 日 月 周，例如“30 9 * * 1”表示每周一9:30", spec).With(err)
	}
	last := next(c.Now())
	if last.IsZero() {
		return nil, ErrCron.Saying("定时表达式“%s”永远不会触发（例如2月30日），请改为存在的日期", spec)
	}
	for range shown {
		at := next(last)
		if at.IsZero() {
			break
		}
		if at.Sub(last) < shortest {
			return nil, ErrCron.Saying("定时表达式“%s”过于频繁，两次推送至少间隔1小时", spec)
		}
		last = at
	}
	return next, nil
}

var weekdays = []string{"日", "一", "二", "三", "四", "五", "六", "日"}

// names stand for numbers in the fields of months and weekdays.
var names = strings.NewReplacer("JAN", "1", "FEB", "2", "MAR", "3", "APR", "4", "MAY", "5", "JUN", "6", "JUL", "7", "AUG", "8", "SEP", "9",
	"OCT", "10", "NOV", "11", "DEC", "12", "SUN", "0", "MON", "1", "TUE", "2", "WED", "3", "THU", "4", "FRI", "5", "SAT", "6")

// cronWords says an expression of five fields that can be read:
// 每周一、周三09:30（北京时间）. A day of the month beside a weekday means either, as
// cron has it.
func cronWords(spec string) string {
	f := strings.Fields(names.Replace(strings.ToUpper(spec)))
	if len(f) != 5 {
		return spec
	}
	var day string
	dom, dow := anyOf(f[2]), anyOf(f[4])
	switch {
	case dom && dow:
		day = "每天"
	case dom:
		day = "每" + fieldWords(f[4], "", func(n int) string { return "周" + weekdays[n%8] })
	case dow:
		day = fieldWords(f[2], "日", nil)
	default:
		day = fieldWords(f[2], "日", nil) + "或" + fieldWords(f[4], "", func(n int) string { return "周" + weekdays[n%8] })
	}
	switch {
	case !anyOf(f[3]):
		day = "每年" + fieldWords(f[3], "月", nil) + strings.TrimPrefix(day, "每天")
		if dom && dow {
			day += "的每天"
		}
	case !dom:
		day = "每月" + day
	}
	return day + clockWords(f[0], f[1]) + "（北京时间）"
}

func anyOf(field string) bool { return field == "*" || field == "?" }

// clockWords says minutes and hours.
func clockWords(minute, hour string) string {
	m, err := strconv.Atoi(minute)
	if err != nil {
		return "，" + hourWords(hour) + "的" + fieldWords(minute, "分", nil)
	}
	if anyOf(hour) {
		return fmt.Sprintf("每小时的第%d分", m)
	}
	if hours := numbers(hour); hours != nil {
		at := make([]string, len(hours))
		for i, h := range hours {
			at[i] = fmt.Sprintf("%02d:%02d", h, m)
		}
		return strings.Join(at, "、")
	}
	return hourWords(hour) + fmt.Sprintf("的第%d分", m)
}

func hourWords(hour string) string {
	if anyOf(hour) {
		return "每小时"
	}
	return fieldWords(hour, "点", nil)
}

// numbers are the values of a field of single numbers; nil when it has ranges.
func numbers(field string) []int {
	var all []int
	for part := range strings.SplitSeq(field, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		all = append(all, n)
	}
	return all
}

// fieldWords says one field: 1日、15日, 9点到18点, 每隔2点.
func fieldWords(field, unit string, name func(int) string) string {
	say := func(s string) string {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return s
		}
		if name != nil {
			return name(n)
		}
		return strconv.Itoa(n) + unit
	}
	var all []string
	for part := range strings.SplitSeq(field, ",") {
		part, step, stepped := strings.Cut(part, "/")
		from, to, ranged := strings.Cut(part, "-")
		var words string
		switch {
		case anyOf(part):
			words = "任意" + map[string]string{"日": "日期", "月": "月份", "点": "钟点", "分": "分钟", "": "星期"}[unit]
		case ranged:
			words = say(from) + "到" + say(to)
		case stepped:
			words = say(from) + "起"
		default:
			words = say(from)
		}
		if stepped {
			words += "每" + step + "个" + map[string]string{"日": "日", "月": "月", "点": "小时", "分": "分钟", "": "日"}[unit]
		}
		all = append(all, words)
	}
	return strings.Join(all, "、")
}

// shortTime writes 2月17日 10:00, with its year when that is not the one of now: plans
// for the Spring Festival are made before New Year.
func shortTime(m, now model.Millis) string {
	if m.Time().Year() == now.Time().Year() {
		return m.Time().Format("1月2日 15:04")
	}
	return m.Time().Format("2006年1月2日 15:04")
}
