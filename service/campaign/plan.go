package campaign

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/sheet"
)

// Goal is what a campaign is for.
type Goal string

// The goals.
const (
	Acquisition Goal = "acquisition" // 拉新
	Activation  Goal = "activation"  // 促活
	Revenue     Goal = "revenue"     // 增收
	Care        Goal = "care"        // 关怀
)

// Goals are all of them with their Chinese names.
var Goals = []struct {
	Goal Goal
	Name string
}{{Acquisition, "拉新"}, {Activation, "促活"}, {Revenue, "增收"}, {Care, "关怀"}}

func (g Goal) name() string {
	for _, one := range Goals {
		if one.Goal == g {
			return one.Name
		}
	}
	return ""
}

// Plan is everything that is decided about a campaign.
type Plan struct {
	Name     string       `json:"name"`
	Goal     Goal         `json:"goal"`
	Segment  model.ID     `json:"segment,omitempty"`
	Holdout  int          `json:"holdout"` // per cent who get nothing, 1–15
	Budget   model.Fen    `json:"budget"`  // for all prizes; 0: no prizes
	Kit      model.ID     `json:"kit,omitempty"`
	StartsAt model.Millis `json:"startsAt"`
	EndsAt   model.Millis `json:"endsAt"`
	Caps     Caps         `json:"caps"`
	Steps    []Step       `json:"steps"`
}

// Caps bound the marketing that one member gets of everything, by day and week, and
// of this campaign; 0 is no bound.
type Caps struct {
	Day      int `json:"day"`
	Week     int `json:"week"`
	Campaign int `json:"campaign"`
}

// Step is one push.
type Step struct {
	ID      model.ID      `json:"id,omitempty"` // given when it is saved first; the same in every version
	Name    string        `json:"name"`
	Purpose model.Purpose `json:"purpose"`
	When    When          `json:"when"`
	// Condition is a segment: who is not in it when the time comes gets nothing.
	Condition model.ID `json:"condition,omitempty"`
	// Late says what becomes of a time that was missed by more than ten minutes.
	Late     Late      `json:"late"`
	Hours    int       `json:"hours"` // who was not reached within is skipped; 1–168
	Variants []Variant `json:"variants"`
	Winner   *Winner   `json:"winner,omitempty"` // wants two variants or more
}

// When says when a step is pushed. Kind says which of the others is meant.
type When struct {
	Kind Kind         `json:"kind"`
	At   model.Millis `json:"at,omitempty"`
	// Cron has five fields: minute, hour, day, month, weekday, in China's time.
	Cron  string `json:"cron,omitempty"`
	Event Event  `json:"event,omitempty"`
	Days  int    `json:"days,omitempty"` // before a pack's expiry, 1–30
	// Segment is the one that is joined; 0: the campaign's.
	Segment model.ID `json:"segment,omitempty"`
	// DelayMinutes lie between the event and the push, at most 30 days.
	DelayMinutes int `json:"delayMinutes,omitempty"`
}

// lastHappening is until when something has to happen so that its delay is over by the end.
func (w When) lastHappening(end model.Millis) model.Millis {
	return end.Add(-time.Duration(w.DelayMinutes) * time.Minute)
}

// Kind is a kind of time.
type Kind string

// The kinds of time.
const (
	AtInstant Kind = "at"
	ByCron    Kind = "cron"
	OnEvent   Kind = "event"
)

// Event is something that happens to a member.
type Event string

// The events.
const (
	JoinedSegment Event = "joined"      // came into a segment after the campaign began
	PackExpiry    Event = "pack_expiry" // a data pack expires in Days days
	DataLow       Event = "data_low"    // less than 10 % of the month's data is left
	Payment       Event = "payment"     // topped up, bought a pack or anything else
	Birthday      Event = "birthday"
)

// Late is what becomes of a time that was missed.
type Late string

// What becomes of it.
const (
	LateOnce Late = "once" // the last one that was missed is caught up
	LateSkip Late = "skip"
)

// Variant is one wording.
type Variant struct {
	Name  string `json:"name"`  // A–E
	Share int    `json:"share"` // of 10,000
	Ways  []Way  `json:"ways"`  // tried in this order
}

// Way is a channel and a version of a material.
type Way struct {
	Channel  model.Channel `json:"channel"`
	Material model.ID      `json:"material,omitempty"`
}

// Winner is the rule by which one variant goes to everybody else: a part of the
// audience is tried first.
type Winner struct {
	TestPercent int `json:"testPercent"` // 10–50
	Hours       int `json:"hours"`       // 1–72, after the test
	MinSent     int `json:"minSent"`     // of each variant, at least 30
}

// defaultHours is how long a step tries to reach somebody.
const defaultHours = 72

