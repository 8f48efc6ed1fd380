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

// parcelOperations are those of what is shipped: a part of ops_routes.go.
func (h OpsMall) parcelOperations(api huma.API) {
	ship, missing := operator.ShipGoods, []int{404}
	registerOps(api, opsOperation{method: "GET", path: "/redemptions", id: "listParcels", summary: "待发货或已发货的实物，先兑换的在前（脱敏）", right: ship}, h.ToShip)
	registerOps(api, opsOperation{method: "POST", path: "/redemptions/{id}/reveal", id: "revealRecipient", summary: "查看收货人与地址（写入审计，每小时20次、每天100次）", right: operator.RevealPeople, status: http.StatusOK, errors: missing}, h.Reveal)
	registerOps(api, opsOperation{method: "POST", path: "/redemptions/{id}/ship", id: "shipParcel", summary: "发货；再次提交则更正单号", right: ship, status: http.StatusOK, errors: missing}, h.Ship)
	registerOps(api, opsOperation{method: "POST", path: "/redemptions/{id}/received", id: "parcelReceived", summary: "确认收货", right: ship, status: http.StatusOK, errors: missing}, h.Received)
}

type (
	// parcelDesk is where parcels are sent on their way.
	parcelDesk interface {
		Parcels(ctx context.Context, state mall.State, cursor string, limit int) ([]mall.Parcel, string, error)
		Ship(ctx context.Context, by, id model.ID, number string) (mall.Parcel, error)
		Received(ctx context.Context, by, id model.ID) (mall.Parcel, error)
	}
	// parcelReader looks at one: masked, and in clear.
	parcelReader interface {
		Parcel(ctx context.Context, id model.ID) (mall.Parcel, error)
		Recipient(ctx context.Context, id model.ID) (mall.Address, error)
	}
	// parcelRevealer counts and writes down who looks at whose address, before he does.
	parcelRevealer interface {
		RevealParcel(ctx context.Context, by model.ID, of model.MemberID, redemption model.ID, reason string) error
	}
	// placer knows where people live.
	placer interface {
		Place(ctx context.Context, member model.MemberID) (province, city string, err error)
	}
)

// inRegions tells whether the operator may see the person: whoever lives in his regions,
// or anybody when he has none.
func inRegions(ctx context.Context, places placer, member model.MemberID) (bool, error) {
	regions := operatorOf(ctx).Regions
	if len(regions) == 0 {
		return true, nil
	}
	province, city, err := places.Place(ctx, member)
	if errors.Is(err, crowd.ErrUnknown) {
		return false, nil
	}
	return err == nil && regions.Hold(province, city), err
}

type parcelsInput struct {
	Page
	State string `query:"state" enum:"to_ship,shipped" default:"to_ship" doc:"to_ship：待发货；shipped：已发货，待收货"`
}

// parcelQueues are what the states of the list are called in the mall.
var parcelQueues = map[string]mall.State{"to_ship": mall.Accepted, "shipped": mall.Shipped}

type opsParcel struct {
	ID        model.ID       `json:"id" doc:"兑换编号"`
	MemberID  model.MemberID `json:"memberId"`
	GiftID    model.ID       `json:"giftId"`
	Title     string         `json:"title"`
	Status    string         `json:"status" enum:"paying,accepted,shipped,fulfilled,failed,cancelled"`
	Name      string         `json:"name" doc:"收货人，脱敏"`
	Phone     string         `json:"phone" doc:"联系电话，脱敏"`
	Parcel    string         `json:"parcel,omitempty" doc:"快递公司和单号"`
	CreatedAt instant        `json:"createdAt" format:"date-time"`
	UpdatedAt instant        `json:"updatedAt" format:"date-time"`
}

func newParcel(p mall.Parcel) opsParcel {
	return opsParcel{p.ID, p.Member, p.Gift, p.Title, string(p.State), p.Name, p.Phone, p.Number, when(p.CreatedAt), when(p.UpdatedAt)}
}

type parcelAnswer struct{ Body opsParcel }

func oneParcel(p mall.Parcel, err error) (*parcelAnswer, error) {
	return &parcelAnswer{newParcel(p)}, err
}

// ToShip lists the parcels that wait. Those of people outside the operator's regions
// are left out, so that a page may have fewer than were asked for.
func (h OpsMall) ToShip(ctx context.Context, in *parcelsInput) (*listAnswer[opsParcel], error) {
	page, next, err := h.Parcels.Parcels(ctx, parcelQueues[in.State], in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	var seen []mall.Parcel
	for _, p := range page {
		may, err := inRegions(ctx, h.Places, p.Member)
		if err != nil {
			return nil, err
		}
		if may {
			seen = append(seen, p)
		}
	}
	return listed(seen, next, nil, newParcel)
}

// sees is the parcel, if the operator may see whose it is. Errors: mall.ErrNoRedemption.
func (h OpsMall) sees(ctx context.Context, id model.ID) (mall.Parcel, error) {
	p, err := h.One.Parcel(ctx, id)
	if err != nil {
		return p, err
	}
	may, err := inRegions(ctx, h.Places, p.Member)
	if err == nil && !may {
		err = mall.ErrNoRedemption
	}
	return p, err
}

type revealParcelInput struct {
	Write
	ByID
	Body struct {
		Reason string `json:"reason" minLength:"4" maxLength:"100" doc:"为什么要看，写入审计"`
	}
}

// Reveal shows where a parcel goes, in clear.
func (h OpsMall) Reveal(ctx context.Context, in *revealParcelInput) (*oneAnswer[address], error) {
	p, err := h.sees(ctx, in.id())
	if err != nil {
		return nil, err
	}
	if err := h.Reveals.RevealParcel(ctx, operatorOf(ctx).ID, p.Member, p.ID, in.Body.Reason); err != nil {
		return nil, err
	}
	to, err := h.One.Recipient(ctx, p.ID)
	return answered(address(to), err)
}

type shipInput struct {
	Write
	ByID
	Body struct {
		Parcel string `json:"parcel" minLength:"1" maxLength:"128" doc:"快递公司和单号" example:"顺丰 SF1234567890"`
	}
}

// Ship says that a parcel is on its way.
func (h OpsMall) Ship(ctx context.Context, in *shipInput) (*parcelAnswer, error) {
	if _, err := h.sees(ctx, in.id()); err != nil {
		return nil, err
	}
	return oneParcel(h.Parcels.Ship(ctx, operatorOf(ctx).ID, in.id(), in.Body.Parcel))
}

type receivedInput struct {
	Write
	ByID
}

// Received ends its way.
func (h OpsMall) Received(ctx context.Context, in *receivedInput) (*parcelAnswer, error) {
	if _, err := h.sees(ctx, in.id()); err != nil {
		return nil, err
	}
	return oneParcel(h.Parcels.Received(ctx, operatorOf(ctx).ID, in.id()))
}
