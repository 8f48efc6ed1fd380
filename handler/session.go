package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/service/session"
)

type sessions interface {
	Open(ctx context.Context, code string, request model.RequestID) (session.Tokens, error)
	Refresh(ctx context.Context, token string, request model.RequestID) (session.Tokens, error)
	End(ctx context.Context, id model.ID) error
}

type phoneBinder interface {
	BindPhone(ctx context.Context, member model.MemberID, code string, request model.RequestID) error
}

// Session signs members in and out.
type Session struct {
	Sessions sessions
	Phones   phoneBinder
}

// Write is part of every write's input.
type Write struct {
	Key string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"64" pattern:"^[!-~]+$" doc:"这次操作的唯一编号，重试时不变"`
}

func (w Write) request() model.RequestID { return model.RequestID(w.Key) }

// empty is an answer without a body.
type empty struct{}

// instant is a moment in an answer; nil stands for none.
type instant = *model.Millis

func when(m model.Millis) instant {
	if m == 0 {
		return nil
	}
	return &m
}

type tokens struct {
	AccessToken      string         `json:"accessToken" doc:"放在 Authorization: Bearer 之后"`
	ExpiresAt        instant        `json:"expiresAt" format:"date-time" doc:"accessToken 的到期时间"`
	RefreshToken     string         `json:"refreshToken" doc:"只能使用一次，换取新的一对"`
	RefreshExpiresAt instant        `json:"refreshExpiresAt" format:"date-time"`
	MemberID         model.MemberID `json:"memberId"`
}

type tokensAnswer struct{ Body tokens }

func newTokens(t session.Tokens, err error) (*tokensAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &tokensAnswer{tokens{t.Access, when(t.AccessUntil), t.Refresh, when(t.RefreshUntil), t.Member}}, nil
}

type codeInput struct {
	Write
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"256" doc:"wx.login 得到的 code，一次有效"`
	}
}

// Open turns the code of wx.login into a session.
func (h Session) Open(ctx context.Context, in *codeInput) (*tokensAnswer, error) {
	return newTokens(h.Sessions.Open(ctx, in.Body.Code, in.request()))
}

type refreshInput struct {
	Write
	Body struct {
		RefreshToken string `json:"refreshToken" minLength:"1" maxLength:"128"`
	}
}

// Refresh trades a refresh token for a new pair.
func (h Session) Refresh(ctx context.Context, in *refreshInput) (*tokensAnswer, error) {
	return newTokens(h.Sessions.Refresh(ctx, in.Body.RefreshToken, in.request()))
}

type phoneInput struct {
	Write
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"256" doc:"getPhoneNumber 按钮得到的 code，五分钟内一次有效"`
	}
}

// BindPhone binds the number behind a getPhoneNumber code.
func (h Session) BindPhone(ctx context.Context, in *phoneInput) (*empty, error) {
	return nil, h.Phones.BindPhone(ctx, memberOf(ctx), in.Body.Code, in.request())
}

type bareWrite struct{ Write }

// End signs the member out on this phone.
func (h Session) End(ctx context.Context, _ *bareWrite) (*empty, error) {
	return nil, h.Sessions.End(ctx, callOf(ctx).who.Session)
}
