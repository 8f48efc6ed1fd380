package audience

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sheet"
)

// ErrMapping is answered for a mapping that does not fit the file.
var ErrMapping = fault.New(fault.Invalid, "audience.mapping", "列对应关系不正确")

// Mapping says which column of a file is which field: heading → field key. A column
// that is not named is passed over.
type Mapping map[string]string

// field is what a column of a file may be. An empty cell makes the fact unknown:
// the file's columns are the carrier's newest word.
type field struct {
	key    string
	titles []string // headings that are understood without a mapping; the first is shown
	set    func(l *line, cell string) error
}

// The two fields that are no attribute.
const (
	fieldPhone = "phone"
	fieldName  = "name"
)

// line is one line of a file, read and checked.
type line struct {
	number int64
	phone  model.Phone
	name   string
	row    row
	book   bool // of a workbook, which stores 92.5% as 0.925 and days as numbers
}

var fields = []field{
	{fieldPhone, []string{"手机号", "手机号码", "号码", "phone"}, func(l *line, s string) (err error) {
		if l.phone, err = model.ParsePhone(s); err != nil {
			return fmt.Errorf("手机号不正确，应为11位号码")
		}
		return nil
	}},
	{fieldName, []string{"姓名", "客户姓名", "name"}, func(l *line, s string) error {
		if err := plain(s); err != nil {
			return err
		}
		l.name = maskName(s)
		return nil
	}},
	chosenField("gender", []string{"性别", "gender"}, func(r *row) *int32 { return &r.Gender }),
	{"birth_month", []string{"生日", "出生日期", "birthday"}, func(l *line, s string) (err error) {
		l.row.Birth, err = birthday(s)
		return err
	}},
	{"tenure", []string{"入网日期", "入网时间", "since"}, func(l *line, s string) error {
		day, err := date(s)
		l.row.SinceDay = int32(day)
		return err
	}},
	chosenField("payment", []string{"付费方式", "付费类型", "payment"}, func(r *row) *int32 { return &r.Prepaid }),
	wordField("plan", []string{"套餐", "套餐名称", "plan"}, func(r *row) *string { return &r.Plan }),
	wordField("province", []string{"省份", "省", "province"}, func(r *row) *string { return &r.Province }),
	wordField("city", []string{"城市", "地市", "city"}, func(r *row) *string { return &r.City }),
	wordField("device", []string{"终端", "终端型号", "device"}, func(r *row) *string { return &r.Device }),
	chosenField("tier", []string{"价值等级", "客户等级", "tier"}, func(r *row) *int32 { return &r.Tier }),
	fenField("arpu1", []string{"上月ARPU", "ARPU", "arpu1"}, func(r *row) *int64 { return &r.Arpu1 }),
	fenField("arpu2", []string{"上上月ARPU", "arpu2"}, func(r *row) *int64 { return &r.Arpu2 }),
	fenField("arpu3", []string{"三个月前ARPU", "arpu3"}, func(r *row) *int64 { return &r.Arpu3 }),
	ratioField("data1", []string{"上月流量使用率", "data1"}, func(r *row) *int32 { return &r.Data1 }),
	ratioField("data2", []string{"上上月流量使用率", "data2"}, func(r *row) *int32 { return &r.Data2 }),
	ratioField("data3", []string{"三个月前流量使用率", "data3"}, func(r *row) *int32 { return &r.Data3 }),
	countField("festival_taps", []string{"去年春节点击次数", "festival_taps"}, func(r *row) *int32 { return &r.FestivalTaps }),
	countField("festival_helps", []string{"去年春节助力次数", "festival_helps"}, func(r *row) *int32 { return &r.FestivalHelps }),
	fenField("festival_spent", []string{"去年春节消费", "festival_spent"}, func(r *row) *int64 { return &r.FestivalSpent }),
	{"interest", []string{"兴趣", "兴趣偏好", "interest"}, func(l *line, s string) error {
		l.row.Interests = 0
		for _, word := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("、，,;；| ", r) }) {
			c, ok := byKey["interest"].choice(word)
			if !ok {
				return fmt.Errorf("没有兴趣“%s”，请从%s中选择", short(word), titles(interests))
			}
			l.row.Interests |= c.code
		}
		return nil
	}},
}

func fieldByKey(key string) *field {
	for i := range fields {
		if fields[i].key == key {
			return &fields[i]
		}
	}
	return nil
}

func chosenField(key string, names []string, at func(*row) *int32) field {
	return field{key, names, func(l *line, s string) error {
		*at(&l.row) = 0
		if s == "" {
			return nil
		}
		c, ok := byKey[key].choice(s)
		if !ok {
			return fmt.Errorf("没有值“%s”，请从%s中选择", short(s), titles(byKey[key].Choices))
		}
		*at(&l.row) = int32(c.code)
		return nil
	}}
}

func wordField(key string, names []string, at func(*row) *string) field {
	return field{key, names, func(l *line, s string) error {
		if err := plain(s); err != nil {
			return err
		}
		*at(&l.row) = s
		return nil
	}}
}

func fenField(key string, names []string, at func(*row) *int64) field {
	return field{key, names, func(l *line, s string) error {
		n, err := yuan(s, maxFen)
		if err != nil {
			return fmt.Errorf("%w，应为以元为单位的金额，如88.50", err)
		}
		*at(&l.row) = n
		return nil
	}}
}

