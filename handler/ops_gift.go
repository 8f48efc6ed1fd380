package handler

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/mall"
	"kaimenhong/service/operator"
)

// giftOperations are those of the shelf: a part of ops_routes.go.
func (h OpsMall) giftOperations(api huma.API) {
	read, write := operator.ReadGoods, operator.EditGoods
	registerOps(api, opsOperation{method: "GET", path: "/gifts", id: "listAllGifts", summary: "礼品，含未上架的，新的在前", right: read}, h.AllGifts)
	registerOps(api, opsOperation{method: "POST", path: "/gifts", id: "addGift", summary: "新建礼品（未上架）", right: write, status: http.StatusCreated}, h.AddGift)
	registerOps(api, opsOperation{method: "GET", path: "/gifts/{id}", id: "getOpsGift", summary: "礼品详情", right: read, errors: []int{404}}, h.OneGift)
	registerOps(api, opsOperation{method: "PUT", path: "/gifts/{id}", id: "editGift", summary: "修改、上架或下架礼品；已兑换的不变", right: write, errors: []int{404}}, h.EditGift)
	registerOps(api, opsOperation{method: "POST", path: "/gifts/{id}/coupons", id: "importCoupons", summary: "导入券码（每次最多2万个）；已有的不重复加入，有一行不正确则全部不导入", right: write, upload: true, status: http.StatusOK, errors: []int{404}}, h.Coupons)
}

type (
	// giftKeeper is the shelf, with what is not on it.
	giftKeeper interface {
		AllGifts(ctx context.Context, words, cursor string, limit int) ([]mall.Gift, string, error)
		AddGift(ctx context.Context, by model.ID, g mall.Gift) (mall.Gift, error)
		EditGift(ctx context.Context, by model.ID, g mall.Gift) (mall.Gift, error)
	}
	giftReader interface {
		Gift(ctx context.Context, id model.ID) (mall.Gift, error)
	}
	couponImporter interface {
		ImportCouponFile(ctx context.Context, by, gift model.ID, file io.Reader) (mall.Coupons, error)
	}
)

// GiftFields are what an operator writes of a gift.
type GiftFields struct {
	Kind        string       `json:"kind" enum:"carrier,coupon,card,physical" doc:"carrier：流量包或话费；coupon：券码；card：小程序；physical：实物。建好后不能改"`
	Category    string       `json:"category" minLength:"1" maxLength:"32" doc:"分类"`
	Title       string       `json:"title" minLength:"1" maxLength:"64"`
	Description string       `json:"description,omitempty" maxLength:"1000"`
	PictureURL  string       `json:"pictureUrl,omitempty" maxLength:"255" doc:"https 地址"`
	Points      model.Points `json:"points" minimum:"1" maximum:"1000000000" doc:"所需积分"`
	PriceFen    model.Fen    `json:"priceFen,omitempty" minimum:"0" maximum:"1000000000" doc:"另付（分），计入话费账单，只用于流量包"`
	Tier        int          `json:"tier,omitempty" minimum:"0" maximum:"1000" doc:"最低会员等级，0 为所有会员"`
	LimitEach   int          `json:"limitEach,omitempty" minimum:"0" maximum:"1000" doc:"每人限兑次数，0 为不限；改后连同以前兑换的一起计"`
	Total       int64        `json:"total,omitempty" minimum:"0" maximum:"1000000000" doc:"总数；券码礼品为导入的券码数，不必填写"`
	StartsAt    model.Millis `json:"startsAt,omitempty" format:"date-time" doc:"不填为立即"`
	EndsAt      model.Millis `json:"endsAt" format:"date-time"`
	Cancellable bool         `json:"cancellable,omitempty" doc:"发放前可取消"`
	ExtendDays  int          `json:"extendDays,omitempty" minimum:"0" maximum:"366" doc:"退回的积分若已过期，再延长几天；0 为不延长"`
	Offering    string       `json:"offering,omitempty" maxLength:"64" doc:"carrier：运营商的流量包编码，与 creditFen 二选一"`
	CreditFen   model.Fen    `json:"creditFen,omitempty" minimum:"0" maximum:"1000000000" doc:"carrier：话费（分）"`
	AppID       string       `json:"appId,omitempty" maxLength:"64" doc:"card：小程序"`
	PagePath    string       `json:"pagePath,omitempty" maxLength:"255" doc:"card：页面"`
	Position    int          `json:"position,omitempty" minimum:"0" maximum:"1000000000" doc:"货架上的位置，小的在前"`
}

