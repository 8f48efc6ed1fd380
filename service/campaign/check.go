package campaign

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// Problem is one thing that is wrong with a plan. Where is the path to the field:
// steps[0].when.cron; empty for the whole.
type Problem struct {
	Where string
	Text  string // what is wrong and what to do
}

// check gathers what is wrong.
type check struct {
	c     *Campaigns
	plan  *Plan
	now   model.Millis
	fired map[model.ID]bool // steps of an earlier version that were pushed
	found []Problem
}

func (k *check) say(where, format string, args ...any) {
	k.found = append(k.found, Problem{where, fmt.Sprintf(format, args...)})
}

// Validate tells everything that is wrong with a plan, each in words that say what
// to do; none when it can be reviewed. The error is a store's.
func (c *Campaigns) Validate(ctx context.Context, p Plan) ([]Problem, error) {
	return c.validate(ctx, &p, nil)
}

func (c *Campaigns) validate(ctx context.Context, p *Plan, fired map[model.ID]bool) ([]Problem, error) {
	k := &check{c: c, plan: p, now: model.At(c.Now()), fired: fired}
	if err := p.shape(); err != nil {
		k.say("", "%s", fault.Of(err).Text)
	}
	k.frame()
	if err := k.audience(ctx); err != nil {
		return nil, err
	}
	if err := k.kit(ctx); err != nil {
		return nil, err
	}
	for i := range p.Steps {
		if err := k.step(ctx, i); err != nil {
			return nil, err
		}
	}
	return k.found, nil
}

// frame checks what holds for the whole.
func (k *check) frame() {
	p := k.plan
	if p.Holdout < minHoldout || p.Holdout > maxHoldout {
		k.say("holdout", "对照组应为%d%%到%d%%，有了它才能算出活动真正带来的增量", minHoldout, maxHoldout)
	}
	if p.Budget > maxBudget {
		k.say("budget", "预算不能超过%s", maxBudget.Yuan())
	}
	switch {
	case p.StartsAt == 0 || p.EndsAt == 0:
		k.say("startsAt", "请填写活动的开始和结束时间")
	case p.EndsAt <= p.StartsAt:
		k.say("endsAt", "结束时间应晚于开始时间")
	case p.EndsAt <= k.now:
		k.say("endsAt", "结束时间%s已经过去，请改到将来", shortTime(p.EndsAt, k.now))
	case p.EndsAt.Time().Sub(p.StartsAt.Time()) > maxLength:
		k.say("endsAt", "活动最长一年，请缩短或拆成几个活动")
	}
	for _, cap := range []struct {
		where string
		n     int
	}{{"caps.day", p.Caps.Day}, {"caps.week", p.Caps.Week}, {"caps.campaign", p.Caps.Campaign}} {
		if cap.n < 0 || cap.n > 100 {
			k.say(cap.where, "每人上限应为0到100，0表示不另设上限")
		}
	}
	if len(p.Steps) == 0 {
		k.say("steps", "请至少安排一个步骤")
	}
}

// missing tells that an answer is about a thing that is not there, or not good.
func missing(err error) bool {
	kind := fault.KindOf(err)
	return kind == fault.NotFound || kind == fault.Invalid
}

// audience checks that the segment can be evaluated and is not empty.
func (k *check) audience(ctx context.Context) error {
	good, err := k.segment(ctx, "segment", k.plan.Segment)
	if err != nil || !good {
		return err
	}
	n, err := k.c.Segments.Count(ctx, k.plan.Segment)
	if err != nil {
		return fmt.Errorf("count the audience: %w", err)
	}
	if n == 0 {
		k.say("segment", "这个人群现在没有人，请放宽条件或先导入客户")
	}
	return nil
}

func (k *check) segment(ctx context.Context, where string, id model.ID) (bool, error) {
	if id <= 0 {
		k.say(where, "请选择人群")
		return false, nil
	}
	s, err := k.c.Segments.Describe(ctx, id)
	switch {
	case err != nil && missing(err):
		k.say(where, "%s，请重新选择", strings.TrimSuffix(fault.Of(err).Text, "。"))
		return false, nil
	case err != nil:
		return false, fmt.Errorf("describe a segment: %w", err)
	case s.Archived:
		k.say(where, "人群“%s”已归档，请先恢复它，或更换人群", s.Name)
		return false, nil
	case s.Trouble != "":
		k.say(where, "人群“%s”无法计算：%s", s.Name, s.Trouble)
		return false, nil
	}
	return true, nil
}

