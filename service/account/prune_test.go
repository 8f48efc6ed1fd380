package account_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/account"
)

func TestPruneDeletesManyRowsByOneStatement(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		r := newRig(t, db, client, account.Options{})
		now := r.clock.now()
		insert := func(table, row string, n int, args func(i int) []any) {
			var all []any
			for i := range n {
				all = append(all, args(i)...)
			}
			if _, err := db.ExecContext(t.Context(), "INSERT INTO "+table+" VALUES "+row+strings.Repeat(", "+row, n-1), all...); err != nil {
				t.Fatal(err)
			}
		}
		const rows = 1000 // of each age
		for _, one := range []struct {
			name string
			at   time.Time
		}{{"a", now.AddDate(0, 0, -100)}, {"b", now}, {"c", now}, {"d", now}} {
			key := func(i int) string { return fmt.Sprintf("%s%05d", one.name, i) }
			insert("account_snapshot (phone_key, kind, sealed, as_of, saved_at)", "(?, 'usage', '', 1, ?)", rows, func(i int) []any {
				return []any{key(i), one.at.UnixMilli() + int64(i)}
			})
			insert("account_usage_day (phone_key, day, sealed, sampled_at)", "(?, ?, '', 1)", rows, func(i int) []any {
				return []any{key(i), int32(model.DayOf(one.at)) - int32(i%2)}
			})
		}
		prune := func() int {
			n, err := r.Prune(t.Context(), 500)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := prune(); n != 1000 {
			t.Errorf("Prune = %d, want 500 of each", n)
		}
		statements := dbtest.Statements(t, db, func() {
			if a, b := prune(), prune(); a != 1000 || b != 0 {
				t.Errorf("Prune = %d, then %d, want 500 of each and none", a, b)
			}
		})
		if statements > 10 {
			t.Errorf("1,000 rows took %d statements, want few", statements)
		}
	})
}
