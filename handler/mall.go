package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/service/mall"
)

type giftShelf interface {
	GiftsOf(ctx context.Context, category, cursor string, limit int) ([]mall.Gift, string, error)
	Categories(ctx context.Context) ([]string, error)
	Gift(ctx context.Context, id model.ID) (mall.Gift, error)
}

type redemptions interface {
	Redemptions(ctx context.Context, member model.MemberID, cursor string, limit int) ([]mall.Redemption, string, error)
	Redemption(ctx context.Context, member model.MemberID, id model.ID) (mall.Redemption, error)
	Cancel(ctx context.Context, member model.MemberID, id model.ID) (mall.Redemption, error)
}

// redeemer redeems for a member whose number and tier it finds out.
type redeemer interface {
	Redeem(ctx context.Context, o mall.Order) (mall.Redemption, error)
}

// Mall shows gifts and redeems them.
type Mall struct {
	Shelf       giftShelf
	Redemptions redemptions
	Counter     redeemer
}

type gift struct {
	ID          model.ID     `json:"id"`
	Category    string       `json:"category" doc:"分类"`
	Kind        string       `json:"kind" enum:"carrier,coupon,card,physical" doc:"carrier：流量包或话费；coupon：券码；card：小程序；physical：实物"`
	Title       string       `json:"title"`
	Description string       `json:"description"`
	PictureURL  string       `json:"pictureUrl,omitempty"`
	Points      model.Points `json:"points" doc:"所需积分"`
	PriceFen    model.Fen    `json:"priceFen" doc:"另需支付（分），0 为纯积分"`
	PayBy       string       `json:"payBy,omitempty" enum:"bill,order" doc:"另付部分怎么付。bill：计入话费账单，办理成功才收取；order：下单后支付"`
	Tier        int          `json:"tier" doc:"最低会员等级，0 为所有会员"`
	TierName    string       `json:"tierName,omitempty" doc:"最低会员等级的名称"`
	LimitEach   int          `json:"limitEach" doc:"每人限兑次数，0 为不限"`
	Left        int64        `json:"left" doc:"库存"`
	StartsAt    instant      `json:"startsAt,omitempty" format:"date-time"`
	EndsAt      instant      `json:"endsAt,omitempty" format:"date-time"`
	Cancellable bool         `json:"cancellable" doc:"发放前可取消"`
}

func newGift(g mall.Gift) gift {
	return gift{
		g.ID, g.Category, string(g.Kind), g.Title, g.Description, g.Picture, g.Points, g.Fen, payBy(g.Fen, g.Spec), g.Tier, g.TierName, g.Each, max(0, g.Left),
		when(g.StartsAt), when(g.EndsAt), g.Cancellable,
	}
}

type giftsInput struct {
	Page
	Category string `query:"category" maxLength:"32" doc:"分类，不填为全部"`
}

// Gifts lists what is on sale now, of one category or of all.
func (h Mall) Gifts(ctx context.Context, in *giftsInput) (*listAnswer[gift], error) {
	page, next, err := h.Shelf.GiftsOf(ctx, in.Category, in.Cursor, in.Limit)
	return listed(page, next, err, newGift)
}

type categoriesAnswer struct {
	Body struct {
		Items []string `json:"items" doc:"在售礼品的分类，按货架顺序"`
	}
}

// Categories lists those of what is on sale now.
func (h Mall) Categories(ctx context.Context, _ *none) (*categoriesAnswer, error) {
	names, err := h.Shelf.Categories(ctx)
	out := &categoriesAnswer{}
	out.Body.Items = append([]string{}, names...)
	return out, err
}

// payBy says how the money is paid that a gift costs beside its points.
func payBy(fen model.Fen, spec mall.Spec) string {
	switch {
	case fen == 0:
		return ""
	case spec.Bill:
		return "bill"
	}
	return "order"
}

type giftAnswer struct{ Body gift }

// Gift is one gift; one that is not on sale is not there.
func (h Mall) Gift(ctx context.Context, in *ByID) (*giftAnswer, error) {
	g, err := h.Shelf.Gift(ctx, in.id())
	if err == nil && !g.OnSale {
		err = mall.ErrNoGift
	}
	return &giftAnswer{newGift(g)}, err
}

