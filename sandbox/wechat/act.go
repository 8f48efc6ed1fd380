package wechat

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"kaimenhong/model"
)

// What a person cannot do.
var (
	ErrNotFollowing = errors.New("the persona does not follow the account")
	ErrMessage      = errors.New("a message has a text, a picture, a voice or a place")
	ErrTicket       = errors.New("no such QR code, or it has expired")
)

// maxSay is the length, in bytes, of what a person may write at once.
const maxSay = 4096

// Said is what a person sends into the chat; one of its kinds.
type Said struct {
	Text      string   `json:"text,omitempty"`
	MenuID    string   `json:"menuId,omitempty"` // the id of a chosen msgmenu line or link
	Image     []byte   `json:"image,omitempty"`  // base64 in JSON; png, jpeg or gif
	Voice     *Voice   `json:"voice,omitempty"`
	Location  *Place   `json:"location,omitempty"`
	Link      *Link    `json:"link,omitempty"`
	Reporting *Reports `json:"reporting,omitempty"`
}

// Voice is a spoken message; Recognition is what WeChat's recognition hears.
type Voice struct {
	Recognition string `json:"recognition"`
}

// Place is a point on the map.
type Place struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Label     string  `json:"label"`
}

// Link is a web page that the person forwards.
type Link struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	URL         string `json:"url"`
}

// Reports is the position that WeChat reports by itself (event LOCATION).
type Reports struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Precision float64 `json:"precision"`
}

// Follow makes the person follow, by a QR code's scene when one is given; one
// who follows already merely scans.
func (p *Platform) Follow(id, scene string) error {
	return p.act(id, func(u *user) (*push, error) {
		if u.Follows {
			if scene == "" {
				return nil, nil
			}
			return p.scan(u, scene), nil
		}
		u.Follows, u.FollowedAt = true, model.At(p.opts.Wire())
		u.Scene, u.ViaQR = scene, scene != ""
		u.open(windowFollow, p.now())
		p.say(u, Bubble{From: "system", Kind: "event", Text: "你已关注" + p.opts.AccountName})
		if scene == "" {
			return p.event(u, "subscribe", true, field{"EventKey", ""}), nil
		}
		return p.event(u, "subscribe", true, field{"EventKey", "qrscene_" + scene}, field{"Ticket", p.ticketOf(scene)}), nil
	})
}

// ScanTicket is Follow by the ticket of a QR code that the application made.
func (p *Platform) ScanTicket(id, ticket string) error {
	p.mu.Lock()
	t, ok := p.s.Tickets[ticket]
	expired := t.Until != 0 && model.At(p.now()) >= t.Until
	p.mu.Unlock()
	if !ok || expired {
		return ErrTicket
	}
	return p.Follow(id, t.Scene)
}

func (p *Platform) scan(u *user, scene string) *push {
	u.open(windowScan, p.now())
	p.say(u, Bubble{From: "user", Kind: "event", Text: "扫描二维码"})
	return p.event(u, "SCAN", true, field{"EventKey", scene}, field{"Ticket", p.ticketOf(scene)})
}

// Unfollow ends it; every window closes.
func (p *Platform) Unfollow(id string) error {
	return p.act(id, func(u *user) (*push, error) {
		if !u.Follows {
			return nil, nil
		}
		u.Follows, u.Windows = false, nil
		p.say(u, Bubble{From: "system", Kind: "event", Text: "你已取消关注" + p.opts.AccountName})
		return p.event(u, "unsubscribe", false, field{"EventKey", ""}), nil
	})
}

// Say sends a message into the chat.
func (p *Platform) Say(id string, m Said) error {
	if len(m.Text) > maxSay || m.Voice != nil && len(m.Voice.Recognition) > maxSay || !utf8.ValidString(m.Text) {
		return fmt.Errorf("%w: of at most %d bytes", ErrMessage, maxSay)
	}
	return p.act(id, func(u *user) (*push, error) {
		if !u.Follows {
			return nil, ErrNotFollowing
		}
		if r := m.Reporting; r != nil {
			return p.event(u, "LOCATION", false, field{"Latitude", r.Latitude}, field{"Longitude", r.Longitude}, field{"Precision", r.Precision}), nil
		}
		sent, bubble, err := p.compose(u, m)
		if err != nil {
			return nil, err
		}
		u.open(windowMessage, p.now())
		bubble.From = "user"
		p.say(u, bubble)
		return sent, nil
	})
}

