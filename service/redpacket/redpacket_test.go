package redpacket

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/page"
)

func TestAPotIsFilledOnceAndItsSplitCanBeVerified(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		pot := open(t, e, game, 1)
		if p, err := e.Proof(t.Context(), pot.Pot); err != nil || p.Seed != "" || p.Shares != nil || !errors.Is(Verify(p), ErrProofSealed) {
			t.Fatalf("Proof of an open pot = %+v, %v, want no seed and no shares", p, err)
		}
		var sum model.Fen
		for i := 1; i <= game.Rules.Helps; i++ {
			help, err := helpAs(t, e, pot.Pot, 100+i, fmt.Sprint("r", i))
			if err != nil || help.K != i {
				t.Fatalf("Help %d = %+v, %v, want slot %d", i, help, err, i)
			}
			sum += help.Share
		}
		if sum != pot.Target {
			t.Fatalf("the shares sum to %v, want %v", sum, pot.Target)
		}
		if _, err := helpAs(t, e, pot.Pot, 999, "late"); !errors.Is(err, ErrFull) {
			t.Fatalf("Help of a full pot = %v, want %v", err, ErrFull)
		}
		settle(t, e)
		view, err := e.View(t.Context(), pot.Pot, visitor(1))
		if err != nil || view.State != Filled || view.Helped != 5 || view.Collected != pot.Target || !view.IsOwner {
			t.Fatalf("View = %+v, %v, want a filled pot", view, err)
		}
		proof, err := e.Proof(t.Context(), pot.Pot)
		if err != nil || proof.Commitment != pot.Commitment {
			t.Fatalf("Proof = %+v, %v, want the commitment of the opening", proof, err)
		}
		if err := Verify(proof); err != nil {
			t.Fatalf("Verify = %v", err)
		}
		if b, err := e.Budget(t.Context(), game.ID); err != nil || b.Spent != pot.Target || b.Reserved != 0 {
			t.Fatalf("Budget = %+v, %v, want the target spent", b, err)
		}
		sound(t, e)
	})
}

func TestARequestIsAnsweredTheSameForEver(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		pot := open(t, e, game, 1)
		first, err := helpAs(t, e, pot.Pot, 2, "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name   string
			before func()
			req    string
			want   error
		}{
			{"a repeat is the same help", func() {}, "a", nil},
			{"another request has helped already", func() {}, "b", ErrAlreadyHelped},
			{"a repeat after Redis lost everything", func() { h.redis.FlushDB(t.Context()) }, "a", nil},
			{"a repeat while the game is stopped", func() { _ = e.Stop(t.Context(), 0, game.ID, "test") }, "a", nil},
			{"another request while the game is stopped", func() {}, "c", ErrAlreadyHelped},
			{"a repeat after the end", func() { _ = e.Resume(t.Context(), 0, game.ID); h.clock.advance(48 * time.Hour) }, "a", nil},
			{"a repeat after the close", func() { _, _ = e.CloseDue(t.Context(), 10) }, "a", nil},
			{"a repeat after the close, Redis empty", func() { h.redis.FlushDB(t.Context()) }, "a", nil},
		} {
			tt.before()
			if got, err := helpAs(t, e, pot.Pot, 2, tt.req); !errors.Is(err, tt.want) || got != first {
				t.Fatalf("%s: Help = %+v, %v, want %+v, %v", tt.name, got, err, first, tt.want)
			}
		}
		sound(t, e)
	})
}

