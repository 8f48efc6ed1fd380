package member

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

func TestAThousandGuessesAtOnceMakeFiveCompares(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		want(t, "send", w.SendCode(t.Context(), alice.ID, phone(1), "s"), nil)
		right := w.sms.code(t, phone(1))
		var compares, wrong, spent atomic.Int64
		w.compared = func() { compares.Add(1) }
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				guess := fmt.Sprintf("%06d", i)
				if guess == right {
					guess = "999999"
				}
				switch _, err := w.Confirm(t.Context(), alice.ID, guess, model.RequestID(fmt.Sprintf("g%d", i))); {
				case errors.Is(err, ErrCodeWrong):
					wrong.Add(1)
				case errors.Is(err, ErrCodeSpent):
					spent.Add(1)
				case errors.Is(err, fault.New(fault.Unavailable, "sql.busy", "")):
				default:
					t.Errorf("guess %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if compares.Load() != maxTries || wrong.Load() != maxTries {
			t.Errorf("%d compares, %d wrong, %d spent, want %d compares", compares.Load(), wrong.Load(), spent.Load(), maxTries)
		}
		_, err := w.Confirm(t.Context(), alice.ID, right, "late")
		want(t, "the right code, too late", err, ErrCodeSpent)
	})
}

func TestACode(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		_, err := w.Confirm(t.Context(), alice.ID, "123456", "c0")
		want(t, "none was sent", err, ErrNoCode)

		want(t, "send", w.SendCode(t.Context(), alice.ID, phone(1), "s1"), nil)
		want(t, "the same request again", w.SendCode(t.Context(), alice.ID, phone(1), "s1"), nil)
		if n := w.sms.count(phone(1)); n != 1 {
			t.Fatalf("%d SMS, want 1", n)
		}
		want(t, "another within the minute", w.SendCode(t.Context(), alice.ID, phone(1), "s2"), ErrTooSoon)
		want(t, "to another number within the minute", w.SendCode(t.Context(), alice.ID, phone(2), "s3"), ErrTooSoon)
		bob := w.touch(t, "oBob")
		want(t, "for another member to the same number", w.SendCode(t.Context(), bob.ID, phone(1), "s4"), ErrTooSoon)

		w.clock.forward(5 * time.Minute)
		_, err = w.Confirm(t.Context(), alice.ID, w.sms.code(t, phone(1)), "c1")
		want(t, "after five minutes", err, ErrCodeExpired)

		want(t, "a newer one", w.SendCode(t.Context(), alice.ID, phone(1), "s5"), nil)
		older := w.sms.code(t, phone(1))
		w.clock.forward(time.Minute)
		want(t, "a newer one still", w.SendCode(t.Context(), alice.ID, phone(1), "s6"), nil)
		if newest := w.sms.code(t, phone(1)); newest != older {
			_, err = w.Confirm(t.Context(), alice.ID, older, "c2")
			want(t, "the older code", err, ErrCodeWrong)
		}
		_, err = w.Confirm(t.Context(), bob.ID, w.sms.code(t, phone(1)), "c3")
		want(t, "another member's code", err, ErrNoCode)

		got, err := w.Confirm(t.Context(), alice.ID, w.sms.code(t, phone(1)), "c4")
		if err != nil || got != phone(1) {
			t.Fatalf("Confirm = %v, %v", got, err)
		}
		got, err = w.Confirm(t.Context(), alice.ID, w.sms.code(t, phone(1)), "c4")
		if err != nil || got != phone(1) {
			t.Fatalf("the same request again = %v, %v", got, err)
		}
		_, err = w.Confirm(t.Context(), alice.ID, w.sms.code(t, phone(1)), "c5")
		want(t, "a used code", err, ErrNoCode)
		for _, bad := range []model.RequestID{"", model.RequestID(strings.Repeat("x", 65)), "a b"} {
			want(t, "a bad request", w.SendCode(t.Context(), alice.ID, phone(3), bad), ErrRequest)
		}
	})
}

