package audience

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"kaimenhong/model"
)

// Explain says the tree in one Chinese sentence. Errors: ErrSegment.
func (a *Audience) Explain(ctx context.Context, tree Node) (string, error) {
	e, err := a.ready(ctx, &tree, 0, model.DayOf(a.Now()))
	if err != nil {
		return "", err
	}
	return e.sentence(), nil
}

// maxSentence is how many characters of a sentence are told; 200 conditions of 50
// words each make a longer one that nobody reads.
const maxSentence = 4000

func (e *expr) sentence() string {
	text := []rune("选出" + e.say(true) + "的人。")
	if len(text) > maxSentence {
		return string(text[:maxSentence-1]) + "…"
	}
	return string(text)
}

// say is the condition as a part of a sentence; outer tells that no bracket is
// needed around it.
func (e *expr) say(outer bool) string {
	switch e.form {
	case formAnd, formOr:
		if len(e.kids) == 1 {
			return e.kids[0].say(outer)
		}
		parts := make([]string, len(e.kids))
		for i := range e.kids {
			parts[i] = e.kids[i].say(false)
		}
		joined := strings.Join(parts, map[form]string{formAnd: "，且", formOr: "，或"}[e.form])
		if outer {
			return joined
		}
		return "（" + joined + "）"
	case formNot:
		return e.kids[0].sayNot()
	case formTest:
		return e.leaf.say()
	case formDeed:
		return e.sayDeed()
	case formTag:
		return "有标签“" + e.name + "”"
	case formList:
		return "在名单“" + e.name + "”中"
	case formSegment:
		return "属于人群“" + e.name + "”"
	case formBucket:
		if e.lo == e.hi {
			return fmt.Sprintf("随机分桶为%d", e.lo)
		}
		return fmt.Sprintf("随机分桶在%d到%d之间", e.lo, e.hi)
	}
	return ""
}

func (e *expr) sayNot() string {
	switch e.form {
	case formTag:
		return "没有标签“" + e.name + "”"
	case formList:
		return "不在名单“" + e.name + "”中"
	case formSegment:
		return "不属于人群“" + e.name + "”"
	case formDeed:
		opposite := *e
		opposite.lack = !e.lack
		return opposite.sayDeed()
	}
	return "不符合“" + e.say(true) + "”"
}

func (e *expr) sayDeed() string {
	when := fmt.Sprintf("近%d天", e.node.Days)
	if e.node.Since != "" {
		when = "自" + e.since.String() + "起"
	}
	deed := "“" + e.kind.title() + "”"
	switch {
	case e.times == 1 && e.lack:
		return when + "没有" + deed
	case e.times == 1:
		return when + "有过" + deed
	case e.lack:
		return fmt.Sprintf("%s%s少于%d次", when, deed, e.times)
	}
	return fmt.Sprintf("%s%s不少于%d次", when, deed, e.times)
}

// comparisons are how the operations on numbers are said. All but unknown leave out those
// of whom nothing is known; only of "another one" nobody would think so.
var comparisons = map[string]string{"gt": "高于", "gte": "不低于", "lt": "低于", "lte": "不高于", "eq": "等于", "ne": "已知且不等于", "in": "为"}

func (l leaf) say() string {
	title := l.at.Title
	switch {
	case l.op == "known":
		return title + "已知"
	case l.op == "unknown":
		return title + "未知"
	case l.at.Sort == sortFlag && l.numbers[0] == 1:
		return "已" + title
	case l.at.Sort == sortFlag:
		return "未" + title
	case l.op == "between":
		return fmt.Sprintf("%s在%s到%s之间", title, l.at.say(l.numbers[0]), l.at.say(l.numbers[1]))
	}
	values := make([]string, 0, len(l.numbers)+len(l.words))
	for _, n := range l.numbers {
		values = append(values, l.at.say(n))
	}
	for _, w := range l.words {
		values = append(values, "“"+w+"”")
	}
	all := strings.Join(values, "或")
	switch l.at.Sort {
	case sortMonth:
		return "生日在" + all
	case sortSet:
		return "对" + all + "感兴趣"
	case sortChoice, sortWord:
		if l.op == "ne" {
			return title + "已知且不是" + all
		}
		return title + "为" + all
	}
	return title + comparisons[l.op] + all
}

// visible tells that a text has no control and no format character, which could
// hide or turn round what a person reads.
func visible(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return strings.TrimSpace(s) == s
}
