package audience

import "kaimenhong/model/seal/reseal"

// What a sealed value is bound to, beside the ids of its row.
const phoneColumn = "audience_customer.phone_sealed"

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{
		{Table: "audience_customer", Name: "phone_sealed", Key: []string{"member_id"}, Context: reseal.Bound(phoneColumn)},
	}
}
