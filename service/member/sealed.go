package member

import "kaimenhong/model/seal/reseal"

// What a sealed value is bound to, beside the ids of its row.
const (
	phoneColumn = "member_phone.phone_sealed"
	codeColumn  = "member_code.phone_sealed"
)

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{
		{Table: "member_phone", Name: "phone_sealed", Key: []string{"member_id"}, Context: reseal.Bound(phoneColumn), Version: "key_version"},
		{Table: "member_code", Name: "phone_sealed", Key: []string{"id"}, Context: reseal.Bound(codeColumn)},
	}
}
