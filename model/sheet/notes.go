package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
)

// tab is one sheet of a workbook.
type tab struct{ name, part string }

// maxNamed is how many sheets, or merged cells, a note names.
const maxNamed = 5

// notes tell what a person sees in a workbook and nobody reads. What is wrong with the
// file, whoever reads it finds.
func notes(f *os.File) (told []string) {
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	archive, err := zip.NewReader(f, info.Size())
	if err != nil {
		return nil
	}
	all := tabs(archive)
	if len(all) == 0 {
		return nil
	}
	var others, first []string
	merged := 0
	for _, t := range all[1:] {
		if filled(archive, t.part) {
			others = append(others, "“"+t.name+"”")
		}
	}
	tags(archive, all[0].part, func(chunk []byte) bool {
		if !bytes.Contains(chunk, []byte("mergeCell")) { // of a million lines, nearly always
			return true
		}
		for _, m := range mergedCells.FindAllSubmatch(chunk, -1) {
			if merged++; merged <= maxNamed {
				first = append(first, string(m[1]))
			}
		}
		return true
	})
	if n := len(others); n > 0 {
		told = append(told, fmt.Sprintf("只读取了第一张工作表“%s”，没有读取%s：请把它们分别另存为文件再导入", all[0].name, some(others, n, fmt.Sprintf("等%d张", n))))
	}
	if merged > 0 {
		told = append(told, fmt.Sprintf("有%d处合并的单元格（%s）：只有每处左上角的一格有内容，其余按空白处理，请取消合并并逐格填写", merged, some(first, merged, "等")))
	}
	return told
}

// some names the first few of n; more is said where there are others.
func some(all []string, n int, more string) string {
	text := strings.Join(all[:min(len(all), maxNamed)], "、")
	if n > maxNamed {
		text += more
	}
	return text
}

// tabs are the sheets in their order, each with where it lies in the archive; none where
// that is not said as every program says it.
func tabs(archive *zip.Reader) []tab {
	var book struct {
		Sheets []struct {
			Name string `xml:"name,attr"`
			Link string `xml:"http://schemas.openxmlformats.org/officeDocument/2006/relationships id,attr"`
		} `xml:"sheets>sheet"`
	}
	var links struct {
		Links []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	if decode(archive, "xl/workbook.xml", &book) != nil || decode(archive, "xl/_rels/workbook.xml.rels", &links) != nil {
		return nil
	}
	lies := map[string]string{}
	for _, l := range links.Links {
		lies[l.ID] = strings.TrimPrefix(l.Target, "/")
		if !strings.HasPrefix(l.Target, "/") {
			lies[l.ID] = path.Join("xl", l.Target)
		}
	}
	var all []tab
	for _, s := range book.Sheets {
		all = append(all, tab{s.Name, lies[s.Link]})
	}
	return all
}

func decode(archive *zip.Reader, part string, into any) error {
	r, err := archive.Open(part)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return xml.NewDecoder(io.LimitReader(r, maxPart)).Decode(into)
}

// How a sheet writes the value of a cell, and that cells are merged.
var (
	valued      = regexp.MustCompile(`<(?:\w+:)?(?:v|is)[ >]`)
	mergedCells = regexp.MustCompile(`<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"`)
)

// filled tells that something stands in a cell of the part.
func filled(archive *zip.Reader, part string) (found bool) {
	tags(archive, part, func(chunk []byte) bool {
		found = valued.Match(chunk)
		return !found
	})
	return found
}

// tags gives each the whole of a part, in pieces that end no tag, until it has enough.
func tags(archive *zip.Reader, part string, each func(chunk []byte) bool) {
	r, err := archive.Open(part)
	if err != nil {
		return
	}
	defer func() { _ = r.Close() }()
	buffer, kept := make([]byte, 256<<10), 0
	for {
		n, err := r.Read(buffer[kept:])
		n += kept
		whole := n
		if open := bytes.LastIndexByte(buffer[:n], '<'); open > 0 && bytes.IndexByte(buffer[open:n], '>') < 0 {
			whole = open
		}
		if !each(buffer[:whole]) || err != nil {
			return
		}
		kept = copy(buffer, buffer[whole:n])
	}
}
