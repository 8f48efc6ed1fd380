package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"kaimenhong/sandbox/sms"
	"kaimenhong/sandbox/wechat"
)

// The limits of listening.
const (
	maxListeners = 64
	maxBacklog   = 256 // events that a slow listener may be behind
	heartbeat    = 15 * time.Second
)

// hub passes events to the pages that listen. A page that falls behind is let
// go: it comes again and asks for what it missed by its cursors.
type hub struct {
	mu     sync.Mutex
	pages  map[chan wechat.Event]bool
	closed bool
}

func (h *hub) send(e wechat.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for page := range h.pages {
		select {
		case page <- e:
		default:
			delete(h.pages, page)
			close(page)
		}
	}
}

// join returns a channel of events; nil when there is no room.
func (h *hub) join() chan wechat.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.pages) >= maxListeners {
		return nil
	}
	if h.pages == nil {
		h.pages = map[chan wechat.Event]bool{}
	}
	page := make(chan wechat.Event, maxBacklog)
	h.pages[page] = true
	return page
}

func (h *hub) leave(page chan wechat.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages[page] {
		delete(h.pages, page)
		close(page)
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for page := range h.pages {
		delete(h.pages, page)
		close(page)
	}
}

// gotSMS tells the page whose phone it was.
func (s *Sandbox) gotSMS(m sms.Message) {
	for _, p := range s.people {
		if p.phone == m.Phone {
			s.events.send(wechat.Event{Type: "sms", Persona: p.id, Data: m})
			return
		}
	}
}

// listen streams events: event: the type, data: the whole event.
func (s *Sandbox) listen(w http.ResponseWriter, r *http.Request) {
	page := s.events.join()
	if page == nil {
		fail(w, http.StatusServiceUnavailable, "同时打开的页面太多了")
		return
	}
	defer s.events.leave(page)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	stream := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if _, err := fmt.Fprint(w, "retry: 1000\n\n"); err != nil {
		return
	}
	for {
		if err := stream.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			if _, err := fmt.Fprint(w, ": beat\n\n"); err != nil {
				return
			}
		case e, ok := <-page:
			if !ok {
				return
			}
			raw, err := json.Marshal(e)
			if err != nil {
				s.log.Error("sandbox event cannot be written", "type", e.Type, "error", err)
				return
			}
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.Type, raw); err != nil {
				return
			}
		}
	}
}
