package handler

import (
	"cmp"
	"context"
	"strings"

	"kaimenhong/model"
	campaigns "kaimenhong/service/campaign"
	"kaimenhong/service/push"
)

// opsPlan is a plan as the console sends and reads it. What may be missing in a draft
// may be missing here.
type opsPlan struct {
	Name      string         `json:"name" minLength:"1" maxLength:"32"`
	Goal      campaigns.Goal `json:"goal" enum:"acquisition,activation,revenue,care"`
	SegmentID model.ID       `json:"segmentId,omitempty" doc:"人群"`
	Holdout   int            `json:"holdout" minimum:"0" maximum:"15" doc:"对照组百分比，1–15"`
	BudgetFen model.Fen      `json:"budgetFen" minimum:"0" doc:"奖品预算（分）"`
	KitID     model.ID       `json:"kitId,omitempty" doc:"组合的版本编号"`
	StartsAt  instant        `json:"startsAt,omitempty" format:"date-time"`
	EndsAt    instant        `json:"endsAt,omitempty" format:"date-time"`
	Caps      opsCaps        `json:"caps,omitempty" doc:"每人每天、每七天、本活动最多几条营销消息，0 为不另设；全部活动合计的上限见 /push-limits"`
	Steps     []opsStep      `json:"steps,omitempty" maxItems:"20"`
}

type opsStep struct {
	ID          model.ID       `json:"id,omitempty" doc:"新增的步骤不填；修改时原样带回"`
	Name        string         `json:"name,omitempty" maxLength:"32"`
	Purpose     model.Purpose  `json:"purpose,omitempty" enum:"marketing,transactional" doc:"缺省为 marketing"`
	When        opsWhen        `json:"when"`
	ConditionID model.ID       `json:"conditionId,omitempty" doc:"届时还要属于这个人群"`
	Late        campaigns.Late `json:"late,omitempty" enum:"once,skip" doc:"错过时间：once 补发一次，skip 跳过"`
	Hours       int            `json:"hours,omitempty" minimum:"1" maximum:"168" doc:"送达时限，缺省 72 小时"`
	Variants    []opsVariant   `json:"variants,omitempty" maxItems:"5"`
	Winner      *opsWinner     `json:"winner,omitempty" doc:"先试发一部分，点击率显著更高的版本发给其余的人"`
}

type opsWhen struct {
	Kind         campaigns.Kind  `json:"kind" enum:"at,cron,event"`
	At           instant         `json:"at,omitempty" format:"date-time"`
	Cron         string          `json:"cron,omitempty" maxLength:"100" doc:"分 时 日 月 周，北京时间"`
	Event        campaigns.Event `json:"event,omitempty" enum:"joined,pack_expiry,data_low,payment,birthday"`
	Days         int             `json:"days,omitempty" minimum:"0" maximum:"30" doc:"pack_expiry：到期前几天"`
	SegmentID    model.ID        `json:"segmentId,omitempty" doc:"joined：进入哪个人群，缺省为活动的人群"`
	DelayMinutes int             `json:"delayMinutes,omitempty" minimum:"0" maximum:"43200" doc:"事件发生后再等几分钟"`
}

type opsWinner struct {
	TestPercent int `json:"testPercent" minimum:"0" maximum:"100" doc:"先试发给百分之几的人，10–50"`
	Hours       int `json:"hours" minimum:"0" maximum:"72" doc:"试发后几小时比较"`
	MinSent     int `json:"minSent" minimum:"0" doc:"每个版本至少发出几条才比较"`
}

type opsCaps struct {
	Day      int `json:"day,omitempty" minimum:"0" maximum:"100"`
	Week     int `json:"week,omitempty" minimum:"0" maximum:"100"`
	Campaign int `json:"campaign,omitempty" minimum:"0" maximum:"100"`
}

type opsTally struct {
	StepID  model.ID            `json:"stepId"`
	Variant string              `json:"variant,omitempty"`
	Channel model.Channel       `json:"channel,omitempty"`
	State   model.DeliveryState `json:"state" enum:"pending,sending,sent,refused,skipped,unknown,held_out"`
	Why     string              `json:"why,omitempty" doc:"原因代码"`
	Reason  string              `json:"reason,omitempty" doc:"原因"`
	People  int64               `json:"people"`
	Tapped  int64               `json:"tapped"`
}

type opsVariant struct {
	Name  string   `json:"name" enum:"A,B,C,D,E"`
	Share int      `json:"share" minimum:"0" maximum:"10000" doc:"万分之几，各版本之和为 10000"`
	Ways  []opsWay `json:"ways,omitempty" maxItems:"5" doc:"依次尝试的渠道"`
}

type opsWay struct {
	Channel    model.Channel `json:"channel" enum:"custom,mini_subscribe,official,template,mass"`
	MaterialID model.ID      `json:"materialId" doc:"素材的版本编号"`
}

