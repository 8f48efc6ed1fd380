package payout

import "kaimenhong/model/seal/reseal"

// What a sealed value is bound to, beside the ids of its row.
const bodyColumn = "payout_attempt.body"

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{
		{Table: "payout_attempt", Name: "body", Key: []string{"pot_id", "n"}, Context: reseal.Bound(bodyColumn)},
	}
}
