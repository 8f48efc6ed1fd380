package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"kaimenhong/model"
	"kaimenhong/sandbox/carrier"
	"kaimenhong/sandbox/wechat"
)

// The limits of the control's bodies, in bytes.
const (
	maxControl = 64 << 10
	maxSaid    = 4 << 20 // a message with a picture
)

// maxMove is how far the clock can be moved at once.
const maxMove = 366 * 24 * time.Hour

// routes is everything that the sandbox serves.
func (s *Sandbox) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/wechat/", http.StripPrefix("/wechat", s.WeChat.Handler()))
	mux.Handle("/carrier/", s.touching(http.StripPrefix("/carrier", s.Carrier.Handler())))
	mux.Handle("/sms/", http.StripPrefix("/sms", s.SMS.Handler()))
	// A page of another site must not play with the demo through the browser.
	mux.Handle("/control/", http.NewCrossOriginProtection().Handler(s.control()))
	return mux
}

// control is the API of the demo's phone page; README.md describes it.
func (s *Sandbox) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/control/faults", s.Faults.Control())
	mux.Handle("/control/faults/", s.Faults.Control())
	mux.Handle("/control/carrier/", s.touching(http.StripPrefix("/control/carrier", s.Carrier.Control())))
	mux.HandleFunc("GET /control/events", s.listen)
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /control/account":                   s.account,
		"GET /control/menu":                      func(*http.Request) (any, error) { return map[string]any{"buttons": s.WeChat.Menu()}, nil },
		"GET /control/templates":                 func(*http.Request) (any, error) { return s.WeChat.Templates(), nil },
		"GET /control/inspector":                 s.inspector,
		"GET /control/sent":                      s.sent,
		"GET /control/sends":                     s.sends,
		"GET /control/chaos":                     s.chaosNow,
		"POST /control/chaos":                    s.chaos,
		"GET /control/clock":                     s.clock,
		"POST /control/clock":                    s.moveClock,
		"POST /control/tokens/expire":            func(*http.Request) (any, error) { s.WeChat.ExpireTokens(); return nil, nil },
		"POST /control/callback/verify":          func(r *http.Request) (any, error) { return nil, s.WeChat.Verify(r.Context()) },
		"GET /control/personas":                  func(*http.Request) (any, error) { return s.Personas() },
		"GET /control/personas/{id}":             func(r *http.Request) (any, error) { return s.Persona(r.PathValue("id")) },
		"POST /control/personas/{id}/follow":     s.follow,
		"POST /control/personas/{id}/scan":       s.follow,
		"POST /control/personas/{id}/unfollow":   s.unfollow,
		"POST /control/personas/{id}/messages":   s.say,
		"POST /control/personas/{id}/menu":       s.tap,
		"POST /control/personas/{id}/menu/{key}": s.tap,
		"GET /control/personas/{id}/chat":        s.chat,
		"POST /control/personas/{id}/read":       func(r *http.Request) (any, error) { return nil, s.WeChat.Read(r.PathValue("id")) },
		"GET /control/personas/{id}/sms":         s.smsOf,
		"POST /control/personas/{id}/cards":      s.share,
		"POST /control/personas/{id}/login-code": s.loginCode,
		"POST /control/personas/{id}/phone-code": s.phoneCode,
		"POST /control/personas/{id}/subscribe":  s.subscribe,
		"GET /control/personas/{id}/subscribe":   func(r *http.Request) (any, error) { return s.WeChat.Consents(r.PathValue("id")) },
	} {
		mux.HandleFunc(pattern, serve(h))
	}
	mux.HandleFunc("GET /control/media/{id}", s.media)
	return mux
}

// touching asks for a snapshot after whatever may have changed the carrier.
func (s *Sandbox) touching(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			defer s.changed()
		}
		next.ServeHTTP(w, r)
	})
}

// serve writes what h returns: 200 with JSON, 204 for nothing, or the error.
func serve(h func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxSaid)
		v, err := h(r)
		switch {
		case err != nil:
			status, text := explain(err)
			fail(w, status, text)
		case v == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			_ = json.NewEncoder(w).Encode(v) // the page may have gone
		}
	}
}

func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text}) // the page may have gone
}

// explain finds the status and the words for the page.
func explain(err error) (int, string) {
	switch {
	case errors.Is(err, wechat.ErrNoUser), errors.Is(err, carrier.ErrNoLine):
		return http.StatusNotFound, "没有这个体验用户"
	case errors.Is(err, wechat.ErrNotFollowing):
		return http.StatusConflict, "还没有关注公众号"
	case errors.Is(err, wechat.ErrTicket):
		return http.StatusNotFound, "二维码不存在或已过期"
	}
	return http.StatusBadRequest, err.Error()
}

// read decodes a body of at most the limit; an empty one leaves v as it is.
func read(r *http.Request, v any, limit int64) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, limit))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err != nil && r.ContentLength != 0 {
		return fmt.Errorf("请求的内容不对：%w", err)
	}
	return nil
}

// after reads the cursor of a list.
func after(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("after")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("after 应为数字")
	}
	return n, nil
}

func (s *Sandbox) account(*http.Request) (any, error) {
	mode := s.WeChat.Mode()
	return map[string]any{
		"name": s.WeChat.AccountName(), "appId": s.opts.AppID, "miniAppId": s.opts.MiniAppID, "mode": mode, "callbackUrl": s.opts.CallbackURL,
	}, nil
}

func (s *Sandbox) inspector(r *http.Request) (any, error) {
	n, err := after(r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"exchanges": s.WeChat.Exchanges(n)}, nil
}

// sent counts the messages that reached people.
func (s *Sandbox) sent(r *http.Request) (any, error) {
	total, each := s.WeChat.Reached(r.URL.Query().Get("persona"))
	return map[string]any{"total": total, "byOpenid": each}, nil
}

