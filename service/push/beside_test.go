package push_test

import (
	"testing"

	"kaimenhong/model"
	"kaimenhong/service/push"
)

func TestADispatchThatFailsKeepsNoOther(t *testing.T) {
	for _, tt := range []struct {
		name   string
		breaks string // a statement that breaks the first dispatch
	}{
		{"its material cannot be read", ""},
		{"its row cannot be read", "UPDATE push_dispatch SET variants = '{' WHERE id = 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, 6, push.PlannerOptions{Shard: 2}, func(t *testing.T, r *rig) {
				first, second := dispatch(1, model.Way{Channel: model.CustomChannel, Material: unread}), dispatch(2, by(model.CustomChannel))
				second.Campaign, second.Step = 8, 80
				r.stage(t, first)
				r.stage(t, second)
				if tt.breaks != "" {
					if _, err := r.sql.ExecContext(t.Context(), tt.breaks); err != nil {
						t.Fatal(err)
					}
				}
				_, err := r.SendDue(t.Context())
				if got := r.states(t, 8); got["sent custom"] != 6 {
					t.Errorf("the other dispatch came to %v, want 6 sent; SendDue = %v", got, err)
				}
			})
		})
	}
}
