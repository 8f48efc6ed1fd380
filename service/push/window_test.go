package push_test

import (
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push"
)

// TestAWindowIsOpenToWhomItsMemberHasBecome lets somebody write before WeChat says who he
// is: what he may be sent for it is sent to him as whom he is a moment later.
func TestAWindowIsOpenToWhomItsMemberHasBecome(t *testing.T) {
	const stranger model.MemberID = alice + 1
	for _, tt := range []struct {
		name string
		own  time.Duration // when the survivor wrote, after the stranger; 0: never
		left int           // messages that reach him
	}{
		{"he never wrote before", 0, 4},
		{"he wrote before", -time.Hour, 4},
		{"he wrote later", time.Hour, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				w := newWorld()
				w.mini = ""
				p := newPusher(t, pool, w)
				must(t, p.Touched(t.Context(), stranger, push.Messaged, model.At(noon)))
				if _, err := pool.Exec("UPDATE push_entitlement SET remaining = 4"); err != nil { // one was sent to him
					t.Fatal(err)
				}
				if tt.own != 0 {
					must(t, p.Touched(t.Context(), alice, push.Messaged, model.At(noon.Add(tt.own))))
				}
				w.now = noon.Add(2 * time.Hour)
				for range 2 {
					must(t, sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error { return p.JoinTx(t.Context(), tx, stranger, alice) }))
				}
				for i := range 8 {
					n := notice(model.RequestID('a'+rune(i)), push.Transactional)
					n.Official, n.Template, n.Mini = model.Notice{}, model.Notice{}, model.Notice{}
					_, err := p.Tell(t.Context(), alice, n)
					must(t, err)
				}
				if len(w.reached) != tt.left {
					t.Errorf("%d messages reached him, want %d", len(w.reached), tt.left)
				}
			})
		})
	}
}
