package model

import "context"

type requestKey struct{}

// WithRequest names the request on whose behalf everything under the context is
// done, for the log.
func WithRequest(ctx context.Context, id RequestID) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestOf returns the name that WithRequest gave, or "".
func RequestOf(ctx context.Context) RequestID {
	id, _ := ctx.Value(requestKey{}).(RequestID)
	return id
}
