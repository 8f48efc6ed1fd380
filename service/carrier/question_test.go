package carrier_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"kaimenhong/sandbox/faults"
	"kaimenhong/service/carrier"
)

func TestARefusedQuestionSaysNothingOfTheOrder(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusUnprocessableEntity} {
		for _, way := range []string{"order", "topup"} {
			s := newStage(t)
			c := s.client(t, carrier.Options{Deadline: time.Second})
			place := func(again bool) error {
				if way == "order" {
					_, err := c.Order(t.Context(), carrier.Order{Request: "one", Phone: phone(t, ordinary), Offering: "OF-CREDIT-10", Again: again})
					return err
				}
				_, err := c.TopUp(t.Context(), carrier.TopUp{Request: "one", Phone: phone(t, ordinary), Amount: 1000, Again: again})
				return err
			}
			for point, fault := range map[string]faults.Fault{
				"carrier." + way:            {Kind: faults.Cut, Count: 1},
				"carrier." + way + "_state": {Kind: faults.Status, Status: status, Count: 1},
			} {
				if err := s.faults.Put(point, fault); err != nil {
					t.Fatal(err)
				}
			}
			for _, again := range []bool{false, true} { // its answer is lost, and then the question is refused
				if err := place(again); !errors.Is(err, carrier.ErrUnknownOutcome) {
					t.Errorf("%s, %d, again %v: %v, want %v", way, status, again, err, carrier.ErrUnknownOutcome)
				}
			}
			s.move(time.Second)
			if err := place(true); err != nil {
				t.Errorf("%s, %d: in the end %v", way, status, err)
			}
			if got := balance(t, s); got != 8652+1000 {
				t.Errorf("%s, %d: the balance is %d, want %d", way, status, got, 8652+1000)
			}
		}
	}
}
