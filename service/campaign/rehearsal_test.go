package campaign

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

// plays is a stage that does what a test says.
func plays(do func(ctx context.Context, told func(model.Millis, int)) (Rehearsed, error)) Stage {
	return func(ctx context.Context, _ model.ID, _ int, _ Behaviour, told func(model.Millis, int)) (Rehearsed, error) {
		return do(ctx, told)
	}
}

// submitted is a version whose audience is frozen.
func (w *world) submitted(c *Campaigns) Version {
	w.t.Helper()
	v := must[Version](w.t)(c.Create(w.t.Context(), planner, plan()))
	return must[Version](w.t)(c.Submit(w.t.Context(), planner, v.Campaign, 1))
}

func TestARehearsalIsRunOnceAndTold(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		v := w.submitted(c)
		b := Behaviour{Tap: 50, Open: 20, Help: 100}
		r := must[Rehearsal](t)(c.StartRehearsal(ctx, planner, v.Campaign, 1, b))
		if r.State != RehearsalWaiting || r.Behaviour != b || r.StartedBy != planner {
			t.Errorf("started is %+v", r)
		}
		runs := 0
		stage := func(_ context.Context, id model.ID, version int, with Behaviour, _ func(model.Millis, int)) (Rehearsed, error) {
			runs++
			if running := must[Rehearsal](t)(c.Rehearsal(ctx, r.ID)); running.State != RehearsalRunning || running.BeganAt == 0 {
				t.Errorf("while it runs it is %+v", running)
			}
			if _, err := c.StartRehearsal(ctx, planner, id, version, with); !errors.Is(err, ErrRehearsing) {
				t.Errorf("another one of the campaign = %v, want ErrRehearsing", err)
			}
			if err := w.replica().RehearseDue(ctx, nil); err != nil { // another replica has nothing to do
				t.Error(err)
			}
			if id != v.Campaign || version != 1 || with != b {
				t.Errorf("played version %d of %s with %v", version, id, with)
			}
			return Rehearsed{People: 5000, State: Finished, Tapped: 7}, nil
		}
		for range 2 {
			if err := c.RehearseDue(ctx, stage); err != nil {
				t.Fatal(err)
			}
		}
		done := must[Rehearsal](t)(c.Rehearsal(ctx, r.ID))
		if runs != 1 || done.State != RehearsalDone || done.EndedAt == 0 || done.Result == nil || done.Result.Tapped != 7 {
			t.Errorf("after %d runs it is %+v", runs, done)
		}
		last, there, err := c.LastRehearsal(ctx, v.Campaign, 1)
		if err != nil || !there || last.ID != r.ID || last.Result != nil {
			t.Errorf("the last one is %+v, %v, %v", last, there, err)
		}
		if _, there, err := c.LastRehearsal(ctx, v.Campaign, 2); there || err != nil {
			t.Errorf("another version has one: %v, %v", there, err)
		}
		if got := w.audit[len(w.audit)-1]; got != "901 campaign.rehearse" {
			t.Errorf("the audit ends with %s", got)
		}
	})
}

func TestWhatCannotBeRehearsedIsRefused(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c, ctx := w.replica(), t.Context()
	draft := must[Version](t)(c.Create(ctx, planner, plan()))
	v := w.submitted(c)
	if _, err := w.db.ExecContext(ctx, "UPDATE campaign_version SET frozen_size = 200001 WHERE campaign_id = ?", int64(w.submitted(c).Campaign)); err != nil {
		t.Fatal(err)
	}
	large := must[[]Campaign](t)(first(c.List(ctx, "", "", "", 1)))[0].ID
	for _, tt := range []struct {
		name     string
		campaign model.ID
		version  int
		b        Behaviour
		want     error
	}{
		{"a draft", draft.Campaign, 1, DefaultBehaviour, ErrNotFrozen},
		{"no such version", v.Campaign, 2, DefaultBehaviour, ErrVersion},
		{"more than everybody", v.Campaign, 1, Behaviour{Tap: 101}, ErrBehaviour},
		{"more than a replica copies", large, 1, DefaultBehaviour, ErrRehearseSize},
	} {
		if _, err := c.StartRehearsal(ctx, planner, tt.campaign, tt.version, tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s = %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := c.Rehearsal(ctx, 1); !errors.Is(err, ErrNoRehearsal) {
		t.Errorf("no such rehearsal = %v", err)
	}
	if _, _, err := c.Rehearsals(ctx, 1, "", 10); !errors.Is(err, ErrUnknown) {
		t.Errorf("no such campaign = %v", err)
	}
}

// first drops a page's cursor.
func first[T any](list T, _ string, err error) (T, error) { return list, err }

func TestARehearsalThatEndsBadlySaysWhy(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		v := w.submitted(w.replica())
		for _, tt := range []struct {
			name  string
			stage func(stop func()) Stage
			state RehearsalState
			why   string
		}{
			{"a plan that is refused", func(func()) Stage {
				return plays(func(context.Context, func(model.Millis, int)) (Rehearsed, error) {
					return Rehearsed{}, ErrPlan.Saying("推送时间已经过去%s", strings.Repeat("。", 300))
				})
			}, RehearsalFailed, "推送时间已经过去"},
			{"a panic", func(func()) Stage {
				return plays(func(context.Context, func(model.Millis, int)) (Rehearsed, error) { panic("oh") })
			}, RehearsalFailed, fault.Of(errors.New("")).Text},
			{"the replica stops", func(stop func()) Stage {
				return plays(func(ctx context.Context, _ func(model.Millis, int)) (Rehearsed, error) {
					stop()
					<-ctx.Done()
					return Rehearsed{}, ctx.Err()
				})
			}, RehearsalCut, "重新开始"},
			{"the replica died", func(func()) Stage {
				return plays(func(ctx context.Context, _ func(model.Millis, int)) (Rehearsed, error) {
					w.passes(2 * time.Minute)
					if err := w.replica().RehearseDue(ctx, nil); err != nil {
						t.Error(err)
					}
					return Rehearsed{Tapped: 1}, nil // too late
				})
			}, RehearsalCut, "重新开始"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := w.replica()
				r := must[Rehearsal](t)(c.StartRehearsal(t.Context(), planner, v.Campaign, 1, DefaultBehaviour))
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if err := c.RehearseDue(ctx, tt.stage(stop)); err != nil {
					t.Fatal(err)
				}
				got := must[Rehearsal](t)(c.Rehearsal(t.Context(), r.ID))
				if got.State != tt.state || !strings.Contains(got.Why, tt.why) || got.Result != nil || len([]rune(got.Why)) > maxWords {
					t.Errorf("it is %+v, want %s and %q", got, tt.state, tt.why)
				}
			})
		}
	})
}

