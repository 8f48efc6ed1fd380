package campaign

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// Several campaigns are due at once: one of a million people keeps none of the others.
func TestAudiencesThatAreDueAtOnceAreStagedBesideEachOther(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		for range 3 {
			w.launch(c, plan())
		}
		begun, all := make(chan struct{}, 3), make(chan struct{})
		go func() {
			for range 3 {
				<-begun
			}
			close(all)
		}()
		w.staging = func(ctx context.Context, _ model.Dispatch) (bool, error) {
			begun <- struct{}{}
			select {
			case <-all:
				return true, nil
			case <-time.After(time.Minute):
				return false, errors.New("no other was begun")
			}
		}
		w.passes(25*time.Hour + time.Minute)
		must[int](t)(c.Advance(t.Context()))
		if n, err := c.Stage(t.Context()); n != 3 || err != nil {
			t.Errorf("Stage = %d, %v, want 3", n, err)
		}
	})
}

// Whoever has few people is not kept by as many as are staged at a time who have a million.
func TestASmallAudienceWaitsForNoWholeLargeOne(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		large := map[model.ID]int{}
		for range stagers {
			large[w.launch(c, plan())] = 3 // turns
		}
		small := w.launch(c, plan())
		w.staging = func(_ context.Context, d model.Dispatch) (bool, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			large[d.Campaign]--
			return large[d.Campaign] <= 0, nil
		}
		w.passes(25*time.Hour + time.Minute)
		must[int](t)(c.Advance(t.Context()))
		for range 2 {
			must[int](t)(c.Stage(t.Context()))
		}
		var order []model.ID
		for _, d := range w.staged {
			order = append(order, d.Campaign)
		}
		if len(order) != stagers+1 || order[0] != small {
			t.Errorf("campaigns were handed over in the order %v, want %d first of %d", order, small, stagers+1)
		}
	})
}

func TestWhatIsStagedInTurns(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name  string
			turns []time.Duration // how long each takes
			fails int             // so many turns fail at first
			want  string
			why   string
		}{
			{"comes to its end, also when that is late", []time.Duration{8 * time.Minute, 8 * time.Minute, 0}, 0, staged, ""},
			{"is skipped when it was begun by nobody in time", []time.Duration{0}, 21, skipped, "晚了10分钟，按方案跳过"},
			{"a failure is over when a try was good", []time.Duration{0}, 1, staged, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c := w.replica()
				id := w.launch(c, plan(func(p *Plan) { p.Steps[0].Late = LateSkip }))
				turn, fails := 0, tt.fails
				w.staging = func(context.Context, model.Dispatch) (bool, error) {
					if fails--; fails >= 0 {
						return false, errDown
					}
					w.passes(tt.turns[turn])
					turn++
					return turn == len(tt.turns), nil
				}
				w.passes(25*time.Hour + time.Second)
				for range 30 {
					w.round(c)
					w.passes(31 * time.Second)
				}
				got := must[[]Occurrence](t)(c.Occurrences(t.Context(), id))
				if len(got) != 1 || got[0].State != tt.want || got[0].Why != tt.why {
					t.Errorf("occurrences %+v, want one %s (%s)", got, tt.want, tt.why)
				}
			})
		}
	})
}

// The reason of a winner stays when handing over the rest fails at first.
func TestWhyAVariantWonOutlivesAFailure(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		id := w.launch(c, plan(compared(4)))
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		w.becomes(Tally{Variant: "A", State: model.DeliverySent, N: 500, Tapped: 40}, Tally{Variant: "B", State: model.DeliverySent, N: 500, Tapped: 80})
		w.passes(5 * time.Hour)
		w.stageFail = errDown
		w.round(c)
		failed := must[[]Occurrence](t)(c.Occurrences(t.Context(), id))
		w.stageFail = nil
		w.passes(time.Minute)
		w.round(c)
		good := must[[]Occurrence](t)(c.Occurrences(t.Context(), id))
		rest := func(list []Occurrence) Occurrence {
			i := slices.IndexFunc(list, func(o Occurrence) bool { return o.Part == 1 })
			if i < 0 {
				t.Fatalf("no rest in %+v", list)
			}
			return list[i]
		}
		reason := rest(good).Why
		if reason == "" || rest(good).State != staged || rest(failed).Why != reason+"；"+failing {
			t.Errorf("the rest was %q, then %q (%s), want the reason of the winner in both", rest(failed).Why, reason, rest(good).State)
		}
	})
}

// What was staged while its campaign was released waits for its canary until the pushes
// hear of the release once more: a process that dies before has not settled it.
func TestAReleaseWhileItIsStagedIsToldHoweverOftenThatFails(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan())
		w.staging = func(context.Context, model.Dispatch) (bool, error) {
			w.staging = nil
			must[Campaign](t)(c.Release(ctx, checker, id))
			w.told = nil
			w.releasing = func() error { return errDown }
			return true, nil
		}
		w.passes(25*time.Hour + time.Minute)
		must[int](t)(c.Advance(ctx))
		if _, err := c.Stage(ctx); !errors.Is(err, errDown) {
			t.Errorf("Stage = %v, want that the pushes could not be told", err)
		}
		w.releasing = nil
		w.passes(time.Minute)
		must[int](t)(c.Advance(ctx))
		must[int](t)(c.Stage(ctx))
		if !slices.Contains(w.told, "release") {
			t.Errorf("the pushes heard %v since the staging, want of the release", w.told)
		}
		if got := must[[]Occurrence](t)(c.Occurrences(ctx, id)); len(got) != 1 || got[0].State != staged || got[0].Why != "" {
			t.Errorf("occurrences %+v, want one staged", got)
		}
	})
}

// What was handed over in time, or a part of it, is not skipped for being late because the
// rest failed for a while: its people get it.
func TestWhatWasHandedOverIsNotSkipped(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name string
			fail func(w *world, c *Campaigns, id model.ID) (done bool, err error) // the first try
		}{
			{"telling of a release fails", func(w *world, c *Campaigns, id model.ID) (bool, error) {
				must[Campaign](w.t)(c.Release(w.t.Context(), checker, id))
				w.releasing = func() error { return errDown }
				return true, nil
			}},
			{"the book is away behind the first people", func(w *world, _ *Campaigns, _ model.ID) (bool, error) {
				w.partly = 2000
				w.stageFail = errDown
				return true, nil
			}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c := w.replica()
				id := w.launch(c, plan(func(p *Plan) { p.Steps[0].Late = LateSkip }))
				w.staging = func(context.Context, model.Dispatch) (bool, error) {
					w.staging = nil
					return tt.fail(w, c, id)
				}
				w.passes(25*time.Hour + time.Minute)
				for range 2 {
					w.round(c)
					w.passes(10 * time.Minute)
				}
				w.releasing, w.stageFail = nil, nil
				w.round(c)
				got := must[[]Occurrence](t)(c.Occurrences(t.Context(), id))
				if len(w.staged) != 1 || len(got) != 1 || got[0].State != staged || got[0].Total != 5000 || got[0].Why != "" {
					t.Errorf("of %d dispatches there are occurrences %+v, want one staged of 5000 people", len(w.staged), got)
				}
			})
		}
	})
}
