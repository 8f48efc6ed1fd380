package redpacket

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

type joined map[model.MemberID]model.Millis

func (j joined) JoinedAt(context.Context, []model.MemberID) (map[model.MemberID]model.Millis, error) {
	return j, nil
}

func TestASuspiciousCircleIsHeldAndExplained(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		h := &house{db, dbtest.EmbeddedRedis(t), newClock()}
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.HelpsPerDay = 100 })
		now := model.At(h.clock.now())
		for i, tt := range []struct {
			name    string
			between time.Duration // two helps
			inTurn  bool          // the owner helps his helpers' pots
			closed  bool          // the helpers help each other and nobody else
			age     time.Duration // of the helpers
			want    []string
			hold    bool
		}{
			{"friends over a day", time.Hour, false, false, 1000 * time.Hour, nil, false},
			{"a family that helps in turn, slowly", time.Hour, true, false, 1000 * time.Hour, []string{"reciprocal"}, false},
			{"a quick group of friends", time.Second, false, false, 1000 * time.Hour, []string{"burst"}, false},
			{"new people over a day", time.Minute, false, false, 0, []string{"fresh"}, false},
			{"a farm of fresh accounts in a burst", time.Second, false, false, 0, []string{"burst", "fresh"}, true},
			{"a ring that helps only itself, in turn", time.Hour, true, true, 1000 * time.Hour, []string{"reciprocal", "clique"}, true},
		} {
			t.Run(tt.name, func(t *testing.T) {
				base := 1000 * (i + 1)
				pot := open(t, e, game, base)
				people := joined{}
				for k := 1; k <= 5; k++ {
					people[model.MemberID(base+k)] = now.Add(-tt.age)
					if _, err := helpAs(t, e, pot.Pot, base+k, "r"); err != nil {
						t.Fatal(err)
					}
					h.clock.advance(tt.between)
				}
				for k := 1; k <= 5; k++ {
					if !tt.inTurn && !tt.closed {
						break
					}
					own := open(t, e, game, base+k)
					if tt.inTurn {
						_, _ = helpAs(t, e, own.Pot, base, fmt.Sprint("t", k))
					}
					if tt.closed {
						_, _ = helpAs(t, e, own.Pot, base+k%5+1, fmt.Sprint("c", k))
					}
				}
				s, err := e.Score(t.Context(), pot.Pot, people)
				var codes []string
				for _, r := range s.Reasons {
					codes = append(codes, r.Code)
				}
				if err != nil || !slices.Equal(codes, tt.want) || s.Hold() != tt.hold {
					t.Errorf("Score = %+v, hold %v, %v, want %v, %v", s, s.Hold(), err, tt.want, tt.hold)
				}
				now = model.At(h.clock.now())
			})
		}
	})
}

func TestThePaceStopsTheQuickAndForgivesADeadRedis(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		h := &house{dbtest.SQLite(t), client, newClock()}
		e := h.engine(t, Options{Pace: NewRedisPace(client, Paces{Member: 2, Device: 3, Address: 100})})
		game := h.game(t, e, func(r *Rules) { r.HelpsPerDay = 100 })
		pots := []Opened{open(t, e, game, 1), open(t, e, game, 1), open(t, e, game, 2)}
		who := func(id int, device string) Visitor { v := visitor(id); v.Device = device; return v }
		for _, tt := range []struct {
			name string
			pot  int
			who  Visitor
			want error
		}{
			{"first", 0, who(9, "a"), nil},
			{"second", 1, who(9, "a"), nil},
			{"third of a member", 2, who(9, "a"), ErrTooFast},
			{"a repeat gets its answer all the same", 0, who(9, "a"), nil},
			{"third of a device", 0, who(8, "a"), nil},
			{"fourth of a device", 1, who(8, "a"), ErrTooFast},
			{"another device", 1, who(7, "b"), nil},
		} {
			_, err := e.Help(t.Context(), HelpRequest{Pot: pots[tt.pot].Pot, Who: tt.who, Request: "r"})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: Help = %v, want %v", tt.name, err, tt.want)
			}
		}
		_ = client.Close()
		if _, err := e.Help(t.Context(), HelpRequest{Pot: pots[2].Pot, Who: who(9, "a"), Request: "r"}); err != nil {
			t.Errorf("Help without Redis = %v, want it taken", err)
		}
	})
}

func TestReconcileIsSilentUntilSomethingIsWrong(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, nil)
		pot := open(t, e, game, 1)
		for i := range 2 {
			if _, err := helpAs(t, e, pot.Pot, 10+i, "r"); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := e.Reconcile(t.Context()); err != nil || len(found) != 0 {
			t.Fatalf("Reconcile = %+v, %v, want nothing", found, err)
		}
		// Redis gives helper 10 the slot of helper 11, and a third helper a slot
		// that has no row.
		key := pot.Pot.slotsKey()
		day := model.DayOf(h.clock.now())
		h.redis.HSet(t.Context(), key, "h10", fmt.Sprintf("2|%d|r", day), "h12", fmt.Sprintf("3|%d|swept", day), "3", "12")
		found, err := e.Reconcile(t.Context())
		if err != nil || len(found) != 1 || found[0].Rule != "redis.slot" {
			t.Fatalf("Reconcile = %+v, %v, want the wrong slot alone", found, err)
		}
		if found, err = e.Reconcile(t.Context()); err != nil || len(found) != 0 {
			t.Errorf("Reconcile afterwards = %+v, %v, want it mended", found, err)
		}
		if got, err := helpAs(t, e, pot.Pot, 12, "swept"); err != nil || got.K != 3 {
			t.Errorf("the decision without a row = %+v, %v, want it written by the sweep", got, err)
		}
		sound(t, e)
	})
}

func TestASweepWritesAgainWhatSQLLost(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		e := h.engine(t, Options{})
		game := h.game(t, e, func(r *Rules) { r.Helps = 3 })
		pot := open(t, e, game, 1)
		var first []Help
		for i := range 3 {
			help, err := helpAs(t, e, pot.Pot, 10+i, "r")
			if err != nil {
				t.Fatal(err)
			}
			first = append(first, help)
		}
		_, _ = helpAs(t, e, pot.Pot, 20, "r") // full, and remembered as such
		settle(t, e)
		// A failover that loses the last commits, the end of the pot among them.
		for _, query := range []string{
			"DELETE FROM pot_help WHERE k > 1", "DELETE FROM payout",
			"UPDATE redpacket_slice SET reserved = reserved + spent, spent = 0",
			"UPDATE pot SET state = 'open', done_at = 0, helps = 0, won = 0, took = 0",
		} {
			if _, err := h.db.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.Sweep(t.Context()); err != nil {
			t.Fatalf("Sweep = %v", err)
		}
		for i, want := range first {
			if got, err := helpAs(t, e, pot.Pot, 10+i, "r"); err != nil || got != want {
				t.Errorf("help %d after the failover = %+v, %v, want %+v", i, got, err, want)
			}
		}
		settle(t, e)
		sound(t, e)
	})
}
