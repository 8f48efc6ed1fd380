package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"kaimenhong/model"
	"kaimenhong/service/campaign/internal/db"
)

// Report is what a campaign earned. The numbers that decide come first: Uplift.
type Report struct {
	Campaign   model.ID     `json:"campaign"`
	Name       string       `json:"name"`
	Goal       Goal         `json:"goal"`
	ComputedAt model.Millis `json:"computedAt"`
	From       model.Millis `json:"from"`
	To         model.Millis `json:"to"`      // what happened before this instant is counted
	Holdout    int          `json:"holdout"` // per cent
	Cost       model.Fen    `json:"cost"`    // of prizes
	CostNote   string       `json:"costNote,omitempty"`
	Games      []model.ID   `json:"games"` // whose prizes it is
	Offer      string       `json:"offer"` // the kit's; empty: it has none

	Uplift   Uplift   `json:"uplift"`
	Messages Messages `json:"messages"`
	Treated  Group    `json:"treated"`
	Held     Group    `json:"held"`
	Mixed    int64    `json:"mixed"` // people who are in neither group
	Lines    []Line   `json:"lines"`
}

// Messages are counts of messages, of which one person may have had several.
type Messages struct {
	Planned   int64 `json:"planned"`
	Sent      int64 `json:"sent"`
	Delivered int64 `json:"delivered"`
	Tapped    int64 `json:"tapped"`
	Refused   int64 `json:"refused"`
	Skipped   int64 `json:"skipped"`
	Unknown   int64 `json:"unknown"`
	Waiting   int64 `json:"waiting"`
	HeldOut   int64 `json:"heldOut"`
}

// Group are counts of people, each once.
type Group struct {
	People        int64     `json:"people"`
	Reached       int64     `json:"reached"` // sent a message at least
	Delivered     int64     `json:"delivered"`
	Tapped        int64     `json:"tapped"`
	Played        int64     `json:"played"`
	Opened        int64     `json:"opened"`        // whose card a friend opened
	FriendsOpened int64     `json:"friendsOpened"` // how many friends did
	Took          int64     `json:"took"`          // the kit's offer
	Bought        int64     `json:"bought"`
	Purchases     int64     `json:"purchases"`
	Followed      int64     `json:"followed"`
	Followers     moments   `json:"followers"` // themselves and the friends they brought
	Spent         moments   `json:"spent"`     // fen
	Retained7     Retention `json:"retained7"`
	Retained30    Retention `json:"retained30"`
}

// Retention is how many of the new followers stayed, of those who could be asked about.
type Retention struct {
	Of     int64 `json:"of"`
	Stayed int64 `json:"stayed"`
}

// Cut is a way of dividing people.
type Cut string

// The cuts.
const (
	ByVariant Cut = "variant"
	ByChannel Cut = "channel"
	BySegment Cut = "segment"
	ByCity    Cut = "city"
	ByHour    Cut = "hour"
	ByWhy     Cut = "why" // messages that were not sent, by reason
)

// Line is one part of a cut. A variant is named by its step, 71/A, for each step has an A
// of its own. A variant, a channel and an hour have no holdout of their
// own, so that their numbers are compared among each other alone.
type Line struct {
	Cut      Cut      `json:"cut"`
	Name     string   `json:"name"`
	Title    string   `json:"title,omitempty"` // the name in words
	Messages Messages `json:"messages"`
	Treated  Group    `json:"treated"`
	Held     Group    `json:"held"`
	Uplift   *Uplift  `json:"uplift,omitempty"` // of a segment and a city
}

type cutKey struct {
	cut  Cut
	name string
}

// The bounds of a cut: what lies beyond is added up as one line.
const (
	maxLines    = 400 // of one cut
	maxLineName = 20  // characters
	unknownName = "未知"
	otherName   = "其他"
)

// line finds or makes a line.
func (run *run) line(cut Cut, name string) *Line {
	if r := []rune(name); len(r) > maxLineName && cut != ByWhy && cut != ByVariant {
		name = string(r[:maxLineName])
	}
	if len(name) > 64 {
		name = otherName
	}
	if l := run.cuts[cutKey{cut, name}]; l != nil {
		return l
	}
	n := 0
	for key := range run.cuts {
		if key.cut == cut {
			n++
		}
	}
	if n >= maxLines {
		name = otherName
	}
	l := run.cuts[cutKey{cut, name}]
	if l == nil {
		l = &Line{Cut: cut, Name: name}
		run.cuts[cutKey{cut, name}] = l
	}
	return l
}

