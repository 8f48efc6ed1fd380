package redpacket

import (
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
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

func TestEveryPotThatEndsSoonIsListedOnceWhateverThePages(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		day, brief := h.game(t, e, nil), h.game(t, e, func(r *Rules) { r.PotHours = 2 })
		ends := h.game(t, e, func(r *Rules) { r.PotHours, r.EndsAt = 48, model.At(h.clock.now().Add(24*time.Hour+5*time.Minute)) })
		late := open(t, e, ends, 1) // ends last, and has the least number
		var want []PotID
		for owner := 2; owner < 6; owner++ { // end at once
			want = append(want, open(t, e, day, owner).Pot)
		}
		h.clock.advance(21*time.Hour + 10*time.Minute)
		short := open(t, e, brief, 1).Pot // ends before them
		open(t, e, day, 6)                // and this one tomorrow
		want = append([]PotID{short}, append(want, late.Pot)...)
		h.clock.advance(62 * time.Minute)
		for limit := 1; limit <= len(want)+1; limit++ {
			var got []PotID
			var after PotLine
			for range 10 {
				page, err := e.EndingSoon(t.Context(), 30*time.Minute, after, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range page {
					got, after = append(got, p.Pot), p
				}
				if len(page) < limit {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("in pages of %d the pots that end soon are %v, want %v", limit, got, want)
			}
		}
	})
}
