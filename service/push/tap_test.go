package push_test

import (
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/push"
)

// tapRig sends one message to each of the members 1001 and 1002.
func tapRig(t *testing.T, check func(t *testing.T, r *rig, token map[model.MemberID]string)) {
	everywhere(t, 2, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		r.known = map[model.MemberID]model.Member{}
		r.stage(t, dispatch(1, model.Way{Channel: model.MiniChannel, Material: 102}))
		r.send(t)
		token := map[model.MemberID]string{}
		for _, k := range r.arrived() {
			_, token[k.member], _ = strings.Cut(k.page, push.TapParam+"=")
		}
		check(t, r, token)
	})
}

// taps counts the messages that were tapped and the taps that wait.
func (r *rig) taps(t *testing.T) (tapped, waiting int) {
	t.Helper()
	must(t, r.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM push_delivery WHERE tapped_at > 0").Scan(&tapped))
	must(t, r.sql.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM push_tap").Scan(&waiting))
	return tapped, waiting
}

func TestATapIsTheRecipientsByEveryIDThatHeEverHad(t *testing.T) {
	joined := model.Member{ID: 900, OpenID: "o1001", UnionID: "u1001"}
	for _, tt := range []struct {
		name   string
		member model.MemberID // whose token it is, or 900
		known  map[model.MemberID]model.Member
		own    bool
		living model.MemberID
	}{
		{"the recipient", 1001, nil, true, 1001},
		{"the message went to a former id", 900, map[model.MemberID]model.Member{900: joined, 1001: joined}, true, 900},
		{"the session is of a former id", 900, map[model.MemberID]model.Member{900: {ID: 1001, UnionID: "u1001"}}, true, 1001},
		{"a friend", 1002, nil, false, 1001},
		{"a friend of somebody who left", 1002, map[model.MemberID]model.Member{1001: {}}, false, 1001},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tapRig(t, func(t *testing.T, r *rig, token map[model.MemberID]string) {
				if tt.known != nil {
					r.known = tt.known
				}
				for range 2 {
					got, own, err := r.Tapped(t.Context(), tt.member, token[1001])
					if err != nil || own != tt.own || got.Member != tt.living || (got.TappedAt != 0) != tt.own {
						t.Errorf("Tapped = %+v, %v, %v, want %v of %d", got, own, err, tt.own, tt.living)
					}
				}
				if tapped, waiting := r.taps(t); tapped != map[bool]int{true: 1}[tt.own] || waiting != 0 {
					t.Errorf("%d are tapped and %d taps wait, want that it is his: %v", tapped, waiting, tt.own)
				}
			})
		})
	}
}

func TestATapCountsOnceItIsKnownWhoseItIs(t *testing.T) {
	tapRig(t, func(t *testing.T, r *rig, token map[model.MemberID]string) {
		const mini, friend = 2001, 2002 // as the mini-program knows them
		r.known[1001] = model.Member{ID: 1001, OpenID: "o1001"}
		for _, m := range []model.MemberID{mini, friend, mini} {
			got, own, err := r.Tapped(t.Context(), m, token[1001])
			if err != nil || own || got.TappedAt != 0 {
				t.Errorf("Tapped by %d = %+v, %v, %v, want that nobody knows yet", m, got, own, err)
			}
		}
		if tapped, waiting := r.taps(t); tapped != 0 || waiting != 2 {
			t.Errorf("%d are tapped and %d taps wait, want two that wait", tapped, waiting)
		}
		at := model.At(r.clock())
		r.pass(time.Hour)
		r.known[friend] = model.Member{ID: 1002, UnionID: "u1002"}
		if got, err := r.Joined(t.Context(), friend, 1002); err != nil || len(got) != 0 {
			t.Errorf("the friend is joined: %+v, %v, want no tap", got, err)
		}
		one := model.Member{ID: 1001, OpenID: "o1001", UnionID: "u2001"}
		r.known[1001], r.known[mini] = one, one
		for range 2 {
			got, err := r.Joined(t.Context(), mini, 1001)
			if err != nil || len(got) != 1 || got[0].Member != 1001 || got[0].TappedAt != at || got[0].Variant != "A" {
				t.Errorf("Joined = %+v, %v, want the tap of %v", got, err, at)
			}
		}
		if tapped, _ := r.taps(t); tapped != 1 {
			t.Errorf("%d are tapped, want the one", tapped)
		}
		tx, err := r.sql.BeginTx(t.Context(), nil)
		must(t, err)
		must(t, r.rights.CloseTx(t.Context(), tx, friend))
		must(t, tx.Commit())
		if _, waiting := r.taps(t); waiting != 1 {
			t.Errorf("%d taps wait, want that the friend's went with him", waiting)
		}
		r.known[1001], r.known[mini] = model.Member{}, model.Member{}
		if got, err := r.Joined(t.Context(), mini, 1001); err != nil || len(got) != 0 {
			t.Errorf("he left: %+v, %v, want no tap and no error", got, err)
		}
	})
}
