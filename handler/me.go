package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/home"
)

type screens interface {
	Me(ctx context.Context, id model.MemberID) (home.Screen, error)
}

// Me shows a member himself.
type Me struct {
	Screens screens
}

type none struct{}

type meAnswer struct{ Body me }

type me struct {
	ID         model.MemberID `json:"id"`
	Phone      string         `json:"phone,omitempty" doc:"绑定的号码，已打码" example:"138****1234"`
	Follows    bool           `json:"follows" doc:"是否关注公众号"`
	Balance    balancePart    `json:"balance"`
	Allowances usagePart      `json:"allowances"`
	Plan       planPart       `json:"plan"`
	Points     pointsPart     `json:"points"`
	Unread     unreadPart     `json:"unread"`
}

// State tells whether a part is there.
type State struct {
	Status string  `json:"status" enum:"ok,stale,failed,unbound" doc:"ok：最新；stale：运营商暂时没有回应，这是上次的数据；failed：没有取到；unbound：未绑定手机号"`
	Code   string  `json:"code,omitempty" doc:"没有取到的原因"`
	Detail string  `json:"detail,omitempty" doc:"可展示的说明"`
	AsOf   instant `json:"asOf,omitempty" format:"date-time" doc:"数据时间"`
}

func stateOf(err *fault.Error, stale bool, asOf model.Millis) State {
	switch {
	case err == home.ErrNotBound:
		return State{Status: "unbound", Code: err.Code, Detail: err.Text}
	case err != nil:
		return State{Status: "failed", Code: err.Code, Detail: err.Text}
	case stale:
		return State{Status: "stale", AsOf: when(asOf)}
	}
	return State{Status: "ok", AsOf: when(asOf)}
}

type balancePart struct {
	State
	AvailableFen model.Fen `json:"availableFen" doc:"可用余额（分），欠费时为负"`
	ReservedFen  model.Fen `json:"reservedFen" doc:"冻结金额（分）"`
	ArrearsFen   model.Fen `json:"arrearsFen" doc:"欠费（分）"`
	ValidUntil   instant   `json:"validUntil,omitempty" format:"date-time"`
}

type usagePart struct {
	State
	Items []allowance `json:"items" doc:"流量、通话、短信的余量"`
}

type allowance struct {
	Kind       string  `json:"kind" enum:"data,voice,sms"`
	Name       string  `json:"name"`
	Unit       string  `json:"unit" enum:"byte,second,message" doc:"数量的单位"`
	Unlimited  bool    `json:"unlimited"`
	Total      int64   `json:"total"`
	Used       int64   `json:"used"`
	Left       int64   `json:"left"`
	ValidUntil instant `json:"validUntil,omitempty" format:"date-time"`
}

type planPart struct {
	State
	Main  *product  `json:"main,omitempty"`
	Packs []product `json:"packs" doc:"叠加的流量包等"`
}

type product struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	FeeFen  int64    `json:"feeFen" doc:"套餐为每月、流量包为一次的费用（分）"`
	Since   instant  `json:"since,omitempty" format:"date-time"`
	EndsAt  instant  `json:"endsAt,omitempty" format:"date-time"`
	Details []string `json:"details"`
}

type pointsPart struct {
	State
	PointsBalance
	SignedInToday bool `json:"signedInToday" doc:"今天是否已签到"`
}

// PointsBalance is what a member has.
type PointsBalance struct {
	Available model.Points `json:"available" doc:"可用积分"`
	Pending   model.Points `json:"pending" doc:"待生效积分"`
	Expiring  model.Points `json:"expiring" doc:"最近一批到期的积分"`
	ExpiresAt instant      `json:"expiresAt,omitempty" format:"date-time" doc:"最近一批的到期时间"`
}

func newPoints(b model.PointsBalance) PointsBalance {
	return PointsBalance{b.Available, b.Pending, b.Expiring, when(b.ExpiresAt)}
}

type unreadPart struct {
	State
	Count int `json:"count" doc:"未读消息数"`
}

// Me is the first screen.
func (h Me) Me(ctx context.Context, _ *none) (*meAnswer, error) {
	s, err := h.Screens.Me(ctx, memberOf(ctx))
	if err != nil {
		return nil, err
	}
	b := s.Balance.Value
	return &meAnswer{me{
		ID: s.Member.ID, Phone: s.Member.Phone.Masked(), Follows: s.Member.Follows,
		Balance:    balancePart{stateOf(s.Balance.Err, b.Stale, b.AsOf), b.Available, b.Reserved, b.Arrears, when(b.ExpiresAt)},
		Allowances: usagePart{stateOf(s.Usage.Err, s.Usage.Value.Stale, s.Usage.Value.AsOf), newAllowances(s.Usage.Value.Allowances)},
		Plan:       newPlan(s.Plan.Value, s.Plan.Err),
		Points:     pointsPart{stateOf(s.Points.Err, false, 0), newPoints(s.Points.Value), s.Points.Value.SignedIn},
		Unread:     unreadPart{stateOf(s.Unread.Err, false, 0), s.Unread.Value},
	}}, nil
}

var units = map[model.AllowanceKind]string{model.Data: "byte", model.Voice: "second", model.SMS: "message"}

func newAllowances(in []model.Allowance) []allowance {
	out := make([]allowance, 0, len(in))
	for _, a := range in {
		out = append(out, allowance{string(a.Kind), a.Name, units[a.Kind], a.Total == 0, a.Total, a.Used, a.Left, when(a.ValidUntil)})
	}
	return out
}

func newPlan(p model.Plan, err *fault.Error) planPart {
	part := planPart{State: stateOf(err, p.Stale, p.AsOf), Packs: make([]product, 0, len(p.Packs))}
	if err == nil && p.Main.ID != "" {
		main := newProduct(p.Main)
		part.Main = &main
	}
	for _, pack := range p.Packs {
		part.Packs = append(part.Packs, newProduct(pack))
	}
	return part
}

func newProduct(p model.Product) product {
	details := p.Details
	if details == nil {
		details = []string{}
	}
	return product{p.ID, p.Name, int64(p.Fee), when(p.Since), when(p.EndsAt), details}
}
