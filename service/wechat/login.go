package wechat

import (
	"context"
	"net/url"

	"kaimenhong/model"
)

// maxLoginCode bounds a code from a mini-program; real ones have 32 to 64 bytes.
const maxLoginCode = 256

func validCode(code string) bool { return code != "" && len(code) <= maxLoginCode }

// Code2Session turns the code of wx.login into the mini-program's openid, and the
// unionid when both apps are bound to one Open Platform account. The session key
// is not kept: nothing needs it, and it must never leave the server.
//
// developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
func (c *Client) Code2Session(ctx context.Context, code string) (model.OpenID, model.UnionID, error) {
	if !validCode(code) {
		return "", "", ErrLoginCode
	}
	if c.auth == nil {
		return "", "", ErrNotConfigured
	}
	var openID model.OpenID
	var unionID model.UnionID
	err := c.repeatBusy(ctx, func() error {
		return c.attempt(ctx, "code2session", code, false, 0, func(ctx context.Context) error {
			// The SDK puts the code into the URL as it is.
			session, err := c.auth.Code2SessionContext(ctx, url.QueryEscape(code))
			if session.ErrCode != 0 {
				return &errcode{code: session.ErrCode, text: session.ErrMsg} // the SDK's own error hides the code
			}
			if err == nil && (session.OpenID == "" || len(session.OpenID) > model.MaxOpenID || len(session.UnionID) > model.MaxOpenID) {
				return errNotUnderstood
			}
			openID, unionID = model.OpenID(session.OpenID), model.UnionID(session.UnionID)
			return err
		})
	})
	return openID, unionID, err
}

// PhoneNumber turns the code of a getPhoneNumber button, good once within five
// minutes, into the user's number. A number that is not of mainland China is
// ErrBadData.
//
// developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-info/phone-number/getPhoneNumber.html
func (c *Client) PhoneNumber(ctx context.Context, code string) (model.Phone, error) {
	if !validCode(code) {
		return model.Phone{}, ErrLoginCode
	}
	if c.auth == nil {
		return model.Phone{}, ErrNotConfigured
	}
	var country, number string
	err := c.withToken(ctx, model.MiniProgram, "phone_number", false, 0, func(ctx context.Context, _ string) error {
		answer, err := c.auth.GetPhoneNumberContext(ctx, code)
		if err != nil {
			return err
		}
		country, number = answer.PhoneInfo.CountryCode, answer.PhoneInfo.PurePhoneNumber
		return nil
	})
	if err != nil {
		return model.Phone{}, err
	}
	phone, err := model.ParsePhone(number)
	if err != nil || country != "86" {
		return model.Phone{}, ErrBadData.Saying("仅支持中国大陆手机号")
	}
	return phone, nil
}
