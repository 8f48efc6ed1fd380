package redpacket

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model/dbtest"
)

// silent is a Redis that takes a question and never answers.
type silent struct{}

func (silent) Allow(ctx context.Context, _ string, _ Visitor) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestSpeedLimitsThatDoNotAnswerLeaveTimeForTheHelp(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		h := &house{db, dbtest.EmbeddedRedis(t), newClock()}
		e := h.engine(t, Options{Pace: silent{}, RedisTimeout: 100 * time.Millisecond})
		game := h.game(t, e, nil)
		pot := open(t, e, game, 1)
		if _, err := helpAs(t, e, pot.Pot, 10, "r"); err != nil {
			t.Errorf("Help = %v, want it taken", err)
		}
	})
}