func TestEveryRefusalHasItsOwnCode(t *testing.T) {
	phone, err := model.ParsePhone("13800138000")
	if err != nil {
		t.Fatal(err)
	}
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		full := h.game(t, e, func(r *Rules) { r.Helps = 1; r.HelpsPerDay = 1 })
		filled := open(t, e, full, 1)
		if _, err := helpAs(t, e, filled.Pot, 2, "x"); err != nil {
			t.Fatal(err)
		}
		second := open(t, e, full, 1)
		picky := h.game(t, e, func(r *Rules) {
			r.Help = Audience{Bound: true, Follower: true, Plans: []string{"5g"}, New: true}
			r.Open = Audience{Bound: true}
		})
		owner := visitor(1)
		owner.Member.Phone = phone
		choosy, err := e.Open(t.Context(), OpenRequest{picky.ID, owner, "choosy"})
		if err != nil {
			t.Fatal(err)
		}
		ended := open(t, e, h.game(t, e, func(r *Rules) { r.PotHours = 1 }), 1)
		stopped := h.game(t, e, nil)
		halted := open(t, e, stopped, 1)
		if err := e.Stop(t.Context(), 0, stopped.ID, "投诉"); err != nil {
			t.Fatal(err)
		}
		h.clock.advance(2 * time.Hour)
		who := func(change func(*Visitor)) Visitor {
			v := Visitor{Member: model.Member{ID: 50, Phone: phone, Follows: true, JoinedAt: model.At(h.clock.now())}, Plan: "5g"}
			change(&v)
			return v
		}
		for _, tt := range []struct {
			name string
			pot  PotID
			who  Visitor
			want error
		}{
			{"full", filled.Pot, visitor(3), ErrFull},
			{"own pot", filled.Pot, visitor(1), ErrOwnPot},
			{"day limit", second.Pot, visitor(2), ErrDayLimit},
			{"ended", ended.Pot, visitor(3), ErrEnded},
			{"unknown pot", 12345, visitor(3), ErrUnknownPot},
			{"stopped", halted.Pot, visitor(3), ErrStopped},
			{"not bound", choosy.Pot, who(func(v *Visitor) { v.Member.Phone = model.Phone{} }), ErrNotBound},
			{"no follower", choosy.Pot, who(func(v *Visitor) { v.Member.Follows = false }), ErrNotFollower},
			{"another plan", choosy.Pot, who(func(v *Visitor) { v.Plan = "4g" }), ErrNotOnPlan},
			{"a plan that nobody knows", choosy.Pot, who(func(v *Visitor) { v.Plan, v.PlanUnknown = "", true }), ErrPlanUnknown},
			{"not new", choosy.Pot, who(func(v *Visitor) { v.Member.JoinedAt = 1 }), ErrNotNew},
			{"admitted", choosy.Pot, who(func(*Visitor) {}), nil},
			{"no member", choosy.Pot, Visitor{}, ErrRequest},
		} {
			view, err := e.View(t.Context(), tt.pot, tt.who)
			if tt.want != ErrUnknownPot && tt.want != ErrRequest && (err != nil || !errors.Is(view.WhyNot, tt.want)) {
				t.Errorf("%s: View says %v, %v, want %v", tt.name, view.WhyNot, err, tt.want)
			}
			if _, err := e.Help(t.Context(), HelpRequest{Pot: tt.pot, Who: tt.who, Request: "refused"}); !errors.Is(err, tt.want) {
				t.Errorf("%s: Help = %v, want %v", tt.name, err, tt.want)
			}
		}
		settle(t, e)
		sound(t, e)
	})
}

func TestOpeningKeepsTheBudgetAndTheLimits(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Budget = 2500; r.PotsEach = 2 })
		later := h.game(t, e, func(r *Rules) { r.StartsAt = r.StartsAt.Add(24 * time.Hour) })
		over := h.game(t, e, func(r *Rules) { r.EndsAt = r.StartsAt.Add(time.Minute) })
		other := h.game(t, e, nil)
		first, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(1), "a"})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			in   OpenRequest
			want error
			pot  PotID // 0: any
		}{
			{"a repeat is the same pot", OpenRequest{game.ID, visitor(1), "a"}, nil, first.Pot},
			{"the request of another game is refused", OpenRequest{other.ID, visitor(1), "a"}, ErrRequestReused, 0},
			{"a second pot", OpenRequest{game.ID, visitor(1), "b"}, nil, 0},
			{"a third is beyond the owner's limit", OpenRequest{game.ID, visitor(1), "c"}, ErrPotsLimit, 0},
			{"the budget is used up", OpenRequest{game.ID, visitor(2), "d"}, ErrBudget, 0},
			{"not begun", OpenRequest{later.ID, visitor(2), "e"}, ErrNotBegun, 0},
			{"game over", OpenRequest{over.ID, visitor(2), "f"}, ErrGameEnded, 0},
			{"unknown game", OpenRequest{77, visitor(2), "g"}, ErrUnknownGame, 0},
			{"no request id", OpenRequest{game.ID, visitor(2), ""}, ErrRequest, 0},
			{"still the same pot", OpenRequest{game.ID, visitor(1), "a"}, nil, first.Pot},
		} {
			got, err := e.Open(t.Context(), tt.in)
			if !errors.Is(err, tt.want) || tt.pot != 0 && got.Pot != tt.pot {
				t.Errorf("%s: Open = %+v, %v, want pot %v, %v", tt.name, got, err, tt.pot, tt.want)
			}
		}
		if refusal, err := e.MayOpen(t.Context(), game.ID, visitor(2)); err != nil || !errors.Is(refusal, ErrBudget) {
			t.Errorf("MayOpen = %v, %v, want %v before anything is opened", refusal, err, ErrBudget)
		}
		h.clock.advance(25 * time.Hour)
		if n, err := e.CloseDue(t.Context(), 100); err != nil || n != 2 {
			t.Fatalf("CloseDue = %d, %v, want 2", n, err)
		}
		if _, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(2), "d"}); err != nil {
			t.Errorf("Open with the budget given back = %v", err)
		}
		sound(t, e)
	})
}

