// Package fault classifies errors, so that each edge can answer them in its own
// voice: HTTP with a status and problem+json, a chat with a sentence, a job with
// a decision to retry.
//
// A domain declares its faults once (var ErrEmpty = fault.New(…)); callers wrap
// them on the way up and compare with errors.Is. Kind is a closed set, Code an
// open and stable one ("points.insufficient"), Text is safe to show, in Chinese,
// and Err is for the log alone.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what the caller can do about an error.
type Kind uint8

// The kinds. The zero kind is Internal: what nobody classified is ours to mend.
const (
	Internal        Kind = iota // ours: log it, apologise
	Invalid                     // the input can never be right
	Unauthenticated             // sign in first
	Forbidden                   // not with these rights
	NotFound                    // no such thing, or not yours
	Conflict                    // right input, wrong state
	Limited                     // too often, too much; later
	Unavailable                 // somebody else is down: retry
)

var names = [...]string{"internal", "invalid", "unauthenticated", "forbidden", "not_found", "conflict", "limited", "unavailable"}

// String is the kind's name in metrics and logs.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return names[Internal]
}

// Error is a classified error. Two are the same for errors.Is when their codes
// are.
type Error struct {
	Kind Kind
	Code string // stable, for programs: domain.reason
	Text string // safe for the reader, Chinese
	Err  error  // the cause, for the log; never shown
}

// New declares a fault.
func New(kind Kind, code, text string) *Error { return &Error{Kind: kind, Code: code, Text: text} }

// With returns the fault with a cause.
func (e *Error) With(cause error) *Error {
	c := *e
	c.Err = cause
	return &c
}

// Saying returns the fault with a text of its own: the same code, more help.
func (e *Error) Saying(format string, args ...any) *Error {
	c := *e
	c.Text = fmt.Sprintf(format, args...)
	return &c
}

// Error is for logs.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Err.Error()
	}
	return e.Code
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is compares codes, so that a fault with a cause is still that fault.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// internal is what everything unclassified is shown as.
var internal = New(Internal, "internal", "系统开小差了，请稍后再试")

// Of returns the fault within err; an unclassified error is Internal with a text
// that says nothing of it.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return internal.With(err)
}

// KindOf is Of(err).Kind.
func KindOf(err error) Kind { return Of(err).Kind }
