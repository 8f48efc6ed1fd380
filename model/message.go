package model

// Inbound is a message or event that a WeChat user caused, decoded from a
// verified callback. Fields that its kind does not have are zero.
type Inbound struct {
	// Key is the same for every try of one message: openid + MsgId, or openid +
	// CreateTime + Event + EventKey. It is the RequestID of whatever follows.
	Key       RequestID
	App       App
	Account   string // ToUserName
	OpenID    OpenID
	CreatedAt Millis
	Kind      InboundKind

	Text        string // text; the recognised words of a voice message
	MediaID     string
	URL         string // picture, link, view event
	Title       string // link
	Label       string // location
	Latitude    float64
	Longitude   float64
	Precision   float64
	EventKey    string // menu key, scene without its qrscene_ prefix
	Ticket      string
	MsgID       string            // of the message, or of the sent message that a report is about
	Status      string            // of a delivery report
	Fields      map[string]string // every other leaf of the body, by name; at most 64
	Raw         []byte            // the whole body, decrypted, kept for kinds that are not known
	ReceivedRaw bool              // tells that the kind is unknown and Raw is all there is
}

// InboundKind is the message type, or the event's name after "event.", in lower
// case: text, image, voice, video, shortvideo, location, link, event.subscribe …
type InboundKind string

// The kinds that the product acts on.
const (
	InText         InboundKind = "text"
	InImage        InboundKind = "image"
	InVoice        InboundKind = "voice"
	InVideo        InboundKind = "video"
	InShortVideo   InboundKind = "shortvideo"
	InLocation     InboundKind = "location"
	InLink         InboundKind = "link"
	InSubscribe    InboundKind = "event.subscribe"
	InUnsubscribe  InboundKind = "event.unsubscribe"
	InScan         InboundKind = "event.scan"
	InClick        InboundKind = "event.click"
	InView         InboundKind = "event.view"
	InLocationSent InboundKind = "event.location"
)

// ContentKind is the kind of a message to a user.
type ContentKind string

// The kinds of content; NoContent is answered success and sends nothing.
const (
	NoContent       ContentKind = ""
	TextContent     ContentKind = "text"
	ImageContent    ContentKind = "image"
	VoiceContent    ContentKind = "voice"
	VideoContent    ContentKind = "video"
	MusicContent    ContentKind = "music"
	NewsContent     ContentKind = "news"
	CardContent     ContentKind = "miniprogrampage"
	TransferContent ContentKind = "transfer_customer_service"
)

// Content is a message to a user: a passive reply, a customer-service message or
// a piece of material. JSON is how the stores keep it.
type Content struct {
	Kind        ContentKind `json:"kind"`
	Text        string      `json:"text,omitempty"` // ≤ 2,048 bytes
	MediaID     string      `json:"mediaId,omitempty"`
	ThumbID     string      `json:"thumbId,omitempty"`
	Title       string      `json:"title,omitempty"`
	Description string      `json:"description,omitempty"`
	URL         string      `json:"url,omitempty"`
	HQURL       string      `json:"hqUrl,omitempty"`
	AppID       string      `json:"appId,omitempty"` // card
	Page        string      `json:"page,omitempty"`  // card
	Agent       string      `json:"agent,omitempty"` // transfer: a certain person, or anybody
	Articles    []Article   `json:"articles,omitempty"`
}

// Article is one entry of a news message.
type Article struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	PictureURL  string `json:"pictureUrl,omitempty"`
	URL         string `json:"url"`
}

// MaxText is the length, in bytes, of a text that WeChat takes in a reply.
const MaxText = 2048

// Text is the content that says s.
func Text(s string) Content { return Content{Kind: TextContent, Text: s} }
