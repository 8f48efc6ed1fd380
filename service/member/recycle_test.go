package member

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
)

// bindAll binds a number for each of n members, and lets the carrier's word on it grow old.
func (w *world) bindAll(t *testing.T, n int) (ids []model.MemberID) {
	t.Helper()
	for i := range n {
		id := w.touch(t, fmt.Sprintf("o%d", i)).ID
		want(t, "bind", w.BindVerified(t.Context(), id, phone(i), "r"), nil)
		ids = append(ids, id)
		w.clock.forward(time.Minute)
	}
	w.clock.forward(time.Hour)
	return ids
}

func TestANumberThatNobodyAnswersForKeepsNoOther(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		ids := w.bindAll(t, 5)
		w.carrier.hush(phone(0))
		if _, err := w.db.Exec("UPDATE member_phone SET phone_sealed = 'xxxx' WHERE member_id = ?", int64(ids[1])); err != nil {
			t.Fatal(err)
		}
		w.carrier.give(phone(4), "somebody else")
		for night := range 2 {
			checked, unbound, err := w.CheckHolders(t.Context(), time.Hour, 2)
			want(t, "CheckHolders", err, errCarrier)
			if night == 0 && (checked != 3 || unbound != 1) {
				t.Errorf("CheckHolders = %d, %d, want the 3 that can be asked about, one of them given away", checked, unbound)
			}
			if night == 1 && checked != 0 {
				t.Errorf("%d are checked again, want none", checked)
			}
		}
		if got := w.touch(t, "o4"); got.Bound() {
			t.Errorf("a number that was given away is still bound: %v", got.Phone)
		}
	})
}

func TestACarrierThatIsDownIsAskedForOneSlice(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.bindAll(t, 6)
		w.carrier.fail(context.DeadlineExceeded)
		before := w.carrier.asked
		_, _, err := w.CheckHolders(t.Context(), time.Hour, 2)
		want(t, "CheckHolders", err, errCarrier)
		if n := w.carrier.asked - before; n != 2 {
			t.Errorf("the carrier was asked %d times, want the slice of 2", n)
		}
	})
}

func TestTheCarrierIsAskedAboutSeveralNumbersAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.bindAll(t, 2)
		w.carrier.two = &sync.WaitGroup{}
		w.carrier.two.Add(2)
		checked, _, err := w.CheckHolders(t.Context(), time.Hour, 10)
		if err != nil || checked != 2 {
			t.Errorf("CheckHolders = %d, %v, want both", checked, err)
		}
	})
}
