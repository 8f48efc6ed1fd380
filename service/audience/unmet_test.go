package audience_test

import (
	"errors"
	"slices"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestWhatSomebodyLacksIsToldInWords(t *testing.T) {
	a, ctx := open(t, dbtest.SQLite(t), audience.Options{}), t.Context()
	importText(t, a, "手机号,套餐,上月ARPU\n13800000001,大王卡,30\n")
	if err := observe(ctx, a, model.Member{ID: 5, Phone: phone(t, "13800000001"), BoundAt: 1}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, tree string
		want       []string
	}{
		{"he is in", `{"attribute":"plan","op":"eq","value":"大王卡"}`, nil},
		{"one of two", `{"and":[{"attribute":"plan","op":"known"},{"attribute":"arpu1","op":"gte","value":5000}]}`, []string{"没有满足：上月ARPU不低于50元（他：30元）"}},
		{"either", `{"or":[{"did":"tap","days":30},{"attribute":"arpu1","op":"gte","value":5000}]}`, []string{"没有满足：近30天有过“点击”，或上月ARPU不低于50元"}},
		{"not", `{"not":{"attribute":"plan","op":"eq","value":"大王卡"}}`, []string{"没有满足：不符合“套餐为“大王卡””（他：大王卡）"}},
	} {
		s, err := a.CreateSegment(ctx, 1, tt.name, tree(t, tt.tree))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.Unmet(ctx, s.ID, 5); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: Unmet = %q, %v, want %q", tt.name, got, err, tt.want)
		}
		if _, err := a.Unmet(ctx, s.ID, 77); !errors.Is(err, audience.ErrUnknown) {
			t.Errorf("of somebody unknown: %v, want ErrUnknown", err)
		}
	}
}
