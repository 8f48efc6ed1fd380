package chat

import (
	"kaimenhong/model"
)

// Rules are the operators' keyword rules.
type Rules struct{}

func (r *Rules) match(said folded, now model.Millis) (model.Content, bool) {
	return model.Content{}, false
}
func (r *Rules) matchKey(key string, now model.Millis) (model.Content, bool) {
	return model.Content{}, false
}