// compose makes the callback and the bubble of a message.
func (p *Platform) compose(u *user, m Said) (*push, Bubble, error) {
	switch {
	case m.Image != nil:
		picture, err := p.keepMedia("image", m.Image, false)
		if err != nil {
			return nil, Bubble{}, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		return p.message(u, "image", field{"PicUrl", p.mediaURL(picture.ID)}, field{"MediaId", picture.ID}),
			Bubble{Kind: "image", MediaID: picture.ID}, nil
	case m.Voice != nil:
		id := secretText(24)
		fields := []field{{"MediaId", id}, {"Format", "amr"}, {"MediaId16K", id + "_16K"}, {"Recognition", m.Voice.Recognition}}
		return p.message(u, "voice", fields...), Bubble{Kind: "voice", Text: m.Voice.Recognition}, nil
	case m.Location != nil:
		l := m.Location
		fields := []field{{"Location_X", l.Latitude}, {"Location_Y", l.Longitude}, {"Scale", int64(15)}, {"Label", l.Label}}
		return p.message(u, "location", fields...), Bubble{Kind: "location", Label: l.Label, Latitude: l.Latitude, Longitude: l.Longitude}, nil
	case m.Link != nil:
		l := m.Link
		return p.message(u, "link", field{"Title", l.Title}, field{"Description", l.Description}, field{"Url", l.URL}),
			Bubble{Kind: "news", Articles: []BubbleLink{{Title: l.Title, Description: l.Description, URL: l.URL}}}, nil
	case m.Text != "":
		fields := []field{{"Content", m.Text}}
		if m.MenuID != "" {
			fields = append(fields, field{"bizmsgmenuid", m.MenuID})
		}
		return p.message(u, "text", fields...), Bubble{Kind: "text", Text: m.Text}, nil
	}
	return nil, Bubble{}, ErrMessage
}

// Tap uses a button of the menu, named by its key, its url or its page. It
// returns the button, so that the page can open what it leads to.
func (p *Platform) Tap(id, key string) (Button, error) {
	var tapped Button
	err := p.act(id, func(u *user) (*push, error) {
		if !u.Follows {
			return nil, ErrNotFollowing
		}
		b, menuID, ok := p.button(key)
		if !ok {
			return nil, fmt.Errorf("%w %q", errNoButton, key)
		}
		tapped = b
		switch b.Type {
		case "view":
			return p.event(u, "VIEW", false, field{"EventKey", b.URL}, field{"MenuId", menuID}), nil
		case "miniprogram":
			return p.event(u, "view_miniprogram", false, field{"EventKey", b.Page}, field{"MenuId", menuID}), nil
		case "scancode_push", "scancode_waitmsg":
			u.open(windowClick, p.now())
			return p.event(u, b.Type, b.Type == "scancode_waitmsg", field{"EventKey", b.Key},
				field{"ScanCodeInfo", []field{{"ScanType", "qrcode"}, {"ScanResult", "1"}}}), nil
		default:
			u.open(windowClick, p.now())
			p.say(u, Bubble{From: "user", Kind: "event", Text: b.Name})
			return p.event(u, "CLICK", true, field{"EventKey", b.Key}), nil
		}
	})
	return tapped, err
}

// Card is a page of the mini-program that one person passes on to another.
type Card struct {
	To    string `json:"to"` // a person's id
	Page  string `json:"page"`
	Title string `json:"title"`
}

// The limits of a card, in bytes.
const (
	maxCardPage  = 1024
	maxCardTitle = 256
)

// Share puts a card of the mini-program into a friend's chat. WeChat does not tell the
// application of it, so nothing is called.
func (p *Platform) Share(id string, c Card) error {
	if c.Page == "" || len(c.Page) > maxCardPage || c.Title == "" || len(c.Title) > maxCardTitle || c.To == id {
		return fmt.Errorf("%w: a card needs a friend, a page and a title", ErrMessage)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	from, to := p.byID[id], p.byID[c.To]
	if from == nil || to == nil {
		return fmt.Errorf("%w: %q, %q", ErrNoUser, id, c.To)
	}
	p.say(to, Bubble{From: "friend", Friend: id, Kind: "card", Title: c.Title, AppID: p.opts.MiniAppID, Page: c.Page})
	return nil
}

// act lets the person do something and queues what it causes.
func (p *Platform) act(id string, do func(*user) (*push, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.byID[id]
	if u == nil {
		return fmt.Errorf("%w: %q", ErrNoUser, id)
	}
	sent, err := do(u)
	if err != nil || sent == nil {
		return err
	}
	p.changed(u)
	p.send(sent)
	return nil
}

// window is a right to send customer-service messages.
type window struct {
	Until model.Millis `json:"until"`
	Left  int          `json:"left"`
}

// The actions that open a window, and how wide.
const (
	windowMessage = "message"
	windowClick   = "click"
	windowFollow  = "follow"
	windowScan    = "scan"
)

var widths = map[string]struct {
	lasts time.Duration
	count int
}{
	windowMessage: {48 * time.Hour, 5},
	windowClick:   {time.Minute, 3},
	windowFollow:  {time.Minute, 3},
	windowScan:    {time.Minute, 3},
}

// open gives an action's window its full count; it does not add to what is left.
func (u *user) open(action string, now time.Time) {
	ensure(&u.Windows)
	w := widths[action]
	u.Windows[action] = &window{model.At(now.Add(w.lasts)), w.count}
}

// take uses one message of the windows. Counts do not add up: whatever is sent
// counts in every open window, so the widest of them is what is left.
func (u *user) take(now model.Millis) error {
	open, left := false, 0
	for _, w := range u.Windows {
		if now < w.Until {
			open, left = true, max(left, w.Left)
		}
	}
	switch {
	case !open:
		return errWindow
	case left == 0:
		return errWindowCount
	}
	for _, w := range u.Windows {
		w.Left = max(0, w.Left-1)
	}
	return nil
}

// Persona is a person as the control shows him.
type Persona struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	OpenID     string       `json:"openid"`
	MiniOpenID string       `json:"miniOpenid"`
	UnionID    string       `json:"unionid"`
	Follows    bool         `json:"follows"`
	FollowedAt model.Millis `json:"followedAt"`
	Unread     int          `json:"unread"`
	CanReceive int          `json:"canReceive"` // customer-service messages that may be sent now
	Until      model.Millis `json:"until"`      // the end of the longest open window
}

// Persona returns how the person stands to the account.
func (p *Platform) Persona(id string) (Persona, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.byID[id]
	if u == nil {
		return Persona{}, fmt.Errorf("%w: %q", ErrNoUser, id)
	}
	found := Persona{
		ID: u.ID, Name: u.Name, OpenID: u.OpenID, MiniOpenID: u.MiniOpenID, UnionID: u.UnionID,
		Follows: u.Follows, FollowedAt: u.FollowedAt, Unread: u.Unread,
	}
	now := model.At(p.now())
	for _, w := range u.Windows {
		if now < w.Until {
			found.CanReceive, found.Until = max(found.CanReceive, w.Left), max(found.Until, w.Until)
		}
	}
	return found, nil
}

// ticketOf returns the newest ticket with the scene, or makes a name for one.
func (p *Platform) ticketOf(scene string) string {
	best, at := "", model.Millis(-1)
	for id, t := range p.s.Tickets {
		if t.Scene == scene && t.Made > at {
			best, at = id, t.Made
		}
	}
	return cmp.Or(best, "g"+strings.ToUpper(digest(p.opts.Seed, "ticket", scene)[:20]))
}
