package audience_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

// everywhereElse are as many regions as an operator may have, one of them with a longer
// name than any place of a portrait.
func everywhereElse(also ...model.Region) model.Regions {
	regions := model.Regions{{Province: strings.Repeat("远", 32)}}
	for i := len(also) + 1; i < model.MaxRegions; i++ {
		regions = append(regions, model.Region{Province: "外省", City: fmt.Sprintf("第%d市", i)})
	}
	return append(regions, also...)
}

func TestASampleOfRegionsTakesEveryTreeThatMayBeSaved(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		importText(t, a, "手机号,省份,城市\n13800000001,江苏,南京\n13800000002,江苏,苏州\n13800000003,广东,深圳\n13800000004,,\n")
		deep := tree(t, strings.Repeat(`{"not":`, 6)+`{"or":[{"attribute":"province","op":"known"},{"attribute":"province","op":"unknown"}]}`+strings.Repeat("}", 6))
		wide := tree(t, `{"or":[`+strings.Repeat(`{"attribute":"province","op":"unknown"},`, 198)+`{"attribute":"province","op":"known"}]}`)
		for _, tt := range []struct {
			name    string
			regions model.Regions
			tree    audience.Node
			want    int
		}{
			{"everywhere", nil, deep, 4},
			{"a city, a deep tree", everywhereElse(model.Region{Province: "江苏", City: "南京"}), deep, 1},
			{"a province, a wide tree", everywhereElse(model.Region{Province: "江苏"}), wide, 2},
			{"a city and a province", everywhereElse(model.Region{Province: "江苏", City: "苏州"}, model.Region{Province: "广东"}), wide, 2},
			{"nowhere", everywhereElse(), deep, 0},
		} {
			if found, err := a.Validate(t.Context(), tt.tree, 0); err != nil || len(found) > 0 {
				t.Fatalf("%s: Validate = %v, %v, want a tree that may be saved", tt.name, found, err)
			}
			if got, err := a.Sample(t.Context(), tt.regions, tt.tree, 10); err != nil || len(got) != tt.want {
				t.Errorf("%s: Sample = %v, %v, want %d people", tt.name, got, err, tt.want)
			}
		}
	})
}
