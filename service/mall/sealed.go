package mall

import "kaimenhong/model/seal/reseal"

// What a sealed value is bound to, beside the ids of its row.
const (
	couponColumn   = "mall_coupon.code"
	codeColumn     = "mall_redemption.code"
	deliveryColumn = "mall_redemption.delivery"
)

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{
		{Table: "mall_coupon", Name: "code", Key: []string{"id"}, Context: reseal.Bound(couponColumn)},
		{Table: "mall_redemption", Name: "code", Key: []string{"id"}, Context: reseal.Bound(codeColumn)},
		{Table: "mall_redemption", Name: "delivery", Key: []string{"id"}, Context: reseal.Bound(deliveryColumn)},
	}
}
