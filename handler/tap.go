package handler

import (
	"context"

	"kaimenhong/model"
)

type taps interface {
	Tapped(ctx context.Context, member model.MemberID, token string) error
}

// Tap notes by which message a member came.
type Tap struct{ Taps taps }

type tapInput struct {
	Write
	Body struct {
		Token string `json:"token" minLength:"24" maxLength:"24" pattern:"^[A-Za-z0-9_-]+$" doc:"页面参数 from_push 的值"`
	}
}

// Add notes a tap, once for each message.
func (h Tap) Add(ctx context.Context, in *tapInput) (*empty, error) {
	return nil, h.Taps.Tapped(ctx, memberOf(ctx), in.Body.Token)
}
