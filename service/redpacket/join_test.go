package redpacket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
)

// join makes one of two members, twice over, for a transaction may be repeated.
func join(t *testing.T, e *Engine, from, into model.MemberID) {
	t.Helper()
	for range 2 {
		if err := sqldb.InTx(t.Context(), e.db, func(tx *sql.Tx) error { return e.JoinTx(t.Context(), tx, from, into) }); err != nil {
			t.Fatalf("JoinTx = %v", err)
		}
	}
	e.games.InvalidateAll() // as after Options.GameFresh
}

func TestTwoMembersWhoAreOneHaveTheLimitsOfOne(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.PotsEach, r.HelpsPerDay = 2, 3 })
		var others [4]Opened
		for i := range others {
			others[i] = open(t, e, game, 50+i)
		}
		asTwo, asSeven := open(t, e, game, 2), open(t, e, game, 7)
		for _, help := range []struct {
			pot    Opened
			helper int
		}{{others[0], 2}, {others[0], 7}, {others[1], 7}} {
			if _, err := helpAs(t, e, help.pot.Pot, help.helper, fmt.Sprint("before-", help.helper)); err != nil {
				t.Fatal(err)
			}
		}
		join(t, e, 7, 4) // 4 never played
		join(t, e, 4, 2)
		helps := map[string]interface {
			Help(ctx context.Context, in HelpRequest) (Help, error)
		}{"engine": e, "row lock": NewRowLock(e)}
		for _, tt := range []struct {
			name    string
			pot     Opened
			request string
			want    error
		}{
			{"his pot of before is his own", asSeven, "x", ErrOwnPot},
			{"his own stays his own", asTwo, "x", ErrOwnPot},
			{"where he helped as the other he helped", others[1], "x", ErrAlreadyHelped},
			{"a repeat of what he asked as the other is answered", others[1], "before-7", nil},
			{"where both helped his own help is the answer", others[0], "before-2", nil},
			{"the day is full with the helps of both", others[2], "x", ErrDayLimit},
		} {
			for name, version := range helps {
				_, err := version.Help(t.Context(), HelpRequest{Pot: tt.pot.Pot, Who: visitor(2), Request: model.RequestID(tt.request)})
				if !errors.Is(err, tt.want) {
					t.Errorf("%s, %s: Help = %v, want %v", tt.name, name, err, tt.want)
				}
			}
		}
		if _, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(2), "third"}); !errors.Is(err, ErrPotsLimit) {
			t.Errorf("Open of a third pot = %v, want %v", err, ErrPotsLimit)
		}
		if refusal, err := e.MayOpen(t.Context(), game.ID, visitor(2)); err != nil || !errors.Is(refusal, ErrPotsLimit) {
			t.Errorf("MayOpen = %v, %v, want %v", refusal, err, ErrPotsLimit)
		}
		h.clock.advance(14*time.Hour + time.Minute) // the next day, the pots are still open
		if _, err := helpAs(t, e, others[2].Pot, 2, "tomorrow"); err != nil {
			t.Errorf("Help on the next day = %v, want none of yesterday's limit", err)
		}
		sound(t, e)
	})
}

func TestTheDayOfOneWhoWasTwoIsCountedWhateverItsNumbers(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil) // three helps a day
		var pots [4]Opened
		for i := range pots {
			pots[i] = open(t, e, game, 50+i)
		}
		for _, help := range []struct{ pot, helper int }{{0, 7}, {0, 2}, {1, 2}} {
			if _, err := helpAs(t, e, pots[help.pot].Pot, help.helper, "before"); err != nil {
				t.Fatal(err)
			}
		}
		// The second number of his day went to a pot that was full and came back.
		if _, err := h.db.ExecContext(t.Context(), "UPDATE pot_help SET nth = 3 WHERE helper_id = 2 AND nth = 2"); err != nil {
			t.Fatal(err)
		}
		if _, err := e.loadDay(t.Context(), 2, game.ID, model.DayOf(h.clock.now())); err != nil {
			t.Fatal(err)
		}
		join(t, e, 7, 2)
		away := h.engine(t, Options{})
		away.redis = noRedis{}
		for name, version := range map[string]interface {
			Help(ctx context.Context, in HelpRequest) (Help, error)
		}{"engine": e, "without Redis": away, "row lock": NewRowLock(e)} {
			if _, err := version.Help(t.Context(), HelpRequest{Pot: pots[2].Pot, Who: visitor(2), Request: "fourth"}); !errors.Is(err, ErrDayLimit) {
				t.Errorf("%s: the fourth help of the day = %v, want %v", name, err, ErrDayLimit)
			}
		}
		sound(t, e)
	})
}

