// Package sheet reads the tables that people hand in: CSV in UTF-8 or GB18030, and
// the first sheet of an XLSX workbook, one line at a time and in flat memory. A cell
// is the text that stands there: nothing is ever computed.
//
// A file that is larger than it may be, unpacks to more than it may, or never ends
// a line is refused as a whole.
package sheet

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"kaimenhong/model/fault"
)

// The faults of a file as a whole.
var (
	ErrSize   = fault.New(fault.Invalid, "sheet.size", "文件过大，请拆成几个文件")
	ErrFormat = fault.New(fault.Invalid, "sheet.format", "文件无法识别：请使用CSV或XLSX，首行为表头")
	ErrBomb   = fault.New(fault.Invalid, "sheet.bomb", "文件解压后过大，已拒绝：请另存为CSV后重试")
)

// ErrLine is what a line that cannot be read is reported as; its text is the report.
// The lines after it can be read.
var ErrLine = fault.New(fault.Invalid, "sheet.line", "该行内容不正确")

// The bounds of a file.
const (
	MaxColumns = 64
	maxPart    = 16 << 20 // bytes of one part of a workbook in memory; a larger one goes to a temporary file
	maxRatio   = 100      // unpacked to packed, beyond freeRatio
	freeRatio  = 64 << 20 // unpacked bytes below which the ratio does not matter
	maxParts   = 1000
	maxRecord  = 128 << 10 // bytes of one line of CSV
)

// Spool puts up to limit bytes where they can be read twice and answers their
// SHA-256 in hex. The file is gone when it is closed. Errors: ErrSize; those of the
// reader and of the disk.
func Spool(r io.Reader, limit int64) (*os.File, string, error) {
	f, err := os.CreateTemp("", "kmh-sheet-")
	if err != nil {
		return nil, "", fmt.Errorf("spool the file: %w", err)
	}
	_ = os.Remove(f.Name()) // it lives as long as it is open
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = ErrSize.Saying("文件超过%dMB，请拆成几个文件", limit>>20)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, "", fmt.Errorf("spool the file: %w", err)
	}
	return f, hex.EncodeToString(hash.Sum(nil)), nil
}

// Sheet is an open table.
type Sheet struct {
	// Heads are the cells of the first line, without the spaces around them.
	Heads []string
	// Line is the line of what Read answered last, from 1.
	Line int64
	// Lines is how many lines there are, the heading among them: of a text counted, of a
	// workbook what it says of itself; 0 when it does not. It is for telling how far a
	// reader is, and may be off.
	Lines int64
	// Workbook tells a workbook from a text.
	Workbook bool
	// Note says in Chinese what of a workbook is not read although a person sees it:
	// other sheets, and the cells that are merged with another; "" for nothing.
	Note string

	read  func() ([]string, error)
	close func()
}

// Read answers the cells of the next line, which hold until the next call: io.EOF
// after the last, ErrLine for a line that is broken alone, ErrFormat where nothing
// more can be read.
func (s *Sheet) Read() ([]string, error) { return s.read() }

// Close lets go of what reading needed, not of the file.
func (s *Sheet) Close() { s.close() }

// Open finds out what the file is and reads its heading. A workbook may unpack to
// so many bytes, all parts together. Errors: ErrFormat, ErrBomb; the disk's.
func Open(f *os.File, unpacked int64) (*Sheet, error) {
	var magic [4]byte
	n, err := io.ReadFull(f, magic[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind the file: %w", err)
	}
	s := &Sheet{close: func() {}}
	if string(magic[:n]) == "PK\x03\x04" {
		err = s.workbook(f, unpacked)
	} else {
		err = s.csv(f)
	}
	if err != nil {
		return nil, err
	}
	heads, err := s.read()
	if err != nil || len(heads) == 0 || len(heads) > MaxColumns {
		s.close()
		return nil, ErrFormat.With(err)
	}
	for _, h := range heads {
		s.Heads = append(s.Heads, strings.Clone(strings.TrimSpace(h)))
	}
	return s, nil
}

// bomb looks at what the archive says of itself; what it lies about meets the
// limits of the reader.
func bomb(f *os.File, limit int64) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	archive, err := zip.NewReader(f, info.Size())
	if err != nil {
		return ErrFormat.With(err)
	}
	if len(archive.File) > maxParts {
		return ErrBomb
	}
	most := uint64(limit)
	var packed, unpacked uint64
	for _, part := range archive.File {
		packed += part.CompressedSize64
		unpacked += part.UncompressedSize64
		if unpacked > most || part.UncompressedSize64 > most {
			return ErrBomb
		}
	}
	if unpacked > freeRatio && unpacked > maxRatio*max(packed, 1) {
		return ErrBomb
	}
	return nil
}