func at(i instant) model.Millis {
	if i == nil {
		return 0
	}
	return *i
}

// plan is what the domain wants.
func (p opsPlan) plan() campaigns.Plan {
	out := campaigns.Plan{
		Name: p.Name, Goal: p.Goal, Segment: p.SegmentID, Holdout: p.Holdout, Budget: p.BudgetFen, Kit: p.KitID,
		StartsAt: at(p.StartsAt), EndsAt: at(p.EndsAt), Caps: campaigns.Caps(p.Caps),
	}
	for _, s := range p.Steps {
		step := campaigns.Step{
			ID: s.ID, Name: s.Name, Purpose: s.Purpose, Condition: s.ConditionID, Late: s.Late, Hours: s.Hours, Winner: (*campaigns.Winner)(s.Winner),
			When: campaigns.When{
				Kind: s.When.Kind, At: at(s.When.At), Cron: s.When.Cron, Event: s.When.Event, Days: s.When.Days,
				Segment: s.When.SegmentID, DelayMinutes: s.When.DelayMinutes,
			},
		}
		for _, v := range s.Variants {
			variant := campaigns.Variant{Name: v.Name, Share: v.Share}
			for _, w := range v.Ways {
				variant.Ways = append(variant.Ways, campaigns.Way{Channel: w.Channel, Material: w.MaterialID})
			}
			step.Variants = append(step.Variants, variant)
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}

func newOpsPlan(p campaigns.Plan) opsPlan {
	out := opsPlan{
		p.Name, p.Goal, p.Segment, p.Holdout, p.Budget, p.Kit, when(p.StartsAt), when(p.EndsAt), opsCaps(p.Caps), make([]opsStep, 0, len(p.Steps)),
	}
	for _, s := range p.Steps {
		step := opsStep{
			ID: s.ID, Name: s.Name, Purpose: s.Purpose, ConditionID: s.Condition, Late: s.Late, Hours: s.Hours, Winner: (*opsWinner)(s.Winner),
			When: opsWhen{s.When.Kind, when(s.When.At), s.When.Cron, s.When.Event, s.When.Days, s.When.Segment, s.When.DelayMinutes},
		}
		for _, v := range s.Variants {
			variant := opsVariant{Name: v.Name, Share: v.Share}
			for _, w := range v.Ways {
				variant.Ways = append(variant.Ways, opsWay{w.Channel, w.Material})
			}
			step.Variants = append(step.Variants, variant)
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}

type opsTrouble struct {
	Where string `json:"where" doc:"哪个字段，空为整个方案"`
	Text  string `json:"text"`
}

type problemsAnswer struct {
	Body struct {
		Problems []opsTrouble `json:"problems" doc:"空为可以提交"`
	}
}

// Problems tells everything that is wrong with a version.
func (h OpsCampaign) Problems(ctx context.Context, in *ByVersion) (*problemsAnswer, error) {
	found, err := h.Advice.Validate(ctx, in.id(), in.Version)
	out := &problemsAnswer{}
	out.Body.Problems = make([]opsTrouble, 0, len(found))
	for _, p := range found {
		out.Body.Problems = append(out.Body.Problems, opsTrouble{fieldOf(p.Where), p.Text})
	}
	return out, err
}

// fields are those that the API calls otherwise than the plan does.
var fields = map[string]string{"segment": "segmentId", "condition": "conditionId", "material": "materialId", "kit": "kitId", "budget": "budgetFen"}

// fieldOf is the path of a field as the API has it.
func fieldOf(where string) string {
	cut := strings.LastIndexByte(where, '.') + 1
	return where[:cut] + cmp.Or(fields[where[cut:]], where[cut:])
}

type opsStepWords struct {
	StepID model.ID       `json:"stepId"`
	Name   string         `json:"name,omitempty"`
	Words  string         `json:"words"`
	Next   []model.Millis `json:"next" doc:"接下来的时间，最多五次"`
}

func newStepWords(all []campaigns.StepWords) []opsStepWords {
	out := make([]opsStepWords, 0, len(all))
	for _, s := range all {
		out = append(out, opsStepWords{s.Step, s.Name, s.Words, append([]model.Millis{}, s.Next...)})
	}
	return out
}

type explanationAnswer struct {
	Body struct {
		Summary string         `json:"summary"`
		People  int64          `json:"people" doc:"人群现有人数"`
		HeldOut int64          `json:"heldOut" doc:"其中对照组约有多少人"`
		Steps   []opsStepWords `json:"steps"`
	}
}

// Explain says a version in sentences.
func (h OpsCampaign) Explain(ctx context.Context, in *ByVersion) (*explanationAnswer, error) {
	e, err := h.Advice.Explain(ctx, in.id(), in.Version)
	out := &explanationAnswer{}
	out.Body.Summary, out.Body.People, out.Body.HeldOut, out.Body.Steps = e.Summary, e.People, e.HeldOut, newStepWords(e.Steps)
	return out, err
}

type cronInput struct {
	Cron string `query:"cron" required:"true" minLength:"1" maxLength:"100" doc:"分 时 日 月 周，北京时间"`
}

type timesAnswer struct {
	Body struct {
		Words string         `json:"words"`
		Next  []model.Millis `json:"next"`
	}
}

// NextTimes says a cron expression in words, with its next five times.
func (h OpsCampaign) NextTimes(ctx context.Context, in *cronInput) (*timesAnswer, error) {
	t, err := h.Plans.NextTimes(ctx, in.Cron)
	out := &timesAnswer{}
	out.Body.Words, out.Body.Next = t.Words, append([]model.Millis{}, t.Next...)
	return out, err
}

type sightInput struct {
	ByVersion
	MemberID string `query:"memberId" pattern:"^[1-9][0-9]{0,18}$" doc:"给哪位会员看；缺省为一位示例会员"`
}

type opsSight struct {
	StepID     model.ID        `json:"stepId"`
	Variant    string          `json:"variant"`
	Channel    model.Channel   `json:"channel"`
	MaterialID model.ID        `json:"materialId"`
	Message    *previewMessage `json:"message,omitempty" doc:"无法预览时没有"`
	Problem    string          `json:"problem,omitempty" doc:"无法预览的原因"`
}

// Preview shows what a member would get, by step, variant and channel.
func (h OpsCampaign) Preview(ctx context.Context, in *sightInput) (*listAnswer[opsSight], error) {
	member, _ := model.ParseID(in.MemberID) // 0, for nobody, when it is left out
	if err := near(ctx, model.MemberID(member)); err != nil {
		return nil, err
	}
	page, err := h.Advice.Preview(ctx, in.id(), in.Version, model.MemberID(member))
	return listed(page, "", err, func(s campaigns.Sight) opsSight {
		v := opsSight{StepID: s.Step, Variant: s.Variant, Channel: s.Channel, MaterialID: s.Material, Problem: s.Problem}
		if s.Problem == "" {
			v.Message = newPreviewMessage(s.Message)
		}
		return v
	})
}

type opsOccurrence struct {
	StepID       model.ID `json:"stepId"`
	Name         string   `json:"name,omitempty"`
	ScheduledFor instant  `json:"scheduledFor" format:"date-time"`
	Part         int      `json:"part" doc:"0 全部或试发，1 选优后的其余部分"`
	State        string   `json:"state" enum:"due,staged,skipped,empty"`
	Missed       int64    `json:"missed" doc:"合并补发的次数"`
	Total        int64    `json:"total" doc:"人数，含对照组"`
	Winner       string   `json:"winner,omitempty"`
	Why          string   `json:"why,omitempty"`
	EndsAt       instant  `json:"endsAt" format:"date-time"`
	StagedAt     instant  `json:"stagedAt,omitempty" format:"date-time"`
}

type progressAnswer struct {
	Body struct {
		Campaign    opsCampaign     `json:"campaign"`
		Version     int             `json:"version"`
		Occurrences []opsOccurrence `json:"occurrences"`
		Tally       []opsTally      `json:"tally" doc:"每种情况的人数"`
		CountedAt   instant         `json:"countedAt" format:"date-time" doc:"人数统计的时间；人数很多时，隔一会儿才重新统计"`
		Next        []opsStepWords  `json:"next"`
	}
}

// Progress is how far a campaign is.
func (h OpsCampaign) Progress(ctx context.Context, in *ByID) (*progressAnswer, error) {
	p, err := h.Book.Progress(ctx, in.id())
	if err != nil {
		return nil, err
	}
	out := &progressAnswer{}
	out.Body.Campaign, out.Body.Version = newOpsCampaign(p.Campaign), p.Version.Version
	out.Body.Next, out.Body.CountedAt = newStepWords(p.Next), when(p.CountedAt)
	out.Body.Tally = make([]opsTally, 0, len(p.Tally))
	for _, t := range p.Tally {
		out.Body.Tally = append(out.Body.Tally, opsTally{t.Step, t.Variant, t.Channel, t.State, t.Why, push.Reason(t.Why), t.N, t.Tapped})
	}
	out.Body.Occurrences = make([]opsOccurrence, 0, len(p.Occurrences))
	for _, o := range p.Occurrences {
		out.Body.Occurrences = append(out.Body.Occurrences, opsOccurrence{
			o.Step, o.Name, when(o.ScheduledFor), o.Part, o.State, o.Missed, o.Total, o.Winner, o.Why, when(o.EndsAt), when(o.StagedAt),
		})
	}
	return out, nil
}
