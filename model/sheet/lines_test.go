package sheet_test

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"kaimenhong/model/sheet"
)

// dimensioned is a workbook whose first sheet says its extent in the tag.
func dimensioned(t *testing.T, tag string) []byte {
	t.Helper()
	var out bytes.Buffer
	old := workbook(t, []any{"手机号"}, []any{"138"}, []any{"139"})
	from, err := zip.NewReader(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		t.Fatal(err)
	}
	to := zip.NewWriter(&out)
	for _, part := range from.File {
		r, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if part.Name == "xl/worksheets/sheet1.xml" {
			begin, rest, _ := strings.Cut(text, "<dimension")
			_, rest, _ = strings.Cut(rest, "<sheetViews")
			text = begin + tag + "<sheetViews" + rest
		}
		w, err := to.Create(part.Name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
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
