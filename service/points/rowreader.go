package points

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sheet"
)

const (
	maxUnzipped = 256 << 20 // bytes that a workbook may unpack to
	maxCell     = 256       // bytes
)

// rowReader reads accruals out of a table, one line at a time.
type rowReader struct {
	*sheet.Sheet
	key     int // columns
	phone   int
	points  int
	columns int
}

// openRows finds out what the file is and reads its heading.
func openRows(f *os.File) (*rowReader, error) {
	table, err := sheet.Open(f, maxUnzipped)
	if err != nil {
		return nil, err
	}
	r := &rowReader{Sheet: table}
	if err := r.heading(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// readable reads the file to its end, for nothing of one that is refused is credited.
func readable(f *os.File) error {
	r, err := openRows(f)
	if err != nil {
		return err
	}
	defer r.Close()
	for range maxFileRows + 1 {
		_, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			_, err := f.Seek(0, io.SeekStart)
			return err
		case err != nil && !errors.Is(err, errRow):
			return err
		}
	}
	return ErrFileSize
}

// names are what a heading may call the columns.
var names = map[string]string{
	"流水号": "key", "row_key": "key", "手机号": "phone", "手机号码": "phone", "phone": "phone", "积分": "points", "points": "points",
}

func (r *rowReader) heading() error {
	at := map[string]int{}
	for i, cell := range r.Heads {
		name, ok := names[strings.ToLower(cell)]
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
		cells, err := r.Read()
		if errors.Is(err, sheet.ErrLine) {
			return Accrual{}, errRow.Saying("%s", fault.Of(err).Text)
		}
		if err != nil {
			return Accrual{}, err
		}
		if sheet.Empty(cells) {
			continue
		}
		if len(cells) < r.columns || len(cells) > sheet.MaxColumns {
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
	phone, amount := strings.TrimSpace(cells[r.phone]), strings.TrimSpace(cells[r.points])
	if r.Workbook {
		phone, amount = sheet.Whole(phone), sheet.Whole(amount)
	}
	var err error
	if a.Phone, err = model.ParsePhone(phone); err != nil {
		return a, errRow.Saying("手机号不正确")
	}
	n, err := strconv.ParseInt(amount, 10, 64)
	if err != nil || n <= 0 || model.Points(n) > MaxAmount {
		return a, errRow.Saying("积分应为正整数")
	}
	a.Points = model.Points(n)
	return a, nil
}