// The bounds of a plan.
const (
	maxName     = 32 // characters
	maxSteps    = 20
	maxVariants = 5
	maxWays     = 5
	maxPlan     = 60_000 // bytes of JSON, as the column has them
	maxHours    = 168
	maxDelay    = 30 * 24 * 60
	allShares   = 10_000
	minHoldout  = 1
	maxHoldout  = 15
	maxLength   = 366 * 24 * time.Hour
	maxBudget   = model.Fen(1_000_000_000_00)
)

// encode writes a plan as the tables keep it.
func encode(p Plan) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", ErrPlan.With(err)
	}
	if len(text) > maxPlan {
		return "", ErrPlan.Saying("方案过长，请减少步骤")
	}
	return string(text), nil
}

// shape refuses what no draft may be: it would not fit into its columns.
func (p *Plan) shape() error {
	switch {
	case p.Name == "" || utf8.RuneCountInString(p.Name) > maxName:
		return ErrPlan.Saying("活动名称应为1到%d个字", maxName)
	case sheet.Formula(p.Name):
		return ErrPlan.Saying("活动名称不能以=、+、-、@开头，表格软件会把它当作公式")
	case p.Goal.name() == "":
		return ErrPlan.Saying("请选择活动目标：拉新、促活、增收或关怀")
	case len(p.Steps) > maxSteps:
		return ErrPlan.Saying("最多%d个步骤", maxSteps)
	case p.StartsAt < 0 || p.EndsAt < 0 || p.Budget < 0:
		return ErrPlan.Saying("时间和预算不能为负")
	}
	return nil
}

// number gives new steps their ids. A step that names an id must be of the campaign.
func (p *Plan) number(ids *model.IDs, known []Step) error {
	seen := map[model.ID]bool{}
	p.Steps = slices.Clone(p.Steps) // the caller's stay as they are
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.ID == 0 {
			s.ID = ids.Next()
		} else if !slices.ContainsFunc(known, func(k Step) bool { return k.ID == s.ID }) {
			return ErrPlan.Saying("第%d步的编号不属于这个活动，新增的步骤请不要填编号", i+1)
		}
		if seen[s.ID] {
			return ErrPlan.Saying("第%d步与前面的步骤编号相同", i+1)
		}
		seen[s.ID] = true
		s.Late = cmp.Or(s.Late, LateOnce)
		s.Hours = cmp.Or(s.Hours, defaultHours)
		s.Purpose = cmp.Or(s.Purpose, model.Marketing)
	}
	return nil
}

// night tells whether the step, due at an instant, waits for the morning, and until when:
// marketing keeps quiet at night.
func (s *Step) night(at model.Millis) (morning model.Millis, waits bool) {
	if s.Purpose == model.Transactional {
		return 0, false
	}
	return model.Night(at.Time(), model.Shanghai, model.NightFrom, model.NightUntil)
}

// awake is how much of a time the step may be sent in: all of it but the nights.
func (s *Step) awake(from, to model.Millis) time.Duration {
	if s.Purpose == model.Transactional {
		return to.Time().Sub(from.Time())
	}
	awake := time.Duration(0)
	for at := from; at < to; {
		if morning, night := s.night(at); night {
			at = morning
			continue
		}
		evening := min(model.At(model.DayOf(at.Time()).Start().Add(model.NightFrom)), to)
		awake += evening.Time().Sub(at.Time())
		at = evening
	}
	return awake
}

// step finds a step by its id.
func (p *Plan) step(id model.ID) (Step, bool) {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.ID == id })
	if i < 0 {
		return Step{}, false
	}
	return p.Steps[i], true
}

// lasts are all steps, and how long each tries to reach somebody.
func (p *Plan) lasts() map[model.ID]time.Duration {
	lasts := make(map[model.ID]time.Duration, len(p.Steps))
	for _, s := range p.Steps {
		lasts[s.ID] = time.Duration(s.Hours) * time.Hour
	}
	return lasts
}

// dispatch is the step as the pushes want it.
func (p *Plan) dispatch(s Step, variants []Variant) model.Dispatch {
	d := model.Dispatch{
		Step: s.ID, Purpose: s.Purpose, Holdout: p.Holdout, Caps: model.Caps{Day: p.Caps.Day, Week: p.Caps.Week, Campaign: p.Caps.Campaign},
	}
	for _, v := range variants {
		made := model.Variant{Name: v.Name, Share: v.Share}
		for _, w := range v.Ways {
			made.Ways = append(made.Ways, model.Way(w))
		}
		d.Variants = append(d.Variants, made)
	}
	return d
}

// title names a step in words.
func (s Step) title(i int) string {
	if s.Name == "" {
		return fmt.Sprintf("第%d步", i+1)
	}
	return fmt.Sprintf("第%d步“%s”", i+1, s.Name)
}
