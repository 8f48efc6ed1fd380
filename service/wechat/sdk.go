package wechat

import (
	"context"

	"github.com/silenceper/wechat/v2/miniprogram/auth"
	miniconfig "github.com/silenceper/wechat/v2/miniprogram/config"
	minicontext "github.com/silenceper/wechat/v2/miniprogram/context"
)

// The SDK is used where it is sound: its message, menu and template types, and
// its calls that take a context and report the errcode. Its other calls take no
// context, hide the errcode in a text that holds the URL, or are wrong in ways
// of their own, so those go through Client.call.

// buildSDK makes the SDK's object once, on a context of its own making: the
// getters of miniprogram.MiniProgram race, and its constructor insists on a cache
// for a token store that is not used.
func (c *Client) buildSDK() {
	installSDK()
	if c.mini.AppID == "" {
		return
	}
	c.auth = auth.NewAuth(&minicontext.Context{
		Config:                   &miniconfig.Config{AppID: c.mini.AppID, AppSecret: c.mini.Secret},
		AccessTokenContextHandle: tripToken{},
	})
}

// tripToken gives the SDK the token of the trip that its context carries, so that
// Client knows which one was refused.
type tripToken struct{}

// GetAccessToken refuses: without a context there is no deadline either.
func (tripToken) GetAccessToken() (string, error) { return "", errNoTrip }

// GetAccessTokenContext implements credential.AccessTokenContextHandle.
func (tripToken) GetAccessTokenContext(ctx context.Context) (string, error) {
	trip := tripOf(ctx)
	if trip == nil {
		return "", errNoTrip
	}
	return trip.token, nil
}
