package audience

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// row is what is known of a person.
type row = db.AudiencePortrait

// sort is the type of an attribute, as a condition and a portrait treat it.
type sort string

// The sorts. What the value of a condition is, in JSON, stands beside.
const (
	sortFlag   sort = "flag"   // true, false
	sortChoice sort = "choice" // one of Choices
	sortNumber sort = "number" // whole number
	sortFen    sort = "fen"    // whole number of fen
	sortRatio  sort = "ratio"  // whole number of basis points: 9000 is 90 %
	sortMonths sort = "months" // whole months until today
	sortMonth  sort = "month"  // month of the year, 1–12
	sortWord   sort = "word"   // text, compared whole
	sortSet    sort = "set"    // one or more of Choices, any of which is enough
)

// choice is one value of an attribute with few values.
type choice struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	code  int64
}

// attribute is one thing that is known of a person.
type attribute struct {
	Key     string   `json:"key"`
	Title   string   `json:"title"`
	Sort    sort     `json:"sort"`
	Choices []choice `json:"choices,omitempty"`

	column  string // of audience_portrait; a constant of this file
	unknown int64  // the value that stands for "not known"
	lowest  int64
	highest int64
	number  func(*row) int64
	word    func(*row) string
}

// choices numbers the titles from 1 on: "male 男" has the key male.
func choices(all ...string) []choice {
	made := make([]choice, len(all))
	for i, s := range all {
		key, title, _ := strings.Cut(s, " ")
		made[i] = choice{key, title, int64(i + 1)}
	}
	return made
}

// bits makes the choices of a set: powers of two.
func bits(all ...string) []choice {
	made := choices(all...)
	for i := range made {
		made[i].code = 1 << i
	}
	return made
}

// The choices that more than one place needs.
var (
	stageChoices = choices("passer 过客", "watcher 看客", "customer 顾客", "member 会员", "friend 朋友", "partner 伙伴")
	curveChoices = choices("falling 下降", "level 平稳", "rising 上升")
	interests    = bits("video 视频", "music 音乐", "game 游戏", "reading 阅读", "shopping 购物", "travel 出行", "sport 体育",
		"education 教育", "finance 财经", "family 亲子", "food 美食", "health 健康", "news 资讯", "photo 摄影")
)

// The bounds of what a file may say.
const (
	maxFen    = 100_000_00       // ¥100,000 a month
	maxRatio  = 100_000          // 1,000 %
	maxCount  = 1_000_000        // of anything counted
	maxMonths = 12 * 60          // of tenure
	maxWord   = 20               // characters
	maxDay    = math.MaxInt32    // of a column that holds a day
	noNumber  = -1               // a number that is not known
	maxBits   = int64(1)<<14 - 1 // all interests
)

func flag(key, title, column string, get func(*row) int64) attribute {
	return attribute{Key: key, Title: title, Sort: sortFlag, column: column, unknown: noNumber, highest: math.MaxInt64, number: get}
}

func chosen(key, title, column string, all []choice, get func(*row) int32) attribute {
	return attribute{
		Key: key, Title: title, Sort: sortChoice, Choices: all, column: column, lowest: 1, highest: int64(len(all)),
		number: func(r *row) int64 { return int64(get(r)) },
	}
}

func amount(key, title string, s sort, column string, highest int64, get func(*row) int64) attribute {
	return attribute{Key: key, Title: title, Sort: s, column: column, unknown: noNumber, highest: highest, number: get}
}

func word(key, title, column string, get func(*row) string) attribute {
	return attribute{Key: key, Title: title, Sort: sortWord, column: column, word: get}
}

