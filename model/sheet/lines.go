package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
)

// lines counts those of a text and rewinds it. A line within quotes counts, too.
func lines(f *os.File) (int64, error) {
	buffer, n, last := make([]byte, 256<<10), int64(0), byte('\n')
	for {
		got, err := f.Read(buffer)
		if got > 0 {
			n += int64(bytes.Count(buffer[:got], []byte{'\n'}))
			last = buffer[got-1]
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("read the file: %w", err)
		}
	}
	if last != '\n' {
		n++
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("rewind the file: %w", err)
	}
	return n, nil
}

// firstSheet is where nearly every program puts the first sheet, and dimensions is how
// a sheet says its extent, within its first maxHead bytes.
const (
	firstSheet = "xl/worksheets/sheet1.xml"
	maxHead    = 8 << 10
)

var dimensions = regexp.MustCompile(`<dimension ref="[A-Z]+[0-9]+:[A-Z]+([0-9]{1,7})"`)

// dimension is the last line that a workbook says it has, 0 when it does not say. What
// is wrong with the file, whoever reads it finds.
func dimension(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	archive, err := zip.NewReader(f, info.Size())
	if err != nil {
		return 0
	}
	part, err := archive.Open(firstSheet)
	if err != nil {
		return 0
	}
	defer func() { _ = part.Close() }()
	head, err := io.ReadAll(io.LimitReader(part, maxHead))
	if err != nil {
		return 0
	}
	found := dimensions.FindSubmatch(head)
	if found == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
