package model

// Notice is a template message, a subscribe notice of the official account or a
// subscribe message of the mini-program: the fields of a template that the
// platform approved, and where a tap leads.
type Notice struct {
	Template string            `json:"template"`
	Fields   map[string]string `json:"fields"`          // thing1, amount2 … → value
	URL      string            `json:"url,omitempty"`   // official account; the mini-program page goes before
	AppID    string            `json:"appId,omitempty"` // of the mini-program that Page belongs to
	Page     string            `json:"page,omitempty"`
}
