package app

import (
	"errors"
	"testing"

	"kaimenhong/model/fault"
	"kaimenhong/service/redpacket"
)

func TestARehearsalAsksABusyGameAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		says  []error // one after the other, the last for ever
		want  error
		tries int
	}{
		{"it answers", []error{nil}, nil, 1},
		{"it is busy for a while", []error{redpacket.ErrBusy, redpacket.ErrBusy, nil}, nil, 3},
		{"it stays busy", []error{redpacket.ErrBusy}, redpacket.ErrBusy, patience},
		{"it refuses", []error{redpacket.ErrNotBound}, redpacket.ErrNotBound, 1},
		{"something is wrong", []error{fault.New(fault.Internal, "x.y", "z")}, nil, 1},
	} {
		tries := 0
		err := patiently(func() error {
			tries++
			return tt.says[min(tries, len(tt.says))-1]
		})
		if tries != tt.tries || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v after %d tries, want %v after %d", tt.name, err, tries, tt.want, tt.tries)
		}
	}
}
