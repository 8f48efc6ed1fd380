package audience

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// Why is one condition as it stands for one member.
type Why struct {
	Where string `json:"where"` // as of Problem
	Text  string `json:"text"`  // the condition in words
	Holds bool   `json:"holds"`
	Value string `json:"value,omitempty"` // of a leaf: what is known of the member
	Kids  []Why  `json:"kids,omitempty"`

	any bool // one of the kids is enough
}

// person is all that conditions ask of one member.
type person struct {
	row   row
	deeds []db.AudienceDeed
	tags  map[int64]bool
	lists map[int64]bool
	today model.Day
}

// maxOfOne bounds how many tags and lists of one member are read.
const maxOfOne = 1000

// WhyIn tells of every condition of the tree whether it holds for the member, with
// what is known of him. Errors: ErrSegment, ErrUnknown.
func (a *Audience) WhyIn(ctx context.Context, tree Node, member model.MemberID) (Why, error) {
	today := model.DayOf(a.Now())
	e, err := a.ready(ctx, &tree, 0, today)
	if err != nil {
		return Why{}, err
	}
	a.segments.WithLabelValues("why").Inc()
	p, err := a.person(ctx, int64(member), today)
	if err != nil {
		return Why{}, err
	}
	return e.why(&p), nil
}

func (a *Audience) person(ctx context.Context, id int64, today model.Day) (person, error) {
	r, err := a.q.Portrait(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return person{}, ErrUnknown
	}
	if err != nil {
		return person{}, fmt.Errorf("read a portrait: %w", err)
	}
	p := person{row: r, tags: map[int64]bool{}, lists: map[int64]bool{}, today: today}
	if p.deeds, err = a.q.DeedsOf(ctx, db.DeedsOfParams{Ids: []int64{id}, Day: int32(today - Retention + 1)}); err != nil {
		return p, fmt.Errorf("read what a member did: %w", err)
	}
	tags, err := a.q.TagsOf(ctx, db.TagsOfParams{MemberID: id, Limit: maxOfOne})
	if err != nil {
		return p, fmt.Errorf("read the tags of a member: %w", err)
	}
	for _, t := range tags {
		p.tags[t.ID] = true
	}
	lists, err := a.q.ListsOf(ctx, db.ListsOfParams{MemberID: id, Limit: maxOfOne})
	if err != nil {
		return p, fmt.Errorf("read the lists of a member: %w", err)
	}
	for _, l := range lists {
		p.lists[l] = true
	}
	return p, nil
}

// did is how often the member did it since the day.
func (p *person) did(kind Kind, since model.Day) int64 {
	var n int64
	for _, d := range p.deeds {
		if d.Kind == kind.code() && d.Day >= int32(since) {
			n += d.N
		}
	}
	return n
}

func (e *expr) why(p *person) Why {
	w := Why{Where: e.where, Text: e.say(true), any: e.form == formOr}
	all, some := true, false
	for i := range e.kids {
		kid := e.kids[i].why(p)
		w.Kids = append(w.Kids, kid)
		all, some = all && kid.Holds, some || kid.Holds
	}
	switch e.form {
	case formAnd, formSegment:
		w.Holds = all
	case formOr:
		w.Holds = some
	case formNot:
		w.Holds = !some
	case formTest:
		w.Holds, w.Value = e.test.holds(&p.row), e.leaf.at.text(&p.row, p.today)
	case formDeed:
		n := p.did(e.kind, e.since)
		w.Holds, w.Value = (n >= e.times) != e.lack, fmt.Sprintf("%d次", n)
	case formTag:
		w.Holds = p.tags[e.id]
		w.Value = map[bool]string{true: "有此标签", false: "无此标签"}[w.Holds]
	case formList:
		w.Holds = p.lists[e.id]
		w.Value = map[bool]string{true: "在名单中", false: "不在名单中"}[w.Holds]
	case formBucket:
		w.Holds = e.lo <= int(p.row.Bucket) && int(p.row.Bucket) <= e.hi
		w.Value = fmt.Sprintf("第%d桶", p.row.Bucket)
	}
	return w
}
