package story

import (
	"regexp"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/sandbox/wechat"
)

// Person is somebody who chats with the account.
type Person struct {
	ID     string
	Phone  string
	OpenID string

	w     *World
	since int64 // the chat before what he did last
	sms   int64
}

// Person returns one of the sandbox's personas (ordinary, arrears …) or of its
// crowd ("c" and the number).
func (w *World) Person(id string) *Person {
	w.t.Helper()
	found, err := w.Sandbox.Persona(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return &Person{ID: id, Phone: found.Phone, OpenID: found.OpenID, w: w}
}

// Balance is his available money in the carrier's books, as a reply writes it.
func (p *Person) Balance() string {
	p.w.t.Helper()
	return max(p.w.Carrier(p.Phone), 0).Yuan()
}

// Masked is his number as the account shows it.
func (p *Person) Masked() string { return masked(p.Phone) }

// Follows makes him follow the account; Scans does it by a QR code's scene.
func (p *Person) Follows() *Person { return p.Scans("") }

// Scans follows, or merely scans, by a QR code's scene.
func (p *Person) Scans(scene string) *Person {
	p.w.t.Helper()
	return p.acts(func() error { return p.w.Sandbox.WeChat.Follow(p.ID, scene) })
}

// Unfollows ends it.
func (p *Person) Unfollows() *Person {
	p.w.t.Helper()
	return p.acts(func() error { return p.w.Sandbox.WeChat.Unfollow(p.ID) })
}

// Says sends words and waits until WeChat has an answer to show, or has none.
func (p *Person) Says(text string) *Person {
	p.w.t.Helper()
	return p.acts(func() error { return p.w.Sandbox.WeChat.Say(p.ID, wechat.Said{Text: text}) })
}

// Sends is Says for pictures, voices and places.
func (p *Person) Sends(said wechat.Said) *Person {
	p.w.t.Helper()
	return p.acts(func() error { return p.w.Sandbox.WeChat.Say(p.ID, said) })
}

// Taps taps an entry of the account's menu, by its key or name.
func (p *Person) Taps(key string) *Person {
	p.w.t.Helper()
	return p.acts(func() error {
		_, err := p.w.Sandbox.WeChat.Tap(p.ID, key)
		return err
	})
}

// Begins says words and does not wait.
func (p *Person) Begins(text string) *Person {
	p.w.t.Helper()
	p.mark()
	if err := p.w.Sandbox.WeChat.Say(p.ID, wechat.Said{Text: text}); err != nil {
		p.w.t.Fatalf("%s says %q: %v", p.ID, text, err)
	}
	return p
}

func (p *Person) acts(do func() error) *Person {
	p.w.t.Helper()
	p.mark()
	if err := do(); err != nil {
		p.w.t.Fatalf("%s: %v", p.ID, err)
	}
	p.w.Idle()
	return p
}

// mark begins what Heard looks at.
func (p *Person) mark() {
	if all := p.chat(0); len(all) > 0 {
		p.since = all[len(all)-1].Seq
	}
}

func (p *Person) chat(after int64) []wechat.Bubble {
	p.w.t.Helper()
	bubbles, err := p.w.Sandbox.WeChat.Chat(p.ID, after)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return bubbles
}

// Heard is what came since he did something last, his own words left out.
func (p *Person) Heard() []wechat.Bubble {
	p.w.t.Helper()
	return slices.DeleteFunc(p.chat(p.since), func(b wechat.Bubble) bool { return b.From == "user" || b.Kind == "event" })
}

// Hears fails unless exactly one message came and has every part in it.
func (p *Person) Hears(parts ...string) *Person {
	p.w.t.Helper()
	heard := p.Heard()
	if len(heard) != 1 || !hasAll(heard[0], parts) {
		p.w.t.Fatalf("%s heard %s, want one message with %q\n%s", p.ID, said(heard), parts, p.w.Logs.tail())
	}
	return p
}

// HearsNothing fails when something came.
func (p *Person) HearsNothing() *Person {
	p.w.t.Helper()
	if heard := p.Heard(); len(heard) > 0 {
		p.w.t.Fatalf("%s heard %s, want nothing", p.ID, said(heard))
	}
	return p
}

// HearsLater waits for a customer-service message with every part in it.
func (p *Person) HearsLater(parts ...string) *Person {
	p.w.t.Helper()
	p.w.Until(p.ID+" hears "+strings.Join(parts, ", ")+" by a customer-service message", func() bool {
		return slices.ContainsFunc(p.Heard(), func(b wechat.Bubble) bool { return b.Channel == "custom" && hasAll(b, parts) })
	})
	return p
}

func hasAll(b wechat.Bubble, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(b.Text+b.Title, part) })
}

func said(bubbles []wechat.Bubble) string {
	var b strings.Builder
	for _, bubble := range bubbles {
		b.WriteString("\n  " + bubble.From + " " + bubble.Channel + " " + bubble.Kind + ": " + bubble.Text + bubble.Title)
	}
	if len(bubbles) == 0 {
		return "nothing"
	}
	return b.String()
}

// codePattern is a code in an SMS: six digits that are no part of a longer number.
var codePattern = regexp.MustCompile(`(?:^|[^0-9])([0-9]{6})(?:[^0-9]|$)`)

// Code waits for the next SMS with a code and returns the code.
func (p *Person) Code() string {
	p.w.t.Helper()
	var code string
	p.w.Until(p.ID+" gets a code by SMS", func() bool {
		for _, m := range p.w.Sandbox.SMS.Inbox(p.Phone, p.sms) {
			p.sms = m.Seq
			if found := codePattern.FindStringSubmatch(m.Text); found != nil {
				code = found[1]
				return true
			}
		}
		return false
	})
	return code
}

// Bound follows and binds his own number.
func (p *Person) Bound() *Person {
	p.w.t.Helper()
	p.Follows().Says("绑定"+p.Phone).Hears("验证码短信已发到", masked(p.Phone))
	return p.Says(p.Code()).Hears("绑定成功", masked(p.Phone))
}

func masked(phone string) string {
	number, err := model.ParsePhone(phone)
	if err != nil {
		panic(err) // the sandbox made it
	}
	return number.Masked()
}

// Callbacks are the tries of his messages that WeChat made since he did something
// last, as the inspector shows them.
func (w *World) Callbacks(after int64) []wechat.Exchange {
	return slices.DeleteFunc(w.Sandbox.WeChat.Exchanges(after), func(x wechat.Exchange) bool { return x.Kind != "callback" })
}

// Seen is the cursor of the inspector now.
func (w *World) Seen() int64 {
	all := w.Sandbox.WeChat.Exchanges(0)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Seq
}