func TestLimitsOfADay(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		for i := range 10 {
			want(t, "send", w.SendCode(t.Context(), alice.ID, phone(1), model.RequestID(fmt.Sprintf("s%d", i))), nil)
			w.clock.forward(time.Minute)
		}
		want(t, "the eleventh to a number", w.SendCode(t.Context(), w.touch(t, "oBob").ID, phone(1), "s"), ErrTooMany)
		want(t, "the eleventh of a member", w.SendCode(t.Context(), alice.ID, phone(2), "s"), ErrTooMany)
		w.clock.forward(24 * time.Hour)
		want(t, "the next day", w.SendCode(t.Context(), alice.ID, phone(1), "s"), nil)
		w.clock.forward(72 * time.Hour)
		if n, err := w.Purge(t.Context(), 100); err != nil || n < 12 {
			t.Errorf("Purge = %d, %v, want all codes and counts", n, err)
		}
		want(t, "after the purge", w.SendCode(t.Context(), alice.ID, phone(1), "s-new"), nil)
	})
}

func TestOneOfManySendersAtOnceSends(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		var sent atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			id := w.touch(t, fmt.Sprintf("o%d", i)).ID
			wg.Go(func() {
				if err := w.SendCode(t.Context(), id, phone(1), "s"); err == nil {
					sent.Add(1)
				} else if !errors.Is(err, ErrTooSoon) {
					t.Errorf("SendCode: %v", err)
				}
			})
		}
		wg.Wait()
		if n := w.sms.count(phone(1)); n != 1 || sent.Load() != 1 {
			t.Errorf("%d SMS, %d told so, want 1", n, sent.Load())
		}
	})
}

func TestAGatewayThatFailsIsToldAndNotAskedAgain(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		w.sms.err = fmt.Errorf("POST /send?to=%s: connection refused", phone(1).Digits())
		err := w.SendCode(t.Context(), alice.ID, phone(1), "s1")
		want(t, "send", err, ErrSMS)
		if strings.Contains(err.Error(), phone(1).Digits()) {
			t.Errorf("the error names the number: %v", err)
		}
		w.sms.err = nil
		want(t, "the same request", w.SendCode(t.Context(), alice.ID, phone(1), "s1"), ErrSMS)
		if n := w.sms.count(phone(1)); n != 0 {
			t.Errorf("%d SMS, want none", n)
		}
	})
}

func TestCodesAreUniform(t *testing.T) {
	var first [10]int
	for range 20_000 {
		code := newCode()
		if len(code) != codeDigits {
			t.Fatalf("code %q", code)
		}
		first[code[0]-'0']++
	}
	for d, n := range first { // 2,000 expected, deviation 42
		if n < 1750 || n > 2250 {
			t.Errorf("%d codes of 20,000 begin with %d", n, d)
		}
	}
}

func TestACarrierThatIsDownDoesNotStopABinding(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		w.carrier.fail(context.DeadlineExceeded)
		w.bind(t, alice.ID, phone(1), "r1")
		w.carrier.fail(nil)
		checked, unbound, err := w.CheckHolders(t.Context(), time.Hour, 10)
		if err != nil || checked != 1 || unbound != 0 {
			t.Fatalf("CheckHolders = %d, %d, %v, want 1 checked", checked, unbound, err)
		}
		w.carrier.give(phone(1), "holder-2")
		w.clock.forward(2 * time.Hour)
		if _, unbound, err = w.CheckHolders(t.Context(), time.Hour, 10); err != nil || unbound != 1 {
			t.Fatalf("CheckHolders = %d, %v, want 1 unbound", unbound, err)
		}
		if got := w.touch(t, "oAlice"); got.Bound() {
			t.Errorf("a recycled number is still bound: %v", got.Phone)
		}
		w.carrier.fail(fault.New(fault.NotFound, "carrier.unknown", ""))
		want(t, "a number of another carrier", w.BindVerified(t.Context(), alice.ID, phone(2), "r2"), ErrNotCustomer)
	})
}

func TestAMassChangeOfHoldersUnbindsNobody(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		for i := range 12 {
			id := w.touch(t, fmt.Sprintf("o%d", i)).ID
			want(t, "bind", w.BindVerified(t.Context(), id, phone(i), "r"), nil)
			w.carrier.give(phone(i), "somebody else")
		}
		w.clock.forward(time.Hour)
		_, unbound, err := w.CheckHolders(t.Context(), time.Minute, 100)
		want(t, "CheckHolders", err, ErrSuspicious)
		if got := w.touch(t, "o3"); unbound != 0 || got.Phone != phone(3) {
			t.Errorf("%d unbound, o3 has %v", unbound, got.Phone)
		}
	})
}
