package inbox

import (
	"kaimenhong/model"
	"kaimenhong/model/seal/reseal"
)

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	var all []reseal.Column
	for _, name := range []string{"inbound", "content"} {
		all = append(all, reseal.Column{
			Table: "inbox_reply", Name: name, Key: []string{"message_key"},
			Context: func(r reseal.Row) []byte { return bound(name, model.RequestID(r[0])) },
		})
	}
	return all
}
