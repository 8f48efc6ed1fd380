package chat

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kaimenhong/model"
)

// bestSlowly finds the rule as its documentation says it, one by one.
func bestSlowly(rules []Rule, said string, now model.Millis) (model.Content, bool) {
	order := []How{Exact, Prefix, Contains}
	var met []Rule
	for _, r := range rules {
		p := string(fold(r.Pattern).runes)
		hit := map[How]bool{Exact: said == p, Prefix: strings.HasPrefix(said, p), Contains: strings.Contains(said, p)}[r.How]
		if hit && r.Enabled && r.StartsAt <= now && (r.EndsAt == 0 || now < r.EndsAt) {
			met = append(met, r)
		}
	}
	if len(met) == 0 {
		return model.Content{}, false
	}
	return slices.MinFunc(met, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(slices.Index(order, a.How), slices.Index(order, b.How)),
			cmp.Compare(len([]rune(b.Pattern)), len([]rune(a.Pattern))), cmp.Compare(a.ID, b.ID))
	}).Content, true
}

func TestTheMatcherFindsWhatASlowSearchFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching("[红包领取ab]{1,4}")
		rules := make([]Rule, rapid.IntRange(0, 30).Draw(t, "rules"))
		for i := range rules {
			rules[i] = Rule{
				ID: model.ID(i + 1), How: rapid.SampledFrom([]How{Exact, Prefix, Contains}).Draw(t, "how"), Pattern: word.Draw(t, "pattern"),
				Priority: rapid.IntRange(-1, 1).Draw(t, "priority"), Enabled: rapid.IntRange(0, 9).Draw(t, "enabled") > 0,
				StartsAt: model.Millis(rapid.IntRange(0, 3).Draw(t, "starts")), EndsAt: model.Millis(rapid.IntRange(0, 6).Draw(t, "ends")),
			}
			rules[i].Content = model.Text(rules[i].ID.String())
		}
		m := newMatcher(1, rules)
		for range 5 {
			said, now := rapid.StringMatching("[红包领取ab]{0,12}").Draw(t, "said"), model.Millis(rapid.IntRange(0, 6).Draw(t, "now"))
			want, wantOK := bestSlowly(rules, said, now)
			got, ok := m.match([]rune(said), now, false)
			if ok != wantOK || got.Text != want.Text {
				t.Fatalf("match(%q at %d) = %q, %v, want %q, %v", said, now, got.Text, ok, want.Text, wantOK)
			}
		}
	})
}
