// Package wechat is WeChat on localhost, as far as one official account and one
// mini-program need it: the server API with its tokens, quotas, windows and
// error codes; the callback with its signatures, encryption and three tries; and
// the people, who follow, write, tap, scan and consent.
//
// It is written from WeChat's documents and independently of the application, so
// that the two check each other.
//
// Invariants: an action of a person reaches the callback at most three times, all
// with one MsgId; a person gets nothing that no window, consent or quota allows;
// two tokens of one kind live together for five minutes at most. Every body,
// list, log and queue is bounded by a constant.
//
// It holds no table and no key; State and Options.State carry it over a restart.
package wechat

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/sandbox/faults"
)

// Mode is how the callback is secured; it is a setting of the account.
type Mode string

// The modes: no encryption, both forms in one body, encryption alone.
const (
	Plain      Mode = "plain"
	Compatible Mode = "compatible"
	Safe       Mode = "safe"
)

// Options of a platform. The secrets are those of the two apps.
type Options struct {
	AppID, AppSecret string
	MiniAppID        string
	MiniAppSecret    string
	Account          string // the official account's original id, gh_…; default made from AppID
	AccountName      string // default 开门红营业厅
	Token            string // of the callback
	AESKey           string // EncodingAESKey, 43 characters; needed unless Mode is Plain
	Mode             Mode   // default Safe
	CallbackURL      string // empty: nothing is pushed
	MiniCallbackURL  string // of the mini-program; empty: nothing is pushed
	MiniJSON         bool   // the mini-program pushes JSON rather than XML
	PublicURL        string // where this handler's control is mounted, for PicUrl; default empty
	Seed             uint64
	Wire             model.Clock    // time of stamps and bubbles; default now
	Client           *http.Client   // for callbacks; default a fresh one
	Quotas           map[string]int // daily limits by path, instead of WeChat's
	TokenLife        time.Duration  // of an access token; default 2 h
	Templates        []Template     // instead of DefaultTemplates
	OnChange         func()         // called after every change of state
	OnEvent          func(Event)    // called with what the phone page shows; must not block
	MaxExchanges     int            // kept by the inspector; default 500
	MaxSends         int            // messages kept by Sends; default 100,000
	CallbackTimeout  time.Duration  // default 5 s, as WeChat
	State            json.RawMessage
	Users            []User
}

// User is a person of the sandbox's world, given at the start.
type User struct {
	ID      string // of the persona or customer; stable
	Name    string
	Phone   string // 11 digits
	Follows bool   // from the start
}

// The limits of what is kept.
const (
	maxBubbles  = 300 // of one chat
	maxTokens   = 64  // remembered of one app, to tell expired from never issued
	maxTickets  = 10_000
	maxCodes    = 10_000 // login and phone codes
	maxSends    = 50_000 // remembered client message ids
	maxQueue    = 200_000
	maxAPIBody  = 1 << 20
	maxUsers    = 1_000_000
	callbackers = 32 // callbacks under way at once
)

// Platform is WeChat. It may be used by many at once. Make one with New.
type Platform struct {
	opts   Options
	now    model.Clock // of windows, quotas and expiry
	log    *slog.Logger
	faults *faults.Set
	cipher *Cipher
	mini   *Cipher
	mux    http.Handler

	mu        sync.Mutex
	s         state
	byID      map[string]*user
	byOpenID  map[string]*user
	byMini    map[string]*user
	order     []*user
	random    *rand.Rand
	exchanges []Exchange
	exchange  int64
	sends     []Send
	sendSeq   int64
	chaos     Chaos
	queue     queue
}

// state is what survives a restart.
type state struct {
	MsgID   int64             `json:"msgId"`
	Seq     int64             `json:"seq"` // of bubbles
	Users   map[string]*user  `json:"users"`
	Apps    map[string]*app   `json:"apps"`
	Menu    json.RawMessage   `json:"menu,omitempty"`
	Special []conditional     `json:"conditional,omitempty"`
	Tickets map[string]ticket `json:"tickets,omitempty"`
	Sends   map[string]sent   `json:"sends,omitempty"` // by client message id
	Codes   map[string]code   `json:"codes,omitempty"`
	Media   map[string]*media `json:"media,omitempty"`
	Drafts  map[string]draft  `json:"drafts,omitempty"`
	Uses    map[string]use    `json:"uses,omitempty"` // quotas, by app and path
}

