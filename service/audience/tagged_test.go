package audience_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestTheAuditKeepsWhichTagWentOnWhom(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, lines := open(t, db, audience.Options{}), told{}
		a.Audit = &lines
		var acts []audience.Act
		everybody := []model.MemberID{}
		for m := model.MemberID(900000000000000001); len(everybody) < audience.MaxTagged; m++ {
			everybody = append(everybody, m)
			acts = append(acts, audience.Act{Member: m, Kind: audience.Tap, At: daysAgo(0)})
		}
		people := everybody[:2]
		for part := range slices.Chunk(acts, 500) {
			if err := a.Did(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
		last := func() string {
			_, detail, _ := strings.Cut(lines[len(lines)-1], " ")
			return detail
		}
		for _, tt := range []struct {
			name string
			do   func() error
			want string
		}{
			{"made", func() error { _, err := a.CreateTag(t.Context(), 1, "返乡"); return err }, `{"name":"返乡"}`},
			{"on one", func() error { _, err := a.AddTag(t.Context(), 1, "返乡", people[:1]); return err },
				`{"members":1,"name":"返乡","who":["900000000000000001"]}`},
			{"on two, one of whom has it", func() error { _, err := a.AddTag(t.Context(), 1, "返乡", people); return err },
				`{"members":1,"name":"返乡","who":["900000000000000002"]}`},
			{"off one of two", func() error {
				_, err := a.RemoveTag(t.Context(), 1, "返乡", []model.MemberID{people[1], 77})
				return err
			}, `{"members":1,"name":"返乡","who":["900000000000000002"]}`},
		} {
			if err := tt.do(); err != nil || last() != tt.want {
				t.Errorf("%s: %v, the audit has %s, want %s", tt.name, err, last(), tt.want)
			}
		}
		if got, err := a.AddTag(t.Context(), 1, "所有人", everybody); err != nil || got.Changed != audience.MaxTagged {
			t.Fatalf("AddTag = %+v, %v", got, err)
		}
		if text := last(); len(text) > 62_000 {
			t.Errorf("the line has %d bytes, more than one may have", len(text))
		}
	})
}

func TestTheAuditKeepsTheNameOfAnUploadedList(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, lines := open(t, db, audience.Options{}), told{}
		importText(t, a, customers(2))
		a.Audit = &lines
		file := "手机号\n13800000001\n13900000000\n"
		upload := func(name, want string) audience.List {
			t.Helper()
			list, err := a.UploadList(t.Context(), nil, 1, name, strings.NewReader(file))
			if got := lines[len(lines)-1]; err != nil || got != want {
				t.Errorf("UploadList = %v, the audit has %s, want %s", err, got, want)
			}
			return list.List
		}
		upload("返乡名单", `list.upload {"name":"返乡名单","members":1}`)
		a.Audit = nil
		importText(t, a, "手机号\n13900000000\n")
		a.Audit = &lines
		upload("别名", `list.upload {"name":"返乡名单","members":1}`) // it is the first list, and one more on it
	})
}
