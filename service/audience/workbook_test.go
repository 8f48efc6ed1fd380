package audience_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"kaimenhong/model/dbtest"
	"kaimenhong/model/sheet/sheettest"
	"kaimenhong/service/audience"
)

// stored is a workbook of these lines, in which numbers are kept as some programs do.
func stored(t *testing.T, as map[string]string, lines ...[]any) io.Reader {
	t.Helper()
	return bytes.NewReader(sheettest.Rewritten(t, sheettest.Workbook(t, lines...), func(xml string) string {
		for written, kept := range as {
			xml = strings.ReplaceAll(xml, "<v>"+written+"</v>", "<v>"+kept+"</v>")
		}
		return xml
	}))
}

func TestAWorkbookOfAProgramIsReadAsAPersonSeesIt(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	kept := map[string]string{"13800000001": "1.3800000001E10", "43525": "43525.0", "77": "77.0", "20010203": "2.0010203E7"}
	heads := []any{"手机号", "入网日期", "去年春节点击次数", "生日", "套餐", "姓名"}
	got, err := a.Import(t.Context(), audience.Upload{Operator: 1, File: stored(t, kept, heads,
		[]any{13800000001, 43525, 77, 20010203, "5.0", "张三"},
		[]any{"1.38E+10", 43525, 77, "", "", ""}, // cut for the eye: whose number that was nobody knows
	)})
	if err != nil || got.Added != 1 || got.Refused != 1 {
		t.Fatalf("Import = %+v, %v, want one customer and one without a number", got, err)
	}
	n := tree(t, `{"and":[{"attribute":"tenure","op":"between","value":[92,92]},{"attribute":"festival_taps","op":"eq","value":77},
		{"attribute":"birth_month","op":"eq","value":2},{"attribute":"plan","op":"eq","value":"5.0"}]}`)
	if c, err := a.Count(t.Context(), n); c != 1 || err != nil {
		t.Errorf("Count = %d, %v, want him with all that the cells showed", c, err)
	}
	again, err := a.Import(t.Context(), audience.Upload{Operator: 1, File: stored(t, kept, heads[:3], []any{13800000001, 43525, 77})})
	if err != nil || again.Changed != 1 || again.Refused != 0 {
		t.Errorf("of one who is known = %+v, %v, want him changed", again, err)
	}
	sold := map[string]string{"13800000001": "1.3800000001E10", "46000.5": "46000.395833333336", "46001": "46001.0"}
	bought, err := a.ImportPurchases(t.Context(), 1, stored(t, sold, []any{"手机号", "类型", "金额", "时间", "流水号"},
		[]any{13800000001, "充值", 50, 46000.5, "a1"}, []any{13800000001, "充值", 50, 46001, "a2"}, // 2025-12-09 09:30, and the day after
	))
	if err != nil || bought.Added != 2 || bought.Refused != 0 {
		t.Errorf("ImportPurchases = %+v, %v, want two purchases", bought, err)
	}
}

func TestWhatOfAWorkbookIsNotReadIsTold(t *testing.T) {
	a, ctx := open(t, dbtest.SQLite(t), audience.Options{}), t.Context()
	hidden := func(lines ...[]any) io.Reader {
		book := excelize.NewFile()
		_, err := book.NewSheet("二月")
		for i, line := range lines {
			for _, name := range []string{"Sheet1", "二月"} {
				err = errors.Join(err, book.SetSheetRow(name, fmt.Sprintf("A%d", i+1), &line))
			}
		}
		var out bytes.Buffer
		if err = errors.Join(err, book.MergeCell("Sheet1", "B2", "B3"), book.Write(&out)); err != nil {
			t.Fatal(err)
		}
		return &out
	}
	told := func(what, note string, err error) {
		t.Helper()
		if err != nil || !strings.Contains(note, "没有读取“二月”") || !strings.Contains(note, "（B2:B3）") {
			t.Errorf("%s tells %q, %v, want the other sheet and the merged cells", what, note, err)
		}
	}
	people := [][]any{{"手机号", "城市"}, {13800000001, "温州"}, {13800000002, ""}}
	dry, err := a.DryRun(ctx, audience.Upload{Operator: 1, File: hidden(people...)})
	told("a dry run", dry.Note, err)
	done, err := a.Import(ctx, audience.Upload{Operator: 1, File: hidden(people...)})
	told("an import", done.Note, err)
	list, err := a.UploadList(ctx, nil, 1, "返乡", hidden(people...))
	told("a list", list.Note, err)
	sold := [][]any{{"手机号", "类型", "金额", "时间", "流水号"}, {13800000001, "充值", "50", "2026-01-02 03:04:05", "a1"}}
	check, err := a.CheckPurchases(ctx, hidden(sold...))
	told("a check of purchases", check.Note, err)
	bought, err := a.ImportPurchases(ctx, 1, hidden(sold...))
	told("a file of purchases", bought.Note, err)
}

// TestAnAmountIsReadAsExcelShowsIt has numbers as Excel keeps them, with 17 figures.
func TestAnAmountIsReadAsExcelShowsIt(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	excel := map[string]string{"35.55": "35.549999999999997", "8.2": "8.1999999999999993", "92.35": "92.349999999999994", "0.07": "7.0000000000000007E-2", "46000.5": "46000.395833333336"}
	heads := []any{"手机号", "上月ARPU", "去年春节消费", "上月流量使用率", "套餐"}
	got, err := a.Import(t.Context(), audience.Upload{Operator: 1, File: stored(t, excel, heads,
		[]any{13800000001, 35.55, 8.2, 92.35, "35.549999999999997"}, []any{13800000002, 0.07, 8.2, 92.35, ""},
		[]any{13800000003, "35.5501", 8.2, 92.35, ""}, // nothing is rounded
	)})
	if err != nil || got.Added != 2 || got.Refused != 1 {
		refused, _, _ := a.ImportErrors(t.Context(), got.ID, "", 10)
		t.Fatalf("Import = %+v, %v, want two customers; refused %v", got, err, refused)
	}
	n := tree(t, `{"and":[{"attribute":"arpu1","op":"in","value":[3555,7]},{"attribute":"festival_spent","op":"eq","value":820},{"attribute":"data1","op":"eq","value":9235}]}`)
	if c, err := a.Count(t.Context(), n); c != 2 || err != nil {
		t.Errorf("Count = %d, %v, want both with what the cells show", c, err)
	}
	bought, err := a.ImportPurchases(t.Context(), 1, stored(t, excel, []any{"手机号", "类型", "金额", "时间", "流水号"},
		[]any{13800000001, "充值", 8.2, 46000.5, "a1"}, []any{13800000001, "充值", "¥35.55", 46000.5, "a2"}, []any{13800000001, "充值", "35.5元", 46000.5, "a3"},
	))
	if err != nil || bought.Added != 3 {
		t.Errorf("ImportPurchases = %+v, %v, want three purchases", bought, err)
	}
}
