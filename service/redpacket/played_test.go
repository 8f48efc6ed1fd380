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
		got, err := e.Played(t.Context(), game.ID, []model.MemberID{1, 2, 3}, 0, model.At(h.clock.now().Add(time.Second)))
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
		got, err := e.Played(t.Context(), game.ID, []model.MemberID{1, 2}, 0, model.At(h.clock.now().Add(time.Second)))
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

// A game may have begun before the campaign that is reported, and go on after it.
func TestWhatWasPlayedAtAnotherTimeIsNotAsked(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		open(t, e, game, 1)
		h.clock.advance(time.Minute)
		since := model.At(h.clock.now())
		pot := open(t, e, game, 2)
		if _, err := helpAs(t, e, pot.Pot, 101, "in-time"); err != nil {
			t.Fatal(err)
		}
		h.clock.advance(time.Minute)
		until := model.At(h.clock.now())
		open(t, e, game, 3)
		if _, err := helpAs(t, e, pot.Pot, 102, "late"); err != nil {
			t.Fatal(err)
		}
		got, err := e.Played(t.Context(), game.ID, []model.MemberID{1, 2, 3}, since, until)
		if err != nil || len(got) != 1 || got[2].Pots != 1 || got[2].Helps != 1 || !slices.Equal(got[2].Brought, []model.MemberID{101}) {
			t.Errorf("Played = %+v, %v, want the one of member 2 with the help in time", got, err)
		}
	})
}
