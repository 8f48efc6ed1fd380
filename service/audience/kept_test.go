package audience_test

import (
	"database/sql"
	"errors"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience"
)

// Of two who are one the number that was proved last stays, and what the carrier said of
// it with it, whichever of the two had it.
func TestTheNumberThatStaysKeepsWhatTheCarrierSaid(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name            string
			older, younger  string
			olderAt, lastAt model.Millis
			stays, tail     string
			plan            string
		}{
			{"the younger member's", "13800000001", "13800000002", 5, 9, "13800000002", "138****0002", "小王卡"},
			{"the older member's", "13800000003", "13800000004", 9, 5, "13800000003", "138****0003", "大王卡"},
		} {
			a := open(t, db, audience.Options{})
			importText(t, a, "手机号,套餐\n"+tt.older+",大王卡\n"+tt.younger+",小王卡\n")
			into, from := model.MemberID(17), model.MemberID(18)
			if tt.olderAt > tt.lastAt {
				into, from = 27, 28
			}
			one := model.Member{ID: into, Phone: phone(t, tt.stays), BoundAt: max(tt.olderAt, tt.lastAt), JoinedAt: 1}
			err := errors.Join(
				observe(t.Context(), a, model.Member{ID: into, Phone: phone(t, tt.older), BoundAt: tt.olderAt, JoinedAt: 1}),
				observe(t.Context(), a, model.Member{ID: from, Phone: phone(t, tt.younger), BoundAt: tt.lastAt, JoinedAt: 2}),
				sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error { return a.JoinTx(t.Context(), tx, from, into) }),
				observe(t.Context(), a, one),
			)
			if err != nil {
				t.Fatal(err)
			}
			p, err := a.Portrait(t.Context(), into)
			if err != nil || p.Phone != tt.tail || fact(p, "plan").Value != tt.plan {
				t.Errorf("%s: his portrait = %s, %v, %v, want %s with %s", tt.name, p.Phone, fact(p, "plan").Value, err, tt.tail, tt.plan)
			}
		}
	})
}
