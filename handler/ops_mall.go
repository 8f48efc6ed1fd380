package handler

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/mall"
	"kaimenhong/service/operator"
)

// operations are the mall's part of the operators' API.
func (h OpsMall) operations(api huma.API) {
	registerOps(api, opsOperation{method: "GET", path: "/redemptions/stuck", id: "listStuckRedemptions", summary: "一天以上仍不知道是否办成的兑换", right: operator.ReadReports}, h.Stuck)
	h.giftOperations(api)
	h.parcelOperations(api)
}

// stuckDesk knows what went on for too long.
type stuckDesk interface {
	StuckNow(ctx context.Context, limit int) ([]mall.Stuck, error)
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
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type stuckItem struct {
	ID            model.ID       `json:"id"`
	Member        model.MemberID `json:"member" doc:"会员编号"`
	GiftID        model.ID       `json:"giftId"`
	Kind          string         `json:"kind" enum:"carrier,coupon,card,physical"`
	Title         string         `json:"title"`
	Status        string         `json:"status" enum:"accepted,submitting,working,unknown"`
	Attempts      int            `json:"attempts" doc:"问过运营商几次"`
	CarrierNumber string         `json:"carrierNumber,omitempty" doc:"运营商的单号"`
	NextAt        instant        `json:"nextAt" format:"date-time" doc:"下一次再问的时间"`
	CreatedAt     instant        `json:"createdAt" format:"date-time"`
	UpdatedAt     instant        `json:"updatedAt" format:"date-time"`
}

// Stuck lists redemptions of the operator's regions that somebody has to ask the carrier
// about.
func (h OpsMall) Stuck(ctx context.Context, in *stuckInput) (*listAnswer[stuckItem], error) {
	list, err := h.Desk.StuckNow(ctx, in.Limit)
	if err == nil {
		list, err = visible(ctx, list, func(s mall.Stuck) model.MemberID { return s.Member })
	}
	return listed(list, "", err, func(s mall.Stuck) stuckItem {
		return stuckItem{
			s.ID, s.Member, s.Gift, string(s.Kind), s.Title, string(s.State), s.Attempts, s.CarrierNo, when(s.NextAt), when(s.CreatedAt), when(s.UpdatedAt),
		}
	})
}