func TestARehearsalThatIsCancelledStops(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		c.opts.Beat = time.Millisecond
		v := w.submitted(c)
		start := func() model.ID {
			return must[Rehearsal](t)(c.StartRehearsal(ctx, planner, v.Campaign, 1, DefaultBehaviour)).ID
		}
		ended := func(id model.ID) {
			t.Helper()
			got := must[Rehearsal](t)(c.Rehearsal(ctx, id))
			if got.State != RehearsalCancelled || got.EndedAt == 0 || got.Result != nil {
				t.Errorf("it is %+v, want it cancelled", got)
			}
			if _, err := c.CancelRehearsal(ctx, planner, id); !errors.Is(err, ErrRehearsed) {
				t.Errorf("cancelling it again = %v, want %v", err, ErrRehearsed)
			}
		}
		waits := start()
		must[Rehearsal](t)(w.replica().CancelRehearsal(ctx, planner, waits))
		ended(waits)
		for name, after := range map[string]func(context.Context) (Rehearsed, error){
			"stops":    func(running context.Context) (Rehearsed, error) { <-running.Done(); return Rehearsed{}, running.Err() },
			"too late": func(context.Context) (Rehearsed, error) { return Rehearsed{Tapped: 1}, nil },
		} {
			id := start()
			err := c.RehearseDue(ctx, plays(func(running context.Context, _ func(model.Millis, int)) (Rehearsed, error) {
				must[Rehearsal](t)(w.replica().CancelRehearsal(ctx, planner, id))
				return after(running)
			}))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			ended(id)
		}
		if got := w.audit[len(w.audit)-1]; got != "901 campaign.cancel_rehearsal" {
			t.Errorf("the audit ends with %s", got)
		}
		if _, err := c.CancelRehearsal(ctx, planner, 1); !errors.Is(err, ErrNoRehearsal) {
			t.Errorf("cancelling none = %v, want %v", err, ErrNoRehearsal)
		}
	})
}

func TestTheOldestRehearsalsAreDropped(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		v := w.submitted(c)
		nothing := plays(func(context.Context, func(model.Millis, int)) (Rehearsed, error) { return Rehearsed{}, nil })
		var oldest model.ID
		for n := range keptRehearsals + 2 {
			r := must[Rehearsal](t)(c.StartRehearsal(ctx, planner, v.Campaign, 1, DefaultBehaviour))
			if n == 2 {
				oldest = r.ID
			}
			if err := c.RehearseDue(ctx, nothing); err != nil {
				t.Fatal(err)
			}
		}
		list := must[[]Rehearsal](t)(first(c.Rehearsals(ctx, v.Campaign, "", 100)))
		if len(list) != keptRehearsals || list[len(list)-1].ID != oldest {
			t.Errorf("%d are kept down to %s, want %d down to %s", len(list), list[len(list)-1].ID, keptRehearsals, oldest)
		}
	})
}

func TestAResultFitsItsRow(t *testing.T) {
	var r Rehearsed
	for i := range 9000 {
		at := model.Millis(int64(i) * 3_600_000)
		r.Hours = append(r.Hours, RehearsedHour{at, i})
		r.Budget = append(r.Budget, RehearsedPurse{At: at, Amount: 1e9, Reserved: 1e8, Spent: 1e8})
		r.Quotas = append(r.Quotas, RehearsedQuota{"2026-02-16", "公众号订阅通知", i, 100_000})
		r.Outcomes = append(r.Outcomes, RehearsedTally{Step: "回家图文", Words: strings.Repeat("字", 60)})
		r.Steps = append(r.Steps, RehearsedStep{Name: strings.Repeat("步", 32)})
		r.Refused = append(r.Refused, RehearsedReason{strings.Repeat("满", 40), i})
	}
	text, err := r.encode()
	if err != nil || len(text) > maxResult {
		t.Fatalf("%d bytes, %v, want at most %d", len(text), err, maxResult)
	}
	if !strings.Contains(text, `"shortened":true`) || !strings.Contains(text, `"messages":0}`) || !strings.Contains(text, `"messages":8999}`) {
		t.Error("the first or the last hour is lost, or nobody says that something is")
	}
}
