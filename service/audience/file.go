package audience

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
	"os"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"kaimenhong/model/fault"
)

// The faults of a file as a whole.
var (
	ErrFileSize   = fault.New(fault.Invalid, "audience.file_size", "文件过大，请拆成几个文件")
	ErrFileFormat = fault.New(fault.Invalid, "audience.file_format", "文件无法识别：请使用CSV或XLSX，首行为表头")
	ErrFileBomb   = fault.New(fault.Invalid, "audience.file_bomb", "文件解压后过大，已拒绝：请另存为CSV后重试")
)

// The bounds of a file.
const (
	maxFile     = 512 << 20 // bytes as it comes
	maxUnzipped = 2 << 30   // of a workbook, all parts together
	maxPart     = 16 << 20  // of one part in memory; a larger one goes to a temporary file
	maxRatio100 = 100       // unzipped to zipped, beyond freeRatio
	freeRatio   = 64 << 20  // unzipped bytes below which the ratio does not matter
	maxParts    = 1000
	maxColumns  = 64
	maxCell     = 256       // bytes
	maxRecord   = 128 << 10 // bytes of one line of CSV
)

// errLine is what a line that cannot be read is reported as; its text is the report.
var errLine = fault.New(fault.Invalid, "audience.line", "该行内容不正确")

// spool puts the file where it can be read twice and answers its SHA-256.
func spool(r io.Reader) (*os.File, string, error) {
	f, err := os.CreateTemp("", "kmh-audience-")
	if err != nil {
		return nil, "", fmt.Errorf("spool the file: %w", err)
	}
	_ = os.Remove(f.Name()) // it lives as long as it is open
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, maxFile+1))
	if err == nil && n > maxFile {
		err = ErrFileSize.Saying("文件超过%dMB，请拆成几个文件", maxFile>>20)
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

// sheet reads a table one line at a time. A cell is the text that stands there:
// nothing is ever computed.
type sheet struct {
	read  func() ([]string, error) // io.EOF after the last; errLine for a bad line
	close func()
	line  int64 // of what read answered last, from 1
	heads []string
	book  bool // a workbook
}

// openSheet finds out what the file is and reads its heading.
func openSheet(f *os.File) (*sheet, error) {
	var magic [4]byte
	n, err := io.ReadFull(f, magic[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind the file: %w", err)
	}
	s := &sheet{close: func() {}}
	if string(magic[:n]) == "PK\x03\x04" {
		err = s.workbook(f)
	} else {
		err = s.csv(f)
	}
	if err != nil {
		return nil, err
	}
	heads, err := s.read()
	if err != nil || len(heads) == 0 || len(heads) > maxColumns {
		s.close()
		return nil, ErrFileFormat.With(err)
	}
	for _, h := range heads {
		s.heads = append(s.heads, strings.Clone(strings.TrimSpace(h)))
	}
	return s, nil
}

// bomb looks at what the archive says of itself; what it lies about meets the
// limits of the reader.
func bomb(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	archive, err := zip.NewReader(f, info.Size())
	if err != nil {
		return ErrFileFormat.With(err)
	}
	if len(archive.File) > maxParts {
		return ErrFileBomb
	}
	var packed, unpacked uint64
	for _, part := range archive.File {
		packed += part.CompressedSize64
		unpacked += part.UncompressedSize64
		if unpacked > maxUnzipped || part.UncompressedSize64 > maxUnzipped {
			return ErrFileBomb
		}
	}
	if unpacked > freeRatio && unpacked > maxRatio100*max(packed, 1) {
		return ErrFileBomb
	}
	return nil
}

func (s *sheet) workbook(f *os.File) error {
	if err := bomb(f); err != nil {
		return err
	}
	book, err := excelize.OpenReader(f, excelize.Options{UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxPart, RawCellValue: true})
	if err != nil {
		return ErrFileFormat.With(err)
	}
	rows, err := book.Rows(book.GetSheetName(0))
	if err != nil {
		_ = book.Close()
		return ErrFileFormat.With(err)
	}
	s.book = true
	s.close = func() {
		_ = rows.Close()
		_ = book.Close()
	}
	s.read = func() ([]string, error) {
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return nil, ErrFileFormat.With(err)
			}
			return nil, io.EOF
		}
		s.line++
		cells, err := rows.Columns()
		if err != nil {
			return nil, ErrFileFormat.With(err)
		}
		return cells, nil
	}
	return nil
}

func (s *sheet) csv(f *os.File) error {
	utf, err := isUTF8(f)
	if err != nil {
		return err
	}
	buffered := bufio.NewReaderSize(f, 64<<10)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // peeked at
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
			return nil, ErrFileFormat.Saying("第%d行之后的一行过长，请检查引号是否配对", s.line)
		case errors.As(err, &bad):
			s.line = int64(bad.Line)
			return nil, errLine.Saying("引号不配对")
		case err != nil:
			return nil, err
		}
		line, _ := table.FieldPos(0)
		s.line = int64(line)
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
	r, utf := bufio.NewReaderSize(f, 64<<10), true
	for utf {
		c, size, err := r.ReadRune()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, fmt.Errorf("read the file: %w", err)
		}
		utf = c != utf8.RuneError || size != 1
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, fmt.Errorf("rewind the file: %w", err)
	}
	return utf, nil
}

func empty(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
