package chat

import "kaimenhong/model/seal/reseal"

// What a sealed value is bound to, beside the ids of its row.
const (
	noteColumn   = "chat_feedback.message"
	remarkColumn = "chat_feedback_done.note"
)

// Sealed are the columns of this package that a change of key concerns.
func Sealed() []reseal.Column {
	return []reseal.Column{
		{Table: "chat_feedback", Name: "message", Key: []string{"id"}, Context: reseal.Bound(noteColumn)},
		{Table: "chat_feedback_done", Name: "note", Key: []string{"feedback_id"}, Context: reseal.Bound(remarkColumn)},
	}
}
