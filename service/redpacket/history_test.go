package redpacket

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"kaimenhong/model"
)

// A pot as a sequential object: who helped with which request, in the order in
// which it could have happened.
type (
	asked struct {
		helper  int
		request string
	}
	answered struct{ word string }
)

// potModel is one pot of n slots; a state is its helps, sorted, as a string.
func potModel(n int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, in, out any) (bool, any) {
			q, a := in.(asked), out.(answered)
			var helps []string
			if state != "" {
				helps = strings.Split(state.(string), ",")
			}
			for _, h := range helps {
				if who, request, _ := strings.Cut(h, ":"); who == fmt.Sprint(q.helper) {
					if request == q.request {
						return a.word == "ok", state
					}
					return a.word == "already", state
				}
			}
			if len(helps) == n {
				return a.word == "full", state
			}
			helps = append(helps, fmt.Sprintf("%d:%s", q.helper, q.request))
			slices.Sort(helps)
			return a.word == "ok", strings.Join(helps, ",")
		},
	}
}

func TestEveryHistoryOfAPotIsOneAfterAnother(t *testing.T) {
	houses(t, func(t *testing.T, h *house) {
		var lies atomic.Int64
		engines := []*Engine{h.engine(t, Options{}), h.engine(t, Options{})}
		engines[1].redis = newLiar(engines[1], h.redis, 9, &lies)
		game := h.game(t, engines[0], func(r *Rules) { r.Helps = 4; r.HelpsPerDay = 100 })
		for round := range 6 {
			pot := open(t, engines[0], game, 1+round)
			history := record(t, engines, pot.Pot, round)
			if result := porcupine.CheckOperationsTimeout(potModel(4), history, time.Minute); result != porcupine.Ok {
				t.Fatalf("round %d: the history is %s: %+v", round, result, history)
			}
		}
		finish(t, h, engines[0])
	})
}

// record lets six clients play on one pot at the same time and notes when each
// answer was asked for and given.
func record(t *testing.T, engines []*Engine, pot PotID, seed int) []porcupine.Operation {
	t.Helper()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wait sync.WaitGroup
	begin := time.Now()
	for client := range 6 {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(uint64(seed), uint64(client)))
			for range 5 {
				q := asked{100 + r.IntN(7), fmt.Sprint("r", r.IntN(2))}
				op := porcupine.Operation{ClientId: client, Input: q, Call: time.Since(begin).Nanoseconds()}
				for { // a busy answer says nothing: the client asks again
					_, err := engines[r.IntN(2)].Help(context.Background(), HelpRequest{
						Pot: pot, Who: visitor(q.helper), Request: model.RequestID(q.request),
					})
					if !errors.Is(err, ErrBusy) {
						op.Output = answered{wordOf(err)}
						break
					}
				}
				op.Return = time.Since(begin).Nanoseconds()
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return history
}

func wordOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrAlreadyHelped):
		return "already"
	case errors.Is(err, ErrFull):
		return "full"
	}
	return err.Error()
}

func TestTheModelRefusesWrongHistories(t *testing.T) {
	op := func(client, helper int, request, word string, call, end int64) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: asked{helper, request}, Output: answered{word}, Call: call, Return: end}
	}
	for _, tt := range []struct {
		name    string
		history []porcupine.Operation
		want    bool
	}{
		{"one after another", []porcupine.Operation{op(0, 1, "a", "ok", 0, 1), op(0, 2, "a", "full", 2, 3)}, true},
		{"at the same time", []porcupine.Operation{op(0, 1, "a", "full", 0, 9), op(1, 2, "a", "ok", 1, 3)}, true},
		{"full before it was", []porcupine.Operation{op(0, 1, "a", "full", 0, 1), op(0, 2, "a", "ok", 2, 3)}, false},
		{"one slot twice", []porcupine.Operation{op(0, 1, "a", "ok", 0, 1), op(0, 2, "a", "ok", 2, 3)}, false},
		{"a repeat told already", []porcupine.Operation{op(0, 1, "a", "ok", 0, 1), op(0, 1, "a", "already", 2, 3)}, false},
		{"a help forgotten", []porcupine.Operation{op(0, 1, "a", "ok", 0, 1), op(0, 1, "b", "ok", 2, 3)}, false},
	} {
		if got := porcupine.CheckOperations(potModel(1), tt.history); got != tt.want {
			t.Errorf("%s: linearizable = %v, want %v", tt.name, got, tt.want)
		}
	}
}
