package chat

import (
	"fmt"
	"testing"

	"kaimenhong/model"
)

// BenchmarkIntent reads the whole corpus, a sentence a step.
func BenchmarkIntent(b *testing.B) {
	all := corpus(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Understand(all[i%len(all)].text, ChinaMobile)
	}
}

// manyRules are n rules of all three kinds, with patterns of the length and the
// characters that campaigns have.
func manyRules(n int) []Rule {
	letters := []rune("红包新年福利领取活动节日元宵中秋端午流量话费积分翻倍抽奖好友助力签到会员专享礼品限时秒杀")
	rules := make([]Rule, n)
	state := uint32(1)
	for i := range rules {
		pattern := make([]rune, 4)
		for k := range pattern {
			state = state*1664525 + 1013904223
			pattern[k] = letters[int(state>>8)%len(letters)]
		}
		rules[i] = Rule{ID: model.ID(i + 1), How: []How{Exact, Prefix, Contains}[i%3], Pattern: string(pattern), Enabled: true, Content: model.Text(fmt.Sprint(i))}
	}
	return rules
}

// benchmarkRules reads a sentence as Handle does: rules first, then the meaning.
func benchmarkRules(b *testing.B, n int) {
	all := corpus(b)
	m := newMatcher(1, manyRules(n))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := fold(all[i%len(all)].text)
		if _, ok := m.match(f.runes, 1, false); !ok {
			understand(f, ChinaMobile)
		}
	}
}

func BenchmarkRules10(b *testing.B)    { benchmarkRules(b, 10) }
func BenchmarkRules10000(b *testing.B) { benchmarkRules(b, 10000) }
