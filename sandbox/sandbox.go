// Package sandbox is the outside world of a carrier's official account on
// localhost: WeChat, the carrier and the SMS gateway, with the people who use
// them, under one HTTP handler.
//
// Invariants: what was done survives a restart in Options.Dir, but for the last
// second; what goes wrong on request is a function of the seed. The control has
// no sign-in and must be reachable from this machine alone.
//
// It holds no table; its one file is replaced as a whole.
package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"kaimenhong/model"
	"kaimenhong/sandbox/carrier"
	"kaimenhong/sandbox/faults"
	"kaimenhong/sandbox/sms"
	"kaimenhong/sandbox/wechat"
)

// The credentials of a sandbox that was given none. They open nothing but it.
const (
	DefaultAppID         = "wx5a6d6862782d6f61"
	DefaultAppSecret     = "sandbox-app-secret-0123456789abc"
	DefaultMiniAppID     = "wx5a6d6862782d6d70"
	DefaultMiniAppSecret = "sandbox-mini-secret-0123456789ab"
	DefaultToken         = "sandboxtoken"
	DefaultAESKey        = "c2FuZGJveC1lbmNvZGluZy1hZXMta2V5LTAxMjM0NTY"
	DefaultSMSToken      = "sandbox-sms-token"
)

// Options of a sandbox; the zero value is a working one without a callback.
type Options struct {
	AppID, AppSecret string // of the official account
	MiniAppID        string
	MiniAppSecret    string
	Token            string // of the callback
	AESKey           string
	Mode             wechat.Mode // default safe
	CallbackURL      string      // where WeChat calls, as in http://127.0.0.1:8080/wechat/callback
	MiniCallbackURL  string      // of the mini-program; empty: nothing is pushed
	MiniJSON         bool        // it pushes JSON rather than XML
	PublicURL        string      // where Handler is mounted, as in http://127.0.0.1:8080/sandbox
	CarrierToken     string
	SMSToken         string
	Customers        int // of the carrier, default 2,000
	Followers        int // customers beside the personas who follow from the start
	Seed             uint64
	Now              model.Clock    // default time.Now
	Log              *slog.Logger   // default slog.Default()
	Dir              string         // of the snapshot; empty: nothing is kept
	Client           *http.Client   // for callbacks
	Quotas           map[string]int // daily limits by path, instead of WeChat's
	Templates        []wechat.Template
	CallbackTimeout  time.Duration // default 5 s
}

// Sandbox is the world. Make one with New.
type Sandbox struct {
	opts    Options
	log     *slog.Logger
	Faults  *faults.Set
	WeChat  *wechat.Platform
	Carrier *carrier.World
	SMS     *sms.Gateway

	moved  atomic.Int64 // the clock is so many nanoseconds ahead
	events hub
	people []person
	mux    http.Handler

	dirty  chan struct{} // a token: something changed
	stop   context.CancelFunc
	wait   sync.WaitGroup
	closed sync.Once
}

// New makes the world, or takes it up from Dir.
func New(opts Options) (*Sandbox, error) {
	opts.fill()
	s := &Sandbox{opts: opts, log: opts.Log, Faults: faults.New(opts.Seed), dirty: make(chan struct{}, 1)}
	kept, err := readSnapshot(opts.Dir)
	if err != nil {
		return nil, err
	}
	s.moved.Store(int64(kept.Moved))
	if err := s.assemble(kept); err != nil {
		return nil, err
	}
	s.mux = s.routes()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	if opts.Dir != "" {
		s.wait.Go(func() { s.keep(ctx) })
	}
	return s, nil
}

func (o *Options) fill() {
	o.AppID = cmp.Or(o.AppID, DefaultAppID)
	o.AppSecret = cmp.Or(o.AppSecret, DefaultAppSecret)
	o.MiniAppID = cmp.Or(o.MiniAppID, DefaultMiniAppID)
	o.MiniAppSecret = cmp.Or(o.MiniAppSecret, DefaultMiniAppSecret)
	o.Token = cmp.Or(o.Token, DefaultToken)
	o.AESKey = cmp.Or(o.AESKey, DefaultAESKey)
	o.CarrierToken = cmp.Or(o.CarrierToken, carrier.DefaultToken)
	o.SMSToken = cmp.Or(o.SMSToken, DefaultSMSToken)
	o.Seed = cmp.Or(o.Seed, 1)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// assemble builds the services over what was kept.
func (s *Sandbox) assemble(kept snapshot) (err error) {
	s.Carrier, err = carrier.New(s.Now, s.Faults, carrier.Options{Seed: s.opts.Seed, Customers: s.opts.Customers, Token: s.opts.CarrierToken})
	if err != nil {
		return err
	}
	if err := kept.into(s.Carrier); err != nil {
		return err
	}
	s.SMS, err = sms.New(s.opts.Now, s.Faults, sms.Options{
		Token: s.opts.SMSToken, OnChange: s.changed, OnEvent: s.gotSMS, State: kept.SMS,
	})
	if err != nil {
		return err
	}
	users := s.populate()
	o := s.opts
	s.WeChat, err = wechat.New(s.Now, s.log, s.Faults, wechat.Options{
		AppID: o.AppID, AppSecret: o.AppSecret, MiniAppID: o.MiniAppID, MiniAppSecret: o.MiniAppSecret,
		Token: o.Token, AESKey: o.AESKey, Mode: o.Mode, CallbackURL: o.CallbackURL,
		MiniCallbackURL: o.MiniCallbackURL, MiniJSON: o.MiniJSON, PublicURL: o.PublicURL, Seed: o.Seed, Wire: o.Now,
		Client: o.Client, Quotas: o.Quotas, Templates: o.Templates, CallbackTimeout: o.CallbackTimeout,
		OnChange: s.changed, OnEvent: s.events.send, State: kept.WeChat, Users: users,
	})
	return err
}

// Now is the sandbox's time: Options.Now and what the control moved it ahead.
// Windows, quotas, tokens, codes and the carrier live by it; stamps on the wire
// and in chats are Options.Now's.
func (s *Sandbox) Now() time.Time { return s.opts.Now().Add(time.Duration(s.moved.Load())) }

// Handler serves /wechat, /carrier, /sms and /control.
func (s *Sandbox) Handler() http.Handler { return s.mux }

// Idle waits until every callback that is due was made and answered.
func (s *Sandbox) Idle(ctx context.Context) error { return s.WeChat.Idle(ctx) }

// Close stops the callbacks, lets late effects happen and writes the snapshot.
func (s *Sandbox) Close() error {
	var err error
	s.closed.Do(func() {
		s.Faults.Close()
		s.WeChat.Close()
		s.events.close()
		s.stop()
		s.wait.Wait()
		if s.opts.Dir != "" {
			err = s.write()
		}
	})
	if err != nil {
		return fmt.Errorf("close the sandbox: %w", err)
	}
	return nil
}
