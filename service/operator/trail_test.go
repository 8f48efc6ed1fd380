package operator_test

import (
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator"
)

func TestTheAuditIsReadByWhatByWhomAndByDays(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		first := model.DayOf(o.now())
		o.forward((first + 1).Start().Add(-time.Millisecond).Sub(o.now()))
		for i := range 6 {
			entry := model.AuditEntry{Operator: model.ID(7 + i%2), Action: "campaign.change", Target: model.Ref{Type: "campaign", ID: strconv.Itoa(i % 3)}}
			if err := sqldb.InTx(t.Context(), o.db, func(tx *sql.Tx) error { return o.RecordTx(t.Context(), tx, entry) }); err != nil {
				t.Fatal(err)
			}
			switch i {
			case 0:
				o.forward(time.Millisecond)
			case 2, 4:
				o.forward(24 * time.Hour)
			}
		}
		for _, tt := range []struct {
			name  string
			trail operator.Trail
			want  []int64 // sequence numbers
		}{
			{"everything", operator.Trail{}, []int64{6, 5, 4, 3, 2, 1}},
			{"the first day ends at midnight", operator.Trail{To: first}, []int64{1}},
			{"one day", operator.Trail{From: first + 1, To: first + 1}, []int64{3, 2}},
			{"from a day on", operator.Trail{From: first + 2}, []int64{6, 5, 4}},
			{"a day on which nothing was done", operator.Trail{From: first + 9, To: first + 9}, nil},
			{"days and a thing", operator.Trail{Target: "campaign/0", To: first + 1}, []int64{1}},
			{"days and an operator", operator.Trail{Operator: 8, From: first + 2}, []int64{6, 4}},
		} {
			var got []int64
			for cursor := ""; ; { // by small pages
				page, next, err := o.Audit(t.Context(), tt.trail, cursor, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, line := range page {
					got = append(got, line.Seq)
				}
				if cursor = next; cursor == "" {
					break
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: lines %v, want %v", tt.name, got, tt.want)
			}
		}
		for name, wrong := range map[string]operator.Trail{
			"a thing and an operator": {Target: "campaign/0", Operator: 7},
			"days that run backwards": {From: first + 1, To: first},
		} {
			if _, _, err := o.Audit(t.Context(), wrong, "", 2); !errors.Is(err, operator.ErrTrail) {
				t.Errorf("%s: %v, want %v", name, err, operator.ErrTrail)
			}
		}
	})
}
