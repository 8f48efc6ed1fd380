package audience

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// Portrait is one page on one person: everything that is known of him, each fact
// with its source and date. The number is masked.
type Portrait struct {
	Member model.MemberID `json:"member"`
	Name   string         `json:"name"`  // masked: 张*
	Phone  string         `json:"phone"` // masked: 138****1234
	Bucket int            `json:"bucket"`
	Stage  StageFact      `json:"stage"`
	Facts  []Fact         `json:"facts"`
	ARPU   []CurvePoint   `json:"arpu"` // oldest first, fen
	Data   []CurvePoint   `json:"data"` // oldest first, basis points of the allowance
	Deeds  []DeedFact     `json:"deeds"`
	Tags   []TagFact      `json:"tags"`
}

// StageFact is the stage of the life with us, with the rule that put him there.
type StageFact struct {
	Key   string       `json:"key"`
	Title string       `json:"title"`
	Rule  string       `json:"rule"`
	At    model.Millis `json:"at"`
}

// Fact is one attribute. Value is a number in the unit of its sort, a text or a
// truth; nil when it is not known.
type Fact struct {
	Key    string       `json:"key"`
	Title  string       `json:"title"`
	Sort   string       `json:"sort"`
	Value  any          `json:"value"`
	Text   string       `json:"text"`
	Source string       `json:"source"` // carrier, member; empty when not known
	Import model.ID     `json:"import,omitempty"`
	At     model.Millis `json:"at"`
}

// CurvePoint is one month of a curve; Month 1 is the last one.
type CurvePoint struct {
	Month int    `json:"month"`
	Value *int64 `json:"value"`
}

// DeedFact is how often the member did something.
type DeedFact struct {
	Kind   Kind   `json:"kind"`
	Title  string `json:"title"`
	Days30 int64  `json:"days30"`
	Days90 int64  `json:"days90"`
	All    int64  `json:"all"`  // in the last Retention days
	Last   string `json:"last"` // day: 2026-02-17
}

// TagFact is one tag of a member.
type TagFact struct {
	Name   string       `json:"name"`
	Source string       `json:"source"`
	At     model.Millis `json:"at"`
}

// Sources of facts.
const (
	fromCarrier = "carrier"
	fromMember  = "member"
)

// Portrait reads the page. Errors: ErrUnknown.
func (a *Audience) Portrait(ctx context.Context, member model.MemberID) (Portrait, error) {
	today := model.DayOf(a.Now())
	p, err := a.person(ctx, int64(member), today)
	if err != nil {
		return Portrait{}, err
	}
	r := &p.row
	out := Portrait{Member: member, Bucket: int(r.Bucket), Deeds: p.deedFacts(), Tags: []TagFact{}}
	stage := stageChoices[r.Stage-1]
	out.Stage = StageFact{stage.Key, stage.Title, stageRules[r.Stage], model.Millis(r.StagedAt)}
	out.ARPU = curve(r.Arpu3, r.Arpu2, r.Arpu1)
	out.Data = curve(int64(r.Data3), int64(r.Data2), int64(r.Data1))
	if out.Name, out.Phone, err = a.contact(ctx, int64(member)); err != nil {
		return Portrait{}, err
	}
	said, err := a.originOf(ctx, a.q, r.OriginID)
	if err != nil {
		return Portrait{}, err
	}
	for i := range attributes {
		out.Facts = append(out.Facts, attributes[i].fact(r, said, today))
	}
	tags, err := a.q.TagsOf(ctx, db.TagsOfParams{MemberID: int64(member), Limit: maxOfOne})
	if err != nil {
		return Portrait{}, fmt.Errorf("read the tags of a member: %w", err)
	}
	for _, t := range tags {
		out.Tags = append(out.Tags, TagFact{t.Name, t.Source, model.Millis(t.TaggedAt)})
	}
	return out, nil
}

func (a *Audience) contact(ctx context.Context, id int64) (name, phone string, err error) {
	c, err := a.q.Customer(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read a customer: %w", err)
	}
	number, err := a.openPhone(c.PhoneSealed, id)
	if err != nil {
		return "", "", fmt.Errorf("open a customer's number: %w", err)
	}
	return c.Name, number.Masked(), nil
}

// fact is the attribute with where it comes from.
func (at *attribute) fact(r *row, said origin, today model.Day) Fact {
	f := Fact{Key: at.Key, Title: at.Title, Sort: string(at.Sort), Text: at.text(r, today)}
	if !at.known(r) {
		return f
	}
	switch at.Key {
	case "joined":
		f.Source, f.At = fromMember, model.Millis(r.JoinedAt)
	case "follows":
		f.Source, f.At = fromMember, model.Millis(r.FollowedAt)
	case "bound":
		f.Source, f.At = fromMember, model.Millis(r.BoundAt)
	case "stage":
		f.Source, f.At = fromMember, model.Millis(r.StagedAt)
	default:
		f.Source, f.Import, f.At = fromCarrier, said[at.Key].Import, said[at.Key].At
	}
	switch at.Sort {
	case sortFlag:
		f.Value = at.number(r) > 0
	case sortWord:
		f.Value = at.word(r)
	case sortChoice, sortSet:
		f.Value = f.Text
	case sortMonths:
		f.Value = tenure(model.Day(at.number(r)), today)
	default:
		f.Value = at.number(r)
	}
	return f
}

func curve(oldestFirst ...int64) []CurvePoint {
	points := make([]CurvePoint, len(oldestFirst))
	for i, v := range oldestFirst {
		points[i].Month = len(oldestFirst) - i
		if v != noNumber {
			points[i].Value = &v
		}
	}
	return points
}

func (p *person) deedFacts() []DeedFact {
	facts := []DeedFact{}
	for i := range kinds {
		f := DeedFact{Kind: kinds[i].kind, Title: kinds[i].title}
		last := int32(0)
		for _, d := range p.deeds {
			if d.Kind != int32(i+1) {
				continue
			}
			f.All += d.N
			last = max(last, d.Day)
		}
		if last == 0 {
			continue
		}
		f.Days30, f.Days90 = p.did(f.Kind, p.today-29), p.did(f.Kind, p.today-89)
		f.Last = model.Day(last).String()
		facts = append(facts, f)
	}
	return facts
}

// Attributes are what conditions may ask of, in the order of a portrait.
func Attributes() []AttributeInfo {
	list := make([]AttributeInfo, 0, len(attributes))
	for i := range attributes {
		at := &attributes[i]
		list = append(list, AttributeInfo{Key: at.Key, Title: at.Title, Sort: string(at.Sort), Ops: ops[at.Sort], Choices: at.Choices})
	}
	return list
}

// AttributeInfo is what a console needs to offer an attribute.
type AttributeInfo struct {
	Key     string   `json:"key"`
	Title   string   `json:"title"`
	Sort    string   `json:"sort"` // flag, choice, number, fen, ratio, months, month, word, set
	Ops     []string `json:"ops"`
	Choices []choice `json:"choices,omitempty"`
}

// KindInfo is what a console needs to offer a deed.
type KindInfo struct {
	Kind  Kind   `json:"kind"`
	Title string `json:"title"`
}

// Kinds are the deeds that conditions may ask of.
func Kinds() []KindInfo {
	list := make([]KindInfo, 0, len(kinds))
	for _, k := range kinds {
		list = append(list, KindInfo{k.kind, k.title})
	}
	return list
}