func (f GiftFields) gift() mall.Gift {
	return mall.Gift{
		Kind: mall.Kind(f.Kind), Category: f.Category, Title: f.Title, Description: f.Description, Picture: f.PictureURL, Points: f.Points,
		Fen: f.PriceFen, Tier: f.Tier, Each: f.LimitEach, Total: f.Total, StartsAt: f.StartsAt, EndsAt: f.EndsAt, Cancellable: f.Cancellable,
		ExtendDays: f.ExtendDays, Position: f.Position,
		Spec: mall.Spec{Offering: f.Offering, Credit: f.CreditFen, Bill: f.PriceFen > 0, AppID: f.AppID, Page: f.PagePath},
	}
}

type opsGift struct {
	ID model.ID `json:"id"`
	GiftFields
	Left    int64 `json:"left" doc:"库存"`
	OnSale  bool  `json:"onSale" doc:"已上架"`
	Version int64 `json:"version" doc:"修改时带回，以免覆盖别人的修改"`
}

func newOpsGift(g mall.Gift) opsGift {
	return opsGift{g.ID, GiftFields{
		Kind: string(g.Kind), Category: g.Category, Title: g.Title, Description: g.Description, PictureURL: g.Picture, Points: g.Points,
		PriceFen: g.Fen, Tier: g.Tier, LimitEach: g.Each, Total: g.Total, StartsAt: g.StartsAt, EndsAt: g.EndsAt, Cancellable: g.Cancellable,
		ExtendDays: g.ExtendDays, Offering: g.Spec.Offering, CreditFen: g.Spec.Credit, AppID: g.Spec.AppID, PagePath: g.Spec.Page,
		Position: g.Position,
	}, max(0, g.Left), g.OnSale, g.Version}
}

func oneGift(g mall.Gift, err error) (*oneAnswer[opsGift], error) { return worded(g, err, newOpsGift) }

// AllGifts lists every gift, on sale or not.
func (h OpsMall) AllGifts(ctx context.Context, in *searchedPage) (*listAnswer[opsGift], error) {
	page, next, err := h.Shelf.AllGifts(ctx, in.Words.Words, in.Cursor, in.Limit)
	return listed(page, next, err, newOpsGift)
}

// OneGift is one of them.
func (h OpsMall) OneGift(ctx context.Context, in *ByID) (*oneAnswer[opsGift], error) {
	return oneGift(h.Gifts.Gift(ctx, in.id()))
}

type addGiftInput struct {
	Write
	Body GiftFields
}

// AddGift keeps a new one.
func (h OpsMall) AddGift(ctx context.Context, in *addGiftInput) (*oneAnswer[opsGift], error) {
	return oneGift(h.Shelf.AddGift(ctx, operatorOf(ctx).ID, in.Body.gift()))
}

type editGiftInput struct {
	Write
	ByID
	Body struct {
		GiftFields
		OnSale  bool  `json:"onSale" doc:"上架"`
		Version int64 `json:"version" minimum:"1" doc:"所修改的版本"`
	}
}

// EditGift replaces one, and puts it on sale or takes it off.
func (h OpsMall) EditGift(ctx context.Context, in *editGiftInput) (*oneAnswer[opsGift], error) {
	g := in.Body.gift()
	g.ID, g.OnSale, g.Version = in.id(), in.Body.OnSale, in.Body.Version
	return oneGift(h.Shelf.EditGift(ctx, operatorOf(ctx).ID, g))
}

type couponsInput struct {
	Write
	ByID
}

type couponsAnswer struct {
	Codes int    `json:"codes" doc:"文件里不同的券码"`
	Added int    `json:"added" doc:"其中新加入的"`
	Note  string `json:"note,omitempty" doc:"工作簿里没有读取的内容：其他工作表、合并的单元格；没有则全部读取了"`
}

// Coupons adds a file of codes to a gift's pool.
func (h OpsMall) Coupons(ctx context.Context, in *couponsInput) (*oneAnswer[couponsAnswer], error) {
	f, err := formOf(ctx)
	if err != nil {
		return nil, err
	}
	done, err := h.Pool.ImportCouponFile(ctx, operatorOf(ctx).ID, in.id(), f.file)
	return answered(couponsAnswer(done), err)
}