func (s *Sheet) workbook(f *os.File, unpacked int64) error {
	if err := bomb(f, unpacked); err != nil {
		return err
	}
	s.Lines, s.Note = dimension(f), strings.Join(notes(f), "；")
	book, err := excelize.OpenReader(f, excelize.Options{UnzipSizeLimit: unpacked, UnzipXMLSizeLimit: maxPart, RawCellValue: true})
	if err != nil {
		return ErrFormat.With(err)
	}
	rows, err := book.Rows(book.GetSheetName(0))
	if err != nil {
		_ = book.Close()
		return ErrFormat.With(err)
	}
	s.Workbook = true
	s.close = func() {
		_ = rows.Close()
		_ = book.Close()
	}
	s.read = func() ([]string, error) {
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return nil, ErrFormat.With(err)
			}
			return nil, io.EOF
		}
		s.Line++
		cells, err := rows.Columns()
		if err != nil {
			return nil, ErrFormat.With(err)
		}
		return cells, nil
	}
	return nil
}

func (s *Sheet) csv(f *os.File) error {
	utf, err := isUTF8(f)
	if err != nil {
		return err
	}
	if s.Lines, err = lines(f); err != nil {
		return err
	}
	buffered, broken := bufio.NewReaderSize(f, 64<<10), false
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // peeked at
		broken, utf = !utf, true   // it says so: a byte that is none is one line's mistake
	}
	var text io.Reader = buffered
	if !utf {
		text = simplifiedchinese.GB18030.NewDecoder().Reader(buffered)
	}
	bounded := &boundedReader{r: text}
	table := csv.NewReader(bounded)
	table.FieldsPerRecord = -1
	table.ReuseRecord = true
	s.read = func() ([]string, error) {
		bounded.left = maxRecord
		cells, err := table.Read()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, errRecord):
			return nil, ErrFormat.Saying("第%d行之后的一行过长，请检查引号是否配对", s.Line)
		case errors.As(err, &bad):
			s.Line = int64(bad.Line)
			return nil, ErrLine.Saying("引号不配对")
		case err != nil:
			return nil, err
		}
		line, _ := table.FieldPos(0)
		s.Line = int64(line)
		if broken && slices.ContainsFunc(cells, func(c string) bool { return !utf8.ValidString(c) }) {
			return nil, ErrLine.Saying("含有无法识别的字符，请检查这一行的文字编码")
		}
		return cells, nil
	}
	return nil
}

// errRecord says that a record is longer than maxRecord.
var errRecord = errors.New("record too long")

// boundedReader gives out left bytes at most, about, before it is refilled.
type boundedReader struct {
	r    io.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRecord
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}

// isUTF8 reads the file once and rewinds it.
func isUTF8(f *os.File) (bool, error) {
	buffer, kept, utf := make([]byte, 64<<10), 0, true
	for utf {
		n, err := f.Read(buffer[kept:])
		n += kept
		if errors.Is(err, io.EOF) {
			utf = utf8.Valid(buffer[:n])
			break
		}
		if err != nil {
			return false, fmt.Errorf("read the file: %w", err)
		}
		whole := n - begun(buffer[:n])
		utf = utf8.Valid(buffer[:whole])
		kept = copy(buffer, buffer[whole:n])
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, fmt.Errorf("rewind the file: %w", err)
	}
	return utf, nil
}

// begun is how many bytes at the end are the beginning of a character.
func begun(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// stored is how some programs (Java's) keep a whole number in a workbook: 3.0, and
// 1.3800000001E10. With a plus it is a text that was cut for the eye, 1.38E+10.
var stored = regexp.MustCompile(`^[0-9]+\.0$|^[1-9]\.[0-9]{1,15}E1?[0-9]$`)

// Whole writes a whole number of a workbook with its digits alone, as a person saw it in
// the cell; anything else stays as it is.
func Whole(cell string) string {
	if !stored.MatchString(cell) {
		return cell
	}
	f, err := strconv.ParseFloat(cell, 64)
	if err != nil || f != math.Trunc(f) || f > 1<<53 { // beyond it not every number has a value
		return cell
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// kept is how Excel keeps a number with decimals: to 17 figures, 35.549999999999997 for the
// 35.55 in the cell, and 7.0000000000000007E-2 for 0.07.
var kept = regexp.MustCompile(`^[0-9]+\.[0-9]{10,}$|^[1-9](\.[0-9]+)?E-[0-9]{1,2}$`)

// Decimal writes a number of a workbook with the fewest figures that are the same number,
// as a person saw it in the cell; anything else stays as it is. Nothing is rounded: what
// was computed to more places keeps them.
func Decimal(cell string) string {
	if !kept.MatchString(cell) {
		return cell
	}
	f, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		return cell
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// Empty tells whether nothing stands in a line.
func Empty(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
