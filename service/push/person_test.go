package push_test

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push"
)

// becomes makes one of the crowd another, who may be new.
func (r *rig) becomes(from, into model.MemberID) {
	r.became[from] = into
	r.reach[from] = &model.Reach{Member: into}
	if r.reach[into] == nil {
		r.reach[into] = &model.Reach{Member: into, Official: openID(into), Mini: "m" + openID(into), Follows: true, Agrees: true}
	}
}

// drawn is whether a member is held out of a dispatch, and his variant.
func (r *rig) drawn(t *testing.T, dispatch model.ID, m model.MemberID) (as string) {
	t.Helper()
	all, err := r.Deliveries(t.Context(), 7, 0, 10_000)
	must(t, err)
	for _, one := range all {
		if one.Dispatch == dispatch && one.Member == m {
			as = fmt.Sprint(one.State == model.DeliveryHeldOut, one.Variant)
		}
	}
	return as
}

// TestWhoBecameAnotherIsReachedOnceAsWhoHeIs stages a first push, lets some of the
// audience become others, and stages a second one of the same step, as cron does.
func TestWhoBecameAnotherIsReachedOnceAsWhoHeIs(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(400), push.PlannerOptions{})
		var held, others []model.MemberID
		for _, m := range r.frozen {
			if model.BucketOf(m) < 10 {
				held = append(held, m)
			} else {
				others = append(others, m)
			}
		}
		customer, heldCustomer := others[0], held[0]
		r.reach[customer], r.reach[heldCustomer] = nil, nil
		d := dispatch(1, by(model.CustomChannel))
		d.Holdout = 10
		d.Variants = []model.Variant{{Name: "A", Share: 5_000, Ways: d.Variants[0].Ways}, {Name: "B", Share: 5_000, Ways: d.Variants[0].Ways}}
		r.windows(t)
		r.stage(t, d)
		r.send(t)

		const newcomer, heldNewcomer = model.MemberID(9_001), model.MemberID(9_002)
		for _, pair := range [][2]model.MemberID{
			{customer, newcomer}, {heldCustomer, heldNewcomer}, // they bound their numbers
			{others[1], others[2]}, {others[4], others[3]}, // two who are one, either way round
			{others[5], held[1]}, {held[2], others[6]}, // of whom one was held out
		} {
			r.becomes(pair[0], pair[1])
		}
		r.pass(2 * time.Hour)
		before := len(r.arrived())
		d.ID = 2
		for range 2 { // a repeat counts the same
			if n, err := r.Stage(t.Context(), d); err != nil || n != 396 {
				t.Fatalf("Stage = %d, %v, want 400 ids that are 396 people", n, err)
			}
		}
		r.windows(t)
		for _, m := range []model.MemberID{newcomer, heldNewcomer} {
			must(t, r.rights.Touched(t.Context(), m, push.Messaged, model.At(r.clock())))
		}
		r.send(t)
		got := map[model.MemberID]int{}
		for _, k := range r.arrived()[before:] {
			got[k.member]++
		}
		want := map[model.MemberID]int{newcomer: 1}
		for _, m := range others {
			want[m] = 1
		}
		for _, gone := range []model.MemberID{customer, others[1], others[4], others[5], others[6]} {
			delete(want, gone)
		}
		if !maps.Equal(got, want) {
			for m := range r.reach {
				if got[m] != want[m] {
					t.Errorf("member %d of bucket %d got %d messages, want %d", m, model.BucketOf(m), got[m], want[m])
				}
			}
		}
		for now, was := range map[model.MemberID]model.MemberID{newcomer: customer, heldNewcomer: heldCustomer, held[1]: held[1], others[6]: held[2]} {
			if got, want := r.drawn(t, 2, now), r.drawn(t, 1, was); got != want || got == "" {
				t.Errorf("member %d, once %d, is drawn as %q, want %q as before", now, was, got, want)
			}
		}
	})
}

