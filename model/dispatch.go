package model

// Channel is a way to a member.
type Channel string

// The channels of a push. What each may send and to whom is WeChat's law.
const (
	CustomChannel   Channel = "custom"         // customer-service message, in an open window
	MiniChannel     Channel = "mini_subscribe" // subscribe message of the mini-program, one for each consent
	OfficialChannel Channel = "official"       // subscribe notice of the official account, one for each consent
	TemplateChannel Channel = "template"       // template message: service notices alone
	MassChannel     Channel = "mass"           // mass message: four for each follower in a calendar month
)

// Purpose says what a push is for.
type Purpose string

// The purposes. Marketing needs consent and keeps quiet hours and caps;
// transactional messages go first.
const (
	Transactional Purpose = "transactional"
	Marketing     Purpose = "marketing"
)

// Dispatch is one occurrence of a campaign's step: one push to a frozen audience.
// It never changes; what is changed in a running campaign is another dispatch.
type Dispatch struct {
	ID       ID // one for a step's version and occurrence, for ever
	Campaign ID
	Step     ID
	Frozen   ID // the frozen audience
	// Drawn are the frozen audiences by which people were drawn into holdout and variants
	// so far, the oldest first: who became another since stays what he was drawn as there.
	// None: as Frozen names them. They matter while it is staged.
	Drawn   []ID
	Purpose Purpose
	// Holdout is how many of the hundred buckets (BucketOf) get nothing, 0–15.
	Holdout  int
	Variants []Variant // 1–5; their shares sum to 10,000
	// Canary is how many of 10,000 recipients are sent to before Release; 0 waits
	// for nothing.
	Canary   int
	StartsAt Millis
	EndsAt   Millis // whoever is not reached by then is skipped
	Caps     Caps
}

// Variant is one wording of a step: one message for each channel, in the order in
// which the channels are tried.
type Variant struct {
	Name  string // A, B, …
	Share int    // of 10,000
	Ways  []Way
}

// Way is a channel and what goes through it: a frozen version of a material.
type Way struct {
	Channel  Channel
	Material ID
}

// Caps bound the marketing that one member gets; 0 is no bound.
type Caps struct {
	Day      int
	Week     int // seven days
	Campaign int
}

// Within are the caps that hold when other bounds too: of each, the smaller.
func (c Caps) Within(other Caps) Caps {
	smaller := func(a, b int) int {
		if a == 0 || b != 0 && b < a {
			return b
		}
		return a
	}
	return Caps{smaller(c.Day, other.Day), smaller(c.Week, other.Week), smaller(c.Campaign, other.Campaign)}
}

// Message is a material made ready for one member and one channel.
type Message struct {
	Content  Content           // custom and mass
	Template string            // the other channels
	Data     map[string]string // the template's fields
	AppID    string            // where a tap leads: the mini-program, or URL
	Page     string
	URL      string
}

// Delivery is what became of one recipient of one dispatch. Each recipient has
// exactly one, those of the holdout too.
type Delivery struct {
	ID       ID // grows in the order in which recipients were staged
	Dispatch ID
	Step     ID
	Member   MemberID
	Variant  string // empty in the holdout
	Channel  Channel
	State    DeliveryState
	Why      string // stable code, as push.quiet_hours
	At       Millis // when it came into the state
	// DeliveredAt and TappedAt are zero until WeChat, or the mini-program, says so.
	DeliveredAt Millis
	TappedAt    Millis
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states. Pending and sending are on their way, the others are final.
const (
	DeliveryPending DeliveryState = "pending"
	DeliverySending DeliveryState = "sending" // committed before the call
	DeliverySent    DeliveryState = "sent"
	DeliveryRefused DeliveryState = "refused" // WeChat said no
	DeliverySkipped DeliveryState = "skipped" // we did not ask: Why says the reason
	DeliveryUnknown DeliveryState = "unknown" // may have been sent; never sent again
	DeliveryHeldOut DeliveryState = "held_out"
)
