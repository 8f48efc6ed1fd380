package wechat

import (
	"html"
	"regexp"
	"strings"

	"kaimenhong/model"
)

// Bubble is one thing in a person's chat.
type Bubble struct {
	Seq     int64        `json:"seq"` // grows; a cursor for what is new
	At      model.Millis `json:"at"`
	From    string       `json:"from"`              // user, account, system, friend
	Friend  string       `json:"friend,omitempty"`  // the id of the person who passed it on
	Channel string       `json:"channel,omitempty"` // passive, custom, template, subscribe, bizsend, mass; empty for the user's own
	Kind    string       `json:"kind"`              // text, image, voice, video, music, news, card, location, menu, notice, event, transfer, system

	Text        string        `json:"text,omitempty"`        // plain, without tags
	Spans       []Span        `json:"spans,omitempty"`       // the text with its links
	MediaID     string        `json:"mediaId,omitempty"`     // GET /control/media/{mediaId}
	ThumbID     string        `json:"thumbId,omitempty"`     // of card, video, music
	Title       string        `json:"title,omitempty"`       // of card, video, music, notice
	Description string        `json:"description,omitempty"` // of video, music
	URL         string        `json:"url,omitempty"`         // music, notice, view
	AppID       string        `json:"appId,omitempty"`       // card, notice that opens a mini-program
	Page        string        `json:"page,omitempty"`        // card, notice
	Articles    []BubbleLink  `json:"articles,omitempty"`    // news
	Choices     []Choice      `json:"choices,omitempty"`     // menu (msgmenu)
	Fields      []NoticeField `json:"fields,omitempty"`      // notice
	Label       string        `json:"label,omitempty"`       // location
	Latitude    float64       `json:"latitude,omitempty"`
	Longitude   float64       `json:"longitude,omitempty"`
	TookMS      int64         `json:"tookMs,omitempty"` // passive replies: from the first try to the answer
	Tries       int           `json:"tries,omitempty"`  // passive replies
}

// Span is a piece of a text: words, or words that lead somewhere. Say is set for
// a link that makes the user say it (weixin://bizmsgmenu).
type Span struct {
	Text  string `json:"text"`
	Href  string `json:"href,omitempty"`
	AppID string `json:"appId,omitempty"`
	Page  string `json:"page,omitempty"`
	Say   string `json:"say,omitempty"`
	SayID string `json:"sayId,omitempty"`
}

// BubbleLink is one article of a news bubble.
type BubbleLink struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	PictureURL  string `json:"pictureUrl,omitempty"`
	URL         string `json:"url,omitempty"`
}

// Choice is one line of a msgmenu; choosing it says its content.
type Choice struct {
	ID      string `json:"id"`
	Content string `json:"content"`
}

// NoticeField is one line of a template or subscribe message.
type NoticeField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Event is what the phone page is told at once.
type Event struct {
	Type    string `json:"type"` // chat, inspector, persona, menu, typing
	Persona string `json:"persona,omitempty"`
	Data    any    `json:"data"`
}

// unavailable is what WeChat shows when a callback fails.
const unavailable = "该公众号暂时无法提供服务，请稍后再试"

// say puts a bubble into the chat; the lock is held.
func (p *Platform) say(u *user, b Bubble) {
	p.s.Seq++
	b.Seq, b.At = p.s.Seq, model.At(p.opts.Wire())
	if len(u.Chat) >= maxBubbles {
		u.Chat = append(u.Chat[:0], u.Chat[len(u.Chat)-maxBubbles+1:]...)
	}
	u.Chat = append(u.Chat, b)
	if b.From == "account" || b.From == "friend" {
		u.Unread++
	}
	if b.Channel != "" {
		ensure(&u.Sent)
		u.Sent[b.Channel]++
	}
	p.changed(u)
	p.tell(Event{"chat", u.ID, b})
}

func (p *Platform) tell(e Event) {
	if p.opts.OnEvent != nil {
		p.opts.OnEvent(e)
	}
}

var (
	anchor    = regexp.MustCompile(`(?is)<a\s([^>]*)>(.*?)</a>`)
	attribute = regexp.MustCompile(`([a-zA-Z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')`)
)

// textBubble reads the links that WeChat allows in a text.
func textBubble(channel, text string) Bubble {
	b := Bubble{From: "account", Channel: channel, Kind: "text"}
	rest := text
	for {
		at := anchor.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		b.addSpan(Span{Text: rest[:at[0]]})
		span := Span{Text: rest[at[4]:at[5]]}
		for _, a := range attribute.FindAllStringSubmatch(rest[at[2]:at[3]], -1) {
			span.set(strings.ToLower(a[1]), html.UnescapeString(a[2]+a[3]))
		}
		b.addSpan(span)
		rest = rest[at[1]:]
	}
	b.addSpan(Span{Text: rest})
	return b
}

func (b *Bubble) addSpan(s Span) {
	if s.Text == "" {
		return
	}
	b.Spans = append(b.Spans, s)
	b.Text += s.Text
}

func (s *Span) set(name, value string) {
	switch name {
	case "href":
		query, isMenu := strings.CutPrefix(value, "weixin://bizmsgmenu?")
		if !isMenu {
			s.Href = value
			return
		}
		for pair := range strings.SplitSeq(query, "&") {
			k, v, _ := strings.Cut(pair, "=")
			switch k {
			case "msgmenucontent":
				s.Say = v
			case "msgmenuid":
				s.SayID = v
			}
		}
	case "data-miniprogram-appid":
		s.AppID = value
	case "data-miniprogram-path":
		s.Page = value
	}
}

// Chat returns the bubbles after the cursor, oldest first.
func (p *Platform) Chat(id string, after int64) ([]Bubble, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.byID[id]
	if u == nil {
		return nil, ErrNoUser
	}
	found := []Bubble{}
	for _, b := range u.Chat {
		if b.Seq > after {
			found = append(found, b)
		}
	}
	return found, nil
}

// Read says that the person has looked at the chat.
func (p *Platform) Read(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.byID[id]
	if u == nil {
		return ErrNoUser
	}
	if u.Unread != 0 {
		u.Unread = 0
		p.changed(u)
	}
	return nil
}
