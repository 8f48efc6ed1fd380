package member

import (
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestReachSaysOfManyWhatGetSaysOfEach(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db, dbtest.EmbeddedRedis(t), Options{})
		both := w.touch(t, "oBoth")
		if _, err := w.Join(t.Context(), model.OfficialAccount, "oBoth", "uBoth"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Join(t.Context(), model.MiniProgram, "mBoth", "uBoth"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Follow(t.Context(), "oBoth", "", w.nowMillis()); err != nil {
			t.Fatal(err)
		}
		want(t, "agree", w.Decide(t.Context(), both.ID, []Decision{{Marketing, 1, true}}, "c"), nil)
		stranger := w.touch(t, "oStranger")
		want(t, "refuse", w.Decide(t.Context(), stranger.ID, []Decision{{Marketing, 1, false}}, "c"), nil)
		left := w.touch(t, "oLeft")
		want(t, "close", w.Close(t.Context(), left.ID, "x"), nil)
		// One who is merged away, whose newest openid is the survivor's.
		old := w.touch(t, "oOld")
		w.clock.forward(time.Hour)
		merged, err := w.Touch(t.Context(), model.MiniProgram, "mMerged")
		want(t, "touch", err, nil)
		for app, id := range map[model.App]model.OpenID{model.OfficialAccount: "oOld", model.MiniProgram: "mMerged"} {
			if _, err := w.Join(t.Context(), app, id, "uOld"); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.Reach(t.Context(), []model.MemberID{404, both.ID, stranger.ID, left.ID, old.ID, merged.ID})
		want(t, "Reach", err, nil)
		survivor, gone := model.Reach{Member: old.ID, Official: "oOld", Mini: "mMerged"}, model.Reach{Member: old.ID}
		if id, err := w.Resolve(t.Context(), old.ID); err != nil {
			t.Fatal(err)
		} else if id != old.ID {
			survivor, gone = model.Reach{Member: id}, model.Reach{Member: id, Official: "oOld", Mini: "mMerged"}
		}
		for i, wanted := range []model.Reach{
			{}, {Member: both.ID, Official: "oBoth", Mini: "mBoth", Follows: true, Agrees: true}, {Member: stranger.ID, Official: "oStranger"}, {}, survivor, gone,
		} {
			if got[i] != wanted {
				t.Errorf("Reach[%d] = %+v, want %+v", i, got[i], wanted)
			}
		}
	})
}
