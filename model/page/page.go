// Package page cuts lists into pages. A page is asked for by the cursor that came with
// the one before it, which names that page's last row by what the list is ordered by:
// an id, or a number and an id.
//
// Invariant: whoever follows the cursors meets every row that stood before he began and
// stays, once, whatever is added meanwhile.
package page

import (
	"math"
	"strconv"
	"strings"

	"kaimenhong/model/fault"
)

// ErrCursor is the answer to a cursor that came with no page.
var ErrCursor = fault.New(fault.Invalid, "page.cursor", "翻页参数不正确")

// Max is the most rows that one page carries.
const Max = 100

// Size is how many rows to show when limit were asked for, 1…Max. To know whether
// there is a page behind it, a list reads one more.
func Size(limit int) int32 { return int32(min(max(limit, 1), Max)) }

// Before reads the cursor of a list that goes down by id: the rows below it are due,
// all of them for "". Errors: ErrCursor.
func Before(cursor string) (int64, error) { return from(cursor, math.MaxInt64) }

// After reads the cursor of a list that goes up by id: the rows above it are due, all
// of them for "". Errors: ErrCursor.
func After(cursor string) (int64, error) { return from(cursor, 0) }

func from(cursor string, first int64) (int64, error) {
	if cursor == "" {
		return first, nil
	}
	return number(cursor)
}

// Pair reads the cursor of a list that is ordered by a number and then by an id.
// Errors: ErrCursor, also for "".
func Pair(cursor string) (by, id int64, err error) {
	left, right, _ := strings.Cut(cursor, ".")
	if by, err = number(left); err != nil {
		return 0, 0, err
	}
	id, err = number(right)
	return by, id, err
}

// number reads what Cursor writes, of what is not negative.
func number(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, ErrCursor
	}
	return int64(n), nil
}

// Cursor writes what Before, After and Pair read.
func Cursor(by ...int64) string {
	var text []byte
	for i, n := range by {
		if i > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendInt(text, n, 10)
	}
	return string(text)
}

// Cut takes the rows of one page from those read for it, which are one more when there
// is a page behind: next is the cursor of that one, of its last row's at, or "".
func Cut[T any](rows []T, size int32, at func(T) string) (shown []T, next string) {
	if len(rows) <= int(size) {
		return rows, ""
	}
	return rows[:size], at(rows[size-1])
}

// All follows the cursors of a list from its first page on, until it has most rows or
// the list ends; next is "" when there are no more. read answers one page.
func All[T any](most int, read func(cursor string, limit int) ([]T, string, error)) (rows []T, next string, err error) {
	for {
		var some []T
		if some, next, err = read(next, min(Max, most-len(rows))); err != nil {
			return nil, "", err
		}
		if rows = append(rows, some...); next == "" || len(rows) >= most {
			return rows, next, nil
		}
	}
}
