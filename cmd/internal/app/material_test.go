package app

import (
	"testing"

	"kaimenhong/model"
)

func TestATextTellsNoDataOfAMonthThatEnded(t *testing.T) {
	day := func(d int) model.Millis { return model.At(model.Day(d).Start()) }
	const november = 20_757 // 31 October 2026 is 20,757 days after 1970
	said, month := day(november+20), day(november+31)-1
	plan := model.Allowance{Kind: model.Data, Total: 30 << 30, Left: 2 << 30, ValidUntil: month}
	week := model.Allowance{Kind: model.Data, Total: 5 << 30, Left: 1 << 30, ValidUntil: month + 5*24*3600_000}
	hour := model.Allowance{Kind: model.Data, Total: 1 << 30, Left: 1 << 30, ValidUntil: said + 3600_000}
	endless := model.Allowance{Kind: model.Data}
	for _, tt := range []struct {
		name       string
		allowances []model.Allowance
		now        model.Millis
		left       int64
		known      bool
	}{
		{"within the month", []model.Allowance{plan, week}, month - 1, 3 << 30, true},
		{"after the month", []model.Allowance{plan}, month + 1, 0, false},
		{"after the month, though a pack goes on", []model.Allowance{plan, week}, month + 1, 0, false},
		{"a pack that ended is left out", []model.Allowance{plan, hour}, said + 2*3600_000, 2 << 30, true},
		{"no limit", []model.Allowance{endless}, said, 0, false},
		{"no data", nil, said, 0, false},
	} {
		if left, known := dataLeft(model.Usage{AsOf: said, Allowances: tt.allowances}, tt.now); left != tt.left || known != tt.known {
			t.Errorf("%s: %d, %v, want %d, %v", tt.name, left, known, tt.left, tt.known)
		}
	}
}
