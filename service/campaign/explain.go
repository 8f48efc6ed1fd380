package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
)

// Explanation says a plan in sentences that a checker reads.
type Explanation struct {
	Summary string
	People  int64 // in the segment now
	HeldOut int64 // of them, about, who get nothing
	Steps   []StepWords
}

// StepWords says one step.
type StepWords struct {
	Step  model.ID
	Name  string
	Words string
	Next  []model.Millis // its next times, five at most
}

var channelNames = map[model.Channel]string{
	model.CustomChannel: "客服消息", model.MiniChannel: "小程序订阅消息", model.OfficialChannel: "公众号订阅通知",
	model.TemplateChannel: "模板消息", model.MassChannel: "群发",
}

var purposeNames = map[model.Purpose]string{model.Marketing: "营销", model.Transactional: "服务通知"}

// Explain says what a plan does, with the next times of its steps. What cannot be
// said is what Validate finds wrong.
func (c *Campaigns) Explain(ctx context.Context, p Plan) (Explanation, error) {
	e, now := Explanation{}, model.At(c.Now())
	s, err := c.Segments.Describe(ctx, p.Segment)
	if err != nil {
		return e, err
	}
	if s.Trouble == "" {
		if e.People, err = c.Segments.Count(ctx, p.Segment); err != nil {
			return e, err
		}
	}
	e.HeldOut = e.People * int64(p.Holdout) / 100
	e.Summary = fmt.Sprintf("活动“%s”（目标：%s）从%s到%s，面向人群“%s”：%s现有%d人，其中随机%d%%（约%d人）作为对照组，不会收到任何消息。",
		p.Name, p.Goal.name(), shortTime(p.StartsAt, now), shortTime(p.EndsAt, now), s.Name, s.Sentence, e.People, p.Holdout, e.HeldOut)
	if p.Kit != 0 {
		words, err := c.sayKit(ctx, p.Kit)
		if err != nil {
			return e, err
		}
		e.Summary += words
	}
	if p.Budget > 0 {
		e.Summary += fmt.Sprintf("奖品预算%s。", p.Budget.Yuan())
	}
	e.Summary += c.sayCaps(&p)
	for i, step := range p.Steps {
		words, err := c.sayStep(ctx, &p, i)
		if err != nil {
			return e, err
		}
		next := c.nextOf(&p, step)
		e.Steps = append(e.Steps, StepWords{Step: step.ID, Name: step.Name, Words: words + sayNight(step, next, now), Next: next})
	}
	return e, nil
}

// sayCaps says how many marketing messages one member gets at most, by the plan and by
// what holds for all campaigns.
func (c *Campaigns) sayCaps(p *Plan) string {
	if !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Purpose != model.Transactional }) {
		return ""
	}
	caps := model.Caps(p.Caps).Within(c.opts.Caps)
	var parts []string
	for _, one := range []struct {
		words string
		n     int
	}{
		{"每天最多%d条（各活动合计）", caps.Day}, {"七天最多%d条（各活动合计）", caps.Week}, {"本活动最多%d条", caps.Campaign},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf(one.words, one.n))
		}
	}
	if len(parts) == 0 {
		return "每人收到的营销消息不设上限。"
	}
	return "每人收到的营销消息" + strings.Join(parts, "、") + "。"
}

// sayKit says what a kit binds together.
func (c *Campaigns) sayKit(ctx context.Context, id model.ID) (string, error) {
	kit, err := c.Library.Kit(ctx, id)
	if err != nil {
		return "", err
	}
	words := fmt.Sprintf("组合为“%s”：%d份素材", kit.Name, len(kit.Materials))
	if kit.Game != 0 {
		g, err := c.Games.Game(ctx, kit.Game)
		if err != nil {
			return "", err
		}
		words += fmt.Sprintf("、游戏“%s”", g.Name)
	}
	if kit.Offer.Name != "" {
		words += fmt.Sprintf("、优惠“%s”", kit.Offer.Name)
	}
	return words + "。", nil
}

