package campaign

import (
	"bytes"
	"slices"
	"testing"

	"github.com/xuri/excelize/v2"

	"kaimenhong/model/sheet"
)

func TestASheetHasNoFormula(t *testing.T) {
	r := Report{Campaign: 5, Name: `=HYPERLINK("http://evil.example")`, Treated: Group{People: 10, Reached: 8}, Lines: []Line{{Cut: ByCity, Name: "@南京"}}}
	r.Uplift = upliftOf(r.Treated, r.Held, 100)
	var b bytes.Buffer
	if err := r.WriteSheet(&b); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, tab := range f.GetSheetList() {
		rows, err := f.GetRows(tab)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			for k, cell := range row {
				seen[cell] = true
				at, err := excelize.CoordinatesToCellName(k+1, i+1)
				if err != nil {
					t.Fatal(err)
				}
				if formula, err := f.GetCellFormula(tab, at); formula != "" || err != nil || sheet.Inert(cell) != cell {
					t.Errorf("%s!%s = %q, formula %q, %v", tab, at, cell, formula, err)
				}
			}
		}
	}
	for _, want := range []string{`'=HYPERLINK("http://evil.example")`, "'@南京", "数据不足", "口径", "每增量关注成本（元）"} {
		if !seen[want] {
			t.Errorf("no cell says %q", want)
		}
	}
}

// The sheet of a city shows what an analyst would otherwise compute by hand, in the units
// of the sheet that decides.
func TestASheetComparesCitiesAsItComparesAll(t *testing.T) {
	group := func(people, bought int64, spent moments) Group {
		return Group{People: people, Bought: bought, Spent: spent, Followers: moments{N: people}}
	}
	treated, held := group(400, 80, moments{400, 400_000, 8e8}), group(200, 10, moments{200, 50_000, 1e8})
	u := upliftOf(treated, held, 0)
	r := Report{Campaign: 5, Treated: treated, Held: held, Uplift: u, Lines: []Line{
		{Cut: ByCity, Name: "南京", Treated: treated, Held: held, Uplift: &u}, {Cut: ByHour, Name: "9", Treated: treated},
	}}
	var b bytes.Buffer
	if err := r.WriteSheet(&b); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][][]string{}
	for _, tab := range []string{"结论", "按城市", "按人群", "按小时"} {
		if rows[tab], err = f.GetRows(tab); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"购买率增量（百分点）", "人均消费增量（元）", "人均新关注增量（含带来的好友）"} {
		of := slices.IndexFunc(rows["结论"], func(row []string) bool { return len(row) > 0 && row[0] == name })
		at := slices.Index(rows["按城市"][0], name)
		if of < 0 || at < 0 {
			t.Fatalf("%s: row %d of all, column %d of the cities", name, of, at)
		}
		// What is missing at the end of a row is empty.
		all, city := append(rows["结论"][of][1:], "", ""), append(rows["按城市"][1], "", "")
		if got, want := city[at:at+3], all[:3]; !slices.Equal(got, want) {
			t.Errorf("%s of the only city %q, of all %q", name, got, want)
		}
		if slices.Contains(rows["按小时"][0], name) || !slices.Contains(rows["按人群"][0], name) {
			t.Errorf("%s: hours %q, segments %q", name, rows["按小时"][0], rows["按人群"][0])
		}
	}
	bought := slices.Index(rows["按城市"][0], "购买率增量（百分点）")
	if got := rows["按城市"][1][bought]; got != "15" {
		t.Errorf("80 of 400 bought, and 10 of 200 held out: %s points, want 15", got)
	}
}