func TestAnUnfilledPotGivesWhatWasPromised(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		for _, tt := range []struct {
			promise Unfilled
			spent   model.Fen
		}{{Nothing, 0}, {Collected, 400}} {
			game := h.game(t, e, func(r *Rules) { r.Unfilled = tt.promise; r.Split = Equal })
			pot := open(t, e, game, 1)
			for i := range 2 {
				if _, err := helpAs(t, e, pot.Pot, 100+i, "r"); err != nil {
					t.Fatal(err)
				}
			}
			h.clock.advance(25 * time.Hour)
			if n, err := e.CloseDue(t.Context(), 100); err != nil || n != 1 {
				t.Fatalf("CloseDue = %d, %v, want 1", n, err)
			}
			if b, err := e.Budget(t.Context(), game.ID); err != nil || b.Spent != tt.spent || b.Reserved != 0 {
				t.Errorf("%s: Budget = %+v, %v, want %v spent, nothing reserved", tt.promise, b, err, tt.spent)
			}
			proof, err := e.Proof(t.Context(), pot.Pot)
			if err != nil || Verify(proof) != nil {
				t.Errorf("%s: the proof of a closed pot: %v, %v", tt.promise, err, Verify(proof))
			}
		}
		sound(t, e)
	})
}

func TestReadsShowWhatStands(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Helps = 2 })
		slow, quick := open(t, e, game, 1), open(t, e, game, 2)
		if _, err := e.Help(t.Context(), HelpRequest{Pot: quick.Pot, Who: visitor(11), Request: "a"}); err != nil {
			t.Fatal(err)
		}
		if _, err := helpAs(t, e, quick.Pot, 12, "b"); err != nil {
			t.Fatal(err)
		}
		settle(t, e)
		h.clock.advance(time.Hour)
		for _, helper := range []int{11, 13} {
			if _, err := helpAs(t, e, slow.Pot, helper, "c"); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, e)
		view, err := e.View(t.Context(), quick.Pot, visitor(11))
		if err != nil || len(view.Shown) != 1 || view.Shown[0].Member != 12 || view.Mine == nil || view.Mine.K != 1 || !errors.Is(view.WhyNot, ErrAlreadyHelped) {
			t.Errorf("View = %+v, %v, want member 12 alone shown and my own help", view, err)
		}
		board, err := e.Leaderboard(t.Context(), game.ID, Fastest)
		if err != nil || len(board.Ranks) != 2 || board.Ranks[0].Pot != quick.Pot || board.Ranks[1].Took != time.Hour {
			t.Errorf("Leaderboard = %+v, %v, want the quick pot first", board, err)
		}
		if board, err = e.Leaderboard(t.Context(), game.ID, MostHelped); err != nil || len(board.Ranks) != 2 || board.Ranks[0] != (Rank{Owner: 1, Helps: 2}) {
			t.Errorf("Leaderboard = %+v, %v, want both owners with 2 helps", board, err)
		}
		pots, _, err := e.MyPots(t.Context(), 1, "", 10)
		if err != nil || len(pots) != 1 || pots[0].Pot != slow.Pot || pots[0].Helped != 2 {
			t.Errorf("MyPots = %+v, %v, want the slow pot", pots, err)
		}
		helps, _, err := e.MyHelps(t.Context(), 11, "", 10)
		if err != nil || len(helps) != 2 || helps[0].Pot != slow.Pot || helps[1].Pot != quick.Pot {
			t.Errorf("MyHelps = %+v, %v, want the latest first", helps, err)
		}
		var one []HelpLine
		for cursor, more := "", true; more; more = cursor != "" {
			var some []HelpLine
			if some, cursor, err = e.MyHelps(t.Context(), 11, cursor, 1); err != nil || len(some) != 1 {
				t.Fatalf("a page of one = %+v, %v", some, err)
			}
			one = append(one, some...)
		}
		if !slices.Equal(one, helps) {
			t.Errorf("one by one MyHelps = %+v, want %+v", one, helps)
		}
		if _, _, err := e.MyPots(t.Context(), 1, "x", 1); !errors.Is(err, page.ErrCursor) {
			t.Errorf("MyPots after x = %v, want %v", err, page.ErrCursor)
		}
		running, err := e.Running(t.Context())
		if err != nil || len(running) != 1 || running[0].ID != game.ID {
			t.Errorf("Running = %+v, %v, want the game", running, err)
		}
		sound(t, e)
	})
}