type redemption struct {
	ID          model.ID     `json:"id"`
	GiftID      model.ID     `json:"giftId"`
	Kind        string       `json:"kind" enum:"carrier,coupon,card,physical"`
	Title       string       `json:"title"`
	Points      model.Points `json:"points"`
	PriceFen    model.Fen    `json:"priceFen"`
	PayBy       string       `json:"payBy,omitempty" enum:"bill,order" doc:"另付部分怎么付，同礼品"`
	Status      string       `json:"status" enum:"paying,accepted,submitting,working,unknown,shipped,fulfilled,failed,cancelled"`
	Reason      string       `json:"reason,omitempty" doc:"失败或取消的原因。积分按原有效期退回；已过有效期而未能退回的，在此说明"`
	CouponCode  string       `json:"couponCode,omitempty"`
	AppID       string       `json:"appId,omitempty" doc:"小程序卡片"`
	PagePath    string       `json:"pagePath,omitempty"`
	Address     *address     `json:"address,omitempty"`
	Parcel      string       `json:"parcel,omitempty" doc:"快递公司和单号"`
	Cancellable bool         `json:"cancellable" doc:"现在可以取消"`
	CreatedAt   instant      `json:"createdAt" format:"date-time"`
	UpdatedAt   instant      `json:"updatedAt" format:"date-time"`
}

type address struct {
	Name  string `json:"name" minLength:"1" maxLength:"32" doc:"收货人"`
	Phone string `json:"phone" minLength:"1" maxLength:"32" doc:"联系电话，至少7位数字"`
	Text  string `json:"text" minLength:"1" maxLength:"200" doc:"详细地址"`
}

func newRedemption(r mall.Redemption) redemption {
	out := redemption{
		ID: r.ID, GiftID: r.Gift, Kind: string(r.Kind), Title: r.Title, Points: r.Points, PriceFen: r.Fen, PayBy: payBy(r.Fen, r.Spec), Status: string(r.State), Reason: r.Reason,
		CouponCode: r.Code, AppID: r.Spec.AppID, PagePath: r.Spec.Page, Parcel: r.Parcel, Cancellable: r.Cancellable,
		CreatedAt: when(r.CreatedAt), UpdatedAt: when(r.UpdatedAt),
	}
	if r.Address != (mall.Address{}) {
		out.Address = &address{r.Address.Name, r.Address.Phone, r.Address.Text}
	}
	return out
}

type redemptionAnswer struct{ Body redemption }

func oneRedemption(r mall.Redemption, err error) (*redemptionAnswer, error) {
	return &redemptionAnswer{newRedemption(r)}, err
}

type redeemInput struct {
	Write
	Body struct {
		GiftID   model.ID     `json:"giftId"`
		Points   model.Points `json:"points,omitempty" minimum:"0" maximum:"1000000000" doc:"用户确认的积分价格；礼品现价与 points 或 priceFen 不同时不兑换，返回 409 mall.price。不填则按现价兑换"`
		PriceFen model.Fen    `json:"priceFen,omitempty" minimum:"0" maximum:"1000000000" doc:"用户确认的另付金额（分），与 points 一起填"`
		Address  *address     `json:"address,omitempty" doc:"实物礼品必填"`
	}
}

// Redeem takes the points and promises the gift.
func (h Mall) Redeem(ctx context.Context, in *redeemInput) (*redemptionAnswer, error) {
	o := mall.Order{Member: memberOf(ctx), Gift: in.Body.GiftID, Price: in.Body.Points, Fen: in.Body.PriceFen, Request: in.request()}
	if a := in.Body.Address; a != nil {
		o.Address = mall.Address{Name: a.Name, Phone: a.Phone, Text: a.Text}
	}
	return oneRedemption(h.Counter.Redeem(ctx, o))
}

// List lists the member's redemptions, newest first.
func (h Mall) List(ctx context.Context, in *Page) (*listAnswer[redemption], error) {
	page, next, err := h.Redemptions.Redemptions(ctx, memberOf(ctx), in.Cursor, in.Limit)
	return listed(page, next, err, newRedemption)
}

// Get is one of the member's redemptions; somebody else's is not there.
func (h Mall) Get(ctx context.Context, in *ByID) (*redemptionAnswer, error) {
	return oneRedemption(h.Redemptions.Redemption(ctx, memberOf(ctx), in.id()))
}

type cancelInput struct {
	Write
	ByID
}

// Cancel takes a redemption back where the gift allows it.
func (h Mall) Cancel(ctx context.Context, in *cancelInput) (*redemptionAnswer, error) {
	return oneRedemption(h.Redemptions.Cancel(ctx, memberOf(ctx), in.id()))
}
