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
