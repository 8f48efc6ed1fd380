package redpacket

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
)

func TestAFriendIsBroughtByTheFirstHeHelped(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		one, two := open(t, e, game, 1), open(t, e, game, 2)
		for i, help := range []struct {
			pot    PotID
			helper int
		}{{one.Pot, 101}, {two.Pot, 101}, {two.Pot, 102}} {
			if _, err := helpAs(t, e, help.pot, help.helper, fmt.Sprint("r", i)); err != nil {
				t.Fatal(err)
			}
			h.clock.advance(time.Second)
		}
		got, err := e.Played(t.Context(), game.ID, []model.MemberID{1, 2, 3})
		if err != nil || len(got) != 2 {
			t.Fatalf("Played = %+v, %v, want two owners", got, err)
		}
		for owner, want := range map[model.MemberID]struct{ helps, friend int64 }{1: {1, 101}, 2: {2, 102}} {
			p := got[owner]
			if p.Pots != 1 || p.Helps != want.helps || len(p.Brought) != 1 || int64(p.Brought[0]) != want.friend {
				t.Errorf("owner %d: %+v, want one pot, %d helps, friend %d", owner, p, want.helps, want.friend)
			}
		}
	})
}

func TestWhatAMemberPlayedAsAnotherIsHis(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		his, hers := open(t, e, game, 7), open(t, e, game, 2)
		for i, help := range []struct {
			pot    PotID
			helper int
		}{{his.Pot, 101}, {hers.Pot, 201}, {his.Pot, 103}} {
			if _, err := helpAs(t, e, help.pot, help.helper, fmt.Sprint("r", i)); err != nil {
				t.Fatal(err)
			}
			h.clock.advance(time.Second)
		}
		join(t, e, 7, 1)
		join(t, e, 103, 201) // whom 2 brought first
		got, err := e.Played(t.Context(), game.ID, []model.MemberID{1, 2})
		if err != nil {
			t.Fatal(err)
		}
		for owner, want := range map[model.MemberID]Played{
			1: {Pots: 1, Helps: 2, Brought: []model.MemberID{101}},
			2: {Pots: 1, Helps: 1, Brought: []model.MemberID{201}},
		} {
			if p := got[owner]; p.Pots != want.Pots || p.Helps != want.Helps || !slices.Equal(p.Brought, want.Brought) {
				t.Errorf("owner %d: %+v, want %+v", owner, p, want)
			}
		}
	})
}
