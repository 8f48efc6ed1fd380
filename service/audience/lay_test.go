package audience_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

// Batches are laid beside each other while no number is known. Here one in twenty lines
// has a number of a few lines before, which lies in the same batch, in the one that is
// being saved, or in one that is laid beside it.
func TestTheLastLineOfANumberHasTheLastWord(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{ImportBatch: 4})
		var file strings.Builder
		file.WriteString("手机号,套餐,上月ARPU\n")
		last := map[string]int64{}
		var numbers []int
		for line := range 600 {
			n := line
			if line > 8 && rand.IntN(20) == 0 {
				n = numbers[line-1-rand.IntN(8)]
			}
			numbers = append(numbers, n)
			fmt.Fprintf(&file, "1380000%04d,套餐%d,%d\n", n, n, line+1)
			last[fmt.Sprint("套餐", n)] = int64(line+1) * 100
		}
		got := importText(t, a, file.String())
		if got.Total != 600 || got.Added != int64(len(last)) || got.Changed != 600-got.Added || got.Line != 601 || got.DoneAt == 0 {
			t.Errorf("Import = %+v, want %d added and the others changed", got, len(last))
		}
		rows, err := db.QueryContext(t.Context(), "SELECT p.plan, p.arpu1 FROM audience_customer c JOIN audience_portrait p ON p.member_id = c.member_id")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		found := 0
		for ; rows.Next(); found++ {
			var plan string
			var arpu int64
			if err := rows.Scan(&plan, &arpu); err != nil || arpu != last[plan] {
				t.Errorf("who has %s has %d fen, %v, want those of his last line, %d", plan, arpu, err, last[plan])
			}
		}
		if err := rows.Err(); err != nil || found != len(last) {
			t.Errorf("%d customers, %v, want %d", found, err, len(last))
		}
	})
}
