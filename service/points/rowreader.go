package points

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"kaimenhong/model"
)

// What a packed workbook may grow to: all parts together, and one part in memory
// (a larger one goes to a temporary file). Beyond, it is a bomb.
const (
	maxUnzipped    = 256 << 20
	maxUnzippedXML = 16 << 20
)

// The bounds of one line.
const (
	maxColumns = 64
	maxCell    = 256
)

// rowReader reads accruals out of a table, one line at a time.
type rowReader struct {
	read    func() ([]string, error) // io.EOF after the last
	close   func()
	line    int64
	key     int // columns
	phone   int
	points  int
	columns int
}

// openRows finds out what the file is and reads its heading.
func openRows(f *os.File) (*rowReader, error) {
	var magic [4]byte
	n, err := io.ReadFull(f, magic[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind the file: %w", err)
	}
	r := &rowReader{close: func() {}}
	if string(magic[:n]) == "PK\x03\x04" {
		err = r.workbook(f)
	} else {
		err = r.csv(f)
	}
	if err != nil {
		return nil, err
	}
	if err := r.heading(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rowReader) workbook(f *os.File) error {
	book, err := excelize.OpenReader(f, excelize.Options{UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxUnzippedXML, RawCellValue: true})
	if err != nil {
		return ErrFileFormat.With(err)
	}
	r.close = func() { _ = book.Close() }
	rows, err := book.Rows(book.GetSheetName(0))
	if err != nil {
		r.close()
		return ErrFileFormat.With(err)
	}
	r.close = func() {
		_ = rows.Close()
		_ = book.Close()
	}
	r.read = func() ([]string, error) {
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return nil, ErrFileFormat.With(err)
			}
			return nil, io.EOF
		}
		r.line++
		cells, err := rows.Columns()
		if err != nil {
			return nil, ErrFileFormat.With(err)
		}
		return cells, nil
	}
	return nil
}

func (r *rowReader) csv(f *os.File) error {
	utf, err := isUTF8(f)
	if err != nil {
		return err
	}
	buffered := bufio.NewReader(f)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // peeked at
	}
	var text io.Reader = buffered
	if !utf {
		text = simplifiedchinese.GB18030.NewDecoder().Reader(buffered)
	}
	table := csv.NewReader(text)
	table.FieldsPerRecord = -1
	table.ReuseRecord = true
	table.TrimLeadingSpace = true
	r.read = func() ([]string, error) {
		cells, err := table.Read()
		var bad *csv.ParseError
		switch {
		case errors.As(err, &bad):
			r.line = int64(bad.Line)
			return nil, errRow.Saying("第%d行引号不配对", bad.Line)
		case err != nil:
			return nil, err
		}
		line, _ := table.FieldPos(0)
		r.line = int64(line)
		return cells, nil
	}
	return nil
}

// isUTF8 reads the file once and rewinds it.
func isUTF8(f *os.File) (bool, error) {
	r, utf := bufio.NewReader(f), true
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

// names are what a heading may call the columns.
var names = map[string]string{
	"流水号": "key", "row_key": "key", "手机号": "phone", "手机号码": "phone", "phone": "phone", "积分": "points", "points": "points",
}

func (r *rowReader) heading() error {
	cells, err := r.read()
	if err != nil || len(cells) > maxColumns {
		return ErrFileFormat.With(err)
	}
	at := map[string]int{}
	for i, cell := range cells {
		name, ok := names[strings.ToLower(strings.TrimSpace(cell))]
		if _, twice := at[name]; ok && twice {
			return ErrFileFormat.With(fmt.Errorf("two columns are named %s", name))
		}
		if ok {
			at[name] = i
		}
	}
	if len(at) != 3 {
		return ErrFileFormat.With(fmt.Errorf("the heading names %d of 3 columns", len(at)))
	}
	r.key, r.phone, r.points = at["key"], at["phone"], at["points"]
	r.columns = max(r.key, r.phone, r.points) + 1
	return nil
}

// next is the next accrual; empty lines are passed over. It answers io.EOF after
// the last, and a fault with errRow's code for a line that cannot be read, with
// the key where there is one.
func (r *rowReader) next() (Accrual, error) {
	for range maxFileRows {
		cells, err := r.read()
		if err != nil {
			return Accrual{}, err
		}
		if blank(cells) {
			continue
		}
		if len(cells) < r.columns || len(cells) > maxColumns {
			return Accrual{}, errRow.Saying("列数不正确：应有%d列，实有%d列", r.columns, len(cells))
		}
		return r.accrual(cells)
	}
	return Accrual{}, ErrFileSize
}

func (r *rowReader) accrual(cells []string) (Accrual, error) {
	for _, i := range []int{r.key, r.phone, r.points} {
		if len(cells[i]) > maxCell {
			return Accrual{}, errRow.Saying("第%d列内容过长", i+1)
		}
	}
	a := Accrual{Key: strings.Clone(strings.TrimSpace(cells[r.key]))}
	if !model.RequestID(a.Key).Valid() {
		return Accrual{}, errRow.Saying("%s", ErrRowKey.Text)
	}
	var err error
	if a.Phone, err = model.ParsePhone(strings.TrimSpace(cells[r.phone])); err != nil {
		return a, errRow.Saying("手机号不正确")
	}
	n, err := strconv.ParseInt(strings.TrimSpace(cells[r.points]), 10, 64)
	if err != nil || n <= 0 || model.Points(n) > MaxAmount {
		return a, errRow.Saying("积分应为正整数")
	}
	a.Points = model.Points(n)
	return a, nil
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