// Uplift is what the campaign made more than doing nothing, for one person, with the
// interval of 95 %; a nil one says that there is not enough data.
type Uplift struct {
	Followers *Interval `json:"followers"` // new followers a person, friends included
	Followed  *Interval `json:"followed"`  // share of people who began to follow
	Played    *Interval `json:"played"`
	Took      *Interval `json:"took"` // the kit's offer
	Bought    *Interval `json:"bought"`
	Spent     *Interval `json:"spent"` // fen a person
	// PerFollower is fen for one more follower, PerYuan yuan for one more yuan spent.
	PerFollower *Price `json:"perFollower"`
	PerYuan     *Price `json:"perYuan"`
	// Why says what is missing where something is.
	Why string `json:"why,omitempty"`
}

// upliftOf compares the groups.
func upliftOf(treated, held Group, cost model.Fen) Uplift {
	var u Uplift
	share := func(of func(Group) int64) *Interval {
		k1, k2 := of(treated), of(held)
		if !enough(treated.People, held.People, k1+k2) {
			return nil
		}
		i := proportions(k1, treated.People, k2, held.People)
		return &i
	}
	mean := func(of func(Group) moments, events int64) *Interval {
		if !enough(treated.People, held.People, events) {
			return nil
		}
		i := means(of(treated), of(held))
		return &i
	}
	u.Followed = share(func(g Group) int64 { return g.Followed })
	u.Played = share(func(g Group) int64 { return g.Played })
	u.Took = share(func(g Group) int64 { return g.Took })
	u.Bought = share(func(g Group) int64 { return g.Bought })
	u.Followers = mean(func(g Group) moments { return g.Followers }, treated.Followers.Sum+held.Followers.Sum)
	u.Spent = mean(func(g Group) moments { return g.Spent }, treated.Bought+held.Bought)
	if u.Followers != nil {
		p := ratio(float64(cost), *u.Followers, treated.People)
		u.PerFollower = &p
	}
	if u.Spent != nil {
		p := ratio(float64(cost), *u.Spent, treated.People)
		u.PerYuan = &p
	}
	switch {
	case treated.People < minPeople || held.People < minPeople:
		u.Why = fmt.Sprintf("数据不足：活动组%d人、对照组%d人，每组至少要有%d人才能比较", treated.People, held.People, minPeople)
	case u.Followed == nil || u.Bought == nil || u.Spent == nil || u.Followers == nil || u.Played == nil || u.Took == nil && treated.Took+held.Took > 0:
		u.Why = fmt.Sprintf("部分指标数据不足：两组合计发生不到%d次的指标不做比较", minEvents)
	}
	return u
}

// Report reads a report as it was last computed.
//
// Errors: ErrNoReport.
func (r *Reports) Report(ctx context.Context, campaign model.ID) (Report, error) {
	row, err := r.q.ReportHead(ctx, int64(campaign))
	if errors.Is(err, sql.ErrNoRows) || err == nil && row.ComputedAt == 0 {
		return Report{}, ErrNoReport
	}
	if err != nil {
		return Report{}, fmt.Errorf("read the report of campaign %s: %w", campaign, err)
	}
	var out Report
	if err := json.Unmarshal([]byte(row.Body), &out); err != nil {
		return Report{}, fmt.Errorf("read the report of campaign %s: %w", campaign, err)
	}
	out.ComputedAt = model.Millis(row.ComputedAt)
	out.Uplift = upliftOf(out.Treated, out.Held, out.Cost)
	cuts, err := r.q.ReportCuts(ctx, db.ReportCutsParams{CampaignID: int64(campaign), Limit: 6 * (maxLines + 1)})
	if err != nil {
		return Report{}, fmt.Errorf("read the report of campaign %s: %w", campaign, err)
	}
	out.Lines = make([]Line, 0, len(cuts))
	for _, c := range cuts {
		var l Line
		if err := json.Unmarshal([]byte(c.Body), &l); err != nil {
			return Report{}, fmt.Errorf("read a line of the report of campaign %s: %w", campaign, err)
		}
		if l.Cut == BySegment || l.Cut == ByCity {
			u := upliftOf(l.Treated, l.Held, 0)
			u.PerFollower, u.PerYuan = nil, nil // prizes are not divided by city
			l.Uplift = &u
		}
		l.Title = cmp.Or(l.Title, r.title(l.Cut, l.Name))
		out.Lines = append(out.Lines, l)
	}
	return out, nil
}