// attributes is every attribute, in the order of a portrait.
var attributes = []attribute{
	flag("joined", "成为会员", "joined_at", func(r *row) int64 { return r.JoinedAt }),
	flag("follows", "关注公众号", "follows", func(r *row) int64 { return one(r.Follows) }),
	flag("bound", "绑定手机号", "bound_at", func(r *row) int64 { return r.BoundAt }),
	chosen("stage", "生命周期阶段", "stage", stageChoices, func(r *row) int32 { return r.Stage }),
	chosen("gender", "性别", "gender", choices("male 男", "female 女"), func(r *row) int32 { return r.Gender }),
	{
		Key: "birth_month", Title: "生日月份", Sort: sortMonth, column: "birth", lowest: 101, highest: 1231,
		number: func(r *row) int64 { return int64(r.Birth) },
	},
	{
		Key: "tenure", Title: "网龄", Sort: sortMonths, column: "since_day", lowest: 1, highest: maxDay,
		number: func(r *row) int64 { return int64(r.SinceDay) },
	},
	chosen("payment", "付费方式", "prepaid", choices("prepaid 预付费", "postpaid 后付费"), func(r *row) int32 { return r.Prepaid }),
	word("plan", "套餐", "plan", func(r *row) string { return r.Plan }),
	word("province", "省份", "province", func(r *row) string { return r.Province }),
	word("city", "城市", "city", func(r *row) string { return r.City }),
	word("device", "终端", "device", func(r *row) string { return r.Device }),
	chosen("tier", "价值等级", "tier", choices("low 低价值", "middle 中价值", "high 高价值", "top 尊享"), func(r *row) int32 { return r.Tier }),
	amount("arpu", "近3个月平均ARPU", sortFen, "arpu", maxFen, func(r *row) int64 { return r.Arpu }),
	amount("arpu1", "上月ARPU", sortFen, "arpu1", maxFen, func(r *row) int64 { return r.Arpu1 }),
	amount("arpu2", "上上月ARPU", sortFen, "arpu2", maxFen, func(r *row) int64 { return r.Arpu2 }),
	amount("arpu3", "三个月前ARPU", sortFen, "arpu3", maxFen, func(r *row) int64 { return r.Arpu3 }),
	chosen("arpu_curve", "ARPU走势", "arpu_curve", curveChoices, func(r *row) int32 { return r.ArpuCurve }),
	amount("data1", "上月流量使用率", sortRatio, "data1", maxRatio, func(r *row) int64 { return int64(r.Data1) }),
	amount("data2", "上上月流量使用率", sortRatio, "data2", maxRatio, func(r *row) int64 { return int64(r.Data2) }),
	amount("data3", "三个月前流量使用率", sortRatio, "data3", maxRatio, func(r *row) int64 { return int64(r.Data3) }),
	chosen("data_curve", "流量走势", "data_curve", curveChoices, func(r *row) int32 { return r.DataCurve }),
	amount("festival_taps", "去年春节点击次数", sortNumber, "festival_taps", maxCount, func(r *row) int64 { return int64(r.FestivalTaps) }),
	amount("festival_helps", "去年春节助力次数", sortNumber, "festival_helps", maxCount, func(r *row) int64 { return int64(r.FestivalHelps) }),
	amount("festival_spent", "去年春节消费", sortFen, "festival_spent", maxFen, func(r *row) int64 { return r.FestivalSpent }),
	{
		Key: "interest", Title: "兴趣", Sort: sortSet, Choices: interests, column: "interests", highest: maxBits,
		number: func(r *row) int64 { return r.Interests },
	},
}

// byKey finds an attribute.
var byKey = func() map[string]*attribute {
	found := make(map[string]*attribute, len(attributes))
	for i := range attributes {
		found[attributes[i].Key] = &attributes[i]
	}
	return found
}()

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// choice finds a value by its key or its title.
func (at *attribute) choice(s string) (choice, bool) {
	for _, c := range at.Choices {
		if c.Key == s || c.Title == s {
			return c, true
		}
	}
	return choice{}, false
}

// known tells whether the row has the fact.
func (at *attribute) known(r *row) bool {
	if at.Sort == sortWord {
		return at.word(r) != ""
	}
	return at.number(r) != at.unknown
}

// text is the fact as a person reads it; 未知 when it is not known.
func (at *attribute) text(r *row, today model.Day) string {
	if !at.known(r) {
		return "未知"
	}
	if at.Sort == sortWord {
		return at.word(r)
	}
	n := at.number(r)
	switch at.Sort {
	case sortFlag:
		return map[bool]string{true: "是", false: "否"}[n > 0]
	case sortMonth:
		return fmt.Sprintf("%d月%d日", n/100, n%100)
	case sortMonths:
		return monthsText(tenure(model.Day(n), today)) // a day of an INT column
	}
	return at.say(n)
}

// say writes a value of a condition as a person reads it.
func (at *attribute) say(n int64) string {
	switch at.Sort {
	case sortFen:
		return model.Fen(n).Yuan()
	case sortRatio:
		return percent(n)
	case sortMonths:
		return monthsText(int(n)) // bounded by maxMonths
	case sortMonth:
		return strconv.FormatInt(n, 10) + "月"
	case sortChoice, sortSet:
		var titles []string
		for _, c := range at.Choices {
			if n == c.code || at.Sort == sortSet && n&c.code != 0 {
				titles = append(titles, c.Title)
			}
		}
		return strings.Join(titles, "、")
	}
	return strconv.FormatInt(n, 10)
}

// percent writes basis points: 90%, 87.5%, 0.05%.
func percent(n int64) string {
	s := fmt.Sprintf("%d.%02d", n/100, n%100)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"
}

func monthsText(n int) string {
	if n >= 12 && n%12 == 0 {
		return fmt.Sprintf("%d年", n/12)
	}
	return fmt.Sprintf("%d个月", n)
}

// tenure is how many whole months lie between the days.
func tenure(since, today model.Day) int {
	from, to := since.Start(), today.Start()
	n := (to.Year()-from.Year())*12 + int(to.Month()) - int(from.Month())
	if to.Day() < from.Day() {
		n--
	}
	return n
}

// tenured is the last day since which somebody has n whole months of tenure today.
func tenured(n int, today model.Day) model.Day {
	to := today.Start()
	y, m := to.Year(), int(to.Month())-n
	for m < 1 {
		y, m = y-1, m+12
	}
	first := model.DayOf(model.Day(0).Start().AddDate(y-1970, m-1, 0))
	length := int(model.DayOf(model.Day(0).Start().AddDate(y-1970, m, 0)) - first)
	return first + model.Day(min(to.Day(), length)-1)
}
