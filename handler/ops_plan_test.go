package handler

import (
	"encoding/json"
	"strings"
	"testing"

	"kaimenhong/model"
)

func TestAProblemNamesTheFieldAsTheAPIHasIt(t *testing.T) {
	for where, want := range map[string]string{
		"": "", "segment": "segmentId", "holdout": "holdout", "kit": "kitId", "budget": "budgetFen", "steps[0].condition": "steps[0].conditionId",
		"steps[1].when.segment": "steps[1].when.segmentId", "steps[0].variants[0].ways[2].material": "steps[0].variants[0].ways[2].materialId",
		"steps[0].variants[0].ways[2].channel": "steps[0].variants[0].ways[2].channel",
	} {
		if got := fieldOf(where); got != want {
			t.Errorf("fieldOf(%s) = %s, want %s", where, got, want)
		}
	}
	one, all := model.ID(1), opsPlan{}
	all.Steps = []opsStep{{Variants: []opsVariant{{Ways: []opsWay{{}}}}}}
	all.SegmentID, all.KitID, all.Steps[0].ConditionID, all.Steps[0].When.SegmentID = one, one, one, one
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		if !strings.Contains(string(text), `"`+field+`"`) {
			t.Errorf("a plan has no field %s: %s", field, text)
		}
	}
}
