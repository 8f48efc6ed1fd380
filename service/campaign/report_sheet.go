package campaign

import (
	"cmp"
	"fmt"
	"io"

	"kaimenhong/model"
	"kaimenhong/model/sheet"
)

// cutTitles are the sheets of the cuts, in their order.
var cutTitles = []struct {
	cut   Cut
	title string
}{
	{ByVariant, "按版本"}, {ByChannel, "按渠道"}, {BySegment, "按人群"}, {ByCity, "按城市"}, {ByHour, "按小时"}, {ByWhy, "未发送原因"},
}

// Cuts are the cuts with their Chinese names, in the order of a page.
func Cuts() map[Cut]string {
	names := make(map[Cut]string, len(cutTitles))
	for _, c := range cutTitles {
		names[c.cut] = c.title
	}
	return names
}

// FunnelStep is one step of the funnel.
type FunnelStep struct {
	Name   string `json:"name"`
	People int64  `json:"people"`
}

// Funnel is how many of the treated people came how far.
func (r *Report) Funnel() []FunnelStep {
	g := r.Treated
	return []FunnelStep{
		{"活动组", g.People}, {"已发送", g.Reached}, {"已送达", g.Delivered}, {"已点击", g.Tapped},
		{"参与", g.Played}, {"好友打开", g.Opened}, {"办理优惠", g.Took}, {"购买", g.Bought}, {"新关注", g.Followed},
	}
}

// WriteSheet writes the report as a workbook: what decides first, the raw numbers
// after, the definitions last. No cell is a formula, and none is taken for one.
func (r *Report) WriteSheet(out io.Writer) error {
	var b book
	b.rows("结论", r.conclusion())
	b.rows("漏斗", r.funnelRows())
	b.rows("明细", r.totals())
	for _, c := range cutTitles {
		b.rows(c.title, r.cutRows(c.cut))
	}
	rows := [][]any{{"指标", "口径"}}
	for _, d := range Definitions {
		rows = append(rows, []any{d.Name, d.Text})
	}
	b.rows("口径", rows)
	if err := sheet.Write(out, b.tables); err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	return nil
}

