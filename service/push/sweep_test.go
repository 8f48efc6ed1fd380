package push

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// row is one of a table whose key is n; those with an odd hundred are old.
type row struct{ n int }

func (r row) old() bool { return r.n/100%2 == 1 }

func TestASweepFindsEverythingOldInBoundedPasses(t *testing.T) {
	var table []row
	for i := range 3 * sweepPage {
		table = append(table, row{i + 1})
	}
	var s sweep[row]
	now := time.Unix(1e9, 0)
	looked, failing := 0, true
	pass := func() (int, error) {
		return s.pass(now, func(last row) ([]row, error) {
			looked++
			from := slices.IndexFunc(table, func(r row) bool { return r.n > last.n })
			if from < 0 {
				return nil, nil
			}
			return slices.Clone(table[from:min(len(table), from+sweepPage)]), nil
		}, row.old, func(found []row) error {
			if len(found) > maxForget {
				t.Fatalf("%d rows are dropped at once", len(found))
			}
			if failing {
				failing = false
				return errors.New("the store is away")
			}
			table = slices.DeleteFunc(table, func(r row) bool { return slices.Contains(found, r) })
			return nil
		})
	}
	if _, err := pass(); err == nil {
		t.Error("a failure is not told")
	}
	for range 3 * sweepPage / maxForget {
		n, err := pass()
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if i := slices.IndexFunc(table, row.old); i >= 0 {
		t.Errorf("row %d is old and still there", table[i].n)
	}
	before := looked
	if n, err := pass(); n != 0 || err != nil || looked != before {
		t.Errorf("the next pass = %d, %v, and looked %d times, want that the table rests", n, err, looked-before)
	}
	now = now.Add(sweepRest)
	if n, err := pass(); n != 0 || err != nil || looked == before {
		t.Errorf("the pass of the next night = %d, %v, want that it looks anew", n, err)
	}
}
