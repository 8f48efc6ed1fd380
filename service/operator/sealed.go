package operator

import "kaimenhong/model/seal/reseal"

// What a sealed value is bound to, beside the ids of its row.
const totpColumn = "operator.totp_sealed"

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{
		{Table: "operator", Name: "totp_sealed", Key: []string{"id"}, Context: reseal.Bound(totpColumn)},
	}
}
