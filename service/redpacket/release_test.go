package redpacket

import (
	"database/sql"
	"errors"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

func TestAPrizeThatCannotBeHandedOverComesBackToTheBudgetOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		h := &house{db, dbtest.EmbeddedRedis(t), newClock()}
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Helps, r.Budget = 2, 1000 })
		pot := open(t, e, game, 1)
		for i := range 2 {
			if _, err := helpAs(t, e, pot.Pot, 10+i, "r"); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, e)
		if _, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(2), "r"}); !errors.Is(err, ErrBudget) {
			t.Fatalf("Open = %v, want the budget spent", err)
		}
		prize := model.Prize{Pot: model.ID(pot.Pot), Game: model.ID(game.ID), Value: 1000}
		release := func(p model.Prize) error {
			return sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error { return e.ReleaseTx(t.Context(), tx, p) })
		}
		if err := release(model.Prize{Pot: prize.Pot, Game: prize.Game, Value: 999}); err == nil {
			t.Error("a sum that was not won comes back")
		}
		if err := release(prize); err != nil {
			t.Fatalf("ReleaseTx = %v", err)
		}
		if err := release(prize); !sqldb.Duplicate(err) {
			t.Errorf("ReleaseTx again = %v, want a duplicate key", err)
		}
		if b, err := e.Budget(t.Context(), game.ID); err != nil || b != (Budget{Amount: 1000}) {
			t.Errorf("Budget = %+v, %v, want all of it free", b, err)
		}
		back, err := e.Returned(t.Context(), 0, 10)
		if err != nil || len(back) != 1 || back[0] != prize {
			t.Errorf("Returned = %+v, %v, want %+v", back, err, prize)
		}
		if v, err := e.View(t.Context(), pot.Pot, visitor(1)); err != nil || v.State != Filled || v.Helped != 2 {
			t.Errorf("View = %+v, %v, want the pot filled as before", v, err)
		}
		if _, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(2), "q"}); err != nil {
			t.Errorf("Open with the budget that came back = %v, want a pot", err)
		}
		found, err := e.Check(t.Context())
		if err != nil || len(found) != 0 {
			t.Errorf("Check = %+v, %v, want nothing", found, err)
		}
	})
}
