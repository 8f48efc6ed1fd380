package redpacket

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// The limits of a game. They are wide; a campaign's own approval is narrower.
const (
	MaxHelps     = 10_000
	MaxTarget    = model.Fen(1_000_000) // ¥10,000 a pot
	MaxBudget    = model.Fen(1e12)
	MaxPotHours  = 24 * 31
	MaxPots      = 1000 // an owner
	MaxDayHelps  = 1000 // a helper and day
	maxAmounts   = 20
	maxPlans     = 50
	maxNameRunes = 30
	maxTextRunes = 2000
)

// Unfilled is what the owner of a pot gets that has ended with free slots.
type Unfilled string

// The promises for an unfilled pot.
const (
	Nothing   Unfilled = "nothing"
	Collected Unfilled = "collected" // the shares of the helps that came
)

// Surface is where the game is played.
type Surface string

// The surfaces; the sharing rules allow the mini-program alone.
const (
	MiniProgram Surface = "mini_program"
	H5          Surface = "h5"
)

// Amount is one target that an opening may get, with its weight among the others.
type Amount struct {
	Target model.Fen `json:"target"`
	Weight int       `json:"weight"`
}

// Audience says who may open or help; every condition that is set must hold.
type Audience struct {
	Bound    bool     `json:"bound"`    // a phone number is bound
	Follower bool     `json:"follower"` // follows the official account
	Plans    []string `json:"plans"`    // is on one of these plans; empty: on any
	New      bool     `json:"new"`      // joined after the game began
}

// PrizeRule is what a filled pot gives. PerYuan is how many megabytes or points
// one yuan of the target stands for; phone credit leaves it 0.
type PrizeRule struct {
	Kind    model.PrizeKind `json:"kind"`
	PerYuan int64           `json:"perYuan"`
}

// Rules are everything that is fixed about a game when it is made.
type Rules struct {
	Name        string       `json:"name"`  // for operators
	Title       string       `json:"title"` // on the shared card; neutral
	Text        string       `json:"text"`  // what the operator adds to the generated rules
	Complaint   string       `json:"complaint"`
	StartsAt    model.Millis `json:"startsAt"`
	EndsAt      model.Millis `json:"endsAt"`
	Amounts     []Amount     `json:"amounts"` // one: every pot has this target
	Helps       int          `json:"helps"`
	Split       Split        `json:"split"`
	PotHours    int          `json:"potHours"`
	PotsEach    int          `json:"potsEach"`    // pots for each owner
	HelpsPerDay int          `json:"helpsPerDay"` // helps for each helper and day
	Open        Audience     `json:"open"`
	Help        Audience     `json:"help"`
	Prize       PrizeRule    `json:"prize"`
	Unfilled    Unfilled     `json:"unfilled"`
	Budget      model.Fen    `json:"budget"`
	// ReleaseFailed gives the budget back when a prize cannot be handed over; without
	// it a person decides.
	ReleaseFailed bool `json:"releaseFailed"`

	// What the sharing rules are about. Everything but the zero value is refused or
	// needs a confirmation; the fields exist so that a plan that breaks a rule is
	// told which one, rather than silently changed.
	Surface         Surface   `json:"surface"`
	AmountAtEnd     bool      `json:"amountAtEnd"`     // the target is drawn or shown only at the end
	ShareReward     model.Fen `json:"shareReward"`     // for the act of sharing
	InviteReward    model.Fen `json:"inviteReward"`    // for a friend who was recruited
	InviteConfirmed string    `json:"inviteConfirmed"` // the operator who answers for InviteReward
}

// The refusals of Validate. Those about sharing name the rule of WeChat's that
// the game would break.
var (
	ErrRules           = fault.New(fault.Invalid, "redpacket.rules", "活动配置不正确")
	ErrRuleChance      = fault.New(fault.Invalid, "redpacket.rule_chance", "违反分享规范「利益取决于运气」：金额必须在分享前确定并展示")
	ErrRuleH5          = fault.New(fault.Invalid, "redpacket.rule_h5_assist", "违反分享规范「H5 助力」：助力玩法只能在小程序内进行")
	ErrRuleShareReward = fault.New(fault.Invalid, "redpacket.rule_share_reward", "违反分享规范「分享奖励」：不得奖励分享行为")
	ErrRuleRecruiting  = fault.New(fault.Invalid, "redpacket.rule_recruiting", "违反分享规范「拉新奖励」：奖励被邀请人须由运营人员明确确认")
	ErrRuleTitle       = fault.New(fault.Invalid, "redpacket.rule_title", "违反分享规范「诱导文案」：标题须中性，不得诱导分享")
)

// rewarding are words that promise something for sharing, wherever they stand; luring
// are those that make a title one that lures people into it. Titles are looked at for
// both.
var (
	rewarding = []string{"分享得", "分享领", "转发得", "转发领", "分享有礼", "转发有礼"}
	luring    = []string{"不转", "必须分享", "分享后", "转发后", "群发", "朋友圈"}
)

