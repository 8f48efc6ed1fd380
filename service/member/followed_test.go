package member

import (
	"database/sql"
	"slices"
	"testing"
	"time"

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
			{"old", from - 5*day, true},
			{"old", from + day, false},
			{"old", from + 2*day, true}, // came back: new again
			{"stays", from - day, true},
			{"new", from + day, true},
			{"new", from + 4*day, false},
			{"new", from + 5*day, true},
			{"new", from + 6*day, false},
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

func TestWhoFollowedBeforeHeBecameAMemberFollowedAsThatOne(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		// He came by the mini-program, followed as a stranger, and WeChat says that both
		// are one.
		here, err := w.Touch(t.Context(), model.MiniProgram, "oMini")
		want(t, "Touch", err, nil)
		at := w.nowMillis()
		_, err = w.Follow(t.Context(), "oChat", "", at)
		want(t, "Follow", err, nil)
		_, err = w.Join(t.Context(), model.MiniProgram, "oMini", "uOne")
		want(t, "Join", err, nil)
		one, err := w.Join(t.Context(), model.OfficialAccount, "oChat", "uOne")
		want(t, "Join", err, nil)
		if one.ID != here.ID {
			t.Fatalf("the one is %s, want the older %s", one.ID, here.ID)
		}
		got, err := w.Followed(t.Context(), []model.MemberID{here.ID}, at-1000, at+1000)
		if err != nil || got[here.ID] != (Followed{At: at}) {
			t.Errorf("Followed = %+v, %v, want him at %d", got, err, at)
		}
		want(t, "Unfollow", w.Unfollow(t.Context(), "oChat", at+2000), nil)
		w.clock.forward(3 * time.Second)
		got, err = w.Followed(t.Context(), []model.MemberID{here.ID}, at-1000, at+1000)
		if err != nil || got[here.ID] != (Followed{At: at, Left: at + 2000}) {
			t.Errorf("Followed = %+v, %v, want that he left", got, err)
		}
	})
}

func TestWhatIsKnownOfAFollowerStillGetsItsSource(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		at := w.nowMillis()
		for _, source := range []string{"", "qr-1", "qr-2"} { // WeChat's word first, then the event
			_, err := w.Follow(t.Context(), "oA", source, at)
			want(t, "Follow", err, nil)
		}
		if got := w.touch(t, "oA"); !got.Follows || got.Source != "qr-1" {
			t.Errorf("follows %v from %q, want from qr-1", got.Follows, got.Source)
		}
		want(t, "Unfollow", w.Unfollow(t.Context(), "oA", at), nil)
		_, err := w.Follow(t.Context(), "oA", "", at)
		want(t, "Follow", err, nil)
		if w.touch(t, "oA").Follows {
			t.Error("an event that is known undoes what came after it")
		}
	})
}

// Somebody may follow for years before this system hears of him: with his first word, or
// in the mini-program.
func TestWhoFollowedBeforeHeWasHeardOfJoinedThen(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		first := w.touch(t, "oOld")
		const year = 365 * 24 * time.Hour
		long := model.At(w.Now().Add(-year))
		got, err := w.Follow(t.Context(), "oOld", "", long)
		want(t, "Follow", err, nil)
		if got.JoinedAt != long {
			t.Errorf("joined at %d, want when he followed, %d, and not his first word, %d", got.JoinedAt, long, first.JoinedAt)
		}
		if got, err = w.Follow(t.Context(), "oOld", "", long.Add(time.Hour)); got.JoinedAt != long {
			t.Errorf("a later following: joined at %d, %v, want %d still", got.JoinedAt, err, long)
		}
		want(t, "Unfollow", w.Unfollow(t.Context(), "oOld", long.Add(-time.Hour)), nil)
		if got = w.touch(t, "oOld"); got.JoinedAt != long {
			t.Errorf("an older leaving: joined at %d, want %d still", got.JoinedAt, long)
		}

		mini, err := w.Touch(t.Context(), model.MiniProgram, "mOther")
		want(t, "Touch", err, nil)
		_, err = w.Join(t.Context(), model.MiniProgram, "mOther", "uOther")
		want(t, "Join", err, nil)
		_, err = w.Follow(t.Context(), "oOther", "", long)
		want(t, "Follow", err, nil)
		joined, err := w.Join(t.Context(), model.OfficialAccount, "oOther", "uOther")
		want(t, "Join", err, nil)
		if joined.ID != mini.ID || joined.JoinedAt != long {
			t.Errorf("one person is %d since %d, want %d since %d, when he followed", joined.ID, joined.JoinedAt, mini.ID, long)
		}
	})
}

func TestNobodyBecomesAMemberByLeaving(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		at := w.nowMillis()
		closed, err := w.Follow(t.Context(), "oClosed", "", at)
		want(t, "Follow", err, nil)
		want(t, "Close", w.Close(t.Context(), closed.ID, "close"), nil)
		for _, who := range []model.OpenID{"oClosed", "oStranger"} {
			want(t, "Unfollow", w.Unfollow(t.Context(), who, at+1000), nil)
			_, err := w.byOpenID(t.Context(), model.OfficialAccount, who)
			want(t, string(who)+" who left", err, sql.ErrNoRows)
		}
		want(t, "Unfollow", w.Unfollow(t.Context(), "has space", at), ErrOpenID)
	})
}

func TestWhoIsAwayIsAMemberWhoDoesNotFollow(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		at := w.nowMillis()
		for _, o := range []model.OpenID{"oHere", "oLeft", "oClosed"} {
			_, err := w.Follow(t.Context(), o, "", at)
			want(t, "Follow", err, nil)
		}
		w.touch(t, "oWrote")
		want(t, "Unfollow", w.Unfollow(t.Context(), "oLeft", at+1000), nil)
		want(t, "Close", w.Close(t.Context(), w.touch(t, "oClosed").ID, "close"), nil)
		_, err := w.Touch(t.Context(), model.MiniProgram, "oMini")
		want(t, "Touch", err, nil)

		away, err := w.Away(t.Context(), []model.OpenID{"oHere", "oLeft", "oClosed", "oWrote", "oMini", "oStranger"})
		slices.Sort(away)
		if err != nil || !slices.Equal(away, []model.OpenID{"oLeft", "oWrote"}) {
			t.Errorf("Away = %v, %v, want who left and who only wrote", away, err)
		}
		if away, err := w.Away(t.Context(), nil); err != nil || len(away) != 0 {
			t.Errorf("Away of nobody = %v, %v", away, err)
		}
		if _, err := w.Away(t.Context(), make([]model.OpenID, MaxAway+1)); err == nil {
			t.Error("too many are answered")
		}
	})
}

func TestWhoIsNamelessFollowsWithoutAUnionID(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		at := w.nowMillis()
		for _, o := range []model.OpenID{"oNameless", "oNamed", "oLeft"} {
			_, err := w.Follow(t.Context(), o, "", at)
			want(t, "Follow", err, nil)
		}
		_, err := w.Join(t.Context(), model.OfficialAccount, "oNamed", "uOne")
		want(t, "Join", err, nil)
		want(t, "Unfollow", w.Unfollow(t.Context(), "oLeft", at+1000), nil)
		got, err := w.Nameless(t.Context(), []model.OpenID{"oNameless", "oNamed", "oLeft", "oStranger"})
		if err != nil || !slices.Equal(got, []model.OpenID{"oNameless"}) {
			t.Errorf("Nameless = %v, %v, want the follower without a unionid", got, err)
		}
	})
}
