package audience

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
)

// span is a range of numbers, both ends included.
type span struct{ lo, hi int64 }

// test is what a condition on an attribute asks of its column, for SQL and for a
// row in memory alike.
type test struct {
	at    *attribute
	spans []span   // of a number: within one of them
	words []string // of a word: one of them; with other, known and none of them
	other bool
	mask  int64 // of a set: at least one of these
}

// ops are the operations of each sort, in the order in which a mistake names them.
var ops = map[sort][]string{
	sortFlag:   {"eq"},
	sortChoice: {"eq", "ne", "in", "known", "unknown"},
	sortWord:   {"eq", "ne", "in", "known", "unknown"},
	sortSet:    {"eq", "in", "known", "unknown"},
	sortMonth:  {"eq", "in", "known", "unknown"},
	sortNumber: {"eq", "ne", "in", "gt", "gte", "lt", "lte", "between", "known", "unknown"},
	sortFen:    {"eq", "ne", "in", "gt", "gte", "lt", "lte", "between", "known", "unknown"},
	sortRatio:  {"eq", "ne", "in", "gt", "gte", "lt", "lte", "between", "known", "unknown"},
	sortMonths: {"gt", "gte", "lt", "lte", "between", "known", "unknown"},
}

// leaf is an attribute's condition as it was read: the numbers or words of Value.
type leaf struct {
	at      *attribute
	op      string
	numbers []int64
	words   []string
}

// readLeaf checks the condition; its error is a sentence for the operator.
func readLeaf(n *Node) (leaf, error) {
	at, ok := byKey[n.Attribute]
	if !ok {
		return leaf{}, fmt.Errorf("没有属性“%s”，请从属性列表中选择", n.Attribute)
	}
	l := leaf{at: at, op: n.Op}
	if !slices.Contains(ops[at.Sort], n.Op) {
		return l, fmt.Errorf("“%s”不能用比较方式“%s”，请改用%s", at.Title, n.Op, strings.Join(ops[at.Sort], "、"))
	}
	if n.Op == "known" || n.Op == "unknown" {
		if n.Value != nil {
			return l, fmt.Errorf("“%s”不需要填值，请去掉value", at.Title)
		}
		return l, nil
	}
	values := []json.RawMessage{n.Value}
	if n.Op == "in" || n.Op == "between" {
		values = nil
		if err := json.Unmarshal(n.Value, &values); err != nil || len(values) == 0 || len(values) > maxIn {
			return l, fmt.Errorf("“%s”的值应为1到%d个值的列表", at.Title, maxIn)
		}
	}
	for _, value := range values {
		if err := l.read(value); err != nil {
			return l, err
		}
	}
	if n.Op == "between" && (len(l.numbers) != 2 || l.numbers[0] > l.numbers[1]) {
		return l, fmt.Errorf("“%s”的范围应写成[下限, 上限]，下限不大于上限", at.Title)
	}
	return l, nil
}

// read takes one value.
func (l *leaf) read(value json.RawMessage) error {
	var s string
	var n int64
	var b bool
	at := l.at
	switch at.Sort {
	case sortFlag:
		if json.Unmarshal(value, &b) != nil || string(value) == "null" {
			return fmt.Errorf("“%s”的值应为true或false", at.Title)
		}
		l.numbers = append(l.numbers, one(b))
	case sortChoice, sortSet:
		c, ok := choice{}, false
		if json.Unmarshal(value, &s) == nil {
			c, ok = at.choice(s)
		}
		if !ok {
			return fmt.Errorf("“%s”没有值%s，请从%s中选择", at.Title, short(string(value)), titles(at.Choices))
		}
		l.numbers = append(l.numbers, c.code)
	case sortWord:
		if json.Unmarshal(value, &s) != nil || !validWord(s) {
			return fmt.Errorf("“%s”的值应为1到%d个字的文字", at.Title, maxWord)
		}
		l.words = append(l.words, s)
	default:
		lowest, highest := valueRange(at)
		if json.Unmarshal(value, &n) != nil || string(value) == "null" || n < lowest || n > highest {
			return fmt.Errorf("“%s”的值应为%d到%d的整数%s", at.Title, lowest, highest, unitOf(at.Sort))
		}
		l.numbers = append(l.numbers, n)
	}
	return nil
}

// valueRange is what the value of a condition may be.
func valueRange(at *attribute) (lowest, highest int64) {
	switch at.Sort {
	case sortMonth:
		return 1, 12
	case sortMonths:
		return 0, maxMonths
	}
	return at.lowest, at.highest
}