// user is a person towards this account.
type user struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Phone      string             `json:"phone"`
	OpenID     string             `json:"openid"`
	MiniOpenID string             `json:"miniOpenid"`
	UnionID    string             `json:"unionid"`
	Follows    bool               `json:"follows"`
	FollowedAt model.Millis       `json:"followedAt"`
	Scene      string             `json:"scene,omitempty"`
	ViaQR      bool               `json:"viaQr,omitempty"`
	Unread     int                `json:"unread"`
	Windows    map[string]*window `json:"windows,omitempty"`
	Consents   map[string]int     `json:"consents,omitempty"` // by app and template
	MassMonth  string             `json:"massMonth,omitempty"`
	MassCount  int                `json:"massCount,omitempty"`
	Sent       map[string]int     `json:"sent,omitempty"` // messages that reached him, by channel
	Chat       []Bubble           `json:"chat,omitempty"`
	Touched    bool               `json:"touched"` // differs from what the options make
}

// ErrNoUser is returned for a person that the world does not have.
var ErrNoUser = errors.New("no such persona")

// New makes a platform and starts its callback sender; Close stops it.
func New(now model.Clock, log *slog.Logger, set *faults.Set, opts Options) (*Platform, error) {
	opts.Mode = cmp.Or(opts.Mode, Safe)
	opts.AccountName = cmp.Or(opts.AccountName, "开门红营业厅")
	opts.TokenLife = cmp.Or(opts.TokenLife, 2*time.Hour)
	opts.MaxExchanges = cmp.Or(opts.MaxExchanges, 500)
	opts.MaxSends = cmp.Or(opts.MaxSends, 100_000)
	opts.CallbackTimeout = cmp.Or(opts.CallbackTimeout, 5*time.Second)
	if opts.Account == "" {
		opts.Account = "gh_" + digest(opts.Seed, "account", opts.AppID)[:12]
	}
	if opts.Wire == nil {
		opts.Wire = now
	}
	if opts.Client == nil {
		opts.Client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callbackers, IdleConnTimeout: time.Minute}}
	}
	// A redirected callback is a mistake of the receiver; WeChat follows none.
	client := *opts.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	opts.Client = &client
	if opts.Templates == nil {
		opts.Templates = DefaultTemplates()
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	p := &Platform{opts: opts, now: now, log: log, faults: set, random: rand.New(rand.NewPCG(opts.Seed, 1))}
	if err := p.ciphers(); err != nil {
		return nil, err
	}
	if err := p.restore(); err != nil {
		return nil, err
	}
	p.mux = p.routes()
	p.queue.start(p)
	return p, nil
}

func (o Options) check() error {
	switch {
	case o.AppID == "" || o.AppSecret == "" || o.Token == "":
		return errors.New("wechat sandbox: AppID, AppSecret and Token are needed")
	case o.MiniAppID == "" || o.MiniAppSecret == "":
		return errors.New("wechat sandbox: MiniAppID and MiniAppSecret are needed")
	case o.Mode != Plain && o.Mode != Compatible && o.Mode != Safe:
		return fmt.Errorf("wechat sandbox: mode %q is none of plain, compatible, safe", o.Mode)
	case len(o.Users) > maxUsers:
		return fmt.Errorf("wechat sandbox: %d users, at most %d", len(o.Users), maxUsers)
	}
	return nil
}

func (p *Platform) ciphers() (err error) {
	if p.opts.Mode == Plain && p.opts.AESKey == "" {
		return nil
	}
	if p.cipher, err = NewCipher(p.opts.AESKey, p.opts.AppID); err != nil {
		return err
	}
	p.mini, err = NewCipher(p.opts.AESKey, p.opts.MiniAppID)
	return err
}

