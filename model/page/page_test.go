package page

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestACursorIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by, id := rapid.Int64Min(0).Draw(t, "by"), rapid.Int64Min(0).Draw(t, "id")
		if got, err := Before(Cursor(id)); got != id || err != nil {
			t.Errorf("Before(%q) = %d, %v", Cursor(id), got, err)
		}
		if got, err := After(Cursor(id)); got != id || err != nil {
			t.Errorf("After(%q) = %d, %v", Cursor(id), got, err)
		}
		if gotBy, gotID, err := Pair(Cursor(by, id)); gotBy != by || gotID != id || err != nil {
			t.Errorf("Pair(%q) = %d, %d, %v", Cursor(by, id), gotBy, gotID, err)
		}
	})
}

func TestAStrangeCursorIsRefused(t *testing.T) {
	for _, cursor := range []string{"x", "-1", "+1", " 1", "1.", "1.2", "9223372036854775808", "１"} {
		if n, err := Before(cursor); !errors.Is(err, ErrCursor) {
			t.Errorf("Before(%q) = %d, %v, want ErrCursor", cursor, n, err)
		}
		if n, err := After(cursor); !errors.Is(err, ErrCursor) {
			t.Errorf("After(%q) = %d, %v, want ErrCursor", cursor, n, err)
		}
	}
	for _, cursor := range []string{"", "1", "1.", ".1", "1.-2", "1.2.3", "1,2"} {
		if by, id, err := Pair(cursor); !errors.Is(err, ErrCursor) {
			t.Errorf("Pair(%q) = %d, %d, %v, want ErrCursor", cursor, by, id, err)
		}
	}
	if n, err := Before(""); n != math.MaxInt64 || err != nil {
		t.Errorf(`Before("") = %d, %v, want all`, n, err)
	}
	if n, err := After(""); n != 0 || err != nil {
		t.Errorf(`After("") = %d, %v, want all`, n, err)
	}
}

func TestWhoFollowsTheCursorsMeetsEachRowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfDistinct(rapid.Int64Range(1, 1000), rapid.ID[int64]).Draw(t, "rows")
		slices.Sort(rows)
		slices.Reverse(rows)
		size := Size(rapid.IntRange(-3, 150).Draw(t, "limit"))
		if size < 1 || size > Max {
			t.Fatalf("Size = %d", size)
		}
		most := rapid.IntRange(1, 300).Draw(t, "most")
		met, next, err := All(most, func(cursor string, limit int) ([]int64, string, error) {
			before, err := Before(cursor)
			if err != nil {
				return nil, "", err
			}
			at := slices.IndexFunc(rows, func(id int64) bool { return id < before })
			if at < 0 {
				at = len(rows)
			}
			size := min(size, Size(limit))
			shown, next := Cut(rows[at:min(at+int(size)+1, len(rows))], size, func(id int64) string { return Cursor(id) })
			if len(shown) > int(size) {
				t.Fatalf("a page of %d, at most %d", len(shown), size)
			}
			return shown, next, nil
		})
		if err != nil || !slices.Equal(met, rows[:min(most, len(rows))]) || (next != "") != (most < len(rows)) {
			t.Fatalf("met %v and %q, %v, of %v", met, next, err, rows)
		}
	})
}