// nextOf are the next times of a step within the campaign; none for an event.
func (c *Campaigns) nextOf(p *Plan, s Step) []model.Millis {
	now := model.At(c.Now())
	switch s.When.Kind {
	case AtInstant:
		if s.When.At > now {
			return []model.Millis{s.When.At}
		}
	case ByCron:
		t, err := c.nextTimes(s.When.Cron, max(now, p.StartsAt.Add(-time.Millisecond)))
		if err != nil {
			return nil
		}
		next := t.Next[:0]
		for _, at := range t.Next {
			if at < p.EndsAt {
				next = append(next, at)
			}
		}
		return next
	}
	return nil
}

// sayNight says that a step waits for the morning.
func sayNight(s Step, next []model.Millis, now model.Millis) string {
	for _, at := range next {
		if morning, waits := s.night(at); waits {
			return fmt.Sprintf("%s在夜间，营销消息从%s起发送。", shortTime(at, now), shortTime(morning, now))
		}
	}
	return ""
}

// sayAsleep says that those who wait for a step wait for the morning.
func sayAsleep(s Step, counts []Tally, now model.Millis) string {
	morning, waits := s.night(now)
	if !waits || !slices.ContainsFunc(counts, func(t Tally) bool { return t.Step == s.ID && t.State == model.DeliveryPending && t.N > 0 }) {
		return ""
	}
	return fmt.Sprintf("现在是夜间，等待中的从%s起发送。", shortTime(morning, now))
}

func (c *Campaigns) sayStep(ctx context.Context, p *Plan, i int) (string, error) {
	s := p.Steps[i]
	words := s.title(i) + "：" + sayWhen(s.When, model.At(c.Now()))
	if s.Condition != 0 {
		only, err := c.Segments.Describe(ctx, s.Condition)
		if err != nil {
			return "", err
		}
		words += fmt.Sprintf("，仅限届时属于人群“%s”的人", only.Name)
	}
	var wordings []string
	for _, v := range s.Variants {
		var ways []string
		for _, w := range v.Ways {
			ways = append(ways, channelNames[w.Channel])
		}
		share := ""
		if len(s.Variants) > 1 {
			share = fmt.Sprintf("版本%s（%d%%）", v.Name, v.Share/100)
		}
		by := "通过"
		if len(ways) > 1 {
			by = "依次尝试"
		}
		wordings = append(wordings, share+by+strings.Join(ways, "、"))
	}
	words += fmt.Sprintf("，发送%s消息，%s；%d小时内未送达的不再发送", purposeNames[s.Purpose], strings.Join(wordings, "，"), s.Hours)
	if w := s.Winner; w != nil {
		words += fmt.Sprintf("；先给%d%%的人试发，%d小时后且每版发出不少于%d条时比较点击率，差异显著则点击率高者发给其余的人，否则发A", w.TestPercent, w.Hours, w.MinSent)
	}
	if s.When.DelayMinutes > 0 && p.EndsAt != 0 {
		words += fmt.Sprintf("；%s以后发生的，到时活动已结束，不再发送", shortTime(s.When.lastHappening(p.EndsAt), model.At(c.Now())))
	}
	if s.When.Kind != OnEvent {
		words += map[Late]string{LateOnce: "；错过时间则补发一次", LateSkip: "；错过10分钟以上则跳过"}[s.Late]
	}
	return words + "。", nil
}

func sayWhen(w When, now model.Millis) string {
	switch w.Kind {
	case AtInstant:
		return shortTime(w.At, now)
	case ByCron:
		return cronWords(w.Cron)
	}
	event := map[Event]string{
		JoinedSegment: "进入人群", PackExpiry: fmt.Sprintf("流量包到期前%d天", w.Days), DataLow: "当月流量不足10%", Payment: "付费后", Birthday: "生日当天",
	}[w.Event]
	if w.DelayMinutes > 0 {
		return event + "，再过" + minutes(w.DelayMinutes)
	}
	return event + "即推送"
}

func minutes(n int) string {
	switch {
	case n%(24*60) == 0:
		return fmt.Sprintf("%d天", n/(24*60))
	case n%60 == 0:
		return fmt.Sprintf("%d小时", n/60)
	}
	return fmt.Sprintf("%d分钟", n)
}