// title says the name of a line in words.
func (r *Reports) title(cut Cut, name string) string {
	switch cut {
	case ByChannel:
		return cmp.Or(channelNames[model.Channel(name)], name)
	case ByWhy:
		return r.opts.Reason(name)
	case ByHour:
		return name + "点"
	case ByVariant:
		return "版本" + name[strings.LastIndex(name, "/")+1:]
	}
	return name
}

// Definition is what a number of a report means.
type Definition struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Text string `json:"text"`
}

// Definitions stand beside the numbers.
var Definitions = []Definition{
	{"window", "统计期", "从活动开始当天到活动结束后第7天（按自然日，北京时间），两组相同。"},
	{"treated", "活动组", "分到活动组的全部人，无论是否成功触达（意向治疗原则），避免只数“发得到的人”而高估效果。"},
	{"held", "对照组", "按稳定随机桶留出、不发送任何推送的人。"},
	{"mixed", "不参与比较", "活动期间对照比例改变过，既被留出又被触达的人，只计入明细，不参与比较。"},
	{"planned", "计划", "活动组的推送记录数，一人一次推送一条；对照组不计。"},
	{"sent", "已发送", "微信接口返回成功的消息数；结果未知的另列，不计入已发送，也不会重发。"},
	{"delivered", "已送达", "微信回调报告送达的消息数；没有送达回执的渠道不计。"},
	{"tapped", "已点击", "会员点开推送进入小程序或页面的消息数，每条只计一次。"},
	{"played", "参与", "统计期内发起过众筹红包的人数。"},
	{"opened", "好友打开", "发出的卡片有好友打开并助力的人数；好友数另列。"},
	{"took", "办理优惠", "统计期内办理了组合里的优惠的人数，每人只计一次：在积分商城兑换（流量包指能兑到它的礼品）且没有退回，或运营商的购买记录里有同一产品编码。没有填产品编码的购买只计入“购买”。组合没有优惠时不计。"},
	{"bought", "购买", "统计期内充值、办理流量包或购买其他商品的人数。"},
	{"spent", "消费", "统计期内上述购买的金额合计。"},
	{"followed", "新关注", "统计期内开始关注公众号、此前未关注的人数。"},
	{"followers", "人均带来新关注", "本人新关注，加上首次为其助力且在统计期内新关注的好友；好友自己也在活动组或对照组的，只在他自己的组里计一次。"},
	{"retained", "留存", "新关注满7天（30天）的人中，届时仍未取消关注的比例；未满天数的不计入分母。"},
	{"uplift", "增量", "活动组减对照组。比例用Newcombe混合得分区间，人均金额用Welch区间，均为95%。区间包含0表示不能断定有效果。"},
	{"cost", "成本", "活动所用游戏已发放及在途的奖品金额，包括活动人群以外的人赢得的；几个活动共用一个游戏时，每个活动都是整个游戏的金额。微信消息不另计费。"},
	{"perFollower", "每增量关注成本", "成本 ÷（人均新关注增量 × 活动组人数）。没有增量时不计算。"},
	{"perYuan", "每增量元成本", "成本 ÷（人均消费增量 × 活动组人数）。小于1表示带来的消费超过奖品成本。"},
	{"lines", "分项", "按版本：每个步骤的版本分开，一人在每个步骤里各计一次。按渠道、按小时：人归到他收到的第一条消息，消息各计各的。按人群、按城市：按统计时的画像。"},
	{"enough", "数据不足", "任一组不到100人，或该指标两组合计不到5次，不给出增量。"},
}
