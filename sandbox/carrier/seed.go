package carrier

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"kaimenhong/model"
)

// persona is a customer whom a demonstration picks by hand.
type persona struct {
	key, note string
	plan      string
	name      string
	city      int // index of places
	balance   int64
	gift      int64
	left      int64 // per mille of every data allowance that is left
	status    string
}

// personas are the first customers of every world: 13800138001 and so on.
var personas = []persona{
	{"ordinary", "普通预付费用户，余额充足", "PL-ICE-59", "张*", 0, 8652, 0, 620, "active"},
	{"low_balance", "余额不足十元", "PL-ICE-59", "李*", 1, 385, 0, 410, "active"},
	{"arrears", "已欠费停机", "PL-5G-129", "王*", 2, -4630, 0, 180, "suspended"},
	{"data_low", "流量即将用完", "PL-YOUTH-39", "陈*", 3, 2310, 1000, 18, "active"},
	{"postpaid", "后付费金卡用户", "PL-5G-129", "刘*", 4, 15200, 3000, 550, "active"},
	{"senior", "孝心卡老年用户", "PL-SENIOR-19", "赵**", 5, 4120, 0, 900, "active"},
	{"student", "校园青春卡学生", "PL-YOUTH-39", "周*", 6, 1260, 500, 330, "active"},
	{"recycled", "可一键换机主的号码", "PL-KEEP-8", "吴*", 7, 600, 0, 700, "active"},
	{"family", "家庭融合共享用户", "PL-FAMILY-199", "郑**", 8, 26800, 5000, 470, "active"},
	{"unlimited", "不限量钻石卡用户", "PL-GLOBAL-299", "孙*", 9, 58000, 0, 1000, "active"},
}

var places = [][2]string{
	{"广东省", "广州市"},
	{"广东省", "深圳市"},
	{"浙江省", "杭州市"},
	{"江苏省", "南京市"},
	{"四川省", "成都市"},
	{"山东省", "济南市"},
	{"湖北省", "武汉市"},
	{"河南省", "郑州市"},
	{"陕西省", "西安市"},
	{"北京市", "北京市"},
	{"上海市", "上海市"},
	{"湖南省", "长沙市"},
	{"福建省", "厦门市"},
	{"重庆市", "重庆市"},
	{"辽宁省", "沈阳市"},
	{"云南省", "昆明市"},
	{"安徽省", "合肥市"},
	{"广东省", "东莞市"},
	{"江苏省", "苏州市"},
	{"广西壮族自治区", "南宁市"},
}

var surnames = []rune("王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫雷龙史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常")

// weights is how often each plan is met, in per cent, in the order of plans.
var weights = []int{22, 20, 12, 14, 20, 5, 7}

func source(seed uint64, words ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintln(h, words...)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// seedLine makes the customer of an index: always the same for a seed and epoch.
func seedLine(seed uint64, epoch time.Time, index int) *line {
	epoch = epoch.In(model.Shanghai)
	r := source(seed, "line", index)
	l := &line{Index: index, Generation: 1, Status: "active", Phone: fmt.Sprintf("199%08d", index)}
	l.Name = string(surnames[r.IntN(len(surnames))]) + []string{"*", "*", "**"}[r.IntN(3)]
	place := places[r.IntN(len(places))]
	l.PlanID = drawPlan(r)
	p := planOf(l.PlanID)
	l.Since = midnight(epoch).AddDate(0, 0, -30-r.IntN(4000)).UnixMilli()
	l.Balance = int64(r.IntN(int(p.Fee))) + int64(r.IntN(5000))
	if r.IntN(100) < 6 {
		l.Balance = -int64(100 + r.IntN(int(p.Fee)))
	}
	if r.IntN(4) == 0 {
		l.Gift = int64(1+r.IntN(6)) * 500
	}
	l.Points = int64(r.IntN(20000))
	left := int64(r.IntN(1000))
	if index < len(personas) {
		who := personas[index]
		l.Phone, l.Persona, l.Note = fmt.Sprintf("1380013%04d", 8001+index), who.key, who.note
		l.Name, l.PlanID, l.Balance, l.Gift, l.Status, left = who.name, who.plan, who.balance, who.gift, who.status, who.left
		place = places[who.city]
	}
	l.Province, l.City = place[0], place[1]
	if l.Gift > 0 {
		l.GiftEnds = midnight(epoch).AddDate(0, 0, 10+r.IntN(80)).UnixMilli()
	}
	l.Month = epoch.Format("2006-01")
	l.Buckets = planBoxes(l, epoch)
	for _, b := range l.Buckets {
		b.Used = b.Total * (1000 - left) / 1000
		if b.Kind == "voice" {
			b.Used -= b.Used % 60
		}
	}
	if index >= len(personas) && r.IntN(5) == 0 {
		o := offerings[r.IntN(4)]
		l.addPack(o, epoch.AddDate(0, 0, -r.IntN(o.Days)), fmt.Sprintf("PK-%05d-0", index))
	}
	return l
}

func drawPlan(r *rand.Rand) string {
	n := r.IntN(100)
	for i, weight := range weights {
		if n < weight {
			return plans[i].ID
		}
		n -= weight
	}
	return plans[0].ID
}

func midnight(t time.Time) time.Time {
	y, m, d := t.In(model.Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, model.Shanghai)
}

// nextMonth is the instant at which the month of t has ended.
func nextMonth(t time.Time) time.Time {
	y, m, _ := t.In(model.Shanghai).Date()
	return time.Date(y, m+1, 1, 0, 0, 0, 0, model.Shanghai)
}

// planBoxes are the allowances that the line's plan gives for the month of t.
func planBoxes(l *line, t time.Time) []*box {
	var list []*box
	ends := nextMonth(t).UnixMilli() - 1000
	for i, g := range planOf(l.PlanID).Grants {
		list = append(list, &box{
			ID: fmt.Sprintf("BK-%05d-%d-%d", l.Index, l.Generation, i), Kind: g.Kind, Name: g.Name,
			Total: g.Amount, Unit: g.Unit, Ends: ends, Product: l.planProduct(),
		})
	}
	return list
}

// addPack gives the line a pack that began at t.
func (l *line) addPack(o offering, t time.Time, id string) {
	ends := midnight(t).AddDate(0, 0, o.Days).UnixMilli() - 1000
	l.Buckets = append(l.Buckets, &box{
		ID: "BK-" + id, Kind: o.Grant.Kind, Name: o.Grant.Name, Total: o.Grant.Amount, Unit: o.Grant.Unit,
		Ends: ends, Product: id, Pack: o.ID, Began: t.UnixMilli(),
	})
}
