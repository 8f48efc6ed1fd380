package member

// Purpose is what personal data may be used for.
type Purpose string
