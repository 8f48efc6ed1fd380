package member

import (
	"sync"
	"testing"

	"kaimenhong/model"
)

func TestAStrangerIsMadeOnceHoweverManyAsk(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		ids := make([]model.MemberID, 32)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				got, err := w.Touch(t.Context(), model.OfficialAccount, "oStranger")
				if err != nil {
					t.Errorf("Touch: %v", err)
				}
				ids[i] = got.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] || id == 0 {
				t.Fatalf("members %v, want one", ids)
			}
		}
		other, err := w.Touch(t.Context(), model.MiniProgram, "oStranger")
		if err != nil || other.ID == ids[0] {
			t.Fatalf("the same openid in the other app = %v, %v, want another member", other.ID, err)
		}
	})
}

func TestBindingByCode(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		if alice.Bound() {
			t.Fatalf("a stranger is bound to %v", alice.Phone)
		}
		w.bind(t, alice.ID, phone(1), "r1")
		if got := w.touch(t, "oAlice"); got.Phone != phone(1) || got.BoundAt == 0 {
			t.Fatalf("bound %v at %d, want %v", got.Phone, got.BoundAt, phone(1))
		}
		want(t, "the same number again", w.SendCode(t.Context(), alice.ID, phone(1), "r2"), ErrAlready)

		w.bind(t, alice.ID, phone(2), "r3")
		if got := w.touch(t, "oAlice"); got.Phone != phone(2) {
			t.Fatalf("rebound %v, want %v", got.Phone, phone(2))
		}
		want(t, "unbind", w.Unbind(t.Context(), alice.ID, "r4"), nil)
		want(t, "the same request again", w.Unbind(t.Context(), alice.ID, "r4"), nil)
		want(t, "unbind a second time", w.Unbind(t.Context(), alice.ID, "r5"), ErrNotBound)
		if got := w.touch(t, "oAlice"); got.Bound() {
			t.Fatalf("still bound to %v", got.Phone)
		}
	})
}

func TestTheNewerProofWinsTheNumber(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice, bob := w.touch(t, "oAlice"), w.touch(t, "oBob")
		w.bind(t, alice.ID, phone(1), "r1")
		want(t, "bob binds it in one tap", w.BindVerified(t.Context(), bob.ID, phone(1), "r2"), nil)
		want(t, "and again", w.BindVerified(t.Context(), bob.ID, phone(1), "r2"), nil)
		if got := w.touch(t, "oAlice"); got.Bound() {
			t.Errorf("alice keeps %v", got.Phone)
		}
		if got := w.touch(t, "oBob"); got.Phone != phone(1) {
			t.Errorf("bob has %v, want %v", got.Phone, phone(1))
		}
		var told int
		if err := w.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM outbox WHERE topic = ?", TopicUnbound).Scan(&told); err != nil || told != 1 {
			t.Errorf("told %d times, %v, want once", told, err)
		}
	})
}

// TestARepeatOfWhatHeDidAsAnotherChangesNothing repeats a binding and an unbinding under
// the id of whom their member has become meanwhile.
func TestARepeatOfWhatHeDidAsAnotherChangesNothing(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		older, err := w.Join(t.Context(), model.MiniProgram, "oProgram", "uOne")
		want(t, "Join", err, nil)
		want(t, "bind the older", w.BindVerified(t.Context(), older.ID, phone(1), "b1"), nil)
		newer := w.touch(t, "oAccount")
		want(t, "bind the newer", w.BindVerified(t.Context(), newer.ID, phone(2), "b2"), nil)
		want(t, "unbind the newer", w.Unbind(t.Context(), newer.ID, "un"), nil)
		if _, err := w.Join(t.Context(), model.OfficialAccount, "oAccount", "uOne"); err != nil {
			t.Fatal(err)
		}
		want(t, "unbind again", w.Unbind(t.Context(), newer.ID, "un"), nil)
		if got := w.touch(t, "oAccount"); got.ID != older.ID || got.Phone != phone(1) {
			t.Errorf("after the repeat %d has %v, want the older with the number that he did not unbind", got.ID, got.Phone)
		}
		if done, err := w.BoundBy(t.Context(), older.ID, "b2"); err != nil || !done {
			t.Errorf("BoundBy = %v, %v, want that the request is done", done, err)
		}
		want(t, "bind again", w.BindVerified(t.Context(), older.ID, phone(2), "b2"), nil)
		if got := w.touch(t, "oAccount"); got.Phone != phone(1) {
			t.Errorf("after the repeat he has %v, want his number still", got.Phone)
		}
	})
}
