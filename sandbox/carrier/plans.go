package carrier

// The units in which the world counts: fen, bytes, seconds, messages.
const (
	mb     = int64(1) << 20
	gb     = int64(1) << 30
	minute = int64(60)
)

// grant is what a plan or pack gives: an amount of one kind; 0 is unlimited.
type grant struct {
	Kind   string // data, voice, sms
	Name   string
	Amount int64
	Unit   string // in which the carrier says it: GB, MB, min, s, 条
}

// plan is a main product. Fee is fen a month.
type plan struct {
	ID      string
	Name    string
	Fee     int64
	Prepaid bool
	Level   string
	Grants  []grant
	Details []string
}

// plans are what the customers of the world have.
var plans = []plan{
	{
		"PL-5G-129", "5G畅享套餐129元档", 12900, false, "金卡",
		[]grant{
			{"data", "国内流量", 30 * gb, "GB"}, {"voice", "国内通话", 500 * minute, "min"}, {"sms", "国内短信", 100, "条"},
		},
		[]string{"国内流量 30GB", "国内通话 500分钟", "国内短信 100条"},
	},
	{
		"PL-YOUTH-39", "青春卡39元档", 3900, true, "普通",
		[]grant{
			{"data", "国内通用流量", 10 * gb, "GB"}, {"data", "校园定向流量", 20 * gb, "GB"}, {"voice", "国内通话", 100 * minute, "min"},
		},
		[]string{"国内通用流量 10GB", "校园定向流量 20GB", "国内通话 100分钟"},
	},
	{
		"PL-FAMILY-199", "家庭融合套餐199元档", 19900, false, "白金卡",
		[]grant{
			{"data", "家庭共享流量", 60 * gb, "GB"}, {"voice", "家庭共享通话", 1000 * minute, "min"}, {"sms", "国内短信", 200, "条"}, {"voice", "家庭成员互打", 0, "min"},
		},
		[]string{"家庭共享流量 60GB", "家庭共享通话 1000分钟", "家庭成员互打免费", "宽带 500M"},
	},
	{
		"PL-SENIOR-19", "孝心卡19元档", 1900, true, "银卡",
		[]grant{
			{"data", "国内流量", 5 * gb, "MB"}, {"voice", "国内通话", 200 * minute, "s"},
		},
		[]string{"国内流量 5GB", "国内通话 200分钟", "亲情号免费互打"},
	},
	{
		"PL-ICE-59", "晴空畅聊59元档", 5900, true, "普通",
		[]grant{
			{"data", "国内流量", 20 * gb, "GB"}, {"voice", "国内通话", 300 * minute, "min"},
		},
		[]string{"国内流量 20GB", "国内通话 300分钟"},
	},
	{
		"PL-GLOBAL-299", "全球通无限套餐299元档", 29900, false, "钻石卡",
		[]grant{
			{"data", "国内流量", 0, "GB"}, {"voice", "国内通话", 3000 * minute, "min"}, {"sms", "国内短信", 500, "条"},
		},
		[]string{"国内流量不限量（100GB后限速）", "国内通话 3000分钟", "机场贵宾厅 6次"},
	},
	{
		"PL-KEEP-8", "保号套餐8元档", 800, true, "普通",
		[]grant{
			{"voice", "国内通话", 30 * minute, "min"}, {"data", "国内流量", 100 * mb, "MB"},
		},
		[]string{"国内通话 30分钟", "国内流量 100MB"},
	},
}

// offering is what can be bought beside a plan, TMF620. A credit adds its fen to
// the balance, a pack its grant for Days days.
type offering struct {
	ID       string
	Name     string
	Category string // 流量包, 语音包, 话费
	Price    int64
	Credit   int64
	Grant    grant
	Days     int
}

var offerings = []offering{
	{ID: "OF-DATA-1G-1D", Name: "1GB流量日包", Category: "流量包", Price: 300, Grant: grant{"data", "1GB流量日包", 1 * gb, "GB"}, Days: 1},
	{ID: "OF-DATA-5G-7D", Name: "5GB流量周包", Category: "流量包", Price: 1500, Grant: grant{"data", "5GB流量周包", 5 * gb, "GB"}, Days: 7},
	{ID: "OF-DATA-10G-30D", Name: "10GB流量月包", Category: "流量包", Price: 3000, Grant: grant{"data", "10GB流量月包", 10 * gb, "GB"}, Days: 30},
	{ID: "OF-DATA-500M-30D", Name: "500MB流量月包", Category: "流量包", Price: 500, Grant: grant{"data", "500MB流量月包", 500 * mb, "MB"}, Days: 30},
	{ID: "OF-VOICE-100", Name: "100分钟通话包", Category: "语音包", Price: 1000, Grant: grant{"voice", "100分钟通话包", 100 * minute, "min"}, Days: 30},
	{ID: "OF-SMS-100", Name: "100条短信包", Category: "短信包", Price: 500, Grant: grant{"sms", "100条短信包", 100, "条"}, Days: 30},
	{ID: "OF-CREDIT-1", Name: "1元话费", Category: "话费", Price: 100, Credit: 100},
	{ID: "OF-CREDIT-10", Name: "10元话费", Category: "话费", Price: 1000, Credit: 1000},
	{ID: "OF-CREDIT-30", Name: "30元话费", Category: "话费", Price: 3000, Credit: 3000},
	{ID: "OF-CREDIT-50", Name: "50元话费", Category: "话费", Price: 5000, Credit: 5000},
	{ID: "OF-CREDIT-100", Name: "100元话费", Category: "话费", Price: 10000, Credit: 10000},
}

func planOf(id string) plan {
	for _, p := range plans {
		if p.ID == id {
			return p
		}
	}
	return plan{}
}

func offeringOf(id string) (offering, bool) {
	for _, o := range offerings {
		if o.ID == id {
			return o, true
		}
	}
	return offering{}, false
}
