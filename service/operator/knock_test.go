package operator_test

import (
	"fmt"
	"testing"
	"time"

	"kaimenhong/service/operator"
)

func TestAttemptsOfOneAddressAreBoundedWhateverTheAccount(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		knock := func(address string, err error) {
			t.Helper()
			want(t, "Knock from "+address, o.Knock(t.Context(), address), err)
		}
		for i := range operator.Knocks {
			knock(fmt.Sprintf("2001:db8::%x", i+1), nil) // one network
		}
		knock("2001:db8::ffff:1", operator.ErrKnocks)
		knock("2001:db8:0:1::1", nil)
		for range operator.Knocks - 1 {
			knock("192.0.2.1", nil)
		}
		knock("::ffff:192.0.2.1", nil) // the same one
		knock("192.0.2.1", operator.ErrKnocks)
		knock("192.0.2.2", nil)
		knock("no address", nil)

		o.forward(operator.KnockWindow - time.Second)
		knock("192.0.2.1", operator.ErrKnocks)
		o.forward(time.Second)
		knock("192.0.2.1", nil)
		if n, err := o.Purge(t.Context(), 100); err != nil || n != 4 {
			t.Errorf("Purge = %d, %v, want the 4 addresses whose window is over", n, err)
		}
		knock("2001:db8::1", nil)
		for range operator.Knocks - 1 {
			knock("192.0.2.1", nil)
		}
		knock("192.0.2.1", operator.ErrKnocks)
	})
}
