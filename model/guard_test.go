package model_test

import (
	"errors"
	"strings"
	"testing"

	"kaimenhong/model"
)

func TestGuardedReturnsAPanicAsAnError(t *testing.T) {
	plain := errors.New("plain")
	if err := model.Guarded(func() error { return plain }); err != plain {
		t.Errorf("Guarded = %v, want the error itself", err)
	}
	var p *model.Panic
	err := model.Guarded(func() error { panic("ouch") })
	if !errors.As(err, &p) || p.Value != "ouch" || !strings.Contains(string(p.Stack), "TestGuarded") || err.Error() != "panic: ouch" {
		t.Errorf("Guarded = %v, want the panic with its stack", err)
	}
}