// lures is the first of the words that a text holds, whatever stands between their
// characters that is none; "" without one.
func lures(text string, words ...string) string {
	read := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return r
		}
		return -1
	}, text)
	for _, word := range words {
		if strings.Contains(read, word) {
			return word
		}
	}
	return ""
}

// Validate refuses a game that cannot be played or that would break a sharing rule.
// The fault's text says which and, for sharing, names the rule.
func (r Rules) Validate() error {
	for _, check := range []func() error{r.checkWords, r.checkNumbers, r.checkChoices, r.checkSharing} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (r Rules) checkWords() error {
	for _, f := range []struct {
		what, text string
		most       int
		must       bool
	}{
		{"名称", r.Name, maxNameRunes, true},
		{"标题", r.Title, maxNameRunes, true},
		{"补充说明", r.Text, maxTextRunes, false},
		{"投诉入口", r.Complaint, maxNameRunes * 4, true},
		{"确认人", r.InviteConfirmed, maxNameRunes, false},
	} {
		if n := utf8.RuneCountInString(f.text); n > f.most || f.must && strings.TrimSpace(f.text) == "" || !utf8.ValidString(f.text) {
			return ErrRules.Saying("活动配置不正确：%s须为 1 到 %d 个字", f.what, f.most)
		}
	}
	return nil
}

func (r Rules) checkNumbers() error {
	if n := len(r.Amounts); n < 1 || n > maxAmounts {
		return ErrRules.Saying("活动配置不正确：金额须有 1 到 %d 档", maxAmounts)
	}
	for _, a := range r.Amounts {
		if a.Target < model.Fen(r.Helps) || a.Target < 1 || a.Target > MaxTarget || a.Weight < 1 || a.Weight > 1_000_000 {
			return ErrRules.Saying("活动配置不正确：每档金额须在 %d 分到 %s之间，权重为正", max(r.Helps, 1), MaxTarget.Yuan())
		}
		if r.Prize.Kind != model.PhoneCreditPrize && (r.Prize.PerYuan < 1 || r.Prize.PerYuan > 1_000_000 || int64(a.Target)*r.Prize.PerYuan%100 != 0) {
			return ErrRules.Saying("活动配置不正确：%s不能折合成整数份奖品", a.Target.Yuan())
		}
	}
	for _, f := range []struct {
		what       string
		value, top int64
	}{
		{"助力人数", int64(r.Helps), MaxHelps},
		{"红包有效小时数", int64(r.PotHours), MaxPotHours},
		{"每人可开红包数", int64(r.PotsEach), MaxPots},
		{"每人每天助力次数", int64(r.HelpsPerDay), MaxDayHelps},
		{"预算", int64(r.Budget), int64(MaxBudget)},
	} {
		if f.value < 1 || f.value > f.top {
			return ErrRules.Saying("活动配置不正确：%s须在 1 到 %d 之间", f.what, f.top)
		}
	}
	if r.Budget < r.largest() {
		return ErrRules.Saying("活动配置不正确：预算不足以开一个红包")
	}
	if r.StartsAt <= 0 || r.EndsAt <= r.StartsAt || r.EndsAt.Time().Sub(r.StartsAt.Time()) > 366*24*time.Hour {
		return ErrRules.Saying("活动配置不正确：结束时间须晚于开始时间，且不超过一年")
	}
	return nil
}

func (r Rules) checkChoices() error {
	kinds := []model.PrizeKind{model.PhoneCreditPrize, model.DataPrize, model.PointsPrize}
	switch {
	case splitByte[r.Split] == 0:
		return ErrRules.Saying("活动配置不正确：拆分方式只能是二倍均值或均分")
	case r.Unfilled != Nothing && r.Unfilled != Collected:
		return ErrRules.Saying("活动配置不正确：未凑满时只能不发或发已凑份额")
	case !slices.Contains(kinds, r.Prize.Kind):
		return ErrRules.Saying("活动配置不正确：奖品只能是话费、流量或积分")
	case r.Unfilled == Collected && r.Prize.Kind != model.PhoneCreditPrize && r.Prize.PerYuan%100 != 0:
		return ErrRules.Saying("活动配置不正确：发已凑份额时，每分钱须折合成整数份奖品")
	case len(r.Open.Plans) > maxPlans || len(r.Help.Plans) > maxPlans:
		return ErrRules.Saying("活动配置不正确：套餐最多 %d 个", maxPlans)
	}
	return nil
}

// checkSharing applies WeChat's rules on luring people into sharing.
func (r Rules) checkSharing() error {
	switch {
	case r.Surface == H5:
		return ErrRuleH5
	case r.Surface != MiniProgram:
		return ErrRules.Saying("活动配置不正确：玩法须在小程序内")
	case r.AmountAtEnd:
		return ErrRuleChance
	case r.Unfilled == Collected && r.Split != Equal:
		// The order of unequal shares is hidden until the end, so what an unfilled
		// pot gives would hang on luck.
		return ErrRuleChance.Saying("违反分享规范「利益取决于运气」：未凑满时发已凑份额，须用均分")
	case r.ShareReward != 0:
		return ErrRuleShareReward
	case r.InviteReward != 0 && strings.TrimSpace(r.InviteConfirmed) == "":
		return ErrRuleRecruiting
	}
	if word := lures(r.Title, slices.Concat(rewarding, luring)...); word != "" {
		return ErrRuleTitle.Saying("违反分享规范「诱导文案」：标题不得含「%s」", word)
	}
	if word := lures(r.Text, rewarding...); word != "" {
		return ErrRuleTitle.Saying("违反分享规范「诱导文案」：补充说明不得含「%s」", word)
	}
	return nil
}

// largest is the highest target that an opening may get.
func (r Rules) largest() model.Fen {
	var top model.Fen
	for _, a := range r.Amounts {
		top = max(top, a.Target)
	}
	return top
}

// smallest is the lowest target that an opening may get.
func (r Rules) smallest() model.Fen {
	low := r.largest()
	for _, a := range r.Amounts {
		low = min(low, a.Target)
	}
	return low
}

// admits tells why somebody may not take part, or nil. A plan is a number's.
func (a Audience) admits(who Visitor, game *Game) error {
	switch {
	case (a.Bound || len(a.Plans) > 0) && !who.Member.Bound():
		return ErrNotBound
	case a.Follower && !who.Member.Follows:
		return ErrNotFollower
	case len(a.Plans) > 0 && who.PlanUnknown:
		return ErrPlanUnknown
	case len(a.Plans) > 0 && !slices.Contains(a.Plans, who.Plan):
		return ErrNotOnPlan
	case a.New && who.Member.JoinedAt < game.Rules.StartsAt:
		return ErrNotNew
	}
	return nil
}

// say writes who is admitted, for the rules on the first screen.
func (a Audience) say() string {
	var parts []string
	if a.Bound {
		parts = append(parts, "已绑定手机号")
	}
	if a.Follower {
		parts = append(parts, "已关注公众号")
	}
	if len(a.Plans) > 0 {
		parts = append(parts, "使用指定套餐")
	}
	if a.New {
		parts = append(parts, "活动开始后新加入")
	}
	if len(parts) == 0 {
		return "所有用户"
	}
	return strings.Join(parts, "、") + "的用户"
}

// quantity is how much of the prize's own unit an amount of fen is.
func (p PrizeRule) quantity(value model.Fen) int64 {
	if p.Kind == model.PhoneCreditPrize {
		return int64(value)
	}
	return int64(value) * p.PerYuan / 100
}

// Say writes a prize worth the amount, as a person reads it.
func (p PrizeRule) Say(value model.Fen) string {
	switch p.Kind {
	case model.DataPrize:
		if mb := p.quantity(value); mb%1024 == 0 {
			return fmt.Sprintf("%dGB流量", mb/1024)
		}
		return fmt.Sprintf("%dMB流量", p.quantity(value))
	case model.PointsPrize:
		return fmt.Sprintf("%d积分", p.quantity(value))
	default:
		return value.Yuan() + "话费"
	}
}

// Lines are the full rules as sentences, for the first screen: what the sharing
// rules demand stands there before anything is shared.
func (r Rules) Lines() []string {
	var amounts []string
	for _, a := range r.Amounts {
		amounts = append(amounts, r.Prize.Say(a.Target))
	}
	amount := "每个红包为" + amounts[0] + "。"
	if len(amounts) > 1 {
		amount = "红包金额为" + strings.Join(amounts, "、") + "之一，开启时即确定并展示，与分享无关。"
	}
	split := "每次助力的金额按二倍均值法预先确定，清单全部公示，凑满后可验证。"
	if r.Split == Equal {
		split = "每次助力的金额相同（不足一分的差额由前几位多一分）。"
	}
	unfilled := "到期未凑满，红包作废，不发放奖励。"
	if r.Unfilled == Collected {
		unfilled = "到期未凑满，发放已凑到的份额。"
	}
	const at = "2006年1月2日15:04"
	lines := []string{
		"活动时间：" + r.StartsAt.Time().Format(at) + " 至 " + r.EndsAt.Time().Format(at) + "。",
		amount,
		fmt.Sprintf("每个红包需要 %d 位好友助力，自开启起 %d 小时内有效，且不晚于活动结束。", r.Helps, r.PotHours),
		split,
		unfilled,
		fmt.Sprintf("每人最多开启 %d 个红包；每人每天最多助力 %d 次，同一红包只能助力一次，不能为自己助力。", r.PotsEach, r.HelpsPerDay),
		"可开启红包：" + r.Open.say() + "。可助力：" + r.Help.say() + "。",
		"投诉与反馈：" + r.Complaint + "。",
	}
	if r.Text != "" {
		lines = append(lines, r.Text)
	}
	return lines
}
