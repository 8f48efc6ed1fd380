package account

import (
	"encoding/base64"

	"kaimenhong/model"
	"kaimenhong/model/seal/reseal"
)

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{
		{
			Table: "account_snapshot", Name: "sealed", Key: []string{"phone_key", "kind"}, Encoding: base64.RawStdEncoding,
			Context: func(r reseal.Row) []byte { return binding(r[0], r[1]) },
		},
		{
			Table: "account_usage_day", Name: "sealed", Key: []string{"phone_key", "day"}, Encoding: base64.RawStdEncoding,
			Context: func(r reseal.Row) []byte { return dayBinding(r[0], model.Day(r.ID(1))) },
		},
	}
}
