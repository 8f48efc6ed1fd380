package model

import (
	"fmt"
	"runtime/debug"
)

// Panic is a panic that was caught where it would have ended the process.
type Panic struct {
	Value any
	Stack []byte
}

// Error names the value; the stack is for the log.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Guarded runs f and returns its panic as a *Panic. Every goroutine that runs a part
// of somebody's request needs it: the recovery around the request does not reach
// there.
func Guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Panic{Value: p, Stack: debug.Stack()}
		}
	}()
	return f()
}
