package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/service/operator"
)

type desk interface {
	Knock(ctx context.Context, address string) error
	SignIn(ctx context.Context, username, password, code string) (operator.Session, error)
	SignOut(ctx context.Context, token string) error
}

type factor interface {
	Enrol(ctx context.Context, id model.ID) (string, error)
	Activate(ctx context.Context, id model.ID, code string) error
}

type passwordChanger interface {
	SetPassword(ctx context.Context, who operator.Operator, token, old, password string) error
}

// OpsSession signs operators in and out, and shows each his own account.
type OpsSession struct {
	Desk   desk
	Factor factor
	Secret passwordChanger
}

type opsSignIn struct {
	Write
	Body struct {
		Username string `json:"username" minLength:"1" maxLength:"32"`
		Password string `json:"password" minLength:"1" maxLength:"128"`
		Code     string `json:"code,omitempty" maxLength:"6" doc:"手机验证器上的六位动态码，启用后必填"`
	}
}

type opsToken struct {
	Token     string  `json:"token" doc:"放在 Authorization: Bearer 之后"`
	ExpiresAt instant `json:"expiresAt" format:"date-time"`
	OpsMe
}

type opsTokenAnswer struct{ Body opsToken }

// OpsMe is what a console needs of the one who works with it.
type OpsMe struct {
	ID           model.ID         `json:"id"`
	Username     string           `json:"username"`
	Name         string           `json:"name"`
	Roles        []opsRole        `json:"roles"`
	Rights       []operator.Right `json:"rights" doc:"可以做什么；启用动态码、更换初始密码前只有 own_account"`
	Regions      []opsRegion      `json:"regions" doc:"只能查看这些地区的用户；空为不限"`
	SecondFactor bool             `json:"secondFactor" doc:"已启用动态码"`
	NewPassword  bool             `json:"newPassword" doc:"密码由他人设置，须先更换"`
	EndsAt       instant          `json:"sessionEndsAt,omitempty" format:"date-time"`
}

type opsRole struct {
	Role operator.Role `json:"role" enum:"admin,planner,editor,reviewer,support,analyst,auditor"`
	Name string        `json:"name"`
}

type opsRegion struct {
	Province string `json:"province" minLength:"1" maxLength:"32"`
	City     string `json:"city,omitempty" maxLength:"32" doc:"空为全省"`
}

func newOpsMe(o operator.Operator) OpsMe {
	return OpsMe{
		ID: o.ID, Username: o.Username, Name: o.Name, Roles: newOpsRoles(o.Roles), Rights: o.Rights, Regions: newOpsRegions(o.Regions),
		SecondFactor: o.TOTP, NewPassword: o.Renew, EndsAt: when(o.SessionEnds),
	}
}

func newOpsRoles(roles []operator.Role) []opsRole {
	out := make([]opsRole, 0, len(roles))
	for _, r := range roles {
		out = append(out, opsRole{r, r.Name()})
	}
	return out
}

func newOpsRegions(regions model.Regions) []opsRegion {
	out := make([]opsRegion, 0, len(regions))
	for _, r := range regions {
		out = append(out, opsRegion{r.Province, r.City})
	}
	return out
}

// Open signs an operator in.
func (h OpsSession) Open(ctx context.Context, in *opsSignIn) (*opsTokenAnswer, error) {
	if err := h.Desk.Knock(ctx, callOf(ctx).address); err != nil {
		return nil, err
	}
	s, err := h.Desk.SignIn(ctx, in.Body.Username, in.Body.Password, in.Body.Code)
	if err != nil {
		return nil, err
	}
	return &opsTokenAnswer{opsToken{s.Token, when(s.ExpiresAt), newOpsMe(s.Operator)}}, nil
}

// End signs the operator out.
func (h OpsSession) End(ctx context.Context, _ *bareWrite) (*empty, error) {
	return nil, h.Desk.SignOut(ctx, callOf(ctx).token)
}

type opsMeAnswer struct{ Body OpsMe }

// Me is the operator himself.
func (h OpsSession) Me(ctx context.Context, _ *none) (*opsMeAnswer, error) {
	return &opsMeAnswer{newOpsMe(operatorOf(ctx))}, nil
}

type enrolAnswer struct {
	Body struct {
		Address string `json:"address" doc:"otpauth:// 地址，生成二维码后用手机验证器扫描"`
	}
}

// Enrol begins a second factor.
func (h OpsSession) Enrol(ctx context.Context, _ *bareWrite) (*enrolAnswer, error) {
	address, err := h.Factor.Enrol(ctx, operatorOf(ctx).ID)
	out := &enrolAnswer{}
	out.Body.Address = address
	return out, err
}

type codeProof struct {
	Write
	Body struct {
		Code string `json:"code" pattern:"^[0-9]{6}$" doc:"手机验证器上的六位动态码"`
	}
}

// Activate makes the second factor count.
func (h OpsSession) Activate(ctx context.Context, in *codeProof) (*empty, error) {
	return nil, h.Factor.Activate(ctx, operatorOf(ctx).ID, in.Body.Code)
}

type passwordInput struct {
	Write
	Body struct {
		Old string `json:"old" minLength:"1" maxLength:"128"`
		New string `json:"new" minLength:"12" maxLength:"128" doc:"12 到 128 个字符，不能包含用户名"`
	}
}

// SetPassword changes one's own password.
func (h OpsSession) SetPassword(ctx context.Context, in *passwordInput) (*empty, error) {
	c := callOf(ctx)
	return nil, h.Secret.SetPassword(ctx, c.worker, c.token, in.Body.Old, in.Body.New)
}
