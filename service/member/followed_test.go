package member

import (
	"testing"

	"kaimenhong/model"
)

func TestWhoBeganToFollowAndWhenHeLeft(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		const day = 24 * 60 * 60 * 1000
		now := w.nowMillis()
		from := now - 10*day
		for _, e := range []struct {
			who     model.OpenID
			at      model.Millis
			follows bool
		}{
			{"old", from - 5*day, true}, {"old", from + day, false}, {"old", from + 2*day, true}, // came back: new again
			{"stays", from - day, true},
			{"new", from + day, true}, {"new", from + 4*day, false}, {"new", from + 5*day, true}, {"new", from + 6*day, false},
			{"late", now, true},
		} {
			var err error
			if e.follows {
				_, err = w.Follow(t.Context(), e.who, "", e.at)
			} else {
				err = w.Unfollow(t.Context(), e.who, e.at)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		ids := map[model.OpenID]model.MemberID{}
		var all []model.MemberID
		for _, who := range []string{"old", "stays", "new", "late"} {
			ids[model.OpenID(who)] = w.touch(t, who).ID
			all = append(all, ids[model.OpenID(who)])
		}
		got, err := w.Followed(t.Context(), all, from, now)
		if err != nil {
			t.Fatal(err)
		}
		want := map[model.OpenID]Followed{"old": {At: from + 2*day}, "new": {At: from + day, Left: from + 4*day}}
		for who, id := range ids {
			if got[id] != want[who] {
				t.Errorf("%s = %+v, want %+v", who, got[id], want[who])
			}
		}
		if _, err := w.Followed(t.Context(), make([]model.MemberID, maxFollowed+1), from, now); err == nil {
			t.Error("too many members are answered")
		}
	})
}