// kit checks the combination and that the money is enough for its game.
func (k *check) kit(ctx context.Context) error {
	p := k.plan
	if p.Kit == 0 {
		return nil
	}
	kit, err := k.c.Library.Kit(ctx, p.Kit)
	switch {
	case err != nil && missing(err):
		k.say("kit", "%s，请重新选择组合", strings.TrimSuffix(fault.Of(err).Text, "。"))
		return nil
	case err != nil:
		return fmt.Errorf("read the kit: %w", err)
	case kit.Trouble != "":
		k.say("kit", "组合“%s”不能使用：%s，请修复或更换组合", kit.Name, strings.TrimSuffix(kit.Trouble, "。"))
	}
	if !p.sends(kit.Materials) {
		k.say("kit", "组合“%s”里的素材没有用在任何步骤里，请在步骤中选用，或更换组合", kit.Name)
	}
	k.offer(kit.Offer)
	if kit.Game == 0 {
		return nil
	}
	g, err := k.c.Games.Game(ctx, kit.Game)
	switch {
	case err != nil && missing(err):
		k.say("kit", "组合里的游戏不存在，请更换组合")
		return nil
	case err != nil:
		return fmt.Errorf("read the game: %w", err)
	}
	k.game(g)
	return nil
}

// sends tells whether a step sends one of the materials.
func (p *Plan) sends(materials []model.ID) bool {
	for _, s := range p.Steps {
		for _, v := range s.Variants {
			if slices.ContainsFunc(v.Ways, func(w Way) bool { return slices.Contains(materials, w.Material) }) {
				return true
			}
		}
	}
	return false
}

// offer checks that who gets a message can have what it offers.
func (k *check) offer(o Offer) {
	p := k.plan
	switch {
	case o.Name == "":
	case o.SoldOut:
		k.say("kit", "组合里的优惠“%s”已兑完，请补货或更换组合", o.Name)
	case o.EndsAt != 0 && p.StartsAt != 0 && p.EndsAt != 0 && (o.StartsAt > p.StartsAt || o.EndsAt < p.EndsAt):
		k.say("kit", "优惠“%s”的兑换时间（%s至%s）没有覆盖活动时间（%s至%s），收到消息的人会兑换不了，请调整",
			o.Name, shortTime(o.StartsAt, k.now), shortTime(o.EndsAt, k.now), shortTime(p.StartsAt, k.now), shortTime(p.EndsAt, k.now))
	}
}

func (k *check) game(g Game) {
	p := k.plan
	switch {
	case g.Stopped:
		k.say("kit", "游戏“%s”已停止，请恢复它或更换组合", g.Name)
	case p.Budget < g.Prize:
		k.say("budget", "预算%s不够一个奖品（%s），请提高预算或降低奖品金额", p.Budget.Yuan(), g.Prize.Yuan())
	case g.Budget < g.Prize:
		k.say("kit", "游戏“%s”的预算%s不够一个奖品（%s）", g.Name, g.Budget.Yuan(), g.Prize.Yuan())
	case g.Budget > p.Budget:
		k.say("budget", "游戏“%s”的预算是%s，超过活动预算%s，请提高活动预算", g.Name, g.Budget.Yuan(), p.Budget.Yuan())
	}
	if p.StartsAt != 0 && p.EndsAt != 0 && (g.StartsAt > p.StartsAt || g.EndsAt < p.EndsAt) {
		k.say("kit", "游戏“%s”的时间（%s至%s）没有覆盖活动时间（%s至%s），收到消息的人会玩不了，请调整",
			g.Name, shortTime(g.StartsAt, k.now), shortTime(g.EndsAt, k.now), shortTime(p.StartsAt, k.now), shortTime(p.EndsAt, k.now))
	}
}

