package sheet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"kaimenhong/model/fault"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sheet/sheettest"
)

const unpacked = 64 << 20

// all reads a table to its end: a line's cells joined, or its fault's text.
func all(t testing.TB, content []byte) ([]string, error) {
	t.Helper()
	f, hash, err := sheet.Spool(bytes.NewReader(content), 1<<20)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if len(hash) != 64 {
		t.Errorf("hash %q, want 64 digits", hash)
	}
	s, err := sheet.Open(f, unpacked)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	lines := []string{strings.Join(s.Heads, "|")}
	for {
		cells, err := s.Read()
		switch {
		case errors.Is(err, io.EOF):
			return lines, nil
		case errors.Is(err, sheet.ErrLine):
			lines = append(lines, fmt.Sprintf("%d %s", s.Line, fault.Of(err).Text))
		case err != nil:
			return lines, err
		case !sheet.Empty(cells):
			lines = append(lines, fmt.Sprintf("%d %s", s.Line, strings.Join(cells, "|")))
		}
	}
}

func TestABrokenByteAfterTheMarkOfUTF8IsOneLinesMistake(t *testing.T) {
	lines, err := all(t, []byte("\ufeff手机号,姓名\n13800000001,张三\n13800000002,\xd5\xc5\n13800000003,李四\n"))
	want := []string{"手机号|姓名", "2 13800000001|张三", "3 含有无法识别的字符，请检查这一行的文字编码", "4 13800000003|李四"}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("lines = %q, %v, want %q", lines, err, want)
	}
}

func TestATableIsReadAsItStands(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().String("手机号,姓名\n138,张三\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    []string
	}{
		"UTF-8 with its mark":        {[]byte("\xef\xbb\xbf手机号, 姓名 \n138,张三\n"), []string{"手机号|姓名", "2 138|张三"}},
		"GB18030":                    {[]byte(gb), []string{"手机号|姓名", "2 138|张三"}},
		"empty lines are nothing":    {[]byte("a,b\n\n1,2\n,\n3,4"), []string{"a|b", "3 1|2", "5 3|4"}},
		"a broken line stands alone": {[]byte("a\n1\n\"x\"y\n2\n"), []string{"a", "2 1", "3 引号不配对", "4 2"}},
		"a formula is a text":        {[]byte("a\n=1+1\n"), []string{"a", "2 =1+1"}},
		"a workbook":                 {sheettest.Workbook(t, []any{"手机号", "积分"}, []any{13800000001, 15}), []string{"手机号|积分", "2 13800000001|15"}},
	} {
		if got, err := all(t, c.content); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestAFileThatCannotBeOneIsRefusedWhole(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"nothing":                {"", sheet.ErrFormat},
		"a zip that is none":     {"PK\x03\x04rubbish", sheet.ErrFormat},
		"too large":              {strings.Repeat("x", 1<<20+1), sheet.ErrSize},
		"too many columns":       {strings.Repeat("a,", sheet.MaxColumns) + "a\n", sheet.ErrFormat},
		"a quote without an end": {"a\n\"" + strings.Repeat("x\n", 300_000), sheet.ErrFormat},
	} {
		if _, err := all(t, []byte(c.content)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzATableEnds(f *testing.F) {
	f.Add([]byte("a,b\n1,2\n"))
	f.Add([]byte("\xc1\xf7\xcb\xae,\xff\xff\n\"x\"y\n"))
	f.Add(sheettest.Workbook(f, []any{"a"}, []any{1}))
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := all(t, content); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("refused as %v, want a fault that says why", err)
		}
	})
}

func TestNoTextIsTakenForAFormula(t *testing.T) {
	for s, formula := range map[string]bool{
		"": false, "王小明": false, "1+1": false, "'=1": false, "\xff": false,
		"=1+1": true, "+86": true, "-1": true, "@SUM": true, "\t=1": true, "\r=1": true, "＝1": true, "＠张": true,
	} {
		if sheet.Formula(s) != formula {
			t.Errorf("Formula(%q) = %v, want %v", s, !formula, formula)
		}
		if inert := sheet.Inert(s); sheet.Formula(inert) || !strings.HasSuffix(inert, s) || !formula && inert != s {
			t.Errorf("Inert(%q) = %q", s, inert)
		}
	}
}