func unitOf(s sort) string {
	return map[sort]string{sortFen: "（单位：分）", sortRatio: "（万分比，9000为90%）", sortMonths: "（单位：月）", sortMonth: "（月份）"}[s]
}

func titles(all []choice) string {
	list := make([]string, len(all))
	for i, c := range all {
		list[i] = c.Title
	}
	return strings.Join(list, "、")
}

func short(s string) string {
	if r := []rune(s); len(r) > maxWord {
		return string(r[:maxWord]) + "…"
	}
	return s
}

// test makes the question of the condition as of today.
func (l leaf) test(today model.Day) test {
	at := l.at
	t := test{at: at}
	switch {
	case at.Sort == sortWord && l.op == "known":
		t.other = true
	case at.Sort == sortWord && l.op == "unknown":
		t.words = []string{""}
	case at.Sort == sortWord:
		t.words, t.other = l.words, l.op == "ne"
	case l.op == "unknown":
		t.spans = []span{{at.unknown, at.unknown}}
	case l.op == "known":
		t.spans = []span{{at.unknown + 1, at.highest}}
	case at.Sort == sortSet:
		for _, n := range l.numbers {
			t.mask |= n
		}
	default:
		for _, s := range l.spans() {
			t.spans = append(t.spans, at.stored(s, today))
		}
	}
	return t
}

// spans are the values that the condition takes.
func (l leaf) spans() []span {
	lowest, highest := valueRange(l.at)
	if l.at.Sort == sortFlag {
		lowest, highest = 0, 1
	}
	switch n := l.numbers[0]; l.op {
	case "gt":
		return []span{{n + 1, highest}}
	case "gte":
		return []span{{n, highest}}
	case "lt":
		return []span{{lowest, n - 1}}
	case "lte":
		return []span{{lowest, n}}
	case "between":
		return []span{{n, l.numbers[1]}}
	case "ne":
		return []span{{lowest, n - 1}, {n + 1, highest}}
	}
	all := make([]span, len(l.numbers))
	for i, n := range l.numbers {
		all[i] = span{n, n}
	}
	return all
}

// stored turns values of a condition into values of the column.
func (at *attribute) stored(s span, today model.Day) span {
	switch at.Sort {
	case sortFlag:
		if s.lo == 1 {
			return span{1, math.MaxInt64}
		}
		return span{0, 0}
	case sortMonth:
		return span{s.lo*100 + 1, s.hi*100 + 31}
	case sortMonths:
		days := span{1, maxDay}
		if s.hi < maxMonths {
			days.lo = max(1, int64(tenured(int(s.hi)+1, today))+1)
		}
		if s.lo > 0 {
			days.hi = int64(tenured(int(s.lo), today))
		}
		if s.lo > s.hi {
			return span{1, 0}
		}
		return days
	}
	return s
}

// holds tells whether the row meets the test.
func (t test) holds(r *row) bool {
	if t.at.Sort == sortWord {
		word := t.at.word(r)
		if t.other {
			return word != "" && !slices.Contains(t.words, word)
		}
		return slices.Contains(t.words, word)
	}
	n := t.at.number(r)
	if t.mask != 0 {
		return n&t.mask != 0
	}
	return slices.ContainsFunc(t.spans, func(s span) bool { return s.lo <= n && n <= s.hi })
}

// sinceDay is the first day that a condition on deeds looks at.
func sinceDay(n *Node, today model.Day) (model.Day, error) {
	switch {
	case n.Days != 0 && n.Since != "":
		return 0, fmt.Errorf("days和since只能填一个")
	case n.Since != "":
		t, err := time.ParseInLocation(time.DateOnly, n.Since, model.Shanghai)
		if err != nil {
			return 0, fmt.Errorf("起始日期应写成2026-02-17的样子")
		}
		day := model.DayOf(t)
		if day > today {
			return 0, fmt.Errorf("起始日期%s还没有到，请改成今天或更早", n.Since)
		}
		if day <= today-Retention {
			return 0, fmt.Errorf("行为只保留%d天，请把起始日期改到%s之后", Retention, today-Retention)
		}
		return day, nil
	case n.Days < 1 || n.Days > Retention:
		return 0, fmt.Errorf("请用days写明最近多少天（1到%d），或用since写明起始日期", Retention)
	}
	return today - model.Day(n.Days) + 1, nil
}