func ratioField(key string, names []string, at func(*row) *int32) field {
	return field{key, names, func(l *line, s string) error {
		n, err := hundredths(strings.TrimSuffix(s, "%"), maxRatio)
		if err != nil {
			return fmt.Errorf("%w，应为百分数，如92.5%%", err)
		}
		if l.book && n > 0 && n < 2_00 && !strings.HasSuffix(s, "%") {
			return fmt.Errorf("“%s”可能是百分比格式的单元格，请把这一列改为文本，如92.5%%", short(s))
		}
		*at(&l.row) = int32(n)
		return nil
	}}
}

func countField(key string, names []string, at func(*row) *int32) field {
	return field{key, names, func(l *line, s string) error {
		*at(&l.row) = noNumber
		if s == "" {
			return nil
		}
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil || n > maxCount {
			return fmt.Errorf("“%s”不是次数，应为不大于%d的整数", short(s), maxCount)
		}
		*at(&l.row) = int32(n)
		return nil
	}}
}

// plain refuses what a spreadsheet would take for a formula, and what a person
// cannot read.
func plain(s string) error {
	if s == "" {
		return nil
	}
	if sheet.Formula(s) {
		return fmt.Errorf("“%s”像是公式，请改为文字", short(s))
	}
	if !validWord(s) {
		return fmt.Errorf("应为不超过%d个字、没有特殊符号的文字", maxWord)
	}
	return nil
}

// maskName keeps the first character: 张**.
func maskName(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return ""
	}
	return string(r[0]) + strings.Repeat("*", min(max(len(r)-1, 1), 4))
}

// yuan reads an amount as people write it, 88.50, 88.5元 or ¥88.50, as fen.
func yuan(s string, highest int64) (int64, error) {
	return hundredths(strings.TrimPrefix(strings.TrimSuffix(s, "元"), "¥"), highest)
}

// hundredths reads a decimal of at most two places as hundredths, -1 for nothing.
func hundredths(s string, highest int64) (int64, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return noNumber, nil
	}
	whole, part, dotted := strings.Cut(s, ".")
	if dotted {
		part = strings.TrimRight(part, "0")
	}
	if len(part) > 2 || whole == "" {
		return 0, fmt.Errorf("“%s”不是有效的数", short(s))
	}
	n, err := strconv.ParseUint(whole+part+strings.Repeat("0", 2-len(part)), 10, 62)
	if err != nil || int64(n) > highest {
		return 0, fmt.Errorf("“%s”不是有效的数或超出范围", short(s))
	}
	return int64(n), nil
}

// digits are the numbers of a date: 2001-02-03, 2001/2/3, 20010203, 2001年2月3日,
// or the day as a workbook counts it, 36925, from 1899-12-30 on.
func digits(s string) []int {
	if n, err := strconv.Atoi(s); err == nil && len(s) == 5 && n > 0 {
		t := time.Date(1899, 12, 30, 0, 0, 0, 0, model.Shanghai).AddDate(0, 0, n)
		return []int{t.Year(), int(t.Month()), t.Day()}
	}
	if len(s) == 8 && strings.Trim(s, "0123456789") == "" {
		s = s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	var all []int
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("-/.年月日", r) }) {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || len(part) > 4 {
			return nil
		}
		all = append(all, n)
	}
	return all
}

// birthday reads a date or a month and day as MMDD, 0 for nothing.
func birthday(s string) (int32, error) {
	if s == "" {
		return 0, nil
	}
	all := digits(s)
	if len(all) == 2 {
		all = append([]int{2000}, all...) // has a 29th of February
	}
	// A year of two figures may be a month or a day: 3/1/01 is one day in one land, another in another.
	if t, ok := calendar(all); !ok || t.Year() < 1900 || t.Year() > 2100 {
		return 0, fmt.Errorf("“%s”不是日期，应写成2001-02-03或02-03", short(s))
	}
	return int32(all[1]*100 + all[2]), nil
}

// date reads a day, 0 for nothing.
func date(s string) (model.Day, error) {
	if s == "" {
		return 0, nil
	}
	t, ok := calendar(digits(s))
	if !ok || t.Year() < 1980 || t.Year() > 2100 {
		return 0, fmt.Errorf("“%s”不是日期，应写成2001-02-03", short(s))
	}
	return model.DayOf(t), nil
}

func calendar(all []int) (time.Time, bool) {
	if len(all) != 3 {
		return time.Time{}, false
	}
	t := time.Date(all[0], time.Month(all[1]), all[2], 0, 0, 0, 0, model.Shanghai)
	return t, t.Year() == all[0] && int(t.Month()) == all[1] && t.Day() == all[2]
}

// derive makes what follows from the months: the mean ARPU and the two curves.
func derive(r *row) {
	sum, n := int64(0), int64(0)
	for _, v := range []int64{r.Arpu1, r.Arpu2, r.Arpu3} {
		if v != noNumber {
			sum, n = sum+v, n+1
		}
	}
	r.Arpu = noNumber
	if n > 0 {
		r.Arpu = sum / n
	}
	r.ArpuCurve = slope(r.Arpu3, r.Arpu1)
	r.DataCurve = slope(int64(r.Data3), int64(r.Data1))
}

// slope says how the last month stands to the third before: more than a tenth
// higher is rising, more than a tenth lower falling; 0 when one is not known.
func slope(before, last int64) int32 {
	switch {
	case before == noNumber || last == noNumber:
		return 0
	case last*10 > before*11:
		return 3
	case last*10 < before*9:
		return 1
	}
	return 2
}

// derived are the attributes that a field also changes.
func derived(key string) []string {
	switch key {
	case "arpu1", "arpu2", "arpu3":
		return []string{key, "arpu", "arpu_curve"}
	case "data1", "data2", "data3":
		return []string{key, "data_curve"}
	}
	return []string{key}
}
