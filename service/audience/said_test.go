package audience_test

import (
	"fmt"
	"slices"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

// leaves are conditions that differ in one thing from another.
func leaves(w *world) []string {
	all := []string{
		`{"tag":"甲"}`, `{"tag":"乙"}`, fmt.Sprintf(`{"segment":"%s"}`, w.inner[0].ID),
		`{"bucket":{"from":0,"to":9}}`, `{"bucket":{"from":9,"to":9}}`, `{"stage":["顾客"]}`, `{"stage":["顾客","会员"]}`,
		`{"attribute":"follows","op":"eq","value":true}`, `{"attribute":"follows","op":"eq","value":false}`,
		`{"attribute":"birth_month","op":"eq","value":2}`, `{"attribute":"birth_month","op":"in","value":[2,3]}`,
		`{"attribute":"arpu1","op":"between","value":[2500,5000]}`, `{"attribute":"arpu1","op":"in","value":[2500,5000]}`,
	}
	for _, op := range []string{"eq", "ne", "gt", "gte", "lt", "lte"} {
		for _, value := range []int{0, 5000, 7500} {
			all = append(all, fmt.Sprintf(`{"attribute":"arpu1","op":"%s","value":%d}`, op, value))
		}
	}
	for _, word := range []string{`"attribute":"plan"`, `"attribute":"gender"`, `"attribute":"arpu1"`} {
		all = append(all, `{`+word+`,"op":"known"}`, `{`+word+`,"op":"unknown"}`)
	}
	for _, op := range []string{"eq", "ne"} {
		all = append(all, `{"attribute":"plan","op":"`+op+`","value":"大王卡"}`, `{"attribute":"gender","op":"`+op+`","value":"男"}`)
	}
	for _, did := range []string{"did", "didNot"} {
		for _, kind := range []string{"help", "tap"} {
			for times := 1; times <= 3; times++ {
				all = append(all, fmt.Sprintf(`{"%s":"%s","days":7,"times":%d}`, did, kind, times), fmt.Sprintf(`{"%s":"%s","days":40,"times":%d}`, did, kind, times))
			}
		}
	}
	return all
}

// TestOneSentenceMeansOneAudience says every condition, every no to one and every two of
// them joined, and has those that are said alike select the same people.
func TestOneSentenceMeansOneAudience(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	w := makeWorld(t, a)
	trees := leaves(w)
	for _, leaf := range slices.Clone(trees) {
		trees = append(trees, `{"not":`+leaf+`}`, `{"not":{"not":`+leaf+`}}`)
	}
	for i, leaf := range leaves(w)[1:] {
		for _, word := range []string{"and", "or"} {
			pair := `{"` + word + `":[` + trees[i] + `,` + leaf + `]}`
			behind := `{"` + word + `":[` + leaf + `,{"tag":"甲"}]}`
			trees = append(trees, pair, `{"not":`+pair+`}`)
			for _, outer := range []string{"and", "or"} {
				trees = append(trees, `{"`+outer+`":[`+pair+`,{"tag":"甲"}]}`, `{"`+outer+`":[`+trees[i]+`,`+behind+`]}`)
			}
		}
	}
	said := map[string]string{}
	for _, one := range trees {
		sentence, err := a.Explain(t.Context(), tree(t, one))
		if err != nil {
			t.Fatalf("Explain(%s) = %v", one, err)
		}
		other, again := said[sentence]
		said[sentence] = one
		if !again {
			continue
		}
		these, err := a.Sample(t.Context(), nil, tree(t, one), 200)
		if err != nil {
			t.Fatal(err)
		}
		if those, err := a.Sample(t.Context(), nil, tree(t, other), 200); err != nil || !slices.Equal(these, those) {
			t.Errorf("%s and %s are both said %q and mean %d and %d people (%v)", one, other, sentence, len(these), len(those), err)
		}
	}
}
