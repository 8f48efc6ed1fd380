package audience_test

import (
	"database/sql"
	"errors"
	"maps"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestFactsAreTheWordsOfManyAtOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		importText(t, a, "手机号,姓名,性别,套餐,城市\n13800000001,张三丰,男,畅享129,南京\n13800000002,李四,,,\n")
		for id, number := range map[model.MemberID]string{77: "13800000001", 78: "13800000002"} {
			if err := observe(t.Context(), a, model.Member{ID: id, JoinedAt: daysAgo(10), Phone: phone(t, number), BoundAt: daysAgo(1)}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := a.Facts(t.Context(), []model.MemberID{78, 77, 99, 77}, []string{audience.FactName, audience.FactTail, "plan", "city", "nothing"})
		if err != nil {
			t.Fatal(err)
		}
		zhang := map[string]string{"name": "张先生", "tail": "0001", "plan": "畅享129", "city": "南京"}
		for i, want := range []map[string]string{{"tail": "0002"}, zhang, {}, zhang} {
			if !maps.Equal(got[i], want) {
				t.Errorf("facts of person %d = %v, want %v", i, got[i], want)
			}
		}
		if _, err := a.Facts(t.Context(), make([]model.MemberID, 1001), []string{"plan"}); !errors.Is(err, audience.ErrTooMany) {
			t.Errorf("1,001 people = %v, want ErrTooMany", err)
		}
	})
}
