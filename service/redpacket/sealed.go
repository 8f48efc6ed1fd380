package redpacket

import (
	"encoding/base64"

	"kaimenhong/model/seal/reseal"
)

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{{
		Table: "pot", Name: "seed_sealed", Key: []string{"id"}, Encoding: base64.RawStdEncoding,
		Context: func(r reseal.Row) []byte { return sealContext(PotID(r.ID(0))) },
	}}
}
