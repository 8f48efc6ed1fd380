package fault_test

import (
	"errors"
	"sync"
	"testing"

	"kaimenhong/model/fault"
)

func TestSeveralErrorsAreTheirNumberAndTheFirst(t *testing.T) {
	first, second := errors.New("the first"), errors.New("the second")
	for _, c := range []struct {
		added []error
		want  string
	}{
		{nil, ""},
		{[]error{nil, nil}, ""},
		{[]error{nil, first}, "the first"},
		{[]error{first, nil, second}, "2 failed, the first: the first"},
	} {
		var s fault.Several
		for _, err := range c.added {
			s.Add(err)
		}
		got := s.Err()
		if c.want == "" {
			if got != nil {
				t.Errorf("%v: %v, want none", c.added, got)
			}
			continue
		}
		if got == nil || got.Error() != c.want || !errors.Is(got, first) {
			t.Errorf("%v: %v, want %q around the first", c.added, got, c.want)
		}
	}
}

func TestErrorsThatComeAtOnceAreAllCounted(t *testing.T) {
	var s fault.Several
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { s.Add(errors.New("one of them")) })
	}
	group.Wait()
	if got, want := s.Err().Error(), "50 failed, the first: one of them"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
