package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/model/schema"
)

// startLimit bounds how long the start may take; closeLimit what follows the last
// request.
const (
	startLimit = 30 * time.Second
	closeLimit = 10 * time.Second
)

// gcPercent is how much the heap may grow before it is collected, unless GOGC says
// otherwise. What lives is some 10 MB, so that the usual 100 has it collected with
// every 10 MB that are used, which under load is many times a second.
const gcPercent = 200

// serve serves until a signal comes.
func (s *settings) serve(ctx context.Context, _ []string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cfg, err := s.load()
	if err != nil {
		return err
	}
	log := app.NewLog(cfg.Log)
	app.DriversTo(log)
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	a, err := app.New(starting, cfg, log, time.Now)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.HTTP.Addr)
	if err != nil {
		return errors.Join(fmt.Errorf("http.addr: %w", err), a.Close(ctx))
	}
	a.Start()
	debug.FreeOSMemory() // what the start alone needed
	log.InfoContext(ctx, "serving", "addr", listener.Addr().String())
	serveErr := app.Serve(ctx, listener, a.Handler, cfg.HTTP.ShutdownTimeout)
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancelClosing()
	return errors.Join(serveErr, a.Close(closing))
}

// migrateLimit bounds a migration; a large table takes its time.
const migrateLimit = 6 * time.Hour

// migrate applies what is pending.
func (s *settings) migrate(ctx context.Context, _ []string) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateLimit)
	defer cancel()
	db, err := app.OpenDatabase(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	n, err := schema.Up(ctx, db)
	if err != nil {
		return err
	}
	fmt.Printf("%d migrations applied\n", n)
	return nil
}

// menu publishes the menu.
func (s *settings) menu(ctx context.Context, _ []string) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	a, err := app.New(ctx, cfg, app.NewLog(cfg.Log), time.Now)
	if err != nil {
		return err
	}
	return errors.Join(said(a.PublishMenu(ctx)), a.Close(ctx))
}