// step checks one step.
func (k *check) step(ctx context.Context, i int) error {
	s, at := k.plan.Steps[i], fmt.Sprintf("steps[%d]", i)
	if len([]rune(s.Name)) > maxName {
		k.say(at+".name", "步骤名称最多%d个字", maxName)
	}
	if s.Purpose != "" && s.Purpose != model.Marketing && s.Purpose != model.Transactional {
		k.say(at+".purpose", "用途应为 marketing（营销）或 transactional（服务通知）")
	}
	if s.Hours < 0 || s.Hours > maxHours {
		k.say(at+".hours", "送达时限应为1到%d小时", maxHours)
	}
	if s.Late != "" && s.Late != LateOnce && s.Late != LateSkip {
		k.say(at+".late", "错过时间后的处理应为 once（补发一次）或 skip（跳过）")
	}
	if err := k.when(ctx, s, at+".when"); err != nil {
		return err
	}
	if s.Condition != 0 {
		if _, err := k.segment(ctx, at+".condition", s.Condition); err != nil {
			return err
		}
	}
	k.winner(s, at)
	return k.variants(ctx, s, at)
}

// when checks the time of a step.
func (k *check) when(ctx context.Context, s Step, at string) error {
	w, p := s.When, k.plan
	if w.Kind != OnEvent && w.DelayMinutes != 0 {
		k.say(at+".delayMinutes", "只有事件触发的步骤可以设置延迟，请直接修改时间")
	}
	switch w.Kind {
	case AtInstant:
		k.instant(s, at+".at")
	case ByCron:
		next, err := k.c.cron(w.Cron)
		if err != nil {
			k.say(at+".cron", "%s", fault.Of(err).Text)
			return nil
		}
		from := max(p.StartsAt, k.now).Time()
		first := next(from.Add(-time.Millisecond))
		if p.EndsAt != 0 && (first.IsZero() || model.At(first) >= p.EndsAt) {
			k.say(at+".cron", "在活动期间（%s至%s）这个定时一次也不会触发，请修改定时或延长活动", shortTime(p.StartsAt, k.now), shortTime(p.EndsAt, k.now))
			return nil
		}
		if !first.IsZero() {
			k.night(s, model.At(first), at+".cron")
		}
	case OnEvent:
		return k.event(ctx, w, at)
	default:
		k.say(at+".kind", "请选择推送时机：at（指定时间）、cron（定时）或 event（事件）")
	}
	return nil
}

func (k *check) instant(s Step, at string) {
	w, p := s.When, k.plan
	switch {
	case w.At == 0:
		k.say(at, "请填写推送时间")
	case w.At <= k.now && !k.fired[s.ID]:
		k.say(at, "推送时间%s已经过去，请改到将来", shortTime(w.At, k.now))
	case p.StartsAt != 0 && w.At < p.StartsAt, p.EndsAt != 0 && w.At > p.EndsAt:
		k.say(at, "推送时间%s不在活动期间（%s至%s）", shortTime(w.At, k.now), shortTime(p.StartsAt, k.now), shortTime(p.EndsAt, k.now))
	case p.EndsAt != 0 && w.At > p.EndsAt.Add(-time.Hour):
		k.say(at, "推送时间%s离活动结束不足1小时，来不及送达，请提前或延长活动", shortTime(w.At, k.now))
	default:
		k.night(s, w.At, at)
	}
}

// night finds a step that its night outlasts: nobody would get it.
func (k *check) night(s Step, due model.Millis, at string) {
	morning, waits := s.night(due)
	switch hours := cmp.Or(s.Hours, defaultHours); {
	case !waits:
	case due.Add(time.Duration(hours)*time.Hour) <= morning:
		k.say(at, "%s是夜间，营销消息等到%s才能发，而送达时限只有%d小时，一条也发不出去，请改到白天或延长时限", shortTime(due, k.now), shortTime(morning, k.now), hours)
	case k.plan.EndsAt != 0 && k.plan.EndsAt <= morning:
		k.say(at, "%s是夜间，营销消息等到%s才能发，那时活动已经结束，请提前或延长活动", shortTime(due, k.now), shortTime(morning, k.now))
	}
}