// sendPage is how many messages one call of sends answers.
const sendPage = 1000

// sends lists the messages that reached people, one by one.
func (s *Sandbox) sends(r *http.Request) (any, error) {
	n, err := after(r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"sends": s.WeChat.Sends(n, sendPage)}, nil
}

func (s *Sandbox) chaosNow(*http.Request) (any, error) {
	return map[string]any{"chaos": s.WeChat.Chaos(), "forgeries": wechat.Forgeries}, nil
}

// strikes is how long a forgery or replay may take.
const strikes = 10 * time.Second

// chaos plays a trick on the callback.
func (s *Sandbox) chaos(r *http.Request) (any, error) {
	var in struct {
		Trick   string `json:"trick"` // none, duplicate, reorder, forge, replay
		Copies  int    `json:"copies"`
		Count   int    `json:"count"`
		Hold    int    `json:"hold"`
		Forgery string `json:"forgery"`
		Persona string `json:"persona"`
		Text    string `json:"text"`
		Seq     int64  `json:"seq"`
	}
	if err := read(r, &in, maxControl); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), strikes)
	defer cancel()
	switch in.Trick {
	case "none":
		return nil, s.WeChat.SetChaos(wechat.Chaos{})
	case "duplicate":
		return nil, s.WeChat.SetChaos(wechat.Chaos{Copies: max(in.Copies, 2), Count: in.Count})
	case "reorder":
		return nil, s.WeChat.SetChaos(wechat.Chaos{Hold: max(in.Hold, 1)})
	case "forge":
		return s.WeChat.Forge(ctx, in.Persona, in.Forgery, in.Text)
	case "replay":
		return s.WeChat.Replay(ctx, in.Seq)
	}
	return nil, fmt.Errorf("trick %q is none of none, duplicate, reorder, forge, replay", in.Trick)
}

func (s *Sandbox) clock(*http.Request) (any, error) {
	return map[string]any{"now": model.At(s.Now()), "aheadMs": s.moved.Load() / int64(time.Millisecond)}, nil
}

// moveClock moves windows, quotas, tokens and the carrier ahead, never back.
func (s *Sandbox) moveClock(r *http.Request) (any, error) {
	var in struct {
		Advance int64 `json:"advanceMs"`
	}
	if err := read(r, &in, maxControl); err != nil {
		return nil, err
	}
	if in.Advance < 0 || in.Advance > maxMove.Milliseconds() {
		return nil, fmt.Errorf("advanceMs 应在 0…%d 之间", maxMove.Milliseconds())
	}
	s.moved.Add(in.Advance * int64(time.Millisecond))
	s.changed()
	return s.clock(r)
}

func (s *Sandbox) media(w http.ResponseWriter, r *http.Request) {
	data, kind, err := s.WeChat.Media(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusNotFound, "图片不存在或已过期")
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(data) // the page may have gone
}

// The handlers of one persona.

func (s *Sandbox) follow(r *http.Request) (any, error) {
	var in struct {
		Scene  string `json:"scene"`
		Ticket string `json:"ticket"`
	}
	if err := read(r, &in, maxControl); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if in.Ticket != "" {
		return s.stands(id, s.WeChat.ScanTicket(id, in.Ticket))
	}
	return s.stands(id, s.WeChat.Follow(id, in.Scene))
}

func (s *Sandbox) unfollow(r *http.Request) (any, error) {
	id := r.PathValue("id")
	return s.stands(id, s.WeChat.Unfollow(id))
}

// stands answers with the persona after what he did.
func (s *Sandbox) stands(id string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return s.Persona(id)
}

func (s *Sandbox) say(r *http.Request) (any, error) {
	var in wechat.Said
	if err := read(r, &in, maxSaid); err != nil {
		return nil, err
	}
	return nil, s.WeChat.Say(r.PathValue("id"), in)
}

func (s *Sandbox) tap(r *http.Request) (any, error) {
	in := struct {
		Key string `json:"key"`
	}{r.PathValue("key")}
	if err := read(r, &in, maxControl); err != nil {
		return nil, err
	}
	return s.WeChat.Tap(r.PathValue("id"), in.Key)
}

func (s *Sandbox) chat(r *http.Request) (any, error) {
	n, err := after(r)
	if err != nil {
		return nil, err
	}
	bubbles, err := s.WeChat.Chat(r.PathValue("id"), n)
	return map[string]any{"bubbles": bubbles}, err
}

func (s *Sandbox) smsOf(r *http.Request) (any, error) {
	n, err := after(r)
	if err != nil {
		return nil, err
	}
	who, err := s.Persona(r.PathValue("id"))
	return map[string]any{"messages": s.SMS.Inbox(who.Phone, n)}, err
}

func (s *Sandbox) share(r *http.Request) (any, error) {
	var in wechat.Card
	if err := read(r, &in, maxControl); err != nil {
		return nil, err
	}
	return nil, s.WeChat.Share(r.PathValue("id"), in)
}

func (s *Sandbox) loginCode(r *http.Request) (any, error) {
	code, err := s.WeChat.LoginCode(r.PathValue("id"))
	return map[string]string{"code": code}, err
}

func (s *Sandbox) phoneCode(r *http.Request) (any, error) {
	code, err := s.WeChat.PhoneCode(r.PathValue("id"))
	return map[string]string{"code": code}, err
}

func (s *Sandbox) subscribe(r *http.Request) (any, error) {
	var in wechat.Grant
	if err := read(r, &in, maxControl); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if err := s.WeChat.Subscribe(id, in); err != nil {
		return nil, err
	}
	return s.WeChat.Consents(id)
}
