package audience

import (
	"math"
	"strings"
)

// statement is SQL under construction: text of this file and bound values.
type statement struct {
	text strings.Builder
	args []any
	// narrow tells that few rows are looked at: each asks its own question by the
	// primary key. Otherwise the database gathers all of within who did something
	// first, which is faster for a range of the table and slow for a part of it.
	narrow bool
	within people
}

// people are those with ids after one and up to another.
type people struct{ after, through int64 }

// everybody has an id.
var everybody = people{0, math.MaxInt64}

func (s *statement) add(text string, args ...any) {
	s.text.WriteString(text)
	s.args = append(s.args, args...)
}

// The two ways to ask. Every value is a parameter; the columns of tests are
// constants of attribute.go. "IS TRUE" keeps MariaDB from turning a set around and
// looking up people one by one, in no order, where it should ask the set of each.
const (
	deedsWhole  = "(p.member_id IN (SELECT d.member_id FROM audience_deed d WHERE d.kind = ? AND d.day >= ? AND d.member_id > ? AND d.member_id <= ?)) IS TRUE"
	timesWhole  = "(p.member_id IN (SELECT d.member_id FROM audience_deed d WHERE d.kind = ? AND d.day >= ? AND d.member_id > ? AND d.member_id <= ? GROUP BY d.member_id HAVING SUM(d.n) >= ?)) IS TRUE"
	deedsNarrow = "(SELECT COALESCE(SUM(d.n), 0) FROM audience_deed d WHERE d.member_id = p.member_id AND d.kind = ? AND d.day >= ?) >= ?"
	tagWhole    = "(p.member_id IN (SELECT t.member_id FROM audience_member_tag t WHERE t.tag_id = ? AND t.member_id > ? AND t.member_id <= ?)) IS TRUE"
	tagNarrow   = "(SELECT COUNT(*) FROM audience_member_tag t WHERE t.tag_id = ? AND t.member_id = p.member_id) > 0"
	listWhole   = "(p.member_id IN (SELECT l.member_id FROM audience_list_member l WHERE l.list_id = ? AND l.member_id > ? AND l.member_id <= ?)) IS TRUE"
	listNarrow  = "(SELECT COUNT(*) FROM audience_list_member l WHERE l.list_id = ? AND l.member_id = p.member_id) > 0"
)

// condition writes e as a condition on audience_portrait p that is true or false,
// never NULL.
func (s *statement) condition(e *expr) {
	switch e.form {
	case formAnd, formOr, formSegment:
		word := map[form]string{formAnd: " AND ", formOr: " OR "}[e.form]
		s.add("(")
		for i := range e.kids {
			if i > 0 {
				s.add(word)
			}
			s.condition(&e.kids[i])
		}
		s.add(")")
	case formNot:
		s.add("NOT ")
		s.bracket(func() { s.condition(&e.kids[0]) })
	case formTest:
		s.test(e.test)
	case formDeed:
		if e.lack {
			s.add("NOT ")
		}
		s.bracket(func() { s.deed(e) })
	case formTag:
		s.bracket(func() { s.listed(tagWhole, tagNarrow, e.id) })
	case formList:
		s.bracket(func() { s.listed(listWhole, listNarrow, e.id) })
	case formBucket:
		s.add("p.bucket BETWEEN ? AND ?", e.lo, e.hi)
	}
}

func (s *statement) bracket(inner func()) {
	s.add("(")
	inner()
	s.add(")")
}

func (s *statement) listed(whole, narrow string, id int64) {
	if s.narrow {
		s.add(narrow, id)
		return
	}
	s.add(whole, id, s.within.after, s.within.through)
}

func (s *statement) deed(e *expr) {
	kind, since := e.kind.code(), int32(e.since)
	switch {
	case s.narrow:
		s.add(deedsNarrow, kind, since, e.times)
	case e.times == 1:
		s.add(deedsWhole, kind, since, s.within.after, s.within.through)
	default:
		s.add(timesWhole, kind, since, s.within.after, s.within.through, e.times)
	}
}

func (s *statement) test(t test) {
	column := "p." + t.at.column
	switch {
	case t.at.Sort == sortWord:
		s.words(column, t)
	case t.mask != 0:
		s.add("("+column+" & ?) <> 0", t.mask)
	default:
		s.bracket(func() {
			for i, r := range t.spans {
				if i > 0 {
					s.add(" OR ")
				}
				s.add(column+" BETWEEN ? AND ?", r.lo, r.hi)
			}
		})
	}
}

func (s *statement) words(column string, t test) {
	values := make([]any, len(t.words))
	for i, w := range t.words {
		values[i] = w
	}
	in := " IN (" + strings.TrimSuffix(strings.Repeat("?,", len(values)), ",") + ")"
	switch {
	case !t.other:
		s.add(column+in, values...)
	case len(values) == 0:
		s.add(column + " <> ''")
	default:
		s.bracket(func() { s.add(column+" <> '' AND NOT "+column+in, values...) })
	}
}

// query is a SELECT over few of the people whom e selects: those of where.
func query(e *expr, what, where string, args ...any) *statement {
	s := &statement{narrow: true}
	s.add("SELECT "+what+" FROM audience_portrait p WHERE "+where, args...)
	s.condition(e)
	return s
}

// counting is how many within e selects.
func counting(e *expr, within people) *statement {
	s := &statement{within: within}
	s.add("SELECT COUNT(*) FROM audience_portrait p WHERE p.member_id > ? AND p.member_id <= ? AND ", within.after, within.through)
	s.condition(e)
	return s
}
