package redpacket

import (
	"slices"
	"testing"
)

func TestTheFirstHelpAndTheLastButOneAreNewsWithoutRedis(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		told := 0
		e := h.engine(t, Options{News: func(PotID) { told++ }})
		e.redis = noRedis{}
		game := h.game(t, e, func(r *Rules) { r.Helps, r.Amounts = 40, []Amount{{4000, 1}} })
		pot := open(t, e, game, 1)
		var news []int
		for nth := 1; nth <= 40; nth++ {
			before := told
			if _, err := helpAs(t, e, pot.Pot, 100+nth, "help"); err != nil {
				t.Fatal(err)
			}
			if told > before {
				news = append(news, nth)
			}
		}
		if !slices.Contains(news, 1) || !slices.Contains(news, 39) || len(news) > 1+lastFew {
			t.Errorf("of 40 helps these are news: %v, want the first, the last but one and few others", news)
		}
	})
}
