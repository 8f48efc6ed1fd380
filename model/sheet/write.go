package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table is one sheet of a workbook: its name, at most 31 characters, and its rows. A
// cell is a string, an int, an int64 or a float64; no cell is a formula.
type Table struct {
	Name string
	Rows [][]any
}

// Write writes an XLSX workbook (ECMA-376, the few parts that every program asks
// for). It does what a report needs and no more: a library that also draws charts
// doubles the program.
func Write(out io.Writer, tables []Table) error {
	archive := zip.NewWriter(out)
	var types, sheets, links bytes.Buffer
	for i, t := range tables {
		n := strconv.Itoa(i + 1)
		text, err := cells(t.Rows)
		if err != nil {
			return fmt.Errorf("sheet %s: %w", t.Name, err)
		}
		if err := part(archive, "xl/worksheets/sheet"+n+".xml", text); err != nil {
			return err
		}
		types.WriteString(`<Override PartName="/xl/worksheets/sheet` + n + `.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`)
		sheets.WriteString(`<sheet name="` + escaped(t.Name) + `" sheetId="` + n + `" r:id="rId` + n + `"/>`)
		links.WriteString(`<Relationship Id="rId` + n + `" Type="` + relations + `/worksheet" Target="worksheets/sheet` + n + `.xml"/>`)
	}
	for _, p := range []struct{ name, text string }{
		{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` + types.String() + `</Types>`},
		{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="` + relations + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + spreadsheet + `" xmlns:r="` + relations + `"><sheets>` + sheets.String() + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` + links.String() + `</Relationships>`},
	} {
		if err := part(archive, p.name, p.text); err != nil {
			return err
		}
	}
	return archive.Close()
}

const (
	spreadsheet = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relations   = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
)

func part(archive *zip.Writer, name, text string) error {
	w, err := archive.Create(name)
	if err == nil {
		_, err = io.WriteString(w, xml.Header+text)
	}
	return err
}

func cells(rows [][]any) (string, error) {
	var b bytes.Buffer
	b.WriteString(`<worksheet xmlns="` + spreadsheet + `"><sheetData>`)
	for i, row := range rows {
		b.WriteString(`<row r="` + strconv.Itoa(i+1) + `">`)
		for _, v := range row {
			switch v := v.(type) {
			case string:
				b.WriteString(`<c t="inlineStr"><is><t xml:space="preserve">` + escaped(v) + `</t></is></c>`)
			case int:
				b.WriteString(`<c><v>` + strconv.Itoa(v) + `</v></c>`)
			case int64:
				b.WriteString(`<c><v>` + strconv.FormatInt(v, 10) + `</v></c>`)
			case float64:
				b.WriteString(`<c><v>` + strconv.FormatFloat(v, 'g', -1, 64) + `</v></c>`)
			default:
				return "", fmt.Errorf("a cell cannot be a %T", v)
			}
		}
		b.WriteString(`</row>`)
	}
	b.WriteString(`</sheetData></worksheet>`)
	return b.String(), nil
}

func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

// Formula tells whether a program may take a text for a formula, also one that it read
// from a CSV file or that has full-width signs.
func Formula(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return strings.ContainsRune("=+-@\t\r＝＋－＠", first)
}

// Inert is a text that no program takes for a formula.
func Inert(s string) string {
	if Formula(s) {
		return "'" + s
	}
	return s
}
