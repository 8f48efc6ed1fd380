package mall

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

// word is what the carrier says of holders.
type word struct {
	given bool
	err   error
	asked int
}

func (w *word) GivenAway(ctx context.Context, _ model.Phone) (bool, error) {
	if w.asked++; w.err != nil {
		return false, w.err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		return false, errors.New("asked without a deadline")
	}
	return w.given, nil
}

func TestNothingIsRedeemedForWhoeverHasTheNumberNext(t *testing.T) {
	away := fault.New(fault.Unavailable, "test.away", "")
	for _, tt := range []struct {
		name   string
		change func(*Gift)
		says   word
		want   error
		asked  int
	}{
		{"a pack for a number that is his", func(*Gift) {}, word{}, nil, 1},
		{"a pack", func(*Gift) {}, word{given: true}, ErrPhone, 1},
		{"credit", func(g *Gift) { g.Spec = Spec{Credit: 1000} }, word{given: true}, ErrPhone, 1},
		{"a pack that the phone bill pays beside points", func(g *Gift) { g.Fen, g.Spec.Bill = 300, true }, word{given: true}, ErrPhone, 1},
		{"a pack while nobody knows", func(*Gift) {}, word{err: away}, ErrHolder, 1},
		{"a card needs no number", func(g *Gift) { g.Kind, g.Spec = Card, Spec{AppID: "wx0"} }, word{given: true}, nil, 0},
		{"who may not have it anyway asks nobody", func(g *Gift) { g.Tier = 1 }, word{given: true}, ErrTier, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
				f, says := newMall(t, pool), tt.says
				f.Holders = &says
				g := f.shelve(tt.change)
				_, err := f.Redeem(t.Context(), f.order(alice, g, "a"))
				if !errors.Is(err, tt.want) || says.asked != tt.asked {
					t.Fatalf("Redeem = %v after %d questions, want %v after %d", err, says.asked, tt.want, tt.asked)
				}
				var left int64
				if err := pool.QueryRow("SELECT balance FROM test_purse WHERE member = ?", int64(alice)).Scan(&left); err != nil {
					t.Fatal(err)
				}
				if want := map[bool]int64{true: 900, false: 1000}[tt.want == nil]; left != want {
					t.Errorf("%d points are left, want %d", left, want)
				}
				if said := fault.Of(err).Text; tt.asked == 1 && tt.want != nil && (!strings.Contains(said, "机主") || !strings.Contains(said, "没有扣积分")) {
					t.Errorf("he is told %q, want why and that it cost nothing", said)
				}
				// Neither is an answer that stays: with a number of his own he may have it.
				says = word{}
				if _, err := f.Redeem(t.Context(), f.order(alice, g, "a")); tt.want != ErrTier && err != nil {
					t.Errorf("the same request afterwards = %v, want the gift", err)
				}
			})
		})
	}
}

func TestWhatWasRedeemedStaysTheAnswerWhoeverHasTheNumberNow(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f, says := newMall(t, pool), &word{}
		f.Holders = says
		g := f.shelve(func(*Gift) {})
		first, err := f.Redeem(t.Context(), f.order(alice, g, "a"))
		if err != nil {
			t.Fatal(err)
		}
		for _, *says = range []word{{given: true}, {err: errors.New("away")}} {
			if again, err := f.Redeem(t.Context(), f.order(alice, g, "a")); err != nil || again.ID != first.ID {
				t.Errorf("the repeat = %v, %v, want %v", again.ID, err, first.ID)
			}
		}
	})
}
