package operator_test

import (
	"testing"

	"kaimenhong/service/operator"
)

func TestASignInThatIsOvertakenOpensNothing(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		boss := o.add(t, "boss", operator.Admin)
		id := o.add(t, "late", operator.Planner)
		at, err := o.SignIn(t.Context(), "late", password, "")
		want(t, "the first sign-in", err, nil)
		reset := func() error { return o.Reset(t.Context(), id, password, boss) }
		for _, tt := range []struct {
			name     string
			overtake func() error
			after    func() error
		}{
			{"a password of his own", func() error {
				return o.SetPassword(t.Context(), at.Operator, at.Token, password, "another one of mine")
			}, reset},
			{"a reset", reset, reset},
			{"disabled", func() error { return o.Disable(t.Context(), id, boss) }, func() error { return o.Enable(t.Context(), id, boss) }},
		} {
			// The first look counts the attempt, the second comes after the password was compared.
			o.meanwhile = []func(){nil, func() { want(t, tt.name, tt.overtake(), nil) }}
			s, err := o.SignIn(t.Context(), "late", password, "")
			want(t, tt.name+" meanwhile", err, operator.ErrSignIn)
			want(t, "what comes after "+tt.name, tt.after(), nil)
			if _, err := o.Find(t.Context(), s.Token); err == nil {
				t.Errorf("%s: the session works", tt.name)
			}
		}
		_, err = o.SignIn(t.Context(), "late", password, "")
		want(t, "a sign-in by itself", err, nil)
	})
}
