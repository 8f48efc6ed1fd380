package operator_test

import (
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/service/operator"
)

func TestTheAuditKeepsAnAccountBeforeAndAfterAChange(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		boss, id := o.add(t, "boss", operator.Admin), o.add(t, "lin", operator.Planner)
		first := operator.Change{Name: "林策", Roles: []operator.Role{operator.Planner}, Regions: model.Regions{{Province: "广东"}}}
		wider := operator.Change{Name: "林全", Roles: []operator.Role{operator.Planner, operator.Editor}}
		for _, c := range []operator.Change{first, wider} {
			if err := o.Update(t.Context(), id, c, boss); err != nil {
				t.Fatal(err)
			}
		}
		list, _, err := o.Audit(t.Context(), operator.Trail{Operator: boss}, "", 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("the audit has %v, %v, want a line", list, err)
		}
		for _, want := range []string{"林策", "广东", "林全", "editor"} {
			if !strings.Contains(string(list[0].Detail), want) {
				t.Errorf("the line of a change says %s, want %s in it", list[0].Detail, want)
			}
		}
	})
}