func (k *check) event(ctx context.Context, w When, at string) error {
	switch last := w.lastHappening(k.plan.EndsAt); {
	case w.DelayMinutes < 0 || w.DelayMinutes > maxDelay:
		k.say(at+".delayMinutes", "延迟应为0到%d分钟（30天）", maxDelay)
	case w.DelayMinutes > 0 && k.plan.EndsAt != 0 && last <= k.plan.StartsAt:
		k.say(at+".delayMinutes", "延迟%s，活动%s就结束了，一条也发不出去，请缩短延迟或延长活动", minutes(w.DelayMinutes), shortTime(k.plan.EndsAt, k.now))
	}
	switch w.Event {
	case JoinedSegment:
		if w.Segment != 0 {
			_, err := k.segment(ctx, at+".segment", w.Segment)
			return err
		}
	case PackExpiry:
		if w.Days < 1 || w.Days > 30 {
			k.say(at+".days", "请填写流量包到期前的天数，1到30")
		}
	case DataLow, Payment, Birthday:
	default:
		k.say(at+".event", "请选择事件：joined（进入人群）、pack_expiry（流量包将到期）、data_low（流量不足10%%）、payment（付费后）或 birthday（生日）")
	}
	return nil
}

func (k *check) winner(s Step, at string) {
	w := s.Winner
	if w == nil {
		return
	}
	at += ".winner"
	switch {
	case len(s.Variants) < 2:
		k.say(at, "只有一个版本，不需要选优；请再加一个版本或去掉选优规则")
	case s.When.Kind == OnEvent:
		k.say(at, "事件触发的步骤逐人发送，不能先试后发；请去掉选优规则")
	}
	if w.TestPercent < 10 || w.TestPercent > 50 {
		k.say(at+".testPercent", "先试发的比例应为10%%到50%%")
	}
	if w.Hours < 1 || w.Hours > 72 {
		k.say(at+".hours", "试发后等待的时间应为1到72小时")
	}
	if w.MinSent < 30 {
		k.say(at+".minSent", "每个版本至少发出30条才能比较")
	}
}

// variants checks the wordings and what goes through each channel.
func (k *check) variants(ctx context.Context, s Step, at string) error {
	if len(s.Variants) == 0 || len(s.Variants) > maxVariants {
		k.say(at+".variants", "请安排1到%d个版本", maxVariants)
		return nil
	}
	sum := 0
	for j, v := range s.Variants {
		where := fmt.Sprintf("%s.variants[%d]", at, j)
		if want := string(rune('A' + j)); v.Name != want {
			k.say(where+".name", "第%d个版本的名称应为%s", j+1, want)
		}
		if v.Share <= 0 {
			k.say(where+".share", "每个版本的份额应大于0")
		}
		sum += v.Share
		if len(v.Ways) == 0 || len(v.Ways) > maxWays {
			k.say(where+".ways", "请为版本%s选择1到%d个渠道和素材", v.Name, maxWays)
			continue
		}
		for w, way := range v.Ways {
			if slices.ContainsFunc(v.Ways[:w], func(other Way) bool { return other.Channel == way.Channel }) {
				k.say(where+".ways", "版本%s里渠道%s出现了两次", v.Name, way.Channel)
			}
			if err := k.way(ctx, s, way, fmt.Sprintf("%s.ways[%d]", where, w)); err != nil {
				return err
			}
		}
	}
	if sum != allShares {
		k.say(at+".variants", "各版本的份额之和应为10000（即100%%），现在是%d", sum)
	}
	return nil
}

func (k *check) way(ctx context.Context, s Step, way Way, at string) error {
	switch way.Channel {
	case model.CustomChannel, model.MiniChannel, model.OfficialChannel, model.MassChannel:
	case model.TemplateChannel:
		if s.Purpose != model.Transactional {
			k.say(at+".channel", "模板消息只能用于服务通知，不能发营销内容；请换成订阅通知或客服消息")
		}
	default:
		k.say(at+".channel", "没有这个渠道")
		return nil
	}
	if way.Material <= 0 {
		k.say(at+".material", "请选择素材")
		return nil
	}
	problems, err := k.c.Library.Check(ctx, model.Way(way))
	switch {
	case err != nil && missing(err):
		problems = []string{fault.Of(err).Text}
	case err != nil:
		return fmt.Errorf("check a material: %w", err)
	}
	for _, text := range problems {
		k.say(at+".material", "%s", text)
	}
	return nil
}

// problems are ErrPlan in the words of all of them; nil when there are none.
func problems(all []Problem) error {
	if len(all) == 0 {
		return nil
	}
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.Text
	}
	return ErrPlan.Saying("%s", strings.Join(texts, "；"))
}
