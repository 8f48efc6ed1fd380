package handler

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	crowd "kaimenhong/service/audience"
	"kaimenhong/service/mall"
	"kaimenhong/service/operator"
)

// operations are the mall's part of the operators' API.
func (h OpsMall) operations(api huma.API) {
	registerOps(api, opsOperation{method: "GET", path: "/redemptions/stuck", id: "listStuckRedemptions", summary: "一天以上仍不知道是否办成的兑换，先兑换的在前", right: operator.ReadPeople, errors: []int{404}}, h.Stuck)
	registerOps(api, opsOperation{method: "POST", path: "/redemptions/{id}/settle", id: "settleStuckRedemption", summary: "人工认定一天以上无结果的兑换：已办成，或退回积分", right: operator.ReviewPrizes, status: http.StatusOK, errors: []int{404}}, h.Settle)
	h.giftOperations(api)
	h.parcelOperations(api)
}

// stuckDesk knows what went on for too long.
type stuckDesk interface {
	StuckNow(ctx context.Context, member model.MemberID, cursor string, limit int) ([]mall.Stuck, string, error)
	StuckOne(ctx context.Context, id model.ID) (mall.Stuck, error)
	SettleStuck(ctx context.Context, by, id model.ID, d mall.Decision) (mall.Stuck, error)
}

// OpsMall is the mall as operators work with it.
type OpsMall struct {
	Desk    stuckDesk
	Shelf   giftKeeper
	Gifts   giftReader
	Pool    couponImporter
	Parcels parcelDesk
	One     parcelReader
	Reveals parcelRevealer
	Places  placer
}

type stuckInput struct {
	Page
	Member string `query:"memberId" pattern:"^[1-9][0-9]{0,18}$" doc:"会员编号：只看这位会员的"`
}

type stuckItem struct {
	ID            model.ID       `json:"id"`
	Member        model.MemberID `json:"member" doc:"会员编号"`
	GiftID        model.ID       `json:"giftId"`
	Kind          string         `json:"kind" enum:"carrier,coupon,card,physical"`
	Title         string         `json:"title"`
	Status        string         `json:"status" enum:"accepted,submitting,working,unknown,fulfilled,failed" doc:"fulfilled、failed：已认定或刚有结果"`
	Attempts      int            `json:"attempts" doc:"问过运营商几次；认定时带回"`
	OrderNumber   string         `json:"orderNumber,omitempty" doc:"提交给运营商的订单号，向运营商核实时用；券码礼品没有"`
	CarrierNumber string         `json:"carrierNumber,omitempty" doc:"运营商的单号"`
	NextAt        instant        `json:"nextAt" format:"date-time" doc:"下一次再问的时间"`
	CreatedAt     instant        `json:"createdAt" format:"date-time"`
	UpdatedAt     instant        `json:"updatedAt" format:"date-time"`
	RefundFrom    instant        `json:"refundFrom" format:"date-time" doc:"从何时起可退回积分：在此之前，最近一次提交仍可能办成"`
}

func newStuck(s mall.Stuck) stuckItem {
	return stuckItem{
		s.ID, s.Member, s.Gift, string(s.Kind), s.Title, string(s.State), s.Attempts, s.Order, s.CarrierNo, when(s.NextAt), when(s.CreatedAt),
		when(s.UpdatedAt), when(s.RefundFrom),
	}
}

// Stuck lists redemptions of the operator's regions that somebody has to ask the carrier
// about, the oldest first.
func (h OpsMall) Stuck(ctx context.Context, in *stuckInput) (*listAnswer[stuckItem], error) {
	member := model.MemberID(ByID{in.Member}.id())
	if in.Member != "" && member == 0 { // a number that nobody has is not everybody
		return listed(nil, "", nil, newStuck)
	}
	if err := near(ctx, member); err != nil {
		return nil, err
	}
	list, next, err := h.Desk.StuckNow(ctx, member, in.Cursor, in.Limit)
	if err == nil {
		list, err = visible(ctx, list, func(s mall.Stuck) model.MemberID { return s.Member })
	}
	return listed(list, next, err, newStuck)
}

type settleInput struct {
	Write
	ByID
	Body struct {
		Verdict       string `json:"verdict" enum:"given,refund" doc:"given：运营商确认已办成；refund：运营商确认没有办成、也不会再办，积分原路退回"`
		Reason        string `json:"reason" minLength:"4" maxLength:"100" doc:"依据，写入审计"`
		Attempts      int    `json:"attempts" minimum:"0" doc:"列表里的 attempts；期间系统又问过运营商则拒绝"`
		CarrierNumber string `json:"carrierNumber,omitempty" maxLength:"64" doc:"given：运营商的单号"`
	}
}

// Settle ends a redemption of the operator's regions whose outcome the carrier never said.
func (h OpsMall) Settle(ctx context.Context, in *settleInput) (*oneAnswer[stuckItem], error) {
	s, err := h.Desk.StuckOne(ctx, in.id())
	if err != nil {
		return nil, err
	}
	if err := near(ctx, s.Member); errors.Is(err, crowd.ErrUnknown) {
		return nil, mall.ErrNoRedemption
	} else if err != nil {
		return nil, err
	}
	s, err = h.Desk.SettleStuck(ctx, operatorOf(ctx).ID, s.ID, mall.Decision{
		Verdict: mall.Verdict(in.Body.Verdict), Attempts: in.Body.Attempts, Number: in.Body.CarrierNumber, Why: in.Body.Reason,
	})
	return worded(s, err, newStuck)
}
