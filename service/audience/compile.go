package audience

import (
	"strings"
)

// statement is SQL under construction: text of this file and bound values.
type statement struct {
	text strings.Builder
	args []any
	// narrow tells that few rows are looked at: each asks its own question by the
	// primary key. Otherwise the database may gather all who did something first,
	// which is faster for the whole table and slow for a part of it.
	narrow bool
}

func (s *statement) add(text string, args ...any) {
	s.text.WriteString(text)
	s.args = append(s.args, args...)
}

// The two ways to ask. Every value is a parameter; the columns of tests are
// constants of attribute.go.
const (
	deedWhole   = "EXISTS (SELECT 1 FROM audience_deed d WHERE d.member_id = p.member_id AND d.kind = ? AND d.day >= ?)"
	deedsWhole  = "p.member_id IN (SELECT d.member_id FROM audience_deed d WHERE d.kind = ? AND d.day >= ? GROUP BY d.member_id HAVING SUM(d.n) >= ?)"
	deedsNarrow = "(SELECT COALESCE(SUM(d.n), 0) FROM audience_deed d WHERE d.member_id = p.member_id AND d.kind = ? AND d.day >= ?) >= ?"
	tagWhole    = "EXISTS (SELECT 1 FROM audience_member_tag t WHERE t.tag_id = ? AND t.member_id = p.member_id)"
	tagNarrow   = "(SELECT COUNT(*) FROM audience_member_tag t WHERE t.tag_id = ? AND t.member_id = p.member_id) > 0"
	listWhole   = "EXISTS (SELECT 1 FROM audience_list_member l WHERE l.list_id = ? AND l.member_id = p.member_id)"
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
		s.add(s.pick(tagWhole, tagNarrow), e.id)
	case formList:
		s.add(s.pick(listWhole, listNarrow), e.id)
	case formBucket:
		s.add("p.bucket BETWEEN ? AND ?", e.lo, e.hi)
	}
}

func (s *statement) bracket(inner func()) {
	s.add("(")
	inner()
	s.add(")")
}

func (s *statement) pick(whole, narrow string) string {
	if s.narrow {
		return narrow
	}
	return whole
}

func (s *statement) deed(e *expr) {
	kind, since := e.kind.code(), int32(e.since)
	switch {
	case s.narrow:
		s.add(deedsNarrow, kind, since, e.times)
	case e.times == 1:
		s.add(deedWhole, kind, since)
	default:
		s.add(deedsWhole, kind, since, e.times)
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

// query is a SELECT over the people whom e selects, with more conditions before.
func query(e *expr, narrow bool, what, where string, args ...any) *statement {
	s := &statement{narrow: narrow}
	s.add("SELECT "+what+" FROM audience_portrait p WHERE "+where, args...)
	s.condition(e)
	return s
}