func TestAJoinedMemberSeesWhatHeDidAsTheOther(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		other := open(t, e, game, 50)
		opened, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(7), "opened-as-7"})
		if err != nil {
			t.Fatal(err)
		}
		own := open(t, e, game, 2)
		if _, err := helpAs(t, e, other.Pot, 7, "helped-as-7"); err != nil {
			t.Fatal(err)
		}
		join(t, e, 7, 2)
		pots, _, err := e.MyPots(t.Context(), 2, "", 10)
		if err != nil || len(pots) != 2 || pots[0].Pot != own.Pot || pots[1].Pot != opened.Pot {
			t.Errorf("MyPots = %+v, %v, want both pots", pots, err)
		}
		helps, _, err := e.MyHelps(t.Context(), 2, "", 10)
		if err != nil || len(helps) != 1 || helps[0].Pot != other.Pot {
			t.Errorf("MyHelps = %+v, %v, want the help of before", helps, err)
		}
		view, err := e.View(t.Context(), opened.Pot, visitor(2))
		if err != nil || !view.IsOwner || !errors.Is(view.WhyNot, ErrOwnPot) {
			t.Errorf("View of the pot of before = %+v, %v, want his own", view, err)
		}
		view, err = e.View(t.Context(), other.Pot, visitor(2))
		if err != nil || view.Mine == nil || !errors.Is(view.WhyNot, ErrAlreadyHelped) {
			t.Errorf("View of the pot that he helped before = %+v, %v, want his help", view, err)
		}
		again, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(2), "opened-as-7"})
		if err != nil || again.Pot != opened.Pot {
			t.Errorf("Open with the request of before = %v, %v, want %v", again.Pot, err, opened.Pot)
		}
		if err := e.Stop(t.Context(), 0, game.ID, "test"); err != nil {
			t.Fatal(err)
		}
		again, err = e.Open(t.Context(), OpenRequest{game.ID, visitor(2), "opened-as-7"})
		if err != nil || again.Pot != opened.Pot {
			t.Errorf("Open with the request of before, stopped = %v, %v, want %v", again.Pot, err, opened.Pot)
		}
		sound(t, e)
	})
}

func TestTheBoardsNameWhoAnOwnerIsNow(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Helps, r.HelpsPerDay = 2, 9 })
		for i, owner := range []int{7, 2, 3} {
			pot := open(t, e, game, owner)
			h.clock.advance(time.Duration(i+1) * time.Minute)
			for helper := 10; helper < 12; helper++ {
				if _, err := helpAs(t, e, pot.Pot, helper, "r"); err != nil {
					t.Fatal(err)
				}
			}
			settle(t, e) // before the clock goes on
		}
		join(t, e, 7, 2)
		for by, want := range map[Ranking][]Rank{
			MostHelped: {{Owner: 2, Helps: 4}, {Owner: 3, Helps: 2}},
			Fastest:    {{Owner: 2, Took: time.Minute, Helps: 2}, {Owner: 2, Took: 2 * time.Minute, Helps: 2}, {Owner: 3, Took: 3 * time.Minute, Helps: 2}},
		} {
			board, err := e.Leaderboard(t.Context(), game.ID, by)
			for i := range board.Ranks {
				board.Ranks[i].Pot = 0
			}
			if err != nil || !slices.Equal(board.Ranks, want) {
				t.Errorf("Leaderboard by %s = %+v, %v, want %+v", by, board.Ranks, err, want)
			}
		}
	})
}

func TestNoPotIsFilledBeforeItWasOpened(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		ahead := h.engine(t, Options{})
		ahead.now = func() time.Time { return h.clock.now().Add(2 * time.Minute) }
		game := h.game(t, ahead, func(r *Rules) { r.Helps = 1 })
		pot := open(t, ahead, game, 1)
		e := h.engine(t, Options{})
		if _, err := helpAs(t, e, pot.Pot, 10, "r"); err != nil {
			t.Fatal(err)
		}
		settle(t, e)
		board, err := e.Leaderboard(t.Context(), game.ID, Fastest)
		if err != nil || len(board.Ranks) != 1 || board.Ranks[0].Took < 0 {
			t.Errorf("Leaderboard = %+v, %v, want one pot that took no less than nothing", board.Ranks, err)
		}
	})
}

func TestARingOfFormerIDsIsStillARing(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.HelpsPerDay = 100 })
		pot := open(t, e, game, 1)
		help := func(pot PotID, as int) {
			t.Helper()
			h.clock.advance(time.Hour / 2)
			if _, err := helpAs(t, e, pot, as, "r"); err != nil {
				t.Fatal(err)
			}
		}
		// Each plays under two ids: 11–14 help the pot and each other, and the pots that
		// the owner helps in turn, as 100, are those of 21–24.
		for i := 1; i <= 4; i++ {
			own := open(t, e, game, 20+i)
			help(pot.Pot, 10+i)
			help(own.Pot, 10+i%4+1)
			help(own.Pot, 100)
		}
		codes := func() (codes []string) {
			t.Helper()
			s, err := e.Score(t.Context(), pot.Pot, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range s.Reasons {
				codes = append(codes, r.Code)
			}
			return codes
		}
		if seen := codes(); len(seen) > 0 {
			t.Errorf("while all are strangers the score says %v, want nothing", seen)
		}
		join(t, e, 100, 1)
		for i := 1; i <= 4; i++ {
			join(t, e, model.MemberID(20+i), model.MemberID(10+i))
		}
		if seen := codes(); !slices.Equal(seen, []string{"reciprocal", "clique"}) {
			t.Errorf("the score says %v, want the ring", seen)
		}
	})
}