func TestTheGameGoesOnWithoutRedis(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{RedisPause: time.Hour})
		game := h.game(t, e, nil)
		pot, second := open(t, e, game, 1), open(t, e, game, 1)
		if _, err := helpAs(t, e, pot.Pot, 2, "a"); err != nil {
			t.Fatal(err)
		}
		_ = h.redis.Close()
		for i := range 4 {
			if _, err := helpAs(t, e, pot.Pot, 10+i, "b"); err != nil {
				t.Fatalf("Help without Redis = %v", err)
			}
		}
		if _, err := helpAs(t, e, pot.Pot, 20, "c"); !errors.Is(err, ErrFull) {
			t.Errorf("Help of a full pot without Redis = %v, want %v", err, ErrFull)
		}
		if _, err := helpAs(t, e, second.Pot, 2, "d"); err != nil {
			t.Errorf("Help of another pot without Redis = %v", err)
		}
		if got, err := helpAs(t, e, pot.Pot, 2, "a"); err != nil || got.K != 1 {
			t.Errorf("a repeat without Redis = %+v, %v, want slot 1", got, err)
		}
		settle(t, e)
		sound(t, e)
	})
}

func TestAnOpenPotIsSmallInRedis(t *testing.T) {
	h := &house{dbtest.SQLite(t), dbtest.Redis(t), newClock()}
	e := h.engine(t, Options{})
	pot := open(t, e, h.game(t, e, nil), 1)
	for i := range 3 {
		if _, err := helpAs(t, e, pot.Pot, 1_000_000_000_000_000_000+i, fmt.Sprintf("6f1c2f0e-9a53-4a5e-8d2b-0000000000%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	size, err := h.redis.MemoryUsage(t.Context(), pot.Pot.slotsKey()).Result()
	if err != nil || size > 700 {
		t.Errorf("an open pot with 3 helps takes %d bytes, %v, want at most 700", size, err)
	}
	t.Logf("%d bytes", size)
}

func TestThePlainVersionFillsGapsToo(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		pot := open(t, e, h.game(t, e, func(r *Rules) { r.Split = Equal }), 1)
		if _, err := helpAs(t, e, pot.Pot, 10, "r"); err != nil {
			t.Fatal(err)
		}
		// As the engine without Redis might have placed it.
		if _, err := h.db.ExecContext(t.Context(), "UPDATE pot_help SET k = 5 WHERE pot_id = ?", int64(pot.Pot)); err != nil {
			t.Fatal(err)
		}
		plain := NewRowLock(e)
		for i := range 4 {
			help, err := plain.Help(t.Context(), HelpRequest{Pot: pot.Pot, Who: visitor(20 + i), Request: "r"})
			if err != nil || help.K != i+1 {
				t.Errorf("Help = %+v, %v, want slot %d", help, err, i+1)
			}
		}
		if _, err := plain.Help(t.Context(), HelpRequest{Pot: pot.Pot, Who: visitor(30), Request: "r"}); !errors.Is(err, ErrFull) {
			t.Errorf("Help of a full pot = %v, want %v", err, ErrFull)
		}
		if view, err := e.View(t.Context(), pot.Pot, visitor(1)); err != nil || view.State != Filled {
			t.Errorf("View = %+v, %v, want it filled", view, err)
		}
		sound(t, e)
	})
}
