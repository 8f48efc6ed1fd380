package idempotency

import "kaimenhong/model/seal/reseal"

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{{
		Table: "idempotency", Name: "answer", Key: []string{"scope", "request_id"},
		Context: func(r reseal.Row) []byte { return placed(r[0], r[1]) },
	}}
}
