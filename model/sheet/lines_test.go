package sheet_test

import (
	"bytes"
	"strings"
	"testing"

	"kaimenhong/model/sheet"
	"kaimenhong/model/sheet/sheettest"
)

// dimensioned is a workbook whose sheet says its extent in the tag.
func dimensioned(t *testing.T, tag string) []byte {
	t.Helper()
	return sheettest.Rewritten(t, sheettest.Workbook(t, []any{"手机号"}, []any{"138"}, []any{"139"}), func(xml string) string {
		begin, rest, _ := strings.Cut(xml, "<dimension")
		_, rest, _ = strings.Cut(rest, "<sheetViews")
		return begin + tag + "<sheetViews" + rest
	})
}

func TestAFileTellsAboutHowManyLinesItHas(t *testing.T) {
	for _, tt := range []struct {
		name    string
		content []byte
		want    int64
	}{
		{"a text", []byte("手机号\n138\n139\n"), 3},
		{"one whose last line does not end", []byte("手机号\r\n138\r\n139"), 3},
		{"a workbook", dimensioned(t, `<dimension ref="A1:B30001"></dimension>`), 30001},
		{"a workbook that does not say", dimensioned(t, `<dimension ref="A1"></dimension>`), 0},
		{"a workbook that lies", dimensioned(t, `<dimension ref="A1:B99999999999999999999"></dimension>`), 0},
	} {
		f, _, err := sheet.Spool(bytes.NewReader(tt.content), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		s, err := sheet.Open(f, unpacked)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if s.Lines != tt.want {
			t.Errorf("%s has %d lines, want %d", tt.name, s.Lines, tt.want)
		}
		if cells, err := s.Read(); err != nil || len(cells) != 1 || cells[0] != "138" {
			t.Errorf("%s begins with %v, %v", tt.name, cells, err)
		}
		s.Close()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