// joins makes one member another in the book too.
func (r *rig) joins(t *testing.T, from, into model.MemberID) {
	t.Helper()
	r.becomes(from, into)
	must(t, sqldb.InTx(t.Context(), r.sql, func(tx *sql.Tx) error { return r.rights.JoinTx(t.Context(), tx, from, into) }))
}

func TestWhoBecomesAnotherBeforeHisMessageGoesGetsItOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(100), push.PlannerOptions{})
		r.windows(t)
		d := dispatch(1, by(model.CustomChannel))
		d.Canary = 2_000
		r.stage(t, d)
		r.send(t)
		var sent, waits []model.MemberID
		for _, m := range r.frozen {
			if slices.ContainsFunc(r.arrived(), func(k call) bool { return k.member == m }) {
				sent = append(sent, m)
			} else {
				waits = append(waits, m)
			}
		}
		const newcomer = model.MemberID(9_001)
		customer := waits[0]
		r.reach[customer] = nil
		r.becomes(customer, newcomer)
		must(t, r.rights.Touched(t.Context(), newcomer, push.Messaged, model.At(noon)))
		r.joins(t, waits[1], waits[2]) // both wait
		r.joins(t, sent[0], waits[3])  // he got it by the other id
		r.joins(t, waits[4], sent[1])
		must(t, r.Release(t.Context(), 7))
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 97, "skipped push.merged": 3})
		got := map[model.MemberID]int{}
		for _, k := range r.arrived() {
			got[k.member]++
		}
		for m, want := range map[model.MemberID]int{newcomer: 1, waits[2]: 1, waits[3]: 0, sent[0]: 1, sent[1]: 1, waits[5]: 1} {
			if got[m] != want {
				t.Errorf("member %d got %d messages, want %d", m, got[m], want)
			}
		}
	})
}

func TestCapsCountWhatSomebodyGotAsAnother(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		for _, tt := range []struct {
			name string
			caps model.Caps
			why  string
		}{
			{"of a day", model.Caps{Day: 2}, "skipped push.cap_day"},
			{"of a week", model.Caps{Week: 2}, "skipped push.cap_week"},
			{"of a campaign", model.Caps{Campaign: 2}, "skipped push.cap_campaign"},
			{"that leave one more", model.Caps{Day: 3, Week: 3, Campaign: 3}, "sent custom"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r := newRig(t, pool, newCrowd(2), push.PlannerOptions{})
				for _, table := range []string{"push_dispatch", "push_shard", "push_delivery", "push_load", "push_entitlement"} {
					if _, err := pool.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
						t.Fatal(err)
					}
				}
				r.windows(t)
				first := dispatch(1, by(model.CustomChannel))
				r.stage(t, first) // one each
				r.send(t)
				r.joins(t, r.frozen[0], r.frozen[1])
				second := dispatch(2, by(model.CustomChannel))
				second.Caps = tt.caps
				if n, err := r.Stage(t.Context(), second); n != 1 || err != nil {
					t.Fatalf("Stage = %d, %v, want one person", n, err)
				}
				r.send(t)
				want := map[string]int64{"sent custom": 2}
				want[tt.why]++
				r.wants(t, want)
			})
		}
	})
}

// TestWhoGotTheMonthsMassMessagesHasThemAsAnother lets a follower use up his month and
// become another member: he is the same follower to WeChat.
func TestWhoGotTheMonthsMassMessagesHasThemAsAnother(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(4), push.PlannerOptions{})
		for i := range 4 {
			r.stage(t, dispatch(model.ID(i+1), by(model.MassChannel)))
			r.send(t)
		}
		r.wants(t, map[string]int64{"sent mass": 16})
		r.joins(t, r.frozen[0], 2001)
		r.joins(t, r.frozen[1], 2002)
		d := dispatch(5, by(model.MassChannel))
		r.stage(t, d)
		r.send(t)
		r.wants(t, map[string]int64{"sent mass": 16, "skipped push.no_entitlement": 4})
	})
}