// restore makes the people of the options and lays what was kept over them.
func (p *Platform) restore() error {
	p.s = state{}
	if len(p.opts.State) > 0 {
		if err := json.Unmarshal(p.opts.State, &p.s); err != nil {
			return fmt.Errorf("read the kept state of wechat: %w", err)
		}
	}
	p.opts.State = nil
	p.s.fill(p.opts)
	p.byID, p.byOpenID, p.byMini = map[string]*user{}, map[string]*user{}, map[string]*user{}
	for _, given := range p.opts.Users {
		u := p.s.Users[given.ID]
		if u == nil {
			u = p.person(given)
		}
		u.Name, u.Phone = given.Name, given.Phone
		if p.byID[u.ID] != nil {
			return fmt.Errorf("wechat sandbox: user %q is given twice", u.ID)
		}
		p.byID[u.ID], p.byOpenID[u.OpenID], p.byMini[u.MiniOpenID] = u, u, u
		p.order = append(p.order, u)
	}
	p.opts.Users = nil
	return nil
}

func (s *state) fill(o Options) {
	ensure(&s.Users)
	ensure(&s.Apps)
	ensure(&s.Tickets)
	ensure(&s.Sends)
	ensure(&s.Codes)
	ensure(&s.Media)
	ensure(&s.Drafts)
	ensure(&s.Uses)
	for _, id := range []string{o.AppID, o.MiniAppID} {
		if s.Apps[id] == nil {
			s.Apps[id] = &app{}
		}
		ensure(&s.Apps[id].Tokens)
	}
}

func ensure[K comparable, V any](m *map[K]V) {
	if *m == nil {
		*m = map[K]V{}
	}
}

// person makes a user whose ids are a function of the seed.
func (p *Platform) person(given User) *user {
	u := &user{
		ID: given.ID, Name: given.Name, Phone: given.Phone, Follows: given.Follows,
		OpenID:     "o" + digest(p.opts.Seed, "openid", given.ID)[:27],
		MiniOpenID: "oM" + digest(p.opts.Seed, "mini", given.ID)[:26],
		UnionID:    "oU" + digest(p.opts.Seed, "union", given.ID)[:26],
	}
	if u.Follows {
		u.FollowedAt = model.At(p.opts.Wire()).Add(-30 * 24 * time.Hour)
	}
	return u
}

// digest is 43 characters of the alphabet of openids.
func digest(seed uint64, words ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", seed, words))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// State is what a restart needs, as JSON. People who did nothing are left out.
func (p *Platform) State() (json.RawMessage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	return json.Marshal(p.s)
}

// Close stops the sender: callbacks under way are cut, waiting ones dropped.
func (p *Platform) Close() { p.queue.close() }

// changed is called with the lock held, after a change of the user or of the
// account (nil).
func (p *Platform) changed(u *user) {
	if u != nil && !u.Touched {
		u.Touched = true
		p.s.Users[u.ID] = u
	}
	if p.opts.OnChange != nil {
		p.opts.OnChange()
	}
}

// nextMsgID is unique over restarts and grows.
func (p *Platform) nextMsgID() int64 {
	p.s.MsgID = max(p.s.MsgID+1, p.opts.Wire().UnixMilli()*10_000)
	return p.s.MsgID
}

// forget drops what has expired, so that nothing grows for ever.
func (p *Platform) forget() {
	now := model.At(p.now())
	for id, c := range p.s.Codes {
		if now > c.Until.Add(time.Hour) {
			delete(p.s.Codes, id)
		}
	}
	for id, s := range p.s.Sends {
		if now > s.Until {
			delete(p.s.Sends, id)
		}
	}
	for id, m := range p.s.Media {
		if m.Until != 0 && now > m.Until {
			delete(p.s.Media, id)
		}
	}
	for id, t := range p.s.Tickets {
		if t.Until != 0 && now > t.Until.Add(24*time.Hour) {
			delete(p.s.Tickets, id)
		}
	}
	today := model.DayOf(p.now())
	for id, u := range p.s.Uses {
		if u.Day != today && u.Month == "" {
			delete(p.s.Uses, id)
		}
	}
}

// Mode is how the callback is secured.
func (p *Platform) Mode() Mode { return p.opts.Mode }

// AccountName is the official account's name.
func (p *Platform) AccountName() string { return p.opts.AccountName }
