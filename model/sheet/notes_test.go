package sheet_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"kaimenhong/model/sheet"
	"kaimenhong/model/sheet/sheettest"
)

// book is a workbook with more than its first sheet; change makes it so.
func book(t *testing.T, change func(b *excelize.File) error) []byte {
	t.Helper()
	b := excelize.NewFile()
	for cell, value := range map[string]string{"A1": "手机号", "B1": "城市", "A2": "13800000001", "B2": "温州", "A3": "13800000002"} {
		if err := b.SetCellStr("Sheet1", cell, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := change(b); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// adds makes sheets in which something stands.
func adds(names ...string) func(b *excelize.File) error {
	return func(b *excelize.File) error {
		for _, name := range names {
			if _, err := b.NewSheet(name); err != nil {
				return err
			}
			if err := b.SetCellStr(name, "B7", "13800000003"); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestAWorkbookTellsWhatOfItIsNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		want    []string
	}{
		"a text":    {[]byte("手机号\n138\n"), nil},
		"one sheet": {sheettest.Workbook(t, []any{"手机号"}, []any{"138"}), nil},
		"empty sheets": {book(t, func(b *excelize.File) error {
			_, err := b.NewSheet("Sheet2")
			return err
		}), nil},
		"another sheet": {book(t, adds("二月")), []string{"只读取了第一张工作表“Sheet1”，没有读取“二月”：请把它们分别另存为文件再导入"}},
		"many sheets": {book(t, adds("1", "2", "3", "4", "5", "6", "7")),
			[]string{"只读取了第一张工作表“Sheet1”，没有读取“1”、“2”、“3”、“4”、“5”等7张：请把它们分别另存为文件再导入"}},
		"another sheet in front": {book(t, func(b *excelize.File) error {
			if err := adds("名单")(b); err != nil {
				return err
			}
			if err := b.SetCellStr("名单", "A1", "手机号"); err != nil {
				return err
			}
			if err := b.MergeCell("Sheet1", "B2", "B3"); err != nil { // of the sheet that is not read
				return err
			}
			return b.MoveSheet("名单", "Sheet1")
		}), []string{"只读取了第一张工作表“名单”，没有读取“Sheet1”：请把它们分别另存为文件再导入"}},
		"merged cells": {book(t, func(b *excelize.File) error { return b.MergeCell("Sheet1", "B2", "B3") }),
			[]string{"有1处合并的单元格（B2:B3）：只有每处左上角的一格有内容，其余按空白处理，请取消合并并逐格填写"}},
		"many merged cells": {book(t, func(b *excelize.File) error {
			for _, r := range []string{"A10:A11", "A12:A13", "A14:A15", "A16:A17", "A18:A19", "A20:A21"} {
				from, to, _ := strings.Cut(r, ":")
				if err := b.MergeCell("Sheet1", from, to); err != nil {
					return err
				}
			}
			return nil
		}), []string{"有6处合并的单元格（A10:A11、A12:A13、A14:A15、A16:A17、A18:A19等）：只有每处左上角的一格有内容，其余按空白处理，请取消合并并逐格填写"}},
	} {
		f, _, err := sheet.Spool(bytes.NewReader(c.content), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		s, err := sheet.Open(f, unpacked)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := strings.Join(c.want, "；"); s.Note != want {
			t.Errorf("%s: the note %q, want %q", name, s.Note, want)
		}
		s.Close()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
