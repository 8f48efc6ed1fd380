package story

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/model"
	"kaimenhong/sandbox/wechat"
	"kaimenhong/service/redpacket"
)

type bubble = wechat.Bubble

// Plays makes games in a replica within this process and returns their ids.
func (r *Replica) Plays(games ...redpacket.Rules) []string {
	r.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	made, err := r.app.Play(ctx, games)
	if err != nil {
		r.w.t.Fatal(err)
	}
	ids := make([]string, len(made))
	for i, g := range made {
		ids[i] = g.ID.String()
	}
	return ids
}

// App is the application of a replica within this process.
func (r *Replica) App() *app.App { return r.app }

// Envelope is a game as a story changes it: three helps fill a pot of 9 yuan of phone
// credit, unless the change says otherwise.
func (w *World) Envelope(name string, change func(*redpacket.Rules)) redpacket.Rules {
	now := w.Now()
	r := redpacket.Rules{
		Name: name, Title: "《回家》红包", Complaint: "在公众号回复“人工”", StartsAt: model.At(now.Add(-time.Hour)), EndsAt: model.At(now.Add(20 * 24 * time.Hour)),
		Amounts: []redpacket.Amount{{Target: 900, Weight: 1}}, Helps: 3, Split: redpacket.DoubleMean, PotHours: 24, PotsEach: 3, HelpsPerDay: 5,
		Open: redpacket.Audience{Bound: true}, Help: redpacket.Audience{Bound: true}, Prize: redpacket.PrizeRule{Kind: model.PhoneCreditPrize},
		Unfilled: redpacket.Nothing, Budget: 90_000, Surface: redpacket.MiniProgram,
	}
	if change != nil {
		change(&r)
	}
	return r
}

// Players are people who are signed in to the mini-program with a bound number.
func (w *World) Players(ids ...string) []*Mini {
	w.t.Helper()
	list := make([]*Mini, len(ids))
	for i, id := range ids {
		list[i] = w.Person(id).Opens().SignsIn().BindsPhone()
	}
	return list
}

// Whole follows, binds in the chat and opens the mini-program, once both are known to
// be one person.
func (p *Person) Whole() *Mini {
	p.w.t.Helper()
	mini := p.Bound().Opens()
	p.w.Settle() // WeChat was asked who he is
	p.w.Until(p.ID+" is one member in the chat and in the mini-program", func() bool {
		me := mini.SignsIn().Get("/me")
		return me.Value("follows") == true && me.Text("phone") != ""
	})
	return mini
}

// OpensPot opens a pot and returns its id.
func (m *Mini) OpensPot(game string) string {
	m.w.t.Helper()
	return m.Do("POST", "/campaigns/"+game+"/pots", Key(), nil).Is(http.StatusCreated).Text("id")
}

// Helps is the deliberate tap.
func (m *Mini) Helps(pot string) Answer {
	m.w.t.Helper()
	return m.Do("POST", "/pots/"+pot+"/helps", Key(), map[string]any{"shown": true})
}

// Sees is the pot as he sees it.
func (m *Mini) Sees(pot string) Answer {
	m.w.t.Helper()
	return m.Get("/pots/" + pot).Is(http.StatusOK)
}

// Wins waits until the pot's prize has this status for its owner.
func (m *Mini) Wins(pot, status string) Answer {
	m.w.t.Helper()
	var last Answer
	m.w.Until(fmt.Sprintf("the prize of pot %s is %s", pot, status), func() bool {
		last = m.Sees(pot)
		return last.Text("prize.status") == status
	})
	return last
}

// keys number the intents of all people.
var keys atomic.Int64

// Key is a new Idempotency-Key.
func Key() string { return fmt.Sprintf("intent-%d", keys.Add(1)) }

// Gets waits until a message with every part reached him by any channel, and fails
// when it came more than once.
func (p *Person) Gets(parts ...string) *Person {
	p.w.t.Helper()
	times := func() int {
		return len(slices.DeleteFunc(p.Heard(), func(b bubble) bool { return b.From != "account" || !hasAll(withFields(b), parts) }))
	}
	p.w.Until(p.ID+" gets "+strings.Join(parts, ", "), func() bool { return times() > 0 })
	if n := times(); n != 1 {
		p.w.t.Errorf("%s got %q %d times, want once:%s", p.ID, parts, n, said(p.Heard()))
	}
	return p
}

func withFields(b bubble) bubble {
	for _, f := range b.Fields {
		b.Text += " " + f.Value
	}
	return b
}

// GetsCard waits for a card of the mini-program that opens the page.
func (p *Person) GetsCard(page string) {
	p.w.t.Helper()
	p.w.Until(p.ID+" gets the card of "+page, func() bool {
		return slices.ContainsFunc(p.Heard(), func(b bubble) bool { return b.Kind == "card" && b.Page == page })
	})
}
