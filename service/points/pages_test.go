package points

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

// All that was earned in a month may expire in one millisecond: no page of reminders may
// read again those before it.
func TestWhatExpiresAtOnceIsReadOnceByThePages(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		const members = 20 * slice
		expires := endOfDay(f.clock.now().Add(3 * day))
		for first := 1; first <= members; first += 1000 {
			var rows []string
			for id := first; id < first+1000; id++ {
				rows = append(rows, fmt.Sprintf("(%d,%d,%d,10,10,'month',1,%d,1,0,1)", id, id, id, expires))
			}
			if _, err := pool.ExecContext(t.Context(), `INSERT INTO points_lot (id, member_id, open_member, issued, remaining, source, active_at, expires_at,
				posting_id, origin_id, created_at) VALUES `+strings.Join(rows, ",")); err != nil {
				t.Fatal(err)
			}
		}
		promised, reads := 0, 0
		remind := func() {
			n, err := f.RemindDue(t.Context())
			if promised = n; err != nil {
				t.Fatal(err)
			}
		}
		if sqldb.Embedded(pool) {
			remind() // it counts nothing
		} else {
			reads = dbtest.Reads(t, pool, remind)
		}
		if promised != members || reads > 5*members {
			t.Errorf("%d of %d were promised a reminder by reading %d rows, want each once", promised, members, reads)
		}
	})
}
