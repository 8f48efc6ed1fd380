package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
	"kaimenhong/model/schema"
	"kaimenhong/sandbox"
	"kaimenhong/web"
)

// Limits of the start and of what follows the last request.
const (
	startLimit = 30 * time.Second
	closeLimit = 10 * time.Second
)

type run struct {
	Addr, Data string
}

// start starts everything and serves until a signal comes.
func (r *run) start(ctx context.Context, _ []string) (err error) {
	if err := os.MkdirAll(r.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	unlock, err := lock(r.Data)
	if err != nil {
		return err
	}
	defer unlock()
	listener, err := net.Listen("tcp", r.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	base := "http://" + listener.Addr().String()
	log := app.NewLog(config.Log{Level: "warn", Format: "text"})
	world, err := sandbox.New(sandbox.Options{
		CallbackURL: base + "/wechat/callback", MiniCallbackURL: base + "/wechat/mini/callback", PublicURL: base + "/sandbox", CarrierToken: carrierToken,
		Followers: math.MaxInt, // all but the personas, whom the visitor lets follow
		Dir:       filepath.Join(r.Data, "sandbox"), Log: log,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	a, err := r.application(starting, base, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
		defer cancel()
		err = errors.Join(err, a.Close(closing))
	}()
	if err := a.Stock(starting, goods(time.Now())); err != nil {
		return errors.Join(err, listener.Close())
	}
	played, err := a.Play(starting, games(time.Now()))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	a.Start()
	serving := make(chan error, 1)
	go func() { serving <- app.Serve(ctx, listener, together(a.Handler, world.Handler()), closeLimit) }()
	if err := a.PublishMenu(starting); err != nil {
		log.WarnContext(ctx, "menu not published", "error", err)
	}
	// Members are bound by asking the carrier, which is served by now.
	if err := festival(starting, a, world, played[0]); err != nil {
		log.WarnContext(ctx, "festival not planned", "error", err)
	}
	announce(base, r.Data)
	return <-serving
}

// application opens the embedded stores, brings them up to date and builds the
// application on them.
func (r *run) application(ctx context.Context, base string, log *slog.Logger) (*app.App, error) {
	cfg, err := settings(base, r.Data)
	if err != nil {
		return nil, err
	}
	db, err := app.OpenDatabase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	_, err = schema.Up(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return app.New(ctx, cfg, log, time.Now)
}

// together puts the phone page, the sandbox and the application under one address.
func together(application, world http.Handler) http.Handler {
	pages := web.Files()
	mux := http.NewServeMux()
	mux.Handle("/sandbox/", http.StripPrefix("/sandbox", world))
	mux.Handle("/phone/", pages)
	mux.Handle("/assets/", pages)
	mux.Handle("GET /{$}", http.RedirectHandler("/phone/", http.StatusFound))
	mux.Handle("/", application)
	return mux
}

func announce(base, data string) {
	fmt.Printf(`开门红 is running.
  phone      %s/
  callback   %s/wechat/callback
  metrics    %s/metrics
  sandbox    %s/sandbox/control/personas
  operators  %s/ops/docs (planner, reviewer and admin, password %s)
  data       %s
Stop it with Ctrl-C.
`, base, base, base, base, base, demoPassword, data)
}
