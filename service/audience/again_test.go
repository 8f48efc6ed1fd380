package audience_test

import (
	"database/sql"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestAFileThatComesAgainWithAnotherDateSaysThatItWasNotTakenUp(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		upload := func(at model.Millis, note string) {
			t.Helper()
			got, err := a.Import(t.Context(), audience.Upload{Name: "客户.csv", Operator: 1, AsOf: at, File: strings.NewReader(customers(3))})
			if err != nil || got.AsOf != daysAgo(9) || (got.Note != "") != (note != "") || !strings.Contains(got.Note, note) {
				t.Errorf("Import = %+v, %v, want the first date and %q", got, err, note)
			}
		}
		upload(daysAgo(9), "")
		upload(daysAgo(9), "")
		upload(0, "")
		upload(daysAgo(2), daysAgo(9).Time().Format("2006-01-02 15:04"))
	})
}
