package redpacket

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

func TestAGameThatBreaksARuleIsRefusedWithTheRuleNamed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Rules)
		want   error
		says   string
	}{
		{"a sound game", func(*Rules) {}, nil, ""},
		{"a table of amounts, fixed and shown on opening", func(r *Rules) { r.Amounts = []Amount{{1000, 9}, {5000, 1}} }, nil, ""},
		{"unequal shares with nothing for an unfilled pot", func(r *Rules) { r.Unfilled = Nothing }, nil, ""},
		{"points", func(r *Rules) { r.Prize = PrizeRule{model.PointsPrize, 100} }, nil, ""},

		{"an amount known only at the end", func(r *Rules) { r.AmountAtEnd = true }, ErrRuleChance, "运气"},
		{"a collected sum that hangs on a hidden order", func(r *Rules) { r.Unfilled = Collected }, ErrRuleChance, "均分"},
		{"assist on H5", func(r *Rules) { r.Surface = H5 }, ErrRuleH5, "H5 助力"},
		{"a reward for sharing", func(r *Rules) { r.ShareReward = 1 }, ErrRuleShareReward, "分享奖励"},
		{"a recruiting reward nobody answers for", func(r *Rules) { r.InviteReward = 100; r.InviteConfirmed = " " }, ErrRuleRecruiting, "拉新奖励"},
		{"a recruiting reward that is confirmed", func(r *Rules) { r.InviteReward = 100; r.InviteConfirmed = "王经理" }, nil, ""},
		{"a title that lures", func(r *Rules) { r.Title = "分享得话费" }, ErrRuleTitle, "分享得"},
		{"a title that lures with a gap", func(r *Rules) { r.Title = "分 享·得话费" }, ErrRuleTitle, "分享得"},
		{"a title that lures with what nobody sees", func(r *Rules) { r.Title = "朋\u200b友圈" }, ErrRuleTitle, "朋友圈"},
		{"a text that rewards sharing", func(r *Rules) { r.Text = "每次分享，领 5 元" }, ErrRuleTitle, "补充说明不得含「分享领」"},
		{"a text that warns", func(r *Rules) { r.Text = "请勿转发到朋友圈" }, nil, ""},

		{"no name", func(r *Rules) { r.Name = " " }, ErrRules, "名称"},
		{"a name too long", func(r *Rules) { r.Name = strings.Repeat("长", 31) }, ErrRules, "名称"},
		{"no complaint entry", func(r *Rules) { r.Complaint = "" }, ErrRules, "投诉"},
		{"no amount", func(r *Rules) { r.Amounts = nil }, ErrRules, "金额"},
		{"less than a fen each", func(r *Rules) { r.Helps = 1001 }, ErrRules, "金额"},
		{"a zero too many", func(r *Rules) { r.Amounts[0].Target = MaxTarget + 1 }, ErrRules, "金额"},
		{"no weight", func(r *Rules) { r.Amounts[0].Weight = 0 }, ErrRules, "权重"},
		{"no helps", func(r *Rules) { r.Helps = 0 }, ErrRules, "助力人数"},
		{"no hours", func(r *Rules) { r.PotHours = 0 }, ErrRules, "小时"},
		{"no pots", func(r *Rules) { r.PotsEach = 0 }, ErrRules, "可开"},
		{"no helps a day", func(r *Rules) { r.HelpsPerDay = 0 }, ErrRules, "每天"},
		{"a budget below one pot", func(r *Rules) { r.Budget = 999 }, ErrRules, "预算"},
		{"an end before its start", func(r *Rules) { r.EndsAt = r.StartsAt }, ErrRules, "结束时间"},
		{"an unknown split", func(r *Rules) { r.Split = "lucky" }, ErrRules, "拆分"},
		{"an unknown promise", func(r *Rules) { r.Unfilled = "maybe" }, ErrRules, "未凑满"},
		{"an unknown prize", func(r *Rules) { r.Prize.Kind = "car" }, ErrRules, "奖品"},
		{"data that is no whole megabyte", func(r *Rules) { r.Prize = PrizeRule{model.DataPrize, 3}; r.Amounts[0].Target = 1050 }, ErrRules, "整数"},
		{"no surface", func(r *Rules) { r.Surface = "" }, ErrRules, "小程序"},
	} {
		r := someRules(newClock())
		r.Amounts = slices.Clone(r.Amounts)
		tt.change(&r)
		err := r.Validate()
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: Validate = %v, want %v", tt.name, err, tt.want)
			continue
		}
		var text string
		if f := (*fault.Error)(nil); errors.As(err, &f) {
			text = f.Text
		}
		if !strings.Contains(text, tt.says) {
			t.Errorf("%s: it says %q, want %q in it", tt.name, text, tt.says)
		}
	}
}

func TestTheFirstScreenSaysWhatTheSharingRulesDemand(t *testing.T) {
	r := someRules(newClock())
	r.Amounts = []Amount{{1000, 9}, {5000, 1}}
	r.Help = Audience{Bound: true}
	text := strings.Join(r.Lines(), "\n")
	for _, want := range []string{
		"10元话费、50元话费之一，开启时即确定并展示", "5 位好友助力", "24 小时内有效", "2026年3月19日10:00", "二倍均值法", "到期未凑满，红包作废",
		"最多助力 3 次", "不能为自己助力", "可助力：已绑定手机号的用户", "拨打 10086",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the rules lack %q:\n%s", want, text)
		}
	}
}

func TestATableOfAmountsIsDrawnByItsWeights(t *testing.T) {
	amounts := []Amount{{100, 1}, {200, 3}}
	const draws = 8000
	counts := map[model.Fen]int{}
	for range draws {
		counts[drawTarget(amounts)]++
	}
	if c := counts[100]; c < draws/4-300 || c > draws/4+300 || counts[100]+counts[200] != draws {
		t.Errorf("drew %v, want a quarter of 1 yuan and nothing else", counts)
	}
}

func TestAPotNeverOutlivesItsGame(t *testing.T) {
	clock := newClock()
	r := someRules(clock)
	o := opening{game: &Game{Rules: r}, at: r.EndsAt.Add(-time.Hour)}
	if got := o.ends(); got != r.EndsAt {
		t.Errorf("ends = %v, want the game's end %v", got.Time(), r.EndsAt.Time())
	}
}