// cutRows are the lines of one cut, with the uplift where a line has people held out.
func (r *Report) cutRows(cut Cut) [][]any {
	head := []any{"名称", "计划", "已发送", "已送达", "已点击", "活动组人数", "对照组人数", "参与", "办理优惠", "购买", "消费（元）", "新关注", "对照组办理优惠", "对照组购买", "对照组消费（元）"}
	if cut == BySegment || cut == ByCity {
		for _, m := range measures {
			head = append(head, m.name, "95%区间下限", "95%区间上限")
		}
	}
	rows := [][]any{head}
	for _, l := range r.Lines {
		if l.Cut != cut {
			continue
		}
		m, t, h := l.Messages, l.Treated, l.Held
		row := []any{cmp.Or(l.Title, l.Name), m.Planned, m.Sent, m.Delivered, m.Tapped, t.People, h.People, t.Played, t.Took, t.Bought, yuan(t.Spent.Sum), t.Followed, h.Took, h.Bought, yuan(h.Spent.Sum)}
		if l.Uplift != nil {
			for _, m := range measures {
				row = append(row, interval(m.of(l.Uplift), m.by)...)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// measures are what the two groups are compared by, in the order of a page, each in the
// unit of its name.
var measures = []struct {
	name string
	of   func(*Uplift) *Interval
	by   float64
}{
	{"人均新关注增量（含带来的好友）", func(u *Uplift) *Interval { return u.Followers }, 1},
	{"关注率增量（百分点）", func(u *Uplift) *Interval { return u.Followed }, 100},
	{"参与率增量（百分点）", func(u *Uplift) *Interval { return u.Played }, 100},
	{"办理优惠率增量（百分点）", func(u *Uplift) *Interval { return u.Took }, 100},
	{"购买率增量（百分点）", func(u *Uplift) *Interval { return u.Bought }, 100},
	{"人均消费增量（元）", func(u *Uplift) *Interval { return u.Spent }, 0.01},
}

func yuan(fen int64) float64 { return float64(fen) / 100 }

func (r *Report) conclusion() [][]any {
	u := r.Uplift
	rows := [][]any{
		{"活动", r.Name},
		{"统计期", r.From.Time().Format("2006-01-02") + " 至 " + (r.To - 1).Time().Format("2006-01-02")},
		{"更新时间", r.ComputedAt.Time().Format("2006-01-02 15:04")},
		{},
		{"指标", "数值", "95%区间下限", "95%区间上限"},
		price("每增量关注成本（元）", u.PerFollower, 100),
		price("每增量元成本（元）", u.PerYuan, 1),
	}
	for _, m := range measures {
		rows = append(rows, append([]any{m.name}, interval(m.of(&u), m.by)...))
	}
	rows = append(rows, []any{"奖品成本（元）", yuan(int64(r.Cost))})
	if r.CostNote != "" {
		rows = append(rows, []any{"成本说明", r.CostNote})
	}
	if u.Why != "" {
		rows = append(rows, []any{}, []any{"说明", u.Why})
	}
	return rows
}

// interval is three cells.
func interval(i *Interval, by float64) []any {
	if i == nil {
		return []any{"数据不足", "", ""}
	}
	return []any{i.Value * by, i.Low * by, i.High * by}
}

func price(name string, p *Price, by float64) []any {
	switch {
	case p == nil:
		return []any{name, "数据不足"}
	case !p.Known:
		return []any{name, "没有增量，无法计算"}
	case !p.Bounded:
		return []any{name, p.Value / by, p.Low / by, "没有上限（增量区间包含0）"}
	}
	return []any{name, p.Value / by, p.Low / by, p.High / by}
}

func (r *Report) funnelRows() [][]any {
	rows := [][]any{{"步骤", "人数", "占活动组"}}
	for _, s := range r.Funnel() {
		share := 0.0
		if r.Treated.People > 0 {
			share = float64(s.People) / float64(r.Treated.People)
		}
		rows = append(rows, []any{s.Name, s.People, share})
	}
	return rows
}

func (r *Report) totals() [][]any {
	m, t, h := r.Messages, r.Treated, r.Held
	return [][]any{
		{"消息", "数量"},
		{"计划", m.Planned}, {"已发送", m.Sent}, {"已送达", m.Delivered}, {"已点击", m.Tapped}, {"被拒绝", m.Refused}, {"已跳过", m.Skipped},
		{"结果未知", m.Unknown}, {"等待中", m.Waiting}, {"对照组", m.HeldOut},
		{},
		{"人", "活动组", "对照组"},
		{"人数", t.People, h.People}, {"参与", t.Played, h.Played}, {"好友打开", t.Opened, h.Opened}, {"打开的好友数", t.FriendsOpened, h.FriendsOpened},
		{"办理优惠人数", t.Took, h.Took}, {"购买人数", t.Bought, h.Bought}, {"购买次数", t.Purchases, h.Purchases}, {"消费（元）", yuan(t.Spent.Sum), yuan(h.Spent.Sum)},
		{"新关注", t.Followed, h.Followed}, {"新关注（含带来的好友）", t.Followers.Sum, h.Followers.Sum},
		{"7天留存", stayed(t.Retained7), stayed(h.Retained7)}, {"30天留存", stayed(t.Retained30), stayed(h.Retained30)},
		{"不参与比较", r.Mixed},
	}
}

func stayed(t Retention) string {
	if t.Of == 0 {
		return "尚未满期"
	}
	return fmt.Sprintf("%d/%d", t.Stayed, t.Of)
}

// book collects the sheets.
type book struct{ tables []sheet.Table }

func (b *book) rows(name string, rows [][]any) {
	for _, row := range rows {
		for k, v := range row {
			if s, ok := v.(string); ok {
				row[k] = sheet.Inert(s)
			}
		}
	}
	b.tables = append(b.tables, sheet.Table{Name: name, Rows: rows})
}

// Filename is what the workbook is called.
func (r *Report) Filename() string { return "report-" + model.ID(r.Campaign).String() + ".xlsx" }
