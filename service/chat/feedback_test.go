package chat_test

import (
	"database/sql"
	"errors"
	"slices"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/chat"
)

// finishes says what became of the only note, once.
func finishes(t *testing.T, k *talk, id model.ID) {
	t.Helper()
	for _, tt := range []struct {
		what   string
		id     model.ID
		remark string
		want   error
	}{
		{"without a word", id, " ", chat.ErrRemark},
		{"of none", 404, "已增开窗口", chat.ErrNoteMissing},
		{"of the one", id, "已增开窗口", nil},
		{"of one that is done", id, "再处理", chat.ErrNoteDone},
	} {
		if err := k.notes.Finish(t.Context(), 3, tt.id, tt.remark); !errors.Is(err, tt.want) {
			t.Errorf("Finish %s = %v, want %v", tt.what, err, tt.want)
		}
	}
	if open, _, err := k.notes.List(t.Context(), true, "", 10); err != nil || len(open) != 0 {
		t.Errorf("open Notes = %+v, %v, want none", open, err)
	}
	if done, _, err := k.notes.List(t.Context(), false, "", 10); err != nil || len(done) != 1 || done[0].DoneBy != 3 || done[0].Remark != "已增开窗口" {
		t.Errorf("Notes = %+v, %v, want the one as done", done, err)
	}
}

func TestFeedbackGoesWhereTheMemberGoes(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		k := newTalk(t, newWorld(t), pool, dbtest.EmbeddedRedis(t), nil, plainOptions)
		inTx := func(what string, do func(tx *sql.Tx) error) {
			t.Helper()
			if err := sqldb.InTx(t.Context(), pool, do); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		told := func(member model.MemberID, want ...string) {
			t.Helper()
			got, err := k.notes.Export(t.Context(), member)
			var messages []string
			for _, one := range got {
				messages = append(messages, one.Message)
			}
			if err != nil || !slices.Equal(messages, want) {
				t.Errorf("member %d told us %v, %v, want %v", member, messages, err, want)
			}
		}
		for member, message := range map[model.MemberID]string{1: "排队太久", 3: "很好"} {
			id, err := k.notes.Keep(t.Context(), member, message, model.RequestID("r"+member.String()))
			if err != nil {
				t.Fatal(err)
			}
			if err := k.notes.Finish(t.Context(), 9, id, "已回访"); err != nil {
				t.Fatal(err)
			}
		}
		inTx("join", func(tx *sql.Tx) error { return k.notes.JoinTx(t.Context(), tx, 1, 2) })
		told(1)
		told(2, "排队太久")
		inTx("close", func(tx *sql.Tx) error { return k.notes.CloseTx(t.Context(), tx, 2) })
		told(2)
		told(3, "很好")
		var left int
		if err := pool.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM chat_feedback_done").Scan(&left); err != nil || left != 1 {
			t.Errorf("%d remarks are left, %v, want the one of who stays", left, err)
		}
	})
}
