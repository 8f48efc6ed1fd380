package payout_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/payout"
)

// judge ends the process while it judges.
type judge func()

func (end judge) Hold(context.Context, model.ID) (bool, string, error) {
	end()
	return false, "", nil
}

func TestAProcessThatEndsDidNotFail(t *testing.T) {
	w, pool := newWorld(), dbtest.SQLite(t)
	p := newPayer(t, pool, w, quick)
	var log bytes.Buffer
	p.Log = slog.New(slog.NewTextHandler(&log, nil))
	prize := w.win(t, pool, model.PhoneCreditPrize, 500)
	ctx, end := context.WithCancel(t.Context())
	p.Judge = judge(end)
	if _, err := p.Due(ctx); !errors.Is(err, context.Canceled) || log.Len() > 0 {
		t.Errorf("Due = %v, and the log says %q, want nothing", err, log.String())
	}
	p.Judge = w
	w.pass(time.Hour)
	run(t, p)
	if got := stateOf(t, p, prize.Pot).State; got != payout.Paid {
		t.Errorf("the next process leaves it %s, want paid", got)
	}
}
