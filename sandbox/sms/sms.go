// Package sms is an SMS gateway on localhost: it takes messages by HTTP and shows
// them in an inbox.
//
// Invariant: one requestId is one message; the same id with another content is
// refused. Inboxes and the list of ids are bounded.
//
// It holds no table and no key; State and Options.State carry it over a restart.
package sms

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/sandbox/faults"
)

// Options of a gateway.
type Options struct {
	Token    string          // bearer token; needed
	OnChange func()          // called after every change of state
	OnEvent  func(m Message) // called with every message taken; must not block
	State    json.RawMessage
}

// Message is a short message as the phone shows it.
type Message struct {
	ID    string       `json:"id"`
	Seq   int64        `json:"seq"` // grows; a cursor for what is new
	Phone string       `json:"phone"`
	Text  string       `json:"text"`
	At    model.Millis `json:"at"`
}

// The limits of the gateway.
const (
	maxBody    = 16 << 10
	maxText    = 500 // letters
	maxInbox   = 100 // messages kept for a phone
	maxRequest = 20_000
	maxPhones  = 20_000
)

// Gateway takes and shows messages. It may be used by many at once.
type Gateway struct {
	opts Options
	now  model.Clock
	mux  http.Handler

	mu sync.Mutex
	s  state
}

type state struct {
	Seq      int64                `json:"seq"`
	Inboxes  map[string][]Message `json:"inboxes"`
	Requests map[string]Message   `json:"requests"`
	Order    []string             `json:"order"` // request ids, oldest first
}

// New makes a gateway. set may be nil: then nothing ever fails.
func New(now model.Clock, set *faults.Set, opts Options) (*Gateway, error) {
	if opts.Token == "" {
		return nil, fmt.Errorf("sms sandbox: Token is needed")
	}
	g := &Gateway{opts: opts, now: now}
	if len(opts.State) > 0 {
		if err := json.Unmarshal(opts.State, &g.s); err != nil {
			return nil, fmt.Errorf("read the kept state of sms: %w", err)
		}
	}
	if g.s.Inboxes == nil {
		g.s.Inboxes = map[string][]Message{}
	}
	if g.s.Requests == nil {
		g.s.Requests = map[string]Message{}
	}
	mux := http.NewServeMux()
	send, find := http.Handler(http.HandlerFunc(g.send)), http.Handler(http.HandlerFunc(g.find))
	if set != nil {
		send, find = set.Wrap("sms.send", send), set.Wrap("sms.find", find)
	}
	mux.Handle("POST /messages", send)
	mux.Handle("GET /messages", find)
	g.mux = g.signedIn(mux)
	return g, nil
}

// Handler is POST /messages, and GET /messages?requestId= for one whose answer
// was lost.
func (g *Gateway) Handler() http.Handler { return g.mux }

func (g *Gateway) signedIn(next http.Handler) http.Handler {
	want := []byte("Bearer " + g.opts.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "the bearer token is wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) send(w http.ResponseWriter, r *http.Request) {
	var in struct {
		RequestID model.RequestID `json:"requestId"`
		Phone     string          `json:"phone"`
		Text      string          `json:"text"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "the body is no message: "+err.Error())
		return
	}
	phone, err := model.ParsePhone(in.Phone)
	switch {
	case !in.RequestID.Valid():
		refuse(w, http.StatusBadRequest, "requestId must be 1…64 printable letters")
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "phone is no mainland mobile number")
		return
	case in.Text == "" || utf8.RuneCountInString(in.Text) > maxText:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("text must have 1…%d letters", maxText))
		return
	}
	m, ok := g.take(string(in.RequestID), phone.Digits(), in.Text)
	if !ok {
		refuse(w, http.StatusConflict, "this requestId was another message")
		return
	}
	reply(w, http.StatusAccepted, map[string]string{"id": m.ID})
}

// take keeps the message, once; false tells that the id was another message.
func (g *Gateway) take(request, phone, text string) (Message, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m, ok := g.s.Requests[request]; ok {
		return m, m.Phone == phone && m.Text == text
	}
	g.s.Seq++
	m := Message{ID: "sms-" + strconv.FormatInt(g.s.Seq, 10), Seq: g.s.Seq, Phone: phone, Text: text, At: model.At(g.now())}
	g.s.Requests[request] = m
	g.s.Order = append(g.s.Order, request)
	if len(g.s.Order) > maxRequest {
		delete(g.s.Requests, g.s.Order[0])
		g.s.Order = g.s.Order[1:]
	}
	if _, ok := g.s.Inboxes[phone]; !ok && len(g.s.Inboxes) >= maxPhones {
		for other := range g.s.Inboxes { // any inbox makes room; a sandbox is no archive
			delete(g.s.Inboxes, other)
			break
		}
	}
	box := append(g.s.Inboxes[phone], m)
	g.s.Inboxes[phone] = box[max(0, len(box)-maxInbox):]
	if g.opts.OnChange != nil {
		g.opts.OnChange()
	}
	if g.opts.OnEvent != nil {
		g.opts.OnEvent(m)
	}
	return m, true
}

func (g *Gateway) find(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	m, ok := g.s.Requests[r.URL.Query().Get("requestId")]
	g.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "no message has this requestId")
		return
	}
	reply(w, http.StatusOK, map[string]string{"id": m.ID, "status": "delivered"})
}

// Inbox returns the messages of a phone after the cursor, oldest first.
func (g *Gateway) Inbox(phone string, after int64) []Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := []Message{}
	for _, m := range g.s.Inboxes[phone] {
		if m.Seq > after {
			found = append(found, m)
		}
	}
	return found
}

// State is what a restart needs, as JSON.
func (g *Gateway) State() (json.RawMessage, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return json.Marshal(g.s)
}

func refuse(w http.ResponseWriter, status int, why string) {
	reply(w, status, map[string]string{"error": why})
}

// reply writes v; it can fail only when the reader has gone.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
