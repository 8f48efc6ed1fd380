package chat

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// The first letter spares the look at most messages, and decides about none that the
// whole pattern takes.
func TestTheFirstLetterHidesNoCourtesy(t *testing.T) {
	sets := map[string]phrases{"greetings": greetings, "thanks": thanks, "nods": nods}
	parts := strings.Fields("你好 您好 亲 hi Hello 谢谢 太感谢 收到 好 好的 是 是的 嗯 OK 知道 了 啦 啊 呀 您 查话费 ！ ， ～ 😊 [微笑] 1 查")
	rng := rand.New(rand.NewPCG(20261123, 1))
	taken := map[string]int{}
	for range 20_000 {
		var text strings.Builder
		for range 1 + rng.IntN(4) {
			text.WriteString(parts[rng.IntN(len(parts))])
		}
		f := fold(withoutFaces(text.String()))
		for name, set := range sets {
			want := wholly(f.words(), set.whole)
			if got := f.are(set); got != want {
				t.Fatalf("%q are %s: %v, by the whole pattern %v", text.String(), name, got, want)
			}
			if want {
				taken[name]++
			}
		}
	}
	for name := range sets {
		if taken[name] == 0 {
			t.Errorf("nothing that was tried is one of the %s", name)
		}
	}
}
